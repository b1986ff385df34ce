//! What a session grants on one API, worked out once and kept with the session.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use super::patterns::{self, compiled};
use super::{AccessDefinition, AllowedUrl, Denied, Endpoint, Limit, Smoothing, State, counters};
use crate::exchange::Target;
use crate::pattern::ListenPath;
use crate::pattern::endpoint::Matching;

/// What may be called on one API, and how often.
#[derive(Debug)]
pub struct Grant {
    /// Paths and methods; all if there is no list.
    urls: Option<Urls>,
    rate: Option<Rate>,
    /// Paths with a rate of their own; the first that matches counts.
    endpoints: Vec<EndpointRate>,
    /// How long a request over its rate may wait.
    pub throttle: Option<Throttle>,
    /// How many requests until the quota renews.
    pub quota: Option<Quota>,
    /// The quota's size, what was left of it and when it renews (unix seconds), as the session has it.
    pub figures: [i64; 3],
}

/// At most `rate` requests in `per` seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The counter's whole name.
    pub name: Box<str>,
    /// Requests, more than none.
    pub rate: f64,
    /// Seconds, more than none.
    pub per: f64,
    /// How its limit follows the requests, if it is to.
    pub smoothing: Option<Box<Smoothing>>,
}

/// At most `max` requests in `renewal` seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The counter's whole name.
    pub name: Box<str>,
    /// Requests, more than none.
    pub max: i64,
    /// Seconds; it never renews unless positive.
    pub renewal: i64,
    /// Whether it is the session's own, rather than one for some APIs.
    pub own: bool,
}

/// So often, so long apart, a request over its rate tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// How often.
    pub tries: u32,
    /// How long before each.
    pub interval: Duration,
}

/// An API on which something is granted.
#[derive(Clone, Debug)]
pub struct Realm {
    /// Its id, as access rights name it.
    pub api_id: Arc<str>,
    /// How its paths match.
    pub paths: Matching,
}

#[derive(Debug)]
struct Urls {
    list: Vec<Url>,
    /// Whether they are written below the listen path, too.
    below: bool,
}

#[derive(Debug)]
struct Url {
    pattern: Regex,
    methods: Vec<String>,
}

#[derive(Debug)]
struct EndpointRate {
    pattern: Regex,
    method: String,
    rate: Option<Rate>,
}

impl Rate {
    /// A rate; none unless there are requests to count.
    pub fn new(name: String, rate: f64, per: f64) -> Option<Self> {
        let per = if per > 0.0 { per } else { 1.0 };
        (rate > 0.0).then(|| Self { name: name.into(), rate, per, smoothing: None })
    }

    /// Lets its limit follow the requests as the first of these says that counts for it.
    fn smoothed<'a>(mut self, written: impl IntoIterator<Item = &'a Value>) -> Self {
        self.smoothing = Smoothing::choose(written, &self.name, self.rate);
        self
    }
}

impl Grant {
    /// What a session grants on an API: the API's own limits, or else the session's, on counters of
    /// this name. A pattern that is no regular expression matches nothing.
    pub fn compile(state: &State, name: &str, Realm { api_id, paths }: &Realm) -> Self {
        let rights = state.access_rights.get(&**api_id);
        let scope = rights.map_or("", |rights| &rights.allowance_scope);
        let limit = state.own_limit(api_id).map_or_else(|| state.root_limit(), |rights| rights.limit.clone());
        let smoothing = [&limit.smoothing, &state.smoothing];
        let quota = (limit.quota_max > 0).then(|| Quota {
            name: counters::quota(scope, name).into(),
            max: limit.quota_max,
            renewal: limit.quota_renewal_rate,
            own: scope.is_empty(),
        });
        Self {
            urls: rights.and_then(|rights| Urls::compile(rights, *paths)),
            rate: Rate::new(counters::rate(scope, name), limit.rate, limit.per).map(|rate| rate.smoothed(smoothing)),
            endpoints: rights.map_or_else(Vec::new, |rights| endpoints(&rights.endpoints, smoothing, scope, name)),
            throttle: throttle(&limit),
            quota,
            figures: [limit.quota_max, limit.quota_remaining, limit.quota_renews],
        }
    }

    /// Refuses a method and target that the session's allowed URLs for this API do not name.
    pub fn check_url(&self, method: &str, target: &Target, listen_path: &ListenPath) -> Result<(), Denied> {
        let opens = self.urls.as_ref().is_none_or(|urls| urls.name(method, target, listen_path));
        opens.then_some(()).ok_or(Denied::Path)
    }

