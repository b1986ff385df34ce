//! The embedded store: a folder that one process has open.
//!
//! A session that was put or deleted survives the end of the process from then on, however it
//! ends. Counters are kept in memory and written twice a second: a killed process forgets what was
//! counted since. Everything written is made to survive a loss of power about once a second.
//! Sliding logs are in memory only and begin anew with the process.

mod counter;
mod counters;
mod disk;
mod entry;
mod fault;
mod files;
mod rates;
mod sessions;
mod shards;
mod sweep;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod window;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::counters::Counters;
use self::disk::Disk;
use self::rates::Rates;
use self::shards::lock;
use self::sweep::Sweeper;
use super::{Count, Counted, Quota, Space, StoreError};

/// Counters are dropped from memory when not used for so long, in milliseconds.
const IDLE: u64 = 60_000;

/// A handle of the store in the data folder; clones share it. The last one to go closes it.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Disk,
    counters: Counters,
    rates: Rates,
    sweeper: Mutex<Sweeper>,
    opened: Instant,
}

impl Embedded {
    /// Opens the store in this folder, and makes it if it is new.
    ///
    /// # Errors
    ///
    /// Another process has it open, it cannot be read or made, or it is damaged.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let (disk, sweeper) = (Disk::open(folder)?, Mutex::new(Sweeper::new()));
        let (counters, rates) = (Counters::new(), Rates::new());
        Ok(Self { inner: Arc::new(Inner { disk, counters, rates, sweeper, opened: Instant::now() }) })
    }

    pub(super) fn session(&self, space: Space, names: &[&str]) -> Result<Option<(usize, Vec<u8>)>, StoreError> {
        sessions::first(&self.inner.disk, space, names, now())
    }

    pub(super) fn put_session(
        &self,
        space: Space,
        name: &str,
        json: &[u8],
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        sessions::put(&self.inner.disk, space, name, json, sessions::end(lifetime, now()))
    }

    pub(super) fn touch_session(&self, space: Space, name: &str, lifetime: Option<Duration>) -> Result<(), StoreError> {
        let now = now();
        sessions::touch(&self.inner.disk, space, name, sessions::end(lifetime, now), now)
    }

    pub(super) fn delete_session(&self, space: Space, name: &str) -> Result<bool, StoreError> {
        sessions::delete(&self.inner.disk, space, name, now())
    }

    pub(super) fn sessions(&self, space: Space, prefix: &str) -> Result<Vec<String>, StoreError> {
        sessions::names(&self.inner.disk, space, prefix, now())
    }

    pub(super) fn count(&self, count: Count<'_>) -> Result<Counted, StoreError> {
        let inner = &*self.inner;
        let rate = count.rate.map(|limit| inner.rates.count(&limit, inner.elapsed()));
        let refused = rate.is_some_and(|rated| !rated.admitted);
        let quota = count.quota.filter(|_| !refused);
        let quota = quota.map(|request| inner.counters.count(&inner.disk, &request, now())).transpose()?;
        Ok(Counted { rate, quota })
    }

    pub(super) fn quotas(&self, names: &[&str]) -> Result<Vec<Option<Quota>>, StoreError> {
        let now = now();
        names.iter().map(|name| self.inner.counters.stands(&self.inner.disk, name, now)).collect()
    }

    pub(super) fn reset(&self, names: &[String]) -> Result<(), StoreError> {
        for name in names {
            self.inner.rates.forget(name);
            self.inner.counters.forget(&self.inner.disk, name)?;
        }
        Ok(())
    }

    pub(super) fn ping(&self) -> Result<(), StoreError> {
        self.inner.disk.check()
    }

    /// Counters to disk, expired entries out; to be called about twice a second, where it may block.
    ///
    /// # Errors
    ///
    /// The disk failed; what could not be written is tried again next time.
    pub fn sweep(&self) -> Result<(), StoreError> {
        self.inner.sweep(now())
    }

    /// Brings everything to the disk. Where it may block; also done when the last handle goes.
    ///
    /// # Errors
    ///
    /// The disk failed.
    pub fn close(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
}

impl Inner {
    fn sweep(&self, now: u64) -> Result<(), StoreError> {
        let mut sweeper = lock(&self.sweeper);
        self.counters.write(&self.disk)?;
        sweeper.expire(&self.disk, &self.counters, now)?;
        self.counters.tidy(sweeper.turn, now.saturating_sub(IDLE));
        self.rates.tidy(sweeper.turn, self.elapsed());
        sweeper.turn = sweeper.turn.wrapping_add(1);
        sweeper.sync(&self.disk, Instant::now())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.counters.write(&self.disk)?;
        self.disk.sync()?;
        Ok(())
    }

    /// Nanoseconds since the store was opened.
    fn elapsed(&self) -> u64 {
        self.opened.elapsed().as_nanos() as u64
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::error!(%error, "the last counts are not stored");
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64)
}
