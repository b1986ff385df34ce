//! How long a session is stored.

use std::time::Duration;

use super::State;

/// Written as a number of seconds, it means for ever.
const FOR_EVER: i64 = 0;
/// For ever too, and stronger: it wins over every other lifetime.
const PERSISTED: i64 = -1;

/// The settings that decide it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// `global_session_lifetime` in seconds where `force_global_session_lifetime` is set.
    pub forced: Option<i64>,
    /// The API's `session_lifetime` in seconds.
    pub api: i64,
    /// Whether an expiry that is later than the lifetime counts instead, for the API or for all.
    pub respects_expiry: bool,
}

impl Lifetimes {
    /// These settings with those of one API.
    pub fn with_api(self, session_lifetime: i64, respects_expiry: bool) -> Self {
        Self { api: session_lifetime, respects_expiry: self.respects_expiry || respects_expiry, ..self }
    }

    /// The lifetime of a session at `now` (unix seconds); none is for ever.
    pub fn of(&self, state: &State, now: i64) -> Option<Duration> {
        duration(self.seconds(state, now))
    }

    fn seconds(&self, state: &State, now: i64) -> i64 {
        if let Some(forced) = self.forced {
            return forced;
        }
        match (state.post_expiry_action.as_str(), state.post_expiry_grace_period) {
            ("delete", _) => until(state.expires, 0, now),
            ("retain", PERSISTED) => PERSISTED,
            ("retain", grace) if grace > 0 => until(state.expires, grace, now),
            _ => self.usual(state, now),
        }
    }

    fn usual(&self, state: &State, now: i64) -> i64 {
        let chosen = [state.session_lifetime, self.api].into_iter().find(|seconds| *seconds > 0);
        let Some(lifetime) = chosen else { return FOR_EVER };
        match (self.respects_expiry, state.expires) {
            (false, _) => lifetime,
            (true, ..=0) => FOR_EVER,
            (true, expires) => lifetime.max(expires.saturating_sub(now)),
        }
    }
}

/// The lifetime of a session that several APIs let in, each with its settings: the largest number
/// of seconds, a grace period without end above all; none is for ever.
pub fn longest(apis: impl IntoIterator<Item = Lifetimes>, state: &State, now: i64) -> Option<Duration> {
    let seconds = apis.into_iter().map(|api| api.seconds(state, now));
    duration(seconds.max_by_key(|seconds| (*seconds == PERSISTED, *seconds)).unwrap_or(FOR_EVER))
}

/// From now to the end of the grace period; a session that never expires has none.
fn until(expires: i64, grace: i64, now: i64) -> i64 {
    if expires <= 0 {
        return FOR_EVER;
    }
    expires.saturating_sub(now).saturating_add(grace).max(1)
}

fn duration(seconds: i64) -> Option<Duration> {
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1000;

    fn state(session_lifetime: i64, expires: i64, action: &str, grace: i64) -> State {
        State {
            session_lifetime,
            expires,
            post_expiry_action: action.to_owned(),
            post_expiry_grace_period: grace,
            ..State::default()
        }
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let plain = Lifetimes { api: 60, ..Lifetimes::default() };
        let forced = Lifetimes { forced: Some(5), ..plain };
        let respectful = plain.with_api(60, true);
        for (lifetimes, state, seconds) in [
            (forced, state(9, NOW + 50, "delete", 0), Some(5)),
            (Lifetimes { forced: Some(0), ..plain }, state(9, 0, "", 0), None),
            (plain, state(9, NOW + 50, "delete", 7), Some(50)),
            (plain, state(9, NOW - 50, "delete", 0), Some(1)),
            (plain, state(9, 0, "delete", 0), None),
            (plain, state(9, NOW + 50, "retain", -1), None),
            (plain, state(9, NOW + 50, "retain", 7), Some(57)),
            (plain, state(9, NOW - 50, "retain", 7), Some(1)),
            (plain, state(9, -1, "retain", 7), None),
            (plain, state(9, NOW + 50, "retain", 0), Some(9)),
            (plain, state(9, 0, "", 0), Some(9)),
            (plain, state(0, 0, "", 0), Some(60)),
            (Lifetimes::default(), state(-1, 0, "", 0), None),
            (respectful, state(9, 0, "", 0), None),
            (respectful, state(9, NOW + 50, "", 0), Some(50)),
            (respectful, state(9, NOW + 5, "", 0), Some(9)),
            (Lifetimes::default().with_api(0, true), state(0, NOW + 5, "", 0), None),
        ] {
            assert_eq!(lifetimes.of(&state, NOW), seconds.map(Duration::from_secs), "{lifetimes:?} {state:?}");
        }
    }

    #[test]
    fn of_several_apis_the_largest_number_decides_and_minus_one_beats_it() {
        let api = |api| Lifetimes { api, ..Lifetimes::default() };
        let plain = state(0, 0, "", 0);
        assert_eq!(longest([api(5), api(0), api(60)], &plain, NOW), Some(Duration::from_secs(60)));
        assert_eq!(longest([], &plain, NOW), None);
        let persisted = Lifetimes { forced: Some(-1), ..Lifetimes::default() };
        assert_eq!(longest([persisted, api(60)], &plain, NOW), None);
    }
}
