//! What a session may use: rates, in fixed windows per counter in this process, and quotas.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::key::Function;
use super::{AccessDefinition, Denied, Endpoint, EndpointLimit, State};
use crate::pattern::re2;

/// Keys whose windows are remembered; beyond it the least used are forgotten.
const KEYS: u64 = 1_000_000;

/// The open windows of all keys; shared by the workers.
#[derive(Debug)]
pub struct Limiter {
    windows: Cache<Arc<str>, Arc<Mutex<Window>>>,
}

#[derive(Debug)]
struct Window {
    opened: Instant,
    used: f64,
}

impl Limiter {
    /// A limiter that has seen nobody.
    pub fn new() -> Self {
        Self { windows: Cache::new(KEYS) }
    }

    /// Counts one request under this name: `rate` requests in each window of `per` seconds (whole
    /// seconds, at least one), opened by the first; refusals cost nothing. No rate is no limit.
    pub fn admit(&self, name: &str, rate: f64, per: f64, now: Instant) -> Result<(), Denied> {
        if rate <= 0.0 {
            return Ok(());
        }
        let opened = || Arc::new(Mutex::new(Window { opened: now, used: 0.0 }));
        let window = self.windows.get(name).unwrap_or_else(|| self.windows.get_with(name.into(), opened));
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.opened) >= length(per) {
            *window = Window { opened: now, used: 0.0 };
        }
        if window.used + 1.0 > rate {
            return Err(Denied::Rate);
        }
        window.used += 1.0;
        Ok(())
    }
}

impl Limiter {
    /// Lets the window of this name open anew.
    pub fn forget(&self, name: &str) {
        self.windows.invalidate(name);
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

fn length(per: f64) -> Duration {
    Duration::try_from_secs_f64(per.trunc().max(1.0)).unwrap_or(Duration::MAX)
}

/// What one session may use of one API.
#[derive(Debug, PartialEq)]
pub struct Allowance<'a> {
    /// Requests in `per` seconds.
    pub rate: f64,
    /// Seconds.
    pub per: f64,
    /// Requests until the quota renews; none unless positive.
    pub quota_max: i64,
    /// Seconds.
    pub quota_renewal: i64,
    /// Which counters count; the session's own where it is empty.
    pub scope: &'a str,
    /// What the rate's counter is told apart by, if a path has a rate of its own.
    pub endpoint: Option<String>,
}

impl<'a> Allowance<'a> {
    /// The API's own limits, or else the session's; a path below the listen path may have a rate of
    /// its own. A path pattern that is no regular expression is none.
    pub fn of(state: &'a State, api_id: &str, method: &str, path: &str) -> Self {
        let rights = state.access_rights.get(api_id);
        let scope = rights.map_or("", |rights| &rights.allowance_scope);
        let mut allowance = match state.own_limit(api_id) {
            Some(AccessDefinition { limit, .. }) => Self {
                rate: limit.rate,
                per: limit.per,
                quota_max: limit.quota_max,
                quota_renewal: limit.quota_renewal_rate,
                scope,
                endpoint: None,
            },
            None => Self {
                rate: state.rate,
                per: state.per,
                quota_max: state.quota_max,
                quota_renewal: state.quota_renewal_rate,
                scope,
                endpoint: None,
            },
        };
        let endpoints = rights.map_or(&[][..], |rights| &rights.endpoints);
        if let Some((endpoint, limit)) = endpoints.iter().find_map(|endpoint| matching(endpoint, method, path)) {
            (allowance.rate, allowance.per) = (limit.rate, limit.per);
            allowance.endpoint = Some(Function::Murmur32.hash(format!("{method}:{}", endpoint.path).as_bytes()));
        }
        allowance
    }

    /// The name of the rate's counter for a key.
    pub fn rate_name(&self, key: &str) -> String {
        let parts = ["rate-limit", self.scope, key, self.endpoint.as_deref().unwrap_or_default()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
    }

    /// The name of the quota's counter for a key.
    pub fn quota_name(&self, key: &str) -> String {
        if self.scope.is_empty() { format!("quota-{key}") } else { format!("quota-{}-{key}", self.scope) }
    }
}

fn matching<'a>(endpoint: &'a Endpoint, method: &str, path: &str) -> Option<(&'a Endpoint, &'a EndpointLimit)> {
    let limit = endpoint.methods.iter().find(|written| written.name.eq_ignore_ascii_case(method))?;
    re2::compile(&endpoint.path).ok()?.is_match(path).then_some((endpoint, &limit.limit))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_window_admits_the_rate_and_opens_again_after_its_whole_seconds() {
        let (limiter, start) = (Limiter::new(), Instant::now());
        let admitted = |at: f64| limiter.admit("a", 2.0, 2.5, start + Duration::from_secs_f64(at)).is_ok();
        assert_eq!([0.0, 0.5, 1.0, 1.9, 2.0].map(admitted), [true, true, false, false, true]);
    }

    #[test]
    fn names_have_windows_of_their_own_and_no_rate_is_no_limit() {
        let (limiter, now) = (Limiter::new(), Instant::now());
        let admit = |name, rate| limiter.admit(name, rate, 1.0, now);
        assert_eq!([admit("a", 1.0), admit("a", 1.0)], [Ok(()), Err(Denied::Rate)]);
        assert_eq!([admit("b", 1.0), admit("a", 0.0)], [Ok(()), Ok(())]);
    }

    #[test]
    fn an_apis_own_limit_counts_before_the_sessions_and_a_paths_rate_before_both() {
        let text = r#"{"rate": 1, "per": 2, "quota_max": 3, "quota_renewal_rate": 4, "access_rights": {
            "own": {"limit": {"rate": 5, "per": 6, "quota_max": 7}, "allowance_scope": "own",
                    "endpoints": [{"path": "^/x", "methods": [{"name": "get", "limit": {"rate": 8, "per": 9}}]}]},
            "none": {}}}"#;
        let state: State = serde_json::from_str(text).unwrap();
        let of = |api, method| Allowance::of(&state, api, method, "/x/1");
        let (none, own, path) = (of("none", "GET"), of("own", "POST"), of("own", "GET"));
        assert_eq!((none.rate, none.quota_max, none.quota_renewal), (1.0, 3, 4));
        assert_eq!((own.rate, own.per, own.quota_max), (5.0, 6.0, 7));
        assert_eq!((path.rate, path.per, path.quota_max), (8.0, 9.0, 7));
        assert_eq!([none.rate_name("k"), own.rate_name("k")], ["rate-limit-k", "rate-limit-own-k"]);
        assert!(path.rate_name("k").starts_with("rate-limit-own-k-"));
        assert_eq!([none.quota_name("k"), own.quota_name("k")], ["quota-k", "quota-own-k"]);
    }
}
