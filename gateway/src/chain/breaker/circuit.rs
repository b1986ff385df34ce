//! A circuit as numbers and times: closed while calls go well, open when too many failed.

use std::time::{Duration, Instant};

/// For how many seconds calls are remembered.
const WINDOW: usize = 10;
/// How long an open circuit waits before the first trial; twice as long before each other.
const PAUSE: Duration = Duration::from_millis(500);

/// When a circuit opens, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The share of failed calls, from 0 to 1.
    pub(super) threshold: f64,
    /// Fewer calls than this say nothing.
    pub(super) samples: u64,
    /// How long it stays open.
    pub(super) open_for: Duration,
    /// Whether single calls may try while it is open.
    pub(super) trials: bool,
}

/// A circuit.
#[derive(Debug)]
pub(super) struct Circuit {
    born: Instant,
    /// One for each second; a second takes the place of the one ten before.
    window: [Calls; WINDOW],
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    second: u64,
    all: u64,
    failed: u64,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    next_trial: Instant,
    pause: Duration,
    /// Whether a trial is under way.
    trying: bool,
}

/// How a call may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// As any other.
    Free,
    /// As a trial: the circuit waits for its outcome.
    Trial,
    /// Not at all.
    Refused,
}

impl Circuit {
    pub(super) fn new(now: Instant) -> Self {
        Self { born: now, window: [Calls::default(); WINDOW], open: None }
    }

    /// Closes the circuit if its time has come; whether it did.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        self.open.take_if(|open| open.until <= now).is_some()
    }

    pub(super) fn admit(&mut self, terms: &Terms, now: Instant) -> Admission {
        match &mut self.open {
            None => Admission::Free,
            Some(open) if terms.trials && !open.trying && open.next_trial <= now => {
                open.trying = true;
                Admission::Trial
            }
            Some(_) => Admission::Refused,
        }
    }

    /// A call went well; whether that closed the circuit.
    pub(super) fn succeeded(&mut self, admission: Admission, now: Instant) -> bool {
        if self.open.is_none() {
            self.calls(now).all += 1;
            return false;
        }
        admission == Admission::Trial && self.open.take().is_some()
    }

    /// A call failed; whether that opened the circuit.
    pub(super) fn failed(&mut self, admission: Admission, terms: &Terms, now: Instant) -> bool {
        match &mut self.open {
            Some(open) if admission == Admission::Trial => {
                open.pause *= 2;
                (open.next_trial, open.trying) = (now + open.pause, false);
                false
            }
            // It was under way when the circuit opened.
            Some(_) => false,
            None => self.count_failed(terms, now),
        }
    }

    /// Nobody knows how a call went.
    pub(super) fn abandoned(&mut self, admission: Admission) {
        if let (Some(open), Admission::Trial) = (&mut self.open, admission) {
            open.trying = false;
        }
    }

    fn count_failed(&mut self, terms: &Terms, now: Instant) -> bool {
        let calls = self.calls(now);
        (calls.all, calls.failed) = (calls.all + 1, calls.failed + 1);
        let oldest = self.second(now).saturating_sub(WINDOW as u64 - 1);
        let recent = || self.window.iter().filter(|calls| calls.second >= oldest);
        let (all, failed) = (recent().map(|c| c.all).sum::<u64>(), recent().map(|c| c.failed).sum::<u64>());
        if all < terms.samples || (failed as f64) < terms.threshold * all as f64 {
            return false;
        }
        let (until, next_trial) = (now + terms.open_for, now + PAUSE);
        self.open = Some(Open { until, next_trial, pause: PAUSE, trying: false });
        self.window = [Calls::default(); WINDOW];
        true
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_secs()
    }

    /// The calls of this second.
    fn calls(&mut self, now: Instant) -> &mut Calls {
        let second = self.second(now);
        let calls = &mut self.window[(second % WINDOW as u64) as usize];
        if calls.second != second {
            *calls = Calls { second, ..Calls::default() };
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { threshold: 0.5, samples: 4, open_for: Duration::from_secs(60), trials: true };

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    /// Calls at these milliseconds, failed or not; whether each opened the circuit.
    fn opened(calls: &[(u64, bool)]) -> Vec<bool> {
        let start = Instant::now();
        let mut circuit = Circuit::new(start);
        let call = |(at, failed): &(u64, bool)| {
            if *failed {
                return circuit.failed(Admission::Free, &TERMS, after(start, *at));
            }
            circuit.succeeded(Admission::Free, after(start, *at))
        };
        calls.iter().map(call).collect()
    }

    #[test]
    fn it_opens_when_enough_of_enough_calls_failed() {
        assert_eq!(opened(&[(0, true), (1, true), (2, true), (3, true)]), [false, false, false, true]);
        assert_eq!(opened(&[(0, false), (1, false), (2, true), (3, true)]), [false, false, false, true]);
        assert_eq!(opened(&[(0, false), (1, false), (2, false), (3, true), (4, true)]), [false; 5]);
    }

    #[test]
    fn calls_are_forgotten_after_ten_seconds() {
        assert_eq!(opened(&[(0, true), (0, true), (0, true), (9_999, true)]), [false, false, false, true]);
        assert_eq!(opened(&[(0, true), (0, true), (0, true), (10_000, true)]), [false; 4]);
        assert_eq!(opened(&[(0, true), (0, true), (25_000, true), (25_000, true)]), [false; 4]);
    }

    fn open(terms: &Terms, start: Instant) -> Circuit {
        let mut circuit = Circuit::new(start);
        for _ in 0..4 {
            circuit.failed(Admission::Free, terms, start);
        }
        circuit
    }

    #[test]
    fn single_trials_come_twice_as_late_each_time_and_one_that_goes_well_closes_it() {
        let start = Instant::now();
        let mut circuit = open(&TERMS, start);
        let at = |milliseconds| after(start, milliseconds);
        assert_eq!(circuit.admit(&TERMS, at(499)), Admission::Refused);
        assert_eq!(circuit.admit(&TERMS, at(500)), Admission::Trial);
        assert_eq!(circuit.admit(&TERMS, at(500)), Admission::Refused);
        assert!(!circuit.failed(Admission::Trial, &TERMS, at(600)));
        assert_eq!(circuit.admit(&TERMS, at(1599)), Admission::Refused);
        assert_eq!(circuit.admit(&TERMS, at(1600)), Admission::Trial);
        circuit.abandoned(Admission::Trial);
        assert_eq!(circuit.admit(&TERMS, at(1600)), Admission::Trial);
        assert!(!circuit.succeeded(Admission::Free, at(1700)), "it began before");
        assert!(circuit.succeeded(Admission::Trial, at(1700)));
        assert_eq!(circuit.admit(&TERMS, at(1700)), Admission::Free);
    }

    #[test]
    fn it_closes_in_time_and_without_trials_not_before() {
        let terms = Terms { trials: false, ..TERMS };
        let start = Instant::now();
        let mut circuit = open(&terms, start);
        assert!(!circuit.expire(after(start, 59_999)));
        assert_eq!(circuit.admit(&terms, after(start, 59_999)), Admission::Refused);
        assert!(circuit.expire(after(start, 60_000)));
        assert!(!circuit.expire(after(start, 60_000)), "once");
        assert_eq!(circuit.admit(&terms, after(start, 60_000)), Admission::Free);
    }
}
