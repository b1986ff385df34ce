//! Quota counters: in memory, and on the disk soon after.

use std::collections::HashMap;
use std::mem;
use std::sync::Mutex;

use super::super::{Quota, QuotaCount, StoreError};
use super::counter::Counter;
use super::disk::{Change, Disk};
use super::entry::{self, Table};
use crate::shards::{self, Shards, lock};

/// The counters that are in use; the others are on the disk only. Times are milliseconds since 1970.
pub(super) struct Counters {
    shards: Shards<Shard>,
}

#[derive(Default)]
struct Shard {
    counters: HashMap<Box<str>, Held>,
    /// Exactly the names of the dirty ones, each once.
    dirty: Vec<Box<str>>,
}

/// A counter in memory.
struct Held {
    counter: Counter,
    /// Its time on the due list.
    listed: u64,
    /// Whether the disk does not have it like this.
    dirty: bool,
    used_at: u64,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self { shards: Shards::new() }
    }

    /// Counts one request.
    pub(super) fn count(&self, disk: &Disk, request: &QuotaCount<'_>, now: u64) -> Result<Quota, StoreError> {
        let name = request.name;
        let mut shard = self.shards.of(name);
        let Shard { counters, dirty } = &mut *shard;
        let held = match counters.get_mut(name) {
            Some(held) => held,
            None => counters.entry(name.into()).or_insert(load(disk, name)?),
        };
        if !mem::replace(&mut held.dirty, true) {
            dirty.push(name.into());
        }
        held.used_at = now;
        Ok(held.counter.count(request.renewal, now))
    }

    /// Where a counter stands, if there is one.
    pub(super) fn stands(&self, disk: &Disk, name: &str, now: u64) -> Result<Option<Quota>, StoreError> {
        let shard = self.shards.of(name);
        match shard.counters.get(name) {
            Some(held) => Ok(held.counter.stands(now)),
            None => Ok(read(disk, name)?.and_then(|(counter, _)| counter.stands(now))),
        }
    }

    /// Forgets a counter, on the disk too.
    pub(super) fn forget(&self, disk: &Disk, name: &str) -> Result<(), StoreError> {
        let mut change = disk.begin();
        let mut shard = self.shards.of(name);
        if let Some(entry) = disk.read(Table::Counters, name)? {
            change.remove(Table::Counters, name, entry.listed);
            drop(change.commit()?);
        }
        if shard.counters.remove(name).is_some_and(|held| held.dirty) {
            shard.dirty.retain(|dirty| **dirty != *name);
        }
        Ok(())
    }

    /// Brings to the disk what has changed.
    pub(super) fn write(&self, disk: &Disk) -> Result<(), StoreError> {
        self.shards.iter().try_for_each(|shard| write(disk, shard))
    }

    /// That a counter was moved on the due list, or (to 0) has expired and is gone from the disk.
    pub(super) fn moved(&self, name: &str, listed: u64) {
        let mut shard = self.shards.of(name);
        let Some(held) = shard.counters.get_mut(name) else { return };
        held.listed = listed;
        if listed == 0 && !held.dirty {
            shard.counters.remove(name);
        }
    }

    /// Drops from memory those of the shard whose turn it is that nobody has used since then.
    pub(super) fn tidy(&self, turn: usize, since: u64) {
        shards::keep(&mut self.shards.turn(turn).counters, |held| held.dirty || held.used_at > since);
    }
}

fn write(disk: &Disk, shard: &Mutex<Shard>) -> Result<(), StoreError> {
    if lock(shard).dirty.is_empty() {
        return Ok(());
    }
    let mut change = disk.begin();
    let written = lock(shard).write(&mut change);
    change.commit().map(drop).inspect_err(|_| lock(shard).rewrite(written))
}

impl Shard {
    /// The names of what this adds to the change.
    fn write(&mut self, change: &mut Change<'_>) -> Vec<Box<str>> {
        let names = mem::take(&mut self.dirty);
        for name in &names {
            let Some(held) = self.counters.get_mut(name) else { continue };
            let Counter { used, expires } = held.counter;
            held.listed = change.put(Table::Counters, name, &used.to_be_bytes(), expires, held.listed);
            held.dirty = false;
        }
        names
    }

    /// That these did not get to the disk after all.
    fn rewrite(&mut self, names: Vec<Box<str>>) {
        for name in names {
            let Some(held) = self.counters.get_mut(&name) else { continue };
            held.listed = 0;
            if !mem::replace(&mut held.dirty, true) {
                self.dirty.push(name);
            }
        }
    }
}

fn load(disk: &Disk, name: &str) -> Result<Held, StoreError> {
    if !entry::is_name(name) {
        return Err(disk.unusable(name));
    }
    let (counter, listed) = read(disk, name)?.unwrap_or_default();
    Ok(Held { counter, listed, dirty: false, used_at: 0 })
}

/// A counter on the disk, and its time on the due list.
fn read(disk: &Disk, name: &str) -> Result<Option<(Counter, u64)>, StoreError> {
    let Some(entry) = disk.read(Table::Counters, name)? else { return Ok(None) };
    let used = entry.value().try_into().map_err(|_| disk.damaged(Table::Counters, name))?;
    let counter = Counter { used: i64::from_be_bytes(used), expires: entry.expires };
    Ok(Some((counter, entry.listed)))
}
