//! The embedded store: a folder that one process has open.
//!
//! A session that was put or deleted has been handed to the operating system by the time that is
//! acknowledged: it survives the end of the process, however it ends. Counters are kept in memory
//! and written twice a second: a killed process forgets what was counted since. Everything written
//! is synced to the disk about once a second: a loss of power takes what was acknowledged since.
//! Sliding logs are in memory only and begin anew with the process.
//!
//! Workers read and count for themselves, from memory for the most part. One thread changes
//! sessions; a worker that waits for it goes on with its other connections.

mod certificates;
mod counter;
mod counters;
mod disk;
mod entry;
mod fault;
mod files;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stdout)]
mod million;
mod rates;
mod sessions;
mod sweep;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod window;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::counters::Counters;
use self::disk::Disk;
use self::rates::Rates;
use self::sweep::Sweeper;
use self::writer::Writer;
use super::{Count, Counted, Quota, QuotaCount, Space, StoreError};
use crate::shards::lock;

/// Counters are dropped from memory when not used for so long, in milliseconds.
const IDLE: u64 = 60_000;

/// A handle of the store in the data folder; clones share it. The last one to go closes it.
#[derive(Clone)]
pub struct Embedded {
    // The first to go: its thread has a part in the rest.
    writer: Arc<Writer>,
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
        let inner = Arc::new(Inner { disk, counters, rates, sweeper, opened: Instant::now() });
        Ok(Self { writer: Arc::new(Writer::start(Arc::clone(&inner))?), inner })
    }

    pub(super) fn session(&self, space: Space, names: &[&str]) -> Result<Option<(usize, Vec<u8>)>, StoreError> {
        sessions::first(&self.inner.disk, space, names, now())
    }

    pub(super) async fn put_session(
        &self,
        space: Space,
        name: &str,
        json: &[u8],
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        let expires = sessions::end(lifetime, now());
        // A plugin that is asked for every request mostly says the same again.
        if sessions::stands(&self.inner.disk, space, name, json, expires)? {
            return Ok(());
        }
        let (name, json) = (name.to_owned(), json.to_vec());
        self.write(move |inner| sessions::put(&inner.disk, space, &name, &json, expires)).await
    }

    pub(super) async fn touch_session(
        &self,
        space: Space,
        name: &str,
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        let (name, now) = (name.to_owned(), now());
        let expires = sessions::end(lifetime, now);
        self.write(move |inner| sessions::touch(&inner.disk, space, &name, expires, now)).await
    }

    pub(super) async fn delete_session(&self, space: Space, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |inner| sessions::delete(&inner.disk, space, &name, now())).await
    }

    pub(super) async fn sessions(&self, space: Space, prefix: &str) -> Result<Vec<String>, StoreError> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.to_owned());
        let read = move || sessions::names(&inner.disk, space, &prefix, now());
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err(self.inner.disk.abandoned()))
    }

    pub(super) fn count(&self, count: Count<'_>) -> Result<Counted, StoreError> {
        let inner = &*self.inner;
        let rate = count.rate.map(|limit| inner.rates.count(&limit, inner.elapsed()));
        let refused = rate.is_some_and(|rated| !rated.admitted);
        let quota = count.quota.filter(|_| !refused);
        let quota = quota.map(|request| inner.counters.count(&inner.disk, &request, now())).transpose()?;
        Ok(Counted { rate, quota })
    }

    pub(super) fn count_in_window(
        &self,
        window: QuotaCount<'_>,
        quota: Option<QuotaCount<'_>>,
    ) -> Result<(Quota, Option<Quota>), StoreError> {
        let count = |request: &QuotaCount<'_>| self.inner.counters.count(&self.inner.disk, request, now());
        let counted = count(&window)?;
        let quota = quota.filter(|_| counted.used <= window.max);
        Ok((counted, quota.as_ref().map(count).transpose()?))
    }

    pub(super) fn quotas(&self, names: &[&str]) -> Result<Vec<Option<Quota>>, StoreError> {
        let now = now();
        names.iter().map(|name| self.inner.counters.stands(&self.inner.disk, name, now)).collect()
    }

    pub(super) async fn reset(&self, names: &[String]) -> Result<(), StoreError> {
        let names = names.to_vec();
        self.write(move |inner| names.iter().try_for_each(|name| inner.reset(name))).await
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.write(|inner| inner.disk.check()).await
    }

    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(write).await.unwrap_or_else(|| Err(self.inner.disk.abandoned()))
    }

    /// Counters to disk, expired entries out; to be called about twice a second, where it may block.
    ///
    /// # Errors
    ///
    /// The disk failed; what could not be written is tried again next time.
    pub fn sweep(&self) -> Result<(), StoreError> {
        self.inner.sweep(now())
    }
}

impl Inner {
    fn reset(&self, name: &str) -> Result<(), StoreError> {
        self.rates.forget(name);
        self.counters.forget(&self.disk, name)
    }

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
