//! State by name that many threads change at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;

/// Shards of a state, each behind a lock of its own; a name always belongs to the same one.
pub(crate) struct Shards<T> {
    hasher: RandomState,
    shards: [Mutex<T>; SHARDS],
}

impl<T: Default> Shards<T> {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// The shard of a name.
    pub(crate) fn of(&self, name: &str) -> MutexGuard<'_, T> {
        self.turn(self.hasher.hash_one(name) as usize)
    }

    /// One shard after the other, as `turn` counts up.
    pub(crate) fn turn(&self, turn: usize) -> MutexGuard<'_, T> {
        lock(&self.shards[turn % SHARDS])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mutex<T>> {
        self.shards.iter()
    }
}

/// No lock here is held over half-made state, so one that a panic poisoned is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops what is not to be kept, and its memory once that is most of the map's.
pub(crate) fn keep<V>(map: &mut HashMap<Box<str>, V>, mut wanted: impl FnMut(&V) -> bool) {
    map.retain(|_, value| wanted(value));
    if map.capacity() > 64 + 4 * map.len() {
        map.shrink_to(2 * map.len());
    }
}
