//! Rate limits: fixed windows per key, in this process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use coprocess::SessionState;
use moka::sync::Cache;

use super::Denied;

/// Keys whose windows are remembered; beyond it the least used are forgotten.
const KEYS: u64 = 1_000_000;

/// The open windows of all keys; shared by the workers.
#[derive(Debug)]
pub struct Limiter {
    windows: Cache<String, Arc<Mutex<Window>>>,
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

    /// Counts one request of the session: `rate` requests in each window of `per` seconds (whole
    /// seconds, at least one), opened by the first; refusals cost nothing. No rate is no limit.
    pub fn admit(&self, session: &SessionState, now: Instant) -> Result<(), Denied> {
        if session.rate <= 0.0 {
            return Ok(());
        }
        let window =
            self.windows.get_with_by_ref(&session.key_id, || Arc::new(Mutex::new(Window { opened: now, used: 0.0 })));
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.opened) >= length(session.per) {
            *window = Window { opened: now, used: 0.0 };
        }
        if window.used + 1.0 > session.rate {
            return Err(Denied::Rate);
        }
        window.used += 1.0;
        Ok(())
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

/// Refuses a session with a quota: counting one needs a store that outlives the process.
pub fn check_quota(session: &SessionState) -> Result<(), Denied> {
    if session.quota_max > 0 { Err(Denied::Quota) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(key: &str, rate: f64) -> SessionState {
        SessionState { rate, per: 2.5, key_id: key.into(), ..Default::default() }
    }

    #[test]
    fn a_window_admits_the_rate_and_opens_again_after_its_whole_seconds() {
        let (limiter, start) = (Limiter::new(), Instant::now());
        let two = session("a", 2.0);
        let admitted = |at: f64| limiter.admit(&two, start + Duration::from_secs_f64(at)).is_ok();
        assert_eq!([0.0, 0.5, 1.0, 1.9, 2.0].map(admitted), [true, true, false, false, true]);
    }

    #[test]
    fn keys_have_windows_of_their_own_and_no_rate_is_no_limit() {
        let (limiter, now) = (Limiter::new(), Instant::now());
        assert_eq!(limiter.admit(&session("a", 1.0), now), Ok(()));
        assert_eq!(limiter.admit(&session("a", 1.0), now), Err(Denied::Rate));
        assert_eq!(limiter.admit(&session("b", 1.0), now), Ok(()));
        assert_eq!(limiter.admit(&session("a", 0.0), now), Ok(()));
    }
}
