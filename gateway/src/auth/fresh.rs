//! The session cache: callers for whom the auth hook need not be called.

use std::sync::Arc;

use moka::future::Cache;

use super::keys::Keys;
use crate::session::Session;

/// Callers that are known at once, per API; beyond it the least used are forgotten.
const CALLERS: u64 = 200_000;
/// For how many seconds a session counts before the store is asked again.
const RECENT: i64 = 10;

/// Sessions by what the id extractor found.
pub struct Sessions {
    fresh: Cache<Vec<u8>, Fresh>,
}

/// A session that another request may use.
#[derive(Clone)]
pub struct Fresh {
    session: Arc<Session>,
    /// Unix seconds.
    until: i64,
    /// What the keys had been through when it was read.
    epoch: u64,
}

/// An answer of the plugin that is only for the request that got it.
#[derive(Clone, Copy, Debug)]
pub struct Unshared;

impl Fresh {
    /// The session, if its deadline lies ahead of `now` (unix seconds).
    pub fn new(session: &Arc<Session>, keys: &Keys, now: i64) -> Option<Self> {
        let deadline = session.state.id_extractor_deadline;
        (deadline > now).then(|| Self {
            session: Arc::clone(session),
            until: deadline.min(now.saturating_add(RECENT)),
            epoch: keys.epoch(),
        })
    }

    fn counts(&self, keys: &Keys, now: i64) -> bool {
        self.until > now && self.epoch == keys.epoch()
    }
}

impl Sessions {
    /// Knows nobody.
    pub fn new() -> Self {
        Self { fresh: Cache::new(CALLERS) }
    }

    /// The session of a caller, if it still counts.
    pub async fn get(&self, value: &[u8], keys: &Keys, now: i64) -> Option<Arc<Session>> {
        let held = self.fresh.get(value).await?;
        if held.counts(keys, now) {
            return Some(held.session);
        }
        self.fresh.invalidate(value).await;
        None
    }

    /// Runs `ask` for one of all requests that miss this caller at once. The others get its session;
    /// if it ends before its answer, the next one asks.
    pub async fn once(
        &self,
        value: &[u8],
        ask: impl Future<Output = Result<Fresh, Unshared>>,
    ) -> Result<Arc<Session>, Unshared> {
        match self.fresh.try_get_with_by_ref(value, ask).await {
            Ok(fresh) => Ok(fresh.session),
            Err(unshared) => Err(*unshared),
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}
