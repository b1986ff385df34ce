//! One quota counter.

use super::super::Quota;
use super::entry;

/// Requests until it renews. Times are milliseconds since 1970; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) used: i64,
    pub(super) expires: u64,
}

impl Counter {
    /// Counts one request; `renewal` is in seconds.
    pub(super) fn count(&mut self, renewal: i64, now: u64) -> Quota {
        let renewal = u64::try_from(renewal).unwrap_or(0);
        if !self.goes_on(renewal, now) {
            let expires = if renewal == 0 { 0 } else { now.saturating_add(renewal.saturating_mul(1000)) };
            *self = Self { used: 0, expires };
        }
        self.used = self.used.saturating_add(1);
        Quota { used: self.used, renews: if renewal == 0 { seconds(now) } else { seconds(self.expires) } }
    }

    /// Where it stands, unless it has expired.
    pub(super) fn stands(&self, now: u64) -> Option<Quota> {
        let renews = if self.expires == 0 { now } else { self.expires };
        entry::lives(self.expires, now).then_some(Quota { used: self.used, renews: seconds(renews) })
    }

    /// One that never expires begins anew when it is to renew.
    fn goes_on(&self, renewal: u64, now: u64) -> bool {
        if self.expires == 0 { renewal == 0 } else { self.expires > now }
    }
}

fn seconds(milliseconds: u64) -> i64 {
    (milliseconds / 1000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_900;

    #[test]
    fn a_counter_counts_until_it_renews() {
        let mut counter = Counter::default();
        let counts = [(NOW, 1, 1060), (NOW + 59_999, 2, 1060), (NOW + 60_000, 1, 1120), (NOW + 60_001, 2, 1120)];
        for (now, used, renews) in counts {
            assert_eq!(counter.count(60, now), Quota { used, renews }, "at {now}");
        }
        assert_eq!(counter.stands(NOW + 60_002), Some(Quota { used: 2, renews: 1120 }));
        assert_eq!(counter.stands(NOW + 120_000), None);
    }

    #[test]
    fn a_counter_without_renewal_counts_for_ever_and_says_now() {
        for renewal in [0, -1] {
            let mut counter = Counter::default();
            counter.count(renewal, NOW);
            assert_eq!(counter.count(renewal, NOW * 9), Quota { used: 2, renews: 9008 });
            assert_eq!(counter.stands(NOW), Some(Quota { used: 2, renews: 1000 }));
        }
    }

    #[test]
    fn a_renewal_that_is_set_later_begins_anew_and_one_that_is_dropped_does_not() {
        let mut counter = Counter { used: 7, expires: 0 };
        assert_eq!(counter.count(60, NOW), Quota { used: 1, renews: 1060 });
        assert_eq!(counter.count(0, NOW), Quota { used: 2, renews: 1000 });
        assert_eq!(counter.expires, NOW + 60_000);
    }

    #[test]
    fn absurd_renewals_do_not_overflow() {
        let mut counter = Counter::default();
        counter.count(i64::MAX, NOW);
        assert_eq!(counter.count(i64::MAX, NOW).used, 2);
    }
}