    /// The rate that counts for a method (in any case) and a path below the listen path.
    pub fn rate<P: AsRef<str>>(&self, method: &str, path: impl FnOnce() -> P) -> Option<&Rate> {
        if self.endpoints.is_empty() {
            return self.rate.as_ref();
        }
        let path = path();
        let matches = |endpoint: &&EndpointRate| {
            endpoint.method.eq_ignore_ascii_case(method) && endpoint.pattern.is_match(path.as_ref())
        };
        self.endpoints.iter().find(matches).map_or(self.rate.as_ref(), |endpoint| endpoint.rate.as_ref())
    }
}

impl Urls {
    /// Their case counts, whatever that of an API's own paths does.
    fn compile(rights: &AccessDefinition, paths: Matching) -> Option<Self> {
        let matching = Matching { ignore_case: false, ..paths };
        let url = |AllowedUrl { url, methods }: &AllowedUrl| {
            patterns::endpoint(url, matching).map(|pattern| Url { pattern, methods: methods.clone() })
        };
        let list = || rights.allowed_urls.iter().filter_map(url).collect();
        (!rights.allowed_urls.is_empty()).then(|| Self { list: list(), below: matching.prefix })
    }

    fn name(&self, method: &str, target: &Target, listen_path: &ListenPath) -> bool {
        let whole = target.decoded_path();
        let below = self.below.then(|| listen_path.below(target));
        let fits =
            |pattern: &Regex| pattern.is_match(&whole) || below.as_deref().is_some_and(|below| pattern.is_match(below));
        self.list.iter().any(|url| url.methods.iter().any(|m| m == method) && fits(&url.pattern))
    }
}

/// A path's rate without smoothing of its own is smoothed like the rate in whose place it stands.
fn endpoints(written: &[Endpoint], smoothing: [&Value; 2], scope: &str, name: &str) -> Vec<EndpointRate> {
    let mut endpoints = Vec::new();
    for endpoint in written {
        let Some(pattern) = compiled(&endpoint.path) else { continue };
        for method in &endpoint.methods {
            let name = counters::endpoint(scope, name, &method.name, &endpoint.path);
            let rate = Rate::new(name, method.limit.rate, method.limit.per);
            let rate = rate.map(|rate| rate.smoothed([&method.limit.smoothing].into_iter().chain(smoothing)));
            endpoints.push(EndpointRate { pattern: pattern.clone(), method: method.name.clone(), rate });
        }
    }
    endpoints
}

fn throttle(limit: &Limit) -> Option<Throttle> {
    let tries = u32::try_from(limit.throttle_retry_limit).ok().filter(|tries| *tries > 0)?;
    let interval = Duration::try_from_secs_f64(limit.throttle_interval).unwrap_or_default();
    Some(Throttle { tries, interval })
}

/// The grants of a session on the APIs that it was used on; a list that only grows and is never locked.
#[derive(Debug, Default)]
pub(super) struct Grants(OnceLock<Box<Entry>>);

#[derive(Debug)]
struct Entry {
    api_id: Arc<str>,
    grant: Grant,
    next: Grants,
}

impl Grants {
    /// The grant on an API, made when it is first asked for.
    pub(super) fn of(&self, api_id: &Arc<str>, make: impl Fn() -> Grant) -> &Grant {
        let mut place = self;
        loop {
            let new = || Entry { api_id: Arc::clone(api_id), grant: make(), next: Self::default() };
            let entry = place.0.get_or_init(|| Box::new(new()));
            if entry.api_id == *api_id {
                return &entry.grant;
            }
            place = &entry.next;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn grant(api_id: &str, text: &str) -> Grant {
        matching(api_id, text, Matching::default())
    }

    fn matching(api_id: &str, text: &str, paths: Matching) -> Grant {
        Grant::compile(&serde_json::from_str(text).unwrap(), "k", &Realm { api_id: api_id.into(), paths })
    }

    fn check(grant: &Grant, method: &str, path: &str) -> Result<(), Denied> {
        grant.check_url(method, &Target::parse(path).unwrap(), &ListenPath::parse("/k/").unwrap())
    }

    #[test]
    fn an_apis_own_limit_counts_before_the_sessions_and_a_paths_rate_before_both() {
        let text = r#"{"rate": 1, "per": 2, "quota_max": 3, "quota_renewal_rate": 4, "access_rights": {
            "own": {"limit": {"rate": 5, "per": 6, "quota_max": 7}, "allowance_scope": "own",
                    "endpoints": [{"path": "^/x", "methods": [{"name": "get", "limit": {"rate": 8, "per": 9}}]}]},
            "none": {}}}"#;
        let (none, own) = (grant("none", text), grant("own", text));
        let rate = |grant: &Grant, method| grant.rate(method, || "/x/1").cloned().unwrap();
        let figures = |rate: &Rate| (rate.name.to_string(), rate.rate, rate.per);
        assert_eq!(figures(&rate(&none, "GET")), ("rate-limit-k".to_owned(), 1.0, 2.0));
        assert_eq!(figures(&rate(&own, "POST")), ("rate-limit-own-k".to_owned(), 5.0, 6.0));
        let path = rate(&own, "GET");
        assert_eq!((path.rate, path.per), (8.0, 9.0));
        assert!(path.name.starts_with("rate-limit-own-k-"), "{}", path.name);
        let quota = |grant: Grant| grant.quota.map(|quota| (quota.name.to_string(), quota.max, quota.own)).unwrap();
        assert_eq!(quota(none), ("quota-k".to_owned(), 3, true));
        assert_eq!(quota(own), ("quota-own-k".to_owned(), 7, false));
    }

