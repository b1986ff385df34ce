//! Finds the sessions of keys: first what this process remembers, then the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;

use super::callers::{ENTRY, ROOM};
use crate::config;
use crate::json;
use crate::session::key::Hashing;
use crate::session::policy::Policies;
use crate::session::{Key, Session, State};
use crate::store::{Space, Store, StoreError};

/// For how long a session is remembered: a change that another program makes counts after that.
const REMEMBERED: Duration = Duration::from_secs(10);

/// The sessions of keys, shared by all workers.
pub struct Keys {
    hashing: Hashing,
    shortest: usize,
    policies: ArcSwap<Policies>,
    remembered: Option<Cache<Arc<str>, Remembered>>,
    epoch: AtomicU64,
}

/// A session with policies applied for one organisation.
#[derive(Clone)]
struct Remembered {
    org_id: Arc<str>,
    session: Arc<Session>,
}

impl Keys {
    /// Knows no session and no policy yet.
    pub fn new(settings: &config::Keys) -> Self {
        Self {
            hashing: settings.hashing.clone(),
            shortest: settings.shortest,
            policies: ArcSwap::default(),
            remembered: settings
                .remember
                .then(|| Cache::builder().max_capacity(ROOM).weigher(weight).time_to_live(REMEMBERED).build()),
            epoch: AtomicU64::new(0),
        }
    }

    /// Whether sessions may be remembered in this process.
    pub fn remember(&self) -> bool {
        self.remembered.is_some()
    }

    /// How key ids are made and hidden.
    pub fn hashing(&self) -> &Hashing {
        &self.hashing
    }

    /// The policies in force.
    pub fn policies(&self) -> Arc<Policies> {
        self.policies.load_full()
    }

    /// Puts other policies in force.
    pub fn replace_policies(&self, policies: Policies) {
        self.policies.store(Arc::new(policies));
        self.forget_all();
    }

    /// The session of a token as a caller presents it to an API of this organisation. Policies that
    /// cannot be applied make the key unknown.
    pub async fn find(
        &self,
        store: &Store,
        org_id: &Arc<str>,
        presented: &str,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        if presented.len() < self.shortest {
            return Ok(None);
        }
        self.first(store, org_id, self.hashing.candidates(org_id, presented)).await
    }

    /// The session of exactly this key id.
    pub async fn get(&self, store: &Store, org_id: &Arc<str>, id: String) -> Result<Option<Arc<Session>>, StoreError> {
        self.first(store, org_id, vec![id]).await
    }

    /// The key of an id.
    pub fn key(&self, id: &str) -> Key {
        Key { id: id.into(), name: self.hashing.name(id).into() }
    }

    /// Stores a session under its key, in place of what was there.
    pub async fn save(&self, store: &Store, session: &Session, lifetime: Option<Duration>) -> Result<(), StoreError> {
        let unwritable = |error: serde_json::Error| StoreError {
            place: session.key.name.to_string(),
            reason: format!("the session cannot be written as JSON: {error}"),
        };
        let json = serde_json::to_vec(&session.state).map_err(unwritable)?;
        // Before as well: the caller may not stay until it is stored.
        self.drop_remembered(&session.key.name);
        let saved = store.put_session(Space::Key, &session.key.name, &json, lifetime).await;
        self.drop_remembered(&session.key.name);
        saved
    }

    /// Starts the lifetime of a session anew.
    pub async fn touch(&self, store: &Store, key: &Key, lifetime: Duration) -> Result<(), StoreError> {
        store.touch_session(Space::Key, &key.name, Some(lifetime)).await
    }

    /// Drops what is remembered of a key that somebody else changed.
    pub fn forget(&self, name: &str) {
        // First, so that who remembers what was read before either sees it, or is made to forget.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.drop_remembered(name);
    }

    fn drop_remembered(&self, name: &str) {
        if let Some(remembered) = &self.remembered {
            remembered.invalidate(name);
        }
    }

    /// Drops all that is remembered: changes may have gone unnoticed.
    pub fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if let Some(remembered) = &self.remembered {
            remembered.invalidate_all();
        }
    }

    /// Changes whenever something was forgotten: sessions held elsewhere count no longer.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    async fn first(
        &self,
        store: &Store,
        org_id: &Arc<str>,
        ids: Vec<String>,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        let names: Vec<_> = ids.iter().map(|id| self.hashing.name(id)).collect();
        if let Some(session) = names.iter().find_map(|name| self.recall(name, org_id)) {
            return Ok(Some(session));
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let epoch = self.epoch();
        let Some((at, stored)) = store.session(Space::Key, &names).await? else { return Ok(None) };
        let key = Key { id: ids[at].as_str().into(), name: names[at].into() };
        let session = self.read(key, &stored, org_id);
        if let Some(session) = &session {
            self.remember_since(epoch, session, org_id);
        }
        Ok(session)
    }

    fn recall(&self, name: &str, org_id: &Arc<str>) -> Option<Arc<Session>> {
        let found = self.remembered.as_ref()?.get(name)?;
        (found.org_id == *org_id).then_some(found.session)
    }

    /// Remembers a session that was read after this epoch began, unless something was forgotten
    /// since: it may be what is to be forgotten.
    fn remember_since(&self, epoch: u64, session: &Arc<Session>, org_id: &Arc<str>) {
        let Some(remembered) = &self.remembered else { return };
        let entry = Remembered { org_id: Arc::clone(org_id), session: Arc::clone(session) };
        remembered.insert(Arc::clone(&session.key.name), entry);
        if self.epoch() != epoch {
            remembered.invalidate(&session.key.name);
        }
    }

    /// Makes a session of what was stored.
    fn read(&self, key: Key, stored: &[u8], org_id: &Arc<str>) -> Option<Arc<Session>> {
        let text = std::str::from_utf8(stored).ok()?;
        let mut state: State = match json::read(text) {
            Ok((state, _)) => state,
            Err(error) => {
                tracing::error!(key = &*key.name, %error, "a stored session cannot be read, its key is unknown");
                return None;
            }
        };
        if let Err(error) = self.policies.load().apply(&mut state, org_id) {
            tracing::debug!(key = &*key.name, %error, "a key's policies cannot be applied, the key is unknown");
            return None;
        }
        Some(Arc::new(Session::new(state, key)))
    }
}

fn weight(_: &Arc<str>, remembered: &Remembered) -> u32 {
    (ENTRY + remembered.session.size()).try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_something_was_forgotten_is_not_remembered() {
        let keys = Keys::new(&config::Keys { remember: true, ..config::Keys::default() });
        let org_id: Arc<str> = "o".into();
        let session = keys.read(keys.key("k"), b"{}", &org_id).unwrap();
        let before = keys.epoch();
        keys.forget("k");
        keys.remember_since(before, &session, &org_id);
        assert!(keys.recall("k", &org_id).is_none());
        keys.remember_since(keys.epoch(), &session, &org_id);
        assert!(keys.recall("k", &org_id).is_some());
    }
}
