//! Who the caller is, and what follows from it.

pub mod access;
pub mod limits;

use coprocess::{BasicAuthData, JwtData, Monitor, SessionState};
use thiserror::Error;

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
    /// It has a quota, and there is no store to count it in.
    #[error("the session has a quota (quota_max > 0), which this version cannot count; return sessions without one")]
    Quota,
}

/// The session of a caller, as an auth step established it.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    state: SessionState,
}

impl Session {
    /// Takes over the session that a plugin returned, for callers of `org_id` known as `key_id`.
    pub fn from_plugin(mut state: SessionState, org_id: &str, key_id: &str) -> Self {
        state.org_id = org_id.to_owned();
        state.key_id = key_id.to_owned();
        Self { state }
    }

    /// What is known of the caller.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The quota's size, what is left of it, and when it renews (unix seconds).
    pub fn quota(&self) -> [i64; 3] {
        [self.state.quota_max, self.state.quota_remaining, self.state.quota_renews]
    }

    /// The session as plugins get it: never a certificate nor a query depth, always its three parts.
    pub fn for_plugin(&self) -> SessionState {
        with_parts(SessionState { certificate: String::new(), max_query_depth: 0, ..self.state.clone() })
    }
}

/// The session that a response hook gets where there is none.
pub fn zero() -> SessionState {
    with_parts(SessionState::default())
}

fn with_parts(mut state: SessionState) -> SessionState {
    state.basic_auth_data.get_or_insert_with(BasicAuthData::default);
    state.jwt_data.get_or_insert_with(JwtData::default);
    state.monitor.get_or_insert_with(Monitor::default);
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_never_see_a_certificate_or_a_query_depth() {
        let state =
            SessionState { certificate: "c".into(), max_query_depth: 7, alias: "a".into(), ..Default::default() };
        let session = Session::from_plugin(state, "org", "key");
        assert_eq!(
            session.for_plugin(),
            SessionState { alias: "a".into(), org_id: "org".into(), key_id: "key".into(), ..zero() }
        );
    }
}
