//! Hosts that are tested: up or down, for all APIs alike.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A host with its port.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
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
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Counts a test. After `limit` failures the host is down, and up after as many successes.
    pub(super) fn note(&self, success: bool, limit: u32) -> Option<Change> {
        let failures = self.failures.load(Ordering::Relaxed);
        let failures = if success { failures.saturating_sub(1) } else { (failures + 1).min(limit) };
        self.failures.store(failures, Ordering::Relaxed);
        let down = match failures {
            0 => false,
            _ if failures >= limit => true,
            _ => return None,
        };
        let was = self.down.swap(down, Ordering::Relaxed);
        (was != down).then_some(if down { Change::Down } else { Change::Up })
    }
}

/// All hosts that somebody asks about.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Weak<Host>>>);

impl Hosts {
    /// The host of this name, up unless it is known.
    pub(super) fn named(&self, name: &str) -> Arc<Host> {
        let name = name.to_ascii_lowercase();
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, host| host.strong_count() > 0);
        if let Some(host) = hosts.get(&name).and_then(Weak::upgrade) {
            return host;
        }
        let host = Arc::new(Host { name: name.clone(), down: AtomicBool::new(false), failures: AtomicU32::new(0) });
        hosts.insert(name, Arc::downgrade(&host));
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_down_after_failures_and_up_after_as_many_successes() {
        let host = Hosts::default().named("up.test:80");
        let notes = [false, false, false, false, true, true, false, true, true].map(|success| host.note(success, 3));
        let mut expected = [None; 9];
        (expected[2], expected[8]) = (Some(Change::Down), Some(Change::Up));
        assert_eq!(notes, expected);
    }

    #[test]
    fn apis_share_what_is_known_of_a_host() {
        let hosts = Hosts::default();
        let host = hosts.named("A.test:80");
        host.note(false, 1);
        assert!(hosts.named("a.test:80").is_down());
        drop(host);
        assert!(!hosts.named("a.test:80").is_down());
    }
}
