//! Sessions: made by an auth hook, read by the hooks after it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coprocess::{AccessDefinition, AccessSpec, SessionState};

/// Who the caller is and what it may do, as an auth hook decides.
///
/// Without a limit there is none, without access rights every API is allowed, and without
/// [`cache_for`](Session::cache_for) the plugin is asked on each request.
///
/// ```
/// # use outrigger_plugin::Session;
/// # use std::time::Duration;
/// Session::new("key-of-jane")
///     .alias("jane")
///     .rate(100, Duration::from_secs(60))
///     .allow_api("orders")
///     .cache_for(Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a session lets nobody in until it is given to `AuthRequest::allow`"]
pub struct Session {
    pub(crate) token: String,
    pub(crate) state: SessionState,
}

impl Session {
    /// A session under `token`: the key that limits are counted by, which must not be empty.
    ///
    /// The gateway stores it as an ordinary key, so it should be hard to guess.
    pub fn new(token: impl Into<String>) -> Self {
        Self { token: token.into(), state: SessionState::default() }
    }

    /// Limits the caller to `requests` in each `per`; 0 requests mean no limit.
    pub fn rate(mut self, requests: u32, per: Duration) -> Self {
        self.state.rate = requests.into();
        self.state.allowance = requests.into();
        self.state.per = per.as_secs_f64();
        self
    }

    /// Limits the caller to `max` requests in all until the next `renewal`; 0 means no quota.
    pub fn quota(mut self, max: u32, renewal: Duration) -> Self {
        self.state.quota_max = max.into();
        self.state.quota_remaining = max.into();
        self.state.quota_renewal_rate = seconds(renewal);
        self
    }

    /// Makes the key expire.
    pub fn expires_in(mut self, time: Duration) -> Self {
        self.state.expires = unix_time_in(time);
        self
    }

    /// Lets the gateway take this session for the same credentials without asking again.
    ///
    /// Counts in whole seconds, and only with an id extractor in the API definition.
    pub fn cache_for(mut self, time: Duration) -> Self {
        self.state.id_extractor_deadline = unix_time_in(time);
        self
    }

    /// Says how long the gateway stores the key; the API's setting counts otherwise.
    pub fn lifetime(mut self, time: Duration) -> Self {
        self.state.session_lifetime = seconds(time);
        self
    }

    /// Applies a policy of the gateway.
    pub fn policy(mut self, id: impl Into<String>) -> Self {
        self.state.apply_policies.push(id.into());
        self
    }

    /// Adds a fact about the caller, for later hooks and the gateway's transforms.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.state.metadata.insert(name.into(), value.into());
        self
    }

    /// Gives the caller a name for people and logs.
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.state.alias = name.into();
        self
    }

    /// Adds a label for analytics.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.state.tags.push(tag.into());
        self
    }

    /// Allows an API; with the first one, all APIs that are not named become forbidden.
    pub fn allow_api(self, api_id: impl Into<String>) -> Self {
        self.allow_version(api_id, "Default")
    }

    /// Allows one version of an API.
    pub fn allow_version(mut self, api_id: impl Into<String>, version: &str) -> Self {
        self.right(api_id.into()).versions.push(version.to_owned());
        self
    }

    /// Narrows what is allowed on an API to the paths that match a regular expression.
    ///
    /// More calls add more paths. The API itself has to be allowed beside this.
    pub fn allow_url(mut self, api_id: impl Into<String>, url: &str, methods: &[&str]) -> Self {
        let methods = methods.iter().map(ToString::to_string).collect();
        let allowed = AccessSpec { url: url.to_owned(), methods };
        self.right(api_id.into()).allowed_urls.push(allowed);
        self
    }

    fn right(&mut self, api_id: String) -> &mut AccessDefinition {
        let right = self.state.access_rights.entry(api_id.clone()).or_default();
        right.api_id = api_id;
        right
    }
}