    #[test]
    fn a_rate_is_smoothed_as_its_own_limit_says_or_else_as_the_sessions() {
        let smoothing = |threshold| {
            let each = r#""trigger": 0.5, "step": 1, "delay": 1"#;
            format!(r#""smoothing": {{"enabled": true, "threshold": {threshold}, {each}}}"#)
        };
        let endpoint = |path: &str, own: &str| {
            format!(r#"{{"path": "{path}", "methods": [{{"name": "GET", "limit": {{"rate": 9, "per": 1{own}}}}}]}}"#)
        };
        let endpoints = [endpoint("/own", &format!(", {}", smoothing(7))), endpoint("/other", "")].join(",");
        let text = format!(
            r#"{{"rate": 10, "per": 1, {}, "access_rights": {{
                "own": {{"limit": {{"rate": 10, "per": 1, {}}}, "endpoints": [{endpoints}]}},
                "none": {{"limit": {{"rate": 6, "per": 1}}}}, "few": {{"limit": {{"rate": 5, "per": 1}}}}}}}}"#,
            smoothing(5),
            smoothing(6)
        );
        let threshold = |api: &str, path: &'static str| {
            let grant = grant(api, &text);
            grant.rate("GET", || path).unwrap().smoothing.as_ref().map(|smoothing| smoothing.threshold)
        };
        assert_eq!([threshold("own", "/"), threshold("other", "/")], [Some(6), Some(5)]);
        assert_eq!([threshold("own", "/own"), threshold("own", "/other")], [Some(7), Some(6)]);
        assert_eq!([threshold("none", "/"), threshold("few", "/")], [Some(5), None]);
        let smoothing = grant("own", &text).rate("GET", || "/").unwrap().smoothing.clone();
        assert_eq!(&*smoothing.unwrap().name, "rate-limit-k-allowance");
    }

    #[test]
    fn no_rate_and_no_quota_are_no_limits() {
        for text in ["{}", r#"{"rate": -1, "quota_max": -1}"#] {
            let grant = grant("a", text);
            assert_eq!((grant.rate("GET", || "/"), &grant.quota), (None, &None));
        }
    }

    #[test]
    fn allowed_urls_are_unanchored_patterns_with_methods() {
        let text = r#"{"access_rights": {"a": {"allowed_urls": [{"url": "(broken", "methods": ["GET"]},
            {"url": "/x", "methods": ["GET"]}]}, "all": {}, "none": {"allowed_urls": [{"url": "(", "methods": ["GET"]}]}}}"#;
        let check = |api, method, path| check(&grant(api, text), method, path);
        assert_eq!(check("a", "GET", "/k/x1"), Ok(()));
        assert_eq!(check("a", "POST", "/k/x1"), Err(Denied::Path));
        assert_eq!(check("a", "GET", "/k/y"), Err(Denied::Path));
        assert_eq!(check("none", "GET", "/("), Err(Denied::Path));
        assert_eq!(check("all", "GET", "/k/y"), Ok(()));
    }

    #[test]
    fn allowed_urls_are_anchored_where_paths_are() {
        let text = r#"{"access_rights": {"a": {"allowed_urls": [{"url": "/user/{id}", "methods": ["GET"]}]}}}"#;
        let opened = |prefix, suffix| {
            let grant = matching("a", text, Matching { prefix, suffix, ignore_case: true });
            let paths = ["/k/user/1", "/user/1", "/k/admin/user/1", "/k/user/1/keys", "/k/USER/1"];
            paths.map(|path| check(&grant, "GET", path).is_ok())
        };
        assert_eq!(opened(false, false), [true, true, true, true, false]);
        assert_eq!(opened(true, false), [true, true, false, true, false]);
        assert_eq!(opened(false, true), [true, true, true, false, false]);
        assert_eq!(opened(true, true), [true, true, false, false, false]);
    }

    #[test]
    fn a_grant_is_made_once_for_each_api() {
        let (grants, a, b) = (Grants::default(), Arc::from("a"), Arc::from("b"));
        let made = std::cell::Cell::new(0);
        for api_id in [&a, &b, &a, &b] {
            grants.of(api_id, || {
                made.set(made.get() + 1);
                grant(api_id, "{}")
            });
        }
        assert_eq!(made.get(), 2);
    }
}
