//! How much memory the bodies that are held whole may take together.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// What is held whole in this process.
pub static HELD: Budget = Budget::new(usize::MAX);

/// A number of bytes that many share.
#[derive(Debug)]
pub struct Budget {
    limit: AtomicUsize,
    used: AtomicUsize,
}

/// Somebody's part of a budget.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    size: usize,
}

impl Budget {
    const fn new(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), used: AtomicUsize::new(0) }
    }

    /// Sets the limit; what is held already stays.
    pub fn limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that count until the last of their clones is gone; nothing if there is no room for them.
    pub fn hold(&'static self, bytes: Bytes) -> Option<Bytes> {
        let mut share = self.share();
        share.grow(bytes.len()).then(|| share.hold(bytes))
    }

    pub(super) fn share(&self) -> Share<'_> {
        Share { budget: self, size: 0 }
    }
}

impl Share<'_> {
    /// Takes more, unless that is more than there is.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let limit = self.budget.limit.load(Ordering::Relaxed);
        let grown = |used: usize| used.checked_add(bytes).filter(|used| *used <= limit);
        let taken = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        self.size += if taken { bytes } else { 0 };
        taken
    }
}

impl Share<'static> {
    /// The bytes, and their share until the last of their clones is gone.
    pub(super) fn hold(self, bytes: Bytes) -> Bytes {
        struct Held(Bytes, #[allow(dead_code)] Share<'static>);
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        if bytes.is_empty() { bytes } else { Bytes::from_owner(Held(bytes, self)) }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_is_not_given_until_something_comes_back() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.grow(6) && other.grow(4) && !other.grow(1));
        drop(one);
        assert!(other.grow(6) && !other.grow(1));
        drop(other);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn bytes_keep_their_share_until_their_last_clone_is_gone() {
        static BUDGET: Budget = Budget::new(8);
        let mut share = BUDGET.share();
        assert!(share.grow(3));
        let clone = share.hold(Bytes::from_static(b"abc")).slice(1..);
        assert_eq!((&clone[..], BUDGET.used.load(Ordering::Relaxed)), (&b"bc"[..], 3));
        drop(clone);
        assert_eq!(BUDGET.used.load(Ordering::Relaxed), 0);
    }
}
