//! Hosts that are tested: up or down, for all APIs alike.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A host with its port.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    /// How many of its tests say that it is down.
    against: AtomicU32,
}

/// What one test of a host has found; APIs with the same test share it.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) host: Arc<Host>,
    down: AtomicBool,
    /// Failures that no success has made up for.
    failures: AtomicU32,
}

/// What a test changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Down,
    Up,
}

impl Host {
    /// Whether one of its tests says so.
    pub(super) fn is_down(&self) -> bool {
        self.against.load(Ordering::Relaxed) > 0
    }
}

impl Tally {
    /// Counts a test. After `limit` failures it says that the host is down, and that it is up after as
    /// many successes.
    pub(super) fn note(&self, success: bool, limit: u32) -> Option<Change> {
        let failures = self.failures.load(Ordering::Relaxed);
        let failures = if success { failures.saturating_sub(1) } else { (failures + 1).min(limit) };
        self.failures.store(failures, Ordering::Relaxed);
        let down = match failures {
            0 => false,
            _ if failures >= limit => true,
            _ => return None,
        };
        if self.down.swap(down, Ordering::Relaxed) == down {
            return None;
        }
        let against = &self.host.against;
        match down {
            true => (against.fetch_add(1, Ordering::Relaxed) == 0).then_some(Change::Down),
            false => (against.fetch_sub(1, Ordering::Relaxed) == 1).then_some(Change::Up),
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        // Nobody tests this any more.
        if *self.down.get_mut() {
            self.host.against.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// All hosts that somebody asks about, and their tests.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    hosts: Shared<String, Host>,
    tallies: Shared<(String, String), Tally>,
}

/// What exists as long as somebody holds it.
type Shared<K, V> = Mutex<HashMap<K, Weak<V>>>;

impl Hosts {
    /// The host of this name, up unless it is known.
    pub(super) fn named(&self, name: &str) -> Arc<Host> {
        let name = name.to_ascii_lowercase();
        shared(&self.hosts, name.clone(), || Host { name, against: AtomicU32::new(0) })
    }

    /// What this test of the host of this name has found.
    pub(super) fn tally(&self, name: &str, test: String) -> Arc<Tally> {
        let host = self.named(name);
        let (down, failures) = (AtomicBool::new(false), AtomicU32::new(0));
        shared(&self.tallies, (host.name.clone(), test), || Tally { host, down, failures })
    }
}

fn shared<K: Hash + Eq, V>(all: &Shared<K, V>, key: K, new: impl FnOnce() -> V) -> Arc<V> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, held| held.strong_count() > 0);
    if let Some(held) = all.get(&key).and_then(Weak::upgrade) {
        return held;
    }
    let held = Arc::new(new());
    all.insert(key, Arc::downgrade(&held));
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_down_after_failures_and_up_after_as_many_successes() {
        let test = Hosts::default().tally("up.test:80", String::new());
        let notes = [false, false, false, false, true, true, false, true, true].map(|success| test.note(success, 3));
        let mut expected = [None; 9];
        (expected[2], expected[8]) = (Some(Change::Down), Some(Change::Up));
        assert_eq!(notes, expected);
    }

    #[test]
    fn a_host_is_down_while_one_of_its_tests_says_so() {
        let hosts = Hosts::default();
        let [one, other] = ["one", "other"].map(|test| hosts.tally("up.test:80", test.to_owned()));
        assert_eq!((one.note(false, 1), other.note(true, 1)), (Some(Change::Down), None));
        assert_eq!((other.note(false, 1), one.note(true, 1), one.host.is_down()), (None, None, true));
        drop(other);
        assert!(!one.host.is_down());
    }

    #[test]
    fn apis_share_what_is_known_of_a_host() {
        let hosts = Hosts::default();
        let [one, same] = ["A.test:80", "a.test:80"].map(|name| hosts.tally(name, "test".to_owned()));
        assert!(Arc::ptr_eq(&one, &same));
        one.note(false, 1);
        assert!(hosts.named("a.test:80").is_down());
        drop((one, same));
        assert!(!hosts.named("a.test:80").is_down());
    }
}
