//! Removing what has expired, a bit at a time.

use std::time::{Duration, Instant};

use super::super::StoreError;
use super::counters::Counters;
use super::disk::{Change, Disk};
use super::entry::{Due, Table};

/// Entries that are looked at under one lock.
const CHUNK: usize = 256;
/// Chunks of one sweep; the rest waits for the next.
const CHUNKS: usize = 64;
/// The list is read again from so long before the last sweep, in milliseconds: for entries that
/// were on their way meanwhile.
const OVERLAP: u64 = 60_000;
/// A little less than a second, for sweeps that come twice a second.
const SYNC_AFTER: Duration = Duration::from_millis(900);

/// Where the last sweep ended.
pub(super) struct Sweeper {
    /// Counts sweeps.
    pub(super) turn: usize,
    from: u64,
    synced: Option<Instant>,
}

impl Sweeper {
    pub(super) fn new() -> Self {
        Self { turn: 0, from: 0, synced: None }
    }

    /// Removes what is due.
    pub(super) fn expire(&mut self, disk: &Disk, counters: &Counters, now: u64) -> Result<(), StoreError> {
        self.from = self.from.min(now.saturating_sub(OVERLAP));
        for _ in 0..CHUNKS {
            let due = disk.due(self.from, now, CHUNK)?;
            settle_all(disk, counters, &due, now)?;
            match due.last() {
                Some(last) if due.len() == CHUNK => self.from = last.at,
                _ => {
                    self.from = now;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Makes what was written survive a loss of power, at most once a second.
    pub(super) fn sync(&mut self, disk: &Disk, now: Instant) -> Result<(), StoreError> {
        let recent = self.synced.is_some_and(|synced| now.duration_since(synced) < SYNC_AFTER);
        if !recent && disk.sync()? {
            self.synced = Some(now);
        }
        Ok(())
    }
}

fn settle_all(disk: &Disk, counters: &Counters, all: &[Due], now: u64) -> Result<(), StoreError> {
    if all.is_empty() {
        return Ok(());
    }
    let mut change = disk.begin();
    let settled = all.iter().map(|due| settle(disk, &mut change, due, now)).collect::<Result<Vec<_>, _>>()?;
    // Until memory knows it too, nobody may write a counter as it was listed before.
    let _only = change.commit()?;
    for (due, listed) in all.iter().zip(settled) {
        if let (Table::Counters, Some(listed)) = (due.table, listed) {
            counters.moved(&due.name, listed);
        }
    }
    Ok(())
}

/// Removes an entry that is due, or moves it on the list if it lives on; its new time there.
fn settle(disk: &Disk, change: &mut Change<'_>, due: &Due, now: u64) -> Result<Option<u64>, StoreError> {
    let Due { at, table, name } = due;
    match disk.read(*table, name)?.filter(|entry| entry.listed == *at) {
        Some(entry) if entry.lives(now) => {
            change.unlist(*table, name, *at);
            Ok(Some(change.put(*table, name, entry.value(), entry.expires, 0)))
        }
        Some(_) => {
            change.remove(*table, name, *at);
            Ok(Some(0))
        }
        None => {
            change.unlist(*table, name, *at);
            Ok(None)
        }
    }
}
