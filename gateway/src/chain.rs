//! The order of things: what happens to a request of an API, step by step.

mod addresses;
mod breaker;
mod cache;
mod compile;
pub mod cors;
mod endpoints;
mod error_overrides;
mod expiry;
mod headers;
mod limiter;
mod limits;
mod monitor;
mod organisation;
mod plan;
mod redirect;
mod report;
mod rewrite;
mod schema;
mod size;
mod timeouts;
mod version_check;
mod versions;

use std::sync::Arc;

use http::Method;

pub use addresses::AddressRefused;
pub use cache::Answers;
pub use compile::{CompileError, Shared, compile, lifetimes};
pub use headers::HeaderChange;
pub use limiter::Limiter;
pub use limits::{ApiLimit, Limits};
pub use monitor::Monitor;
pub use organisation::Organisation;
pub use redirect::LoopError;
pub use rewrite::RewriteError;
pub use schema::SchemaError;
pub use size::SizeError;
pub use versions::VersionError;

use crate::auth::Auth;
use crate::auth::session_cache::Counts;
use crate::definition::Refusal;
use crate::error::{Overrides, Stop};
use crate::exchange::{Exchange, Reply};
use crate::hook::Hook;
use crate::sockets::Sockets;
use crate::store::{Store, StoreError};
use crate::upstream::Check;
use plan::Plan;
use report::Reports;
use versions::{Choice, Versions};

/// What an API's definition asks for, compiled when it was loaded.
pub struct Chain {
    api_id: Arc<str>,
    versions: Versions,
    /// The tests of its upstreams.
    checks: Vec<Check>,
    /// Who hears of what stops requests.
    reports: Option<Arc<Reports>>,
    left_out: Vec<Refusal>,
    /// What stands in the place of error answers.
    pub overrides: Option<Arc<Overrides>>,
    /// Whether OPTIONS goes to the upstream, past everything.
    passes_options: bool,
}

/// How a chain ends that no step stopped.
pub enum End {
    /// With the upstream's reply.
    Reply(Reply),
    /// In another chain.
    Elsewhere(Elsewhere),
}

/// Where a request goes on that another chain, or the same one again, is to take.
#[derive(Debug)]
pub enum Elsewhere {
    /// The API that it is in.
    Itself,
    /// The API of this id or name.
    Api {
        /// The id, or the name as in [`crate::api::Registry::named`].
        name: String,
    },
    /// The API that is the version which the request names.
    Version {
        /// Its id.
        id: String,
    },
}

impl Chain {
    /// The event handlers that hear nothing, and why.
    pub fn left_out(&self) -> &[Refusal] {
        &self.left_out
    }

    /// What lets every request fail that comes to it, although the API is served.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        let flaw = self.auth().and_then(|auth| auth.flaw());
        let uncallable = self.hooks().filter_map(|hook| {
            let reason = hook.server.as_ref().err()?;
            Some(format!("hook {:?} ({}) cannot be called: {reason}", hook.name, hook.kind))
        });
        let closed = match &self.versions {
            Versions::Closed(error) => Some(error.to_string()),
            Versions::One(_) | Versions::Named(_) => None,
        };
        uncallable.chain(flaw).chain(closed)
    }

    /// How often the session cache was of use, if the API has one.
    pub fn session_cache(&self) -> Option<&Counts> {
        self.auth()?.session_cache()
    }

    /// The tests of its upstreams.
    pub fn upstream_checks(&self) -> &[Check] {
        &self.checks
    }

    /// Forgets the keys that others published for JWTs, and says whether the API takes JWTs.
    pub fn forget_key_sets(&self) -> bool {
        self.auth().is_some_and(|auth| auth.forget_key_sets())
    }

    /// Forgets the replies that are kept.
    pub async fn forget_answers(&self, store: &Store) -> Result<(), StoreError> {
        // All versions have one shelf.
        match self.versions.plans().find_map(|plan| plan.cache.as_ref()) {
            Some(cache) => cache.forget(store).await,
            None => Ok(()),
        }
    }

    /// All versions have the same.
    fn auth(&self) -> Option<&Arc<Auth>> {
        self.versions.plans().next()?.auth()
    }

    /// All versions have the same.
    fn hooks(&self) -> impl Iterator<Item = &Hook> {
        self.versions.plans().take(1).flat_map(Plan::hooks)
    }

    /// Takes a request to the upstream, past everything: a browser that asks names no version.
    async fn pass(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<End, Stop> {
        let plan = match self.versions.of(exchange) {
            Ok(Choice::Api(id)) => return Ok(End::Elsewhere(Elsewhere::Version { id: id.clone() })),
            Ok(Choice::Plan(plan)) => plan,
            Err(error) => self.versions.plans().next().ok_or(error)?,
        };
        // Large, and rarer than other requests, whose futures it must not make large.
        Box::pin(plan.forward(exchange, sockets, None)).await
    }

    /// Takes `exchange` through the chain, unless a step answers in the upstream's place.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<End, Stop> {
        if self.passes_options && exchange.head.method == Method::OPTIONS {
            return self.pass(exchange, sockets).await;
        }
        match self.versions.of(exchange)? {
            Choice::Plan(plan) => plan.run(exchange, sockets).await,
            Choice::Api(id) => Ok(End::Elsewhere(Elsewhere::Version { id: id.clone() })),
        }
    }
}
