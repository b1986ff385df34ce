//! What is known of the callers of all APIs, in bounded memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use equivalent::Equivalent;
use moka::Expiry;
use moka::future::Cache;

use super::session_cache::Known;
use crate::clock;

/// Bytes for all callers; beyond it the least used are forgotten.
pub const ROOM: u64 = 96 << 20;
/// About what the cache itself needs for an entry, in bytes.
pub const ENTRY: usize = 400;

/// The callers that APIs know, each API its own.
pub struct Callers {
    known: Cache<Caller<Vec<u8>>, Known>,
    apis: AtomicU64,
}

/// The callers of one API, as it was loaded.
pub struct ApiCallers {
    known: Cache<Caller<Vec<u8>>, Known>,
    api: u64,
}

/// A caller of one API; an API that was loaded anew counts as another.
#[derive(Hash, PartialEq, Eq)]
struct Caller<V> {
    api: u64,
    value: V,
}

/// An answer of the plugin that is only for the request that got it.
#[derive(Clone, Copy)]
struct Unshared;

/// Entries end when they count no longer.
struct Until;

impl Default for Callers {
    /// Knows nobody.
    fn default() -> Self {
        let known = Cache::builder().max_capacity(ROOM).weigher(weight).expire_after(Until).build();
        Self { known, apis: AtomicU64::new(0) }
    }
}

impl Callers {
    /// Room for the callers of another API.
    pub fn of_api(&self) -> ApiCallers {
        ApiCallers { known: self.known.clone(), api: self.apis.fetch_add(1, Ordering::Relaxed) }
    }
}

impl ApiCallers {
    /// What is known of a caller.
    pub(super) async fn get(&self, value: &[u8]) -> Option<Known> {
        self.known.get(&self.caller(value)).await
    }

    /// Runs `ask` for one of all requests that miss this caller at once, and gives all what it found.
    pub(super) async fn get_or_ask(&self, value: &[u8], ask: impl Future<Output = Option<Known>>) -> Option<Known> {
        let ask = async { ask.await.ok_or(Unshared) };
        self.known.try_get_with(self.caller(value.to_vec()), ask).await.ok()
    }

    /// Puts this in place of what was known.
    pub(super) async fn insert(&self, value: Vec<u8>, known: Known) {
        self.known.insert(self.caller(value), known).await;
    }

    /// Drops what was known.
    pub(super) async fn forget(&self, value: &[u8]) {
        self.known.invalidate(&self.caller(value)).await;
    }

    fn caller<V>(&self, value: V) -> Caller<V> {
        Caller { api: self.api, value }
    }
}

impl Equivalent<Caller<Vec<u8>>> for Caller<&[u8]> {
    fn equivalent(&self, other: &Caller<Vec<u8>>) -> bool {
        self.api == other.api && self.value == other.value
    }
}

impl Expiry<Caller<Vec<u8>>, Known> for Until {
    fn expire_after_create(&self, _: &Caller<Vec<u8>>, known: &Known, _: Instant) -> Option<Duration> {
        Some(left(known))
    }

    fn expire_after_update(
        &self,
        _: &Caller<Vec<u8>>,
        known: &Known,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(left(known))
    }
}

fn left(known: &Known) -> Duration {
    let seconds = known.until().saturating_sub(clock::unix_seconds());
    Duration::from_secs(seconds.try_into().unwrap_or(0))
}

fn weight(caller: &Caller<Vec<u8>>, known: &Known) -> u32 {
    (ENTRY + caller.value.len() + known.size()).try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::auth::keys::Keys;
    use crate::auth::session_cache::SessionCache;
    use crate::config;
    use crate::definition;
    use crate::error::Refusal;

    /// A refusal that takes so many bytes, for an hour.
    fn refusal(size: usize) -> Known {
        let settings = definition::SessionCache { remember_refusals_seconds: 3600, ..Default::default() };
        let cache = SessionCache::new(&settings, &Callers::default());
        let refusal = Refusal {
            status: StatusCode::FORBIDDEN,
            text: "x".repeat(size),
            headers: HeaderMap::new(),
            token: String::new(),
        };
        let keys = Keys::new(&config::Keys::default());
        Known::Refusal(cache.refusal(&refusal, keys.epoch(), clock::unix_seconds()).unwrap())
    }

    #[tokio::test]
    async fn an_api_knows_its_own_callers_only() {
        let callers = Callers::default();
        let [one, other] = [callers.of_api(), callers.of_api()];
        one.insert(b"a".to_vec(), refusal(1)).await;
        assert!(one.get(b"a").await.is_some() && other.get(b"a").await.is_none());
        one.forget(b"a").await;
        assert!(one.get(b"a").await.is_none());
    }

    #[tokio::test]
    async fn the_callers_of_all_apis_share_one_room() {
        const MEBIBYTE: usize = 1 << 20;
        let callers = Callers::default();
        let known = refusal(MEBIBYTE);
        for api in [callers.of_api(), callers.of_api()] {
            for caller in 0..100_u8 {
                api.insert(vec![caller], known.clone()).await;
            }
        }
        callers.known.run_pending_tasks().await;
        let held = callers.known.entry_count() as usize * MEBIBYTE;
        assert!(held > 0 && held <= ROOM as usize, "{held}");
    }
}
