//! Published sets of keys (JWKS): fetched when needed, kept for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::Uri;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::upstream::{Client, FetchError};

/// No set is fetched more often, whatever keys tokens name and whatever its server answers.
const PAUSE: Duration = Duration::from_secs(10);
/// The largest document taken, in bytes.
const LARGEST: usize = 1 << 20;

/// One published set, shared by all workers.
#[derive(Debug)]
pub(super) struct KeySet {
    url: Uri,
    kept: Duration,
    known: ArcSwap<Known>,
    /// Held while the set is fetched: everybody else waits for that fetch.
    fetching: Mutex<()>,
}

/// What was fetched last.
#[derive(Debug, Default)]
struct Known {
    keys: Vec<Entry>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    kid: String,
    key: Arc<DecodingKey>,
}

#[derive(Debug, Error)]
enum SetError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it is no key set: {0}")]
    Shape(#[from] serde_json::Error),
}

impl KeySet {
    pub(super) fn new(url: Uri, kept: Duration) -> Self {
        Self { url, kept, known: ArcSwap::default(), fetching: Mutex::default() }
    }

    /// The key of that name and family. Keys that are too old count no longer, even if no newer
    /// ones can be had.
    pub(super) async fn find(&self, kid: &str, family: AlgorithmFamily, client: &Client) -> Option<Arc<DecodingKey>> {
        let find = |known: &Known| known.find(kid, family, Instant::now(), self.kept);
        if let Some(key) = find(&self.known.load()) {
            return Some(key);
        }
        let _fetching = self.fetching.lock().await;
        let known = self.known.load_full();
        let found = find(&known);
        if found.is_some() || !known.may_fetch(Instant::now()) {
            return found;
        }
        let known = Arc::new(self.refresh(&known, client).await);
        self.known.store(Arc::clone(&known));
        find(&known)
    }

    /// Forgets the keys: they are fetched when they are next needed.
    pub(super) fn forget(&self) {
        self.known.store(Arc::default());
    }

    async fn refresh(&self, known: &Known, client: &Client) -> Known {
        let tried = Some(Instant::now());
        match self.fetch(client).await {
            Ok(keys) => Known { keys, fetched: tried, tried },
            Err(error) => {
                tracing::error!(url = %self.url, %error, "a key set was not fetched, tokens that need it are refused");
                Known { keys: known.copy(), fetched: known.fetched, tried }
            }
        }
    }

    async fn fetch(&self, client: &Client) -> Result<Vec<Entry>, SetError> {
        Ok(parse(&client.fetch(&self.url, LARGEST).await?)?)
    }
}

impl Known {
    fn find(&self, kid: &str, family: AlgorithmFamily, now: Instant, kept: Duration) -> Option<Arc<DecodingKey>> {
        self.fetched.filter(|fetched| now.saturating_duration_since(*fetched) < kept)?;
        let found = self.keys.iter().find(|entry| entry.kid == kid && entry.key.family() == family)?;
        Some(Arc::clone(&found.key))
    }

    fn may_fetch(&self, now: Instant) -> bool {
        self.tried.is_none_or(|tried| now.saturating_duration_since(tried) >= PAUSE)
    }

    fn copy(&self) -> Vec<Entry> {
        self.keys.iter().map(|entry| Entry { kid: entry.kid.clone(), key: Arc::clone(&entry.key) }).collect()
    }
}

/// Keys of kinds that we do not know, without a name or not for signing are passed over.
fn parse(document: &[u8]) -> Result<Vec<Entry>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(document)?;
    Ok(set.keys.into_iter().filter_map(entry).collect())
}

fn entry(key: Value) -> Option<Entry> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    Some(Entry { key: Arc::new(DecodingKey::from_jwk(&jwk).ok()?), kid: jwk.common.key_id? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    const RSA: AlgorithmFamily = AlgorithmFamily::Rsa;

    fn known(fetched: Instant) -> Known {
        let keys = parse(
            json!({"keys": [
                {"kty": "RSA", "kid": "a", "use": "sig", "n": "AQAB", "e": "AQAB"},
                {"kty": "RSA", "kid": "b", "use": "enc", "n": "AQAB", "e": "AQAB"},
                {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
                {"kty": "new", "kid": "c"},
                {"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": "AQAB"},
                7,
            ]})
            .to_string()
            .as_bytes(),
        );
        Known { keys: keys.unwrap(), fetched: Some(fetched), tried: Some(fetched) }
    }

    #[test]
    fn keys_for_signing_are_found_by_name_and_family() {
        let now = Instant::now();
        let known = known(now);
        let find = |kid, family| known.find(kid, family, now, PAUSE).map(|key| key.family());
        assert_eq!(find("a", RSA), Some(RSA));
        assert_eq!(find("a", AlgorithmFamily::Ed), Some(AlgorithmFamily::Ed));
        for (kid, family) in [("b", RSA), ("c", RSA), ("", RSA), ("a", AlgorithmFamily::Hmac)] {
            assert_eq!(find(kid, family), None, "{kid} {family:?}");
        }
        assert!(parse(b"{}").is_err() && parse(b"<html>").is_err());
    }

    #[test]
    fn keys_that_are_too_old_count_no_longer() {
        let fetched = Instant::now();
        let find = |after| known(fetched).find("a", RSA, fetched + Duration::from_secs(after), Duration::from_secs(60));
        assert!(find(59).is_some() && find(60).is_none());
        assert!(Known::default().find("a", RSA, fetched, Duration::MAX).is_none());
    }

    #[test]
    fn fetches_keep_a_pause_between_them() {
        let tried = Instant::now();
        assert!(Known::default().may_fetch(tried));
        assert!(!known(tried).may_fetch(tried) && known(tried).may_fetch(tried + PAUSE));
    }
}
