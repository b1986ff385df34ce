//! Where sessions and counters live: embedded in this process, or in Redis shared with others.
//!
//! The operations are those of the domain. Names of sessions are what [`crate::session::key`]
//! makes of a key id; the `apikey-`, `orgkey.` and `quota-` before them belong to the store.

mod certificates;
mod embedded;
mod redis;

use std::time::Duration;

use thiserror::Error;

use crate::config;
use crate::session::{Shift, Smoothing};

pub use embedded::Embedded;
pub use redis::Redis;
#[cfg(test)]
pub(crate) use redis::server::RedisServer;
pub(crate) use redis::{Pace, Plan};

/// One worker's way to the store.
#[derive(Clone)]
pub enum Store {
    /// In the data folder of this process.
    Embedded(Embedded),
    /// In Redis.
    Redis(Redis),
}

/// The store that the configuration names, not yet connected to.
pub enum Opened {
    /// The folder is open.
    Embedded(Embedded),
    /// Each worker has a connection of its own.
    Redis(Box<config::Redis>),
}

impl Opened {
    /// Opens the store.
    pub fn open(storage: &config::Storage) -> Result<Self, StoreError> {
        Ok(match storage {
            config::Storage::Embedded(folder) => Self::Embedded(Embedded::open(folder)?),
            config::Storage::Redis(redis) => Self::Redis(Box::new(redis.clone())),
        })
    }

    /// The way to it from the runtime that this is called on.
    pub fn connect(&self) -> Result<Store, StoreError> {
        Ok(match self {
            Self::Embedded(store) => Store::Embedded(store.clone()),
            Self::Redis(redis) => Store::Redis(Redis::new(redis)?),
        })
    }
}

/// Which sessions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Those of keys.
    Key,
    /// Those of organisations.
    Org,
}

/// The store did not do what was asked.
#[derive(Clone, Debug, Error)]
#[error("the store at {place}: {reason}")]
pub struct StoreError {
    /// A folder or an address.
    pub place: String,
    /// What happened, and what to do where that is known.
    pub reason: String,
}

/// What one request is counted on. The rate comes first; a request that it refuses costs no quota.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count<'a> {
    /// A sliding log, if the rate is to be counted in the store.
    pub rate: Option<RateCount<'a>>,
    /// A quota.
    pub quota: Option<QuotaCount<'a>>,
}

/// At most `rate` requests in the last `per` seconds; refused requests are logged too.
#[derive(Clone, Copy, Debug)]
pub struct RateCount<'a> {
    /// The counter's whole name.
    pub name: &'a str,
    /// Requests.
    pub rate: f64,
    /// Seconds.
    pub per: f64,
    /// Only asks.
    pub dry_run: bool,
    /// How the limit follows the requests, in Redis; elsewhere it is always the rate.
    pub smoothing: Option<&'a Smoothing>,
}

/// At most `max` requests until the counter renews; refused requests are counted too.
#[derive(Clone, Copy, Debug)]
pub struct QuotaCount<'a> {
    /// The counter's whole name.
    pub name: &'a str,
    /// Requests.
    pub max: i64,
    /// Seconds; the counter never renews unless positive.
    pub renewal: i64,
}

/// What counting a request said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    /// Whether the rate let it pass, and how many the window had seen before it.
    pub rate: Option<Rated>,
    /// Where the quota stands, unless the rate refused.
    pub quota: Option<Quota>,
}

/// Where a rate stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rated {
    /// Whether the request may pass.
    pub admitted: bool,
    /// How many may pass now: the rate, or less where it is smoothed.
    pub limit: f64,
    /// How this request changed that.
    pub shift: Option<Shift>,
    /// Requests in the window before this one.
    pub used: u64,
    /// When the oldest of them leaves the window, in seconds from now; if there was none, this one's `per`.
    pub frees: f64,
}

/// Where a quota stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests counted, this one too.
    pub used: i64,
    /// When it renews, in unix seconds; now if it never does.
    pub renews: i64,
}

impl Store {
    /// The first of these sessions that exists, as JSON, and its place in the list; one round trip.
    pub async fn session(&self, space: Space, names: &[&str]) -> Result<Option<(usize, Vec<u8>)>, StoreError> {
        match self {
            Self::Embedded(store) => store.session(space, names),
            Self::Redis(store) => store.session(space, names).await,
        }
    }

    /// Stores a session, in place of what was there; for ever without a lifetime.
    pub async fn put_session(
        &self,
        space: Space,
        name: &str,
        json: &[u8],
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Embedded(store) => store.put_session(space, name, json, lifetime).await,
            Self::Redis(store) => store.put_session(space, name, json, lifetime).await,
        }
    }

    /// Starts the lifetime of a session anew, if it still exists.
    pub async fn touch_session(&self, space: Space, name: &str, lifetime: Option<Duration>) -> Result<(), StoreError> {
        match self {
            Self::Embedded(store) => store.touch_session(space, name, lifetime).await,
            Self::Redis(store) => store.touch_session(space, name, lifetime).await,
        }
    }

    /// Removes a session; whether there was one.
    pub async fn delete_session(&self, space: Space, name: &str) -> Result<bool, StoreError> {
        match self {
            Self::Embedded(store) => store.delete_session(space, name).await,
            Self::Redis(store) => store.delete_session(space, name).await,
        }
    }

    /// The names of all sessions that begin like this.
    pub async fn sessions(&self, space: Space, prefix: &str) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Embedded(store) => store.sessions(space, prefix).await,
            Self::Redis(store) => store.sessions(space, prefix).await,
        }
    }

    /// Counts one request; one round trip.
    pub async fn count(&self, count: Count<'_>) -> Result<Counted, StoreError> {
        match self {
            Self::Embedded(store) => store.count(count),
            Self::Redis(store) => store.count(count).await,
        }
    }

    /// Counts one request on a counter that is its window, and on the quota unless that is full; one
    /// round trip.
    pub async fn count_in_window(
        &self,
        window: QuotaCount<'_>,
        quota: Option<QuotaCount<'_>>,
    ) -> Result<(Quota, Option<Quota>), StoreError> {
        match self {
            Self::Embedded(store) => store.count_in_window(window, quota),
            Self::Redis(store) => store.count_in_window(window, quota).await,
        }
    }

    /// Where quotas stand, without counting; one round trip.
    pub async fn quotas(&self, names: &[&str]) -> Result<Vec<Option<Quota>>, StoreError> {
        match self {
            Self::Embedded(store) => store.quotas(names),
            Self::Redis(store) => store.quotas(names).await,
        }
    }

    /// Forgets counters, given by their whole names.
    pub async fn reset(&self, names: &[String]) -> Result<(), StoreError> {
        match self {
            Self::Embedded(store) => store.reset(names).await,
            Self::Redis(store) => store.reset(names).await,
        }
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(store) => store.ping().await,
            Self::Redis(store) => store.ping().await,
        }
    }
}
