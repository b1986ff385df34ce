//! How often a connection is tried.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(1);

/// The first attempt comes at once, the next 100 ms after it began, then ever later, up to a second.
pub(crate) struct Pace {
    next: Option<Instant>,
    gap: Duration,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { next: None, gap: LEAST }
    }

    /// Waits until the next attempt may begin.
    pub(crate) async fn wait(&mut self) {
        sleep_until(self.begin(Instant::now())).await;
    }

    fn begin(&mut self, now: Instant) -> Instant {
        let begin = self.next.map_or(now, |next| next.max(now));
        self.next = Some(begin + self.gap);
        self.gap = (self.gap * 2).min(MOST);
        begin
    }

    /// An attempt was good: after the next loss the gaps are short again.
    pub(crate) fn ease(&mut self) {
        self.gap = LEAST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_grow_up_to_a_second_until_an_attempt_is_good() {
        let mut pace = Pace::new();
        let mut now = Instant::now();
        let mut gaps = Vec::new();
        for attempt in 0..9 {
            if attempt == 6 {
                pace.ease();
            }
            let begin = pace.begin(now);
            gaps.push((begin - now).as_millis());
            now = begin;
        }
        assert_eq!(gaps, [0, 100, 200, 400, 800, 1000, 1000, 100, 200]);
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.begin(later), later);
    }
}
