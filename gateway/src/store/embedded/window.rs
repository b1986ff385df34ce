//! A sliding log of requests, in bounded memory.

use std::collections::VecDeque;

use super::super::{RateCount, Rated};

/// So many requests are logged one by one, and a window of more in about so many slices.
const SLICES: usize = 512;

/// The requests of the last seconds. Times are nanoseconds of a clock that never goes back.
///
/// Only the newest `rate` requests are kept: older ones change no verdict. From the 513th on,
/// requests within a 512th of the window are logged as one that leaves with the last of them: a
/// slot may free that much later, never earlier.
#[derive(Debug, Default)]
pub(super) struct Window {
    slices: VecDeque<Slice>,
    requests: u64,
    idle_at: u64,
}

#[derive(Debug)]
struct Slice {
    first: u64,
    last: u64,
    requests: u64,
}

impl Window {
    /// Whether one more request may pass; it is logged either way, unless it only asks.
    pub(super) fn count(&mut self, limit: &RateCount<'_>, now: u64) -> Rated {
        let per = nanoseconds(limit.per);
        self.slide(per, now);
        let admitted = (self.requests as f64) < limit.rate;
        let rated =
            Rated { admitted, limit: limit.rate, shift: None, used: self.requests, frees: self.frees(limit, now) };
        if !limit.dry_run {
            self.log(per, now);
            self.trim(limit.rate.ceil() as u64);
        }
        rated
    }

    /// Whether nothing that it has logged matters any more.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.idle_at <= now
    }

    fn slide(&mut self, per: u64, now: u64) {
        while let Some(oldest) = self.slices.front().filter(|oldest| oldest.last.saturating_add(per) <= now) {
            self.requests -= oldest.requests;
            self.slices.pop_front();
        }
    }

    fn frees(&self, limit: &RateCount<'_>, now: u64) -> f64 {
        let leaves = self.slices.front().map(|oldest| oldest.last.saturating_add(nanoseconds(limit.per)));
        leaves.map_or(limit.per.max(0.0), |leaves| leaves.saturating_sub(now) as f64 / 1e9)
    }

    fn log(&mut self, per: u64, now: u64) {
        self.requests += 1;
        self.idle_at = now.saturating_add(per);
        let crowded = self.slices.len() >= SLICES;
        let width = per / SLICES as u64;
        match self.slices.back_mut().filter(|newest| crowded && now.saturating_sub(newest.first) < width) {
            Some(newest) => {
                newest.last = newest.last.max(now);
                newest.requests += 1;
            }
            None => self.slices.push_back(Slice { first: now, last: now, requests: 1 }),
        }
    }

    fn trim(&mut self, most: u64) {
        while self.requests > most {
            let Some(oldest) = self.slices.front_mut() else { return };
            let excess = oldest.requests.min(self.requests - most);
            oldest.requests -= excess;
            self.requests -= excess;
            if oldest.requests == 0 {
                self.slices.pop_front();
            }
        }
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limit(rate: f64, per: f64) -> RateCount<'static> {
        RateCount { name: "n", rate, per, dry_run: false, smoothing: None }
    }

    #[test]
    fn refused_requests_are_logged_and_keep_the_client_out() {
        let mut window = Window::default();
        let tenths = [0, 10, 20, 110, 115, 130, 212, 230];
        let verdicts = tenths.map(|at| window.count(&limit(2.0, 10.0), at * SECOND / 10).admitted);

        // At 11.5 s, the refused request of 2 s is still in the window, beside the one of 11 s.
        assert_eq!(verdicts, [true, true, false, true, false, false, false, true]);
    }

    #[test]
    fn only_the_newest_requests_that_change_a_verdict_are_kept() {
        let mut window = Window::default();
        for at in 0..1000 {
            window.count(&limit(3.0, 1.0), at);
        }
        assert_eq!(window.slices.len(), 3);

        let asked = RateCount { dry_run: true, ..limit(3.0, 1.0) };
        let rated = window.count(&asked, SECOND / 2);
        assert_eq!((rated.admitted, rated.used), (false, 3));
        assert_eq!(rated.frees, 0.5 + 997e-9);
        let rated = window.count(&asked, SECOND + 999);
        assert_eq!((rated.admitted, rated.used, rated.frees), (true, 0, 1.0), "asking is not logged");
    }

    #[test]
    fn a_crowded_window_stays_small_and_admits_no_more_than_its_rate() {
        let (rate, per) = (100_000.0, 60 * SECOND);
        let step = per / 150_000;
        let mut window = Window::default();
        let admitted = (0..300_000).filter(|i| window.count(&limit(rate, 60.0), i * step).admitted).count();

        // Refused ones count too: having come too fast, the client is never let in again.
        assert_eq!(admitted, 100_000);
        assert!(window.slices.len() <= 2 * SLICES + 1, "{} slices", window.slices.len());
    }

    #[test]
    fn a_client_within_its_rate_is_never_refused() {
        let mut window = Window::default();
        let step = SECOND / 400;
        assert!((0..10_000).all(|i| window.count(&limit(400.0, 1.0), i * step).admitted));
        assert!(!window.is_idle(9_999 * step + SECOND - 1));
        assert!(window.is_idle(9_999 * step + SECOND));
    }
}
