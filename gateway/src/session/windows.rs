//! Fixed windows of requests, counted in this process.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::shards::{self, Shards};

/// The open windows of all counters, shared by the workers; one that has ended is dropped when room
/// is needed, one that is open never.
pub struct Windows {
    shards: Shards<HashMap<Box<str>, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    opened: Instant,
    length: Duration,
    used: f64,
}

/// What a counter said about one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether it may pass.
    pub admitted: bool,
    /// How many may pass in a window.
    pub limit: f64,
    /// How many more may pass after it.
    pub remaining: f64,
    /// When the window ends, or a place in it frees.
    pub frees: Duration,
}

impl Windows {
    /// Nobody has come yet.
    pub fn new() -> Self {
        Self { shards: Shards::new() }
    }

    /// Counts one request at this price: a window of `per` whole seconds (at least one), opened by the
    /// first, has room for `rate`. What is refused costs nothing.
    pub fn count(&self, name: &str, rate: f64, per: f64, price: f64, now: Instant) -> Verdict {
        let mut windows = self.shards.of(name);
        if let Some(window) = windows.get_mut(name) {
            return window.count(rate, per, price, now);
        }
        if windows.len() == windows.capacity() {
            shards::keep(&mut windows, |window| !window.has_ended(now));
        }
        windows.entry(name.into()).or_insert_with(|| Window::open(per, now)).count(rate, per, price, now)
    }

    /// Lets the window of this name open anew.
    pub fn forget(&self, name: &str) {
        self.shards.of(name).remove(name);
    }

    /// Whether a request at this price would pass.
    pub fn has_room(&self, name: &str, rate: f64, per: f64, price: f64, now: Instant) -> bool {
        let open = self.shards.of(name).get(name).copied();
        open.unwrap_or_else(|| Window::open(per, now)).count(rate, per, price, now).admitted
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    fn open(per: f64, now: Instant) -> Self {
        Self { opened: now, length: length(per), used: 0.0 }
    }

    fn has_ended(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) >= self.length
    }

    fn count(&mut self, rate: f64, per: f64, price: f64, now: Instant) -> Verdict {
        self.length = length(per);
        if self.has_ended(now) {
            *self = Self::open(per, now);
        }
        let admitted = self.used + price <= rate;
        if admitted {
            self.used += price;
        }
        let remaining = ((rate - self.used) / price).floor().max(0.0);
        Verdict {
            admitted,
            limit: rate,
            remaining,
            frees: self.length.saturating_sub(now.saturating_duration_since(self.opened)),
        }
    }
}

/// A window's length: whole seconds, at least one.
fn length(per: f64) -> Duration {
    Duration::try_from_secs_f64(per.trunc().max(1.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_admits_the_rate_and_opens_again_after_its_whole_seconds() {
        let (windows, start) = (Windows::new(), Instant::now());
        let count = |at: f64| windows.count("a", 2.0, 2.5, 1.0, start + Duration::from_secs_f64(at));
        let verdicts = [0.0, 0.5, 1.0, 1.75, 2.0].map(count);
        assert_eq!(verdicts.map(|verdict| verdict.admitted), [true, true, false, false, true]);
        assert_eq!(verdicts.map(|verdict| verdict.remaining), [1.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(verdicts.map(|verdict| verdict.frees.as_secs_f64()), [2.0, 1.5, 1.0, 0.25, 2.0]);
    }

    #[test]
    fn names_have_windows_of_their_own_which_can_be_forgotten_and_a_question_costs_nothing() {
        let (windows, now) = (Windows::new(), Instant::now());
        let has_room = |name| windows.has_room(name, 1.0, 1.0, 1.0, now);
        assert_eq!([has_room("a"), has_room("a")], [true, true]);
        assert!(windows.count("a", 1.0, 1.0, 1.0, now).admitted);
        assert_eq!([has_room("a"), has_room("b")], [false, true]);
        windows.forget("a");
        assert!(has_room("a"));
    }

    #[test]
    fn a_request_costs_as_many_places_as_there_are_nodes() {
        let (windows, now) = (Windows::new(), Instant::now());
        let admitted = (0..20).filter(|_| windows.count("a", 10.0, 1.0, 3.0, now).admitted).count();
        assert_eq!(admitted, 3);
    }

    #[test]
    fn windows_that_have_ended_make_room_and_open_ones_stay() {
        let (windows, start) = (Windows::new(), Instant::now());
        for n in 0..100_000 {
            let now = start + Duration::from_millis(n);
            windows.count(&n.to_string(), 1.0, 1.0, 1.0, now);
            assert!(!windows.has_room(&n.saturating_sub(500).to_string(), 1.0, 1.0, 1.0, now), "{n}");
        }
        let held: usize = (0..64).map(|shard| windows.shards.turn(shard).len()).sum();
        assert!(held < 10_000, "{held}");
    }
}
