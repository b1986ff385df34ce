//! Where replies are kept: in the memory of this process or, with Redis as the store, there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use moka::Expiry;
use moka::sync::Cache;

use super::answer::Answer;
use super::key::Key;
use crate::store::{Store, StoreError};

/// Bytes for the replies of all APIs; beyond it the least used are forgotten.
const ROOM: u64 = 64 << 20;

/// What is kept in memory, for all APIs.
#[derive(Clone)]
pub struct Answers {
    kept: Cache<(u64, Key), Kept>,
    /// How many sets there have been.
    sets: Arc<AtomicU64>,
}

/// What is kept for one API, as it was loaded.
pub(super) struct ApiAnswers {
    all: Answers,
    /// The set that counts: who forgets it begins another.
    set: AtomicU64,
    api_id: Arc<str>,
}

#[derive(Clone)]
struct Kept {
    answer: Arc<Answer>,
    lifetime: Duration,
}

/// Entries end when they count no longer.
struct Lifetime;

impl Default for Answers {
    /// Keeps nothing yet.
    fn default() -> Self {
        let weight = |_: &_, kept: &Kept| kept.answer.size().try_into().unwrap_or(u32::MAX);
        let kept = Cache::builder().max_capacity(ROOM).weigher(weight).expire_after(Lifetime).build();
        Self { kept, sets: Arc::default() }
    }
}

impl Answers {
    /// Room for the replies of another API.
    pub(super) fn of_api(&self, api_id: &str) -> ApiAnswers {
        ApiAnswers { all: self.clone(), set: AtomicU64::new(self.set()), api_id: api_id.into() }
    }

    fn set(&self) -> u64 {
        self.sets.fetch_add(1, Ordering::Relaxed)
    }
}

impl ApiAnswers {
    /// What is kept under a key; a store that does not answer has kept nothing.
    pub(super) async fn get(&self, key: &Key, store: &Store) -> Option<Arc<Answer>> {
        let Store::Redis(redis) = store else {
            return self.all.kept.get(&(self.set.load(Ordering::Relaxed), *key)).map(|kept| kept.answer);
        };
        match redis.answer(&self.name(key)).await {
            Ok(found) => found.and_then(Answer::decode).map(Arc::new),
            Err(error) => {
                tracing::warn!(%error, "a cached reply could not be looked up");
                None
            }
        }
    }

    /// Keeps an answer; nobody waits for Redis.
    pub(super) fn put(&self, key: Key, answer: Answer, lifetime: Duration, store: &Store) {
        let Store::Redis(redis) = store else {
            let kept = Kept { answer: Arc::new(answer), lifetime };
            return self.all.kept.insert((self.set.load(Ordering::Relaxed), key), kept);
        };
        let Some(written) = answer.encode() else { return };
        let (redis, name) = (redis.clone(), self.name(&key));
        tokio::spawn(async move {
            if let Err(error) = redis.put_answer(&name, &written, lifetime).await {
                tracing::warn!(%error, "a reply could not be cached");
            }
        });
    }

    /// Forgets everything that is kept for the API.
    pub(super) async fn forget(&self, store: &Store) -> Result<(), StoreError> {
        match store {
            Store::Redis(redis) => redis.forget_answers(&self.beginning()).await,
            Store::Embedded(_) => {
                self.set.store(self.all.set(), Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{}", self.beginning(), HEXLOWER.encode(key))
    }

    /// As the original begins the names of what it caches.
    fn beginning(&self) -> String {
        format!("cache-{}", self.api_id)
    }
}

impl Expiry<(u64, Key), Kept> for Lifetime {
    fn expire_after_create(&self, _: &(u64, Key), kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.lifetime)
    }

    fn expire_after_update(&self, _: &(u64, Key), kept: &Kept, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(kept.lifetime)
    }
}
