//! Who the caller is, and what follows from it.

pub mod access;
pub mod key;
pub mod lifetime;
pub mod limits;
mod plugin;
pub mod policy;
mod state;

use std::sync::Arc;

use coprocess::SessionState;
use thiserror::Error;

pub use plugin::from_plugin;
pub use state::{
    AccessDefinition, AllowedUrl, BasicAuth, Endpoint, EndpointLimit, EndpointMethod, Jwt, Limit, Monitor, State,
};

/// Why a session does not let its caller in.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Denied {
    /// It is marked inactive.
    #[error("the session is inactive")]
    Inactive,
    /// Its expiry has passed.
    #[error("the session has expired")]
    Expired,
    /// Its access rights do not name this API.
    #[error("the session's access rights do not name this API")]
    Api,
    /// Its allowed URLs do not name this path and method.
    #[error("the session's allowed urls do not name this path and method")]
    Path,
    /// Its rate is used up.
    #[error("the session's rate limit is used up")]
    Rate,
    /// Its quota is used up.
    #[error("the session's quota is used up")]
    Quota,
}

/// The session of a caller, as an auth step established it.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// What is known of the caller, policies applied.
    pub state: State,
    /// Under what it is stored and counted.
    pub key: Key,
}

/// The key id of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// As plugins and operators know it.
    pub id: Arc<str>,
    /// As the store and the counters know it: hashed, if keys are.
    pub name: Arc<str>,
}

impl Session {
    /// The quota's size on this API, what is left of it, and when it renews (unix seconds).
    pub fn quota(&self, api_id: &str) -> [i64; 3] {
        match self.state.own_limit(api_id) {
            Some(rights) => [rights.limit.quota_max, rights.limit.quota_remaining, rights.limit.quota_renews],
            None => [self.state.quota_max, self.state.quota_remaining, self.state.quota_renews],
        }
    }

    /// The session as plugins get it.
    pub fn for_plugin(&self) -> SessionState {
        plugin::for_plugin(&self.state, &self.key.id)
    }
}

/// The session that a response hook gets where there is none.
pub fn zero() -> SessionState {
    plugin::for_plugin(&State::default(), "")
}
