//! What happens often is said now and then.

use std::time::{Duration, Instant};

/// How long nothing is said after something was.
const PAUSE: Duration = Duration::from_secs(10);

/// A thing to complain of.
#[derive(Default)]
pub(super) struct Complaint {
    count: u64,
    said: Option<Instant>,
}

impl Complaint {
    /// It happened again; gives how often since it was last said, if it may be said now.
    pub(super) fn again(&mut self) -> Option<u64> {
        self.count += 1;
        if self.said.is_some_and(|said| said.elapsed() < PAUSE) {
            return None;
        }
        self.said = Some(Instant::now());
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_is_counted_until_the_pause_is_over() {
        let mut complaint = Complaint::default();
        assert_eq!([(); 3].map(|()| complaint.again()), [Some(1), None, None]);
        complaint.said = Instant::now().checked_sub(PAUSE);
        assert_eq!(complaint.again(), Some(3));
    }
}