/// The caller's session, for reading: changes to it would be ignored by the gateway.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a>(pub(crate) &'a SessionState);

impl<'a> SessionView<'a> {
    /// The key that the session is stored under.
    pub fn key_id(self) -> &'a str {
        &self.0.key_id
    }

    /// The caller's name for people and logs; may be empty.
    pub fn alias(self) -> &'a str {
        &self.0.alias
    }

    /// The organisation.
    pub fn org_id(self) -> &'a str {
        &self.0.org_id
    }

    /// A fact about the caller; what was not text is JSON.
    pub fn metadata(self, name: &str) -> Option<&'a str> {
        self.0.metadata.get(name).map(String::as_str)
    }

    /// The labels for analytics.
    pub fn tags(self) -> &'a [String] {
        &self.0.tags
    }

    /// The policies that apply.
    pub fn policies(self) -> &'a [String] {
        &self.0.apply_policies
    }

    /// The requests allowed and the period they are allowed in, if there is a limit.
    pub fn rate(self) -> Option<(f64, Duration)> {
        let per = Duration::try_from_secs_f64(self.0.per).ok()?;
        (self.0.rate > 0.0).then_some((self.0.rate, per))
    }

    /// What is left of the quota, if there is one.
    pub fn quota_remaining(self) -> Option<i64> {
        (self.0.quota_max > 0).then_some(self.0.quota_remaining)
    }

    /// When the key expires, if it does.
    pub fn expires(self) -> Option<SystemTime> {
        let seconds = u64::try_from(self.0.expires).ok().filter(|&seconds| seconds > 0)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// The APIs that are named in the access rights; none means that all are allowed.
    pub fn apis(self) -> impl Iterator<Item = &'a str> {
        self.0.access_rights.keys().map(String::as_str)
    }
}

fn unix_time_in(time: Duration) -> i64 {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    seconds(now.saturating_add(time))
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_session_says_what_it_was_told() {
        let state = Session::new("k")
            .rate(10, MINUTE)
            .quota(1000, 60 * MINUTE)
            .policy("gold")
            .metadata("team", "a")
            .alias("jane")
            .tag("beta")
            .state;
        let view = SessionView(&state);

        assert_eq!(view.rate(), Some((10.0, MINUTE)));
        assert_eq!((state.quota_max, state.quota_renewal_rate), (1000, 3600));
        assert_eq!(view.quota_remaining(), Some(1000));
        assert_eq!(view.policies(), ["gold"]);
        assert_eq!(view.metadata("team"), Some("a"));
        assert_eq!(view.alias(), "jane");
        assert_eq!(view.tags(), ["beta"]);
    }

    #[test]
    fn a_session_without_limits_has_none() {
        let state = Session::new("k").state;
        let view = SessionView(&state);

        assert_eq!((view.rate(), view.quota_remaining(), view.expires()), (None, None, None));
        assert_eq!(state, SessionState::default());
    }

    #[test]
    fn durations_become_points_in_time() {
        let now = unix_time_in(Duration::ZERO);
        let state = Session::new("k").expires_in(MINUTE).cache_for(2 * MINUTE).state;

        assert!((now + 60..now + 62).contains(&state.expires));
        assert!((now + 120..now + 122).contains(&state.id_extractor_deadline));
    }

    #[test]
    fn endless_durations_do_not_overflow() {
        assert_eq!(Session::new("k").expires_in(Duration::MAX).state.expires, i64::MAX);
    }

    #[test]
    fn access_rights_of_one_api_add_up() {
        let session = Session::new("k").allow_api("a").allow_version("a", "v2");
        let state = session.allow_url("a", "^/read", &["GET"]).state;
        let right = &state.access_rights["a"];

        assert_eq!(
            (right.api_id.as_str(), right.versions.as_slice()),
            ("a", &["Default".to_owned(), "v2".to_owned()][..])
        );
        assert_eq!(right.allowed_urls[0].methods, ["GET"]);
    }
}
