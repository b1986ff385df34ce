//! Who the caller is, and what follows from it.

pub mod access;
pub mod counters;
mod grant;
pub mod key;
pub mod lifetime;
mod patterns;
mod plugin;
pub mod policy;
mod size;
mod smoothing;
mod state;
pub mod windows;

use std::sync::Arc;

use coprocess::SessionState;
use thiserror::Error;

use self::grant::Grants;

pub use grant::{Grant, Quota, Rate, Realm, Throttle};
pub use plugin::from_plugin;
pub use smoothing::{Shift, Smoothing};
pub use state::{
    AccessDefinition, AllowedUrl, BasicAuth, Endpoint, EndpointLimit, EndpointMethod, Jwt, Limit, Monitor, State,
};

/// The metadata entry that names a session's counters.
const PATTERN: &str = "rate_limit_pattern";

/// Why a session does not let its caller in.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Denied {
    /// It is marked inactive.
    #[error("the session is inactive")]
    Inactive,
    /// Its expiry has passed.
    #[error("the session has expired")]
    Expired,
    /// Its access rights do not name this API, or this version of it.
    #[error("the session's access rights do not name this API, or this version of it")]
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
    /// The API's own rate is used up.
    #[error("the API's rate limit is used up")]
    ApiRate,
    /// Its organisation is marked inactive.
    #[error("the organisation is inactive")]
    OrgInactive,
    /// Its organisation's rate is used up.
    #[error("the organisation's rate limit is used up")]
    OrgRate,
    /// Its organisation's quota is used up.
    #[error("the organisation's quota is used up")]
    OrgQuota,
}

/// The session of a caller, as an auth step established it.
#[derive(Debug)]
pub struct Session {
    /// What is known of the caller, policies applied.
    pub state: State,
    /// Under what it is stored and counted.
    pub key: Key,
    grants: Grants,
}

/// What was left of a quota when a request had been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Of so many requests.
    pub limit: i64,
    /// Requests.
    pub remaining: i64,
    /// Unix seconds.
    pub renews: i64,
    /// Whether the quota is the session's own, rather than one for some APIs.
    pub own: bool,
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
    /// A session; what it grants is worked out when it is used.
    pub fn new(state: State, key: Key) -> Self {
        Self { state, key, grants: Grants::default() }
    }

    /// What it grants on an API.
    pub fn grant(&self, realm: &Realm) -> &Grant {
        self.grants.of(&realm.api_id, || Grant::compile(&self.state, &self.key.name, realm))
    }

    /// The quota's size on this API, what is left of it, and when it renews (unix seconds).
    pub fn quota(&self, realm: &Realm, left: Option<Left>) -> [i64; 3] {
        let [max, remaining, renews] = self.grant(realm).figures;
        left.map_or([max, remaining, renews], |left| [max, left.remaining, left.renews])
    }

    /// What names its counters in its key's place, if it names them itself.
    pub fn pattern(&self) -> Option<&str> {
        self.state.meta_data.get(PATTERN)?.as_str()
    }

    /// The session as plugins get it.
    pub fn for_plugin(&self, left: Option<Left>) -> SessionState {
        let mut told = plugin::for_plugin(&self.state, &self.key.id);
        if let Some(Left { remaining, renews, .. }) = left.filter(|left| left.own) {
            (told.quota_remaining, told.quota_renews) = (remaining, renews);
        }
        told
    }
}

impl Clone for Session {
    /// What it grants is worked out anew: a clone is made to be changed.
    fn clone(&self) -> Self {
        Self::new(self.state.clone(), self.key.clone())
    }
}

/// The session that a response hook gets where there is none.
pub fn zero() -> SessionState {
    plugin::for_plugin(&State::default(), "")
}
