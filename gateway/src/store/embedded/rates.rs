//! Sliding logs by name; in memory only.

use std::collections::HashMap;

use super::super::{RateCount, Rated};
use super::window::Window;
use crate::shards::{self, Shards};

/// The logs of all names. Times are nanoseconds of a clock that never goes back.
pub(super) struct Rates {
    windows: Shards<HashMap<Box<str>, Window>>,
}

impl Rates {
    pub(super) fn new() -> Self {
        Self { windows: Shards::new() }
    }

    pub(super) fn count(&self, limit: &RateCount<'_>, now: u64) -> Rated {
        let mut windows = self.windows.of(limit.name);
        match windows.get_mut(limit.name) {
            Some(window) => window.count(limit, now),
            None if limit.dry_run => Window::default().count(limit, now),
            None => windows.entry(limit.name.into()).or_default().count(limit, now),
        }
    }

    pub(super) fn forget(&self, name: &str) {
        self.windows.of(name).remove(name);
    }

    /// Drops the idle logs of the shard whose turn it is.
    pub(super) fn tidy(&self, turn: usize, now: u64) {
        shards::keep(&mut self.windows.turn(turn), |window| !window.is_idle(now));
    }
}
