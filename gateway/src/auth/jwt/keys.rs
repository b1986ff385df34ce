//! Where the keys come from that JWTs are checked with.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use jsonwebtoken::DecodingKey;

use super::jwks::KeySet;
use super::method::Method;
use crate::auth::error::JwtError;
use crate::definition::{Definition, JwksUri, Refusal};
use crate::upstream::Client;

/// For how long a set of keys counts where the operator says nothing.
const KEPT: Duration = Duration::from_secs(240);

/// What JWTs of an API are checked with.
#[derive(Debug)]
pub(super) enum KeySource {
    /// The secret in the session of the caller's key.
    PerCaller,
    /// One key for all.
    Fixed(Arc<DecodingKey>),
    /// Keys that others publish.
    Sets(KeySets),
}

/// Published sets of keys, asked in their order.
#[derive(Debug)]
pub(super) struct KeySets(Vec<KeySet>);

impl KeySource {
    /// `jwt_jwks_uris` goes before `jwt_source`; without both each caller has a secret of its own.
    pub(super) fn compile(definition: &Definition, method: Method) -> Result<Self, Refusal> {
        let uris = &definition.jwt_jwks_uris;
        if !uris.is_empty() {
            let sets = uris.iter().enumerate().map(|(index, uri)| set(&format!("jwt_jwks_uris[{index}].url"), uri));
            return Ok(Self::Sets(KeySets(sets.collect::<Result<_, _>>()?)));
        }
        let source = definition.jwt_source.trim();
        if source.is_empty() {
            return Ok(Self::PerCaller);
        }
        if is_url(source) {
            return single(source);
        }
        let decoded = STANDARD.decode(source).map_err(|_| unusable("it is neither a URL nor base64"))?;
        match std::str::from_utf8(&decoded).map(str::trim) {
            Ok(url) if is_url(url) => single(url),
            _ => match method.key(&decoded) {
                Some(key) => Ok(Self::Fixed(Arc::new(key))),
                None => Err(unusable("what it decodes to is no key of this jwt_signing_method")),
            },
        }
    }
}

impl KeySource {
    /// Forgets what others published.
    pub(super) fn forget_sets(&self) {
        if let Self::Sets(KeySets(sets)) = self {
            sets.iter().for_each(KeySet::forget);
        }
    }
}

impl KeySets {
    /// The key of that name; a token must name one.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        method: Method,
        client: &Client,
    ) -> Result<Arc<DecodingKey>, JwtError> {
        let kid = kid.ok_or(JwtError::Untrusted("it names no key (kid)"))?;
        for set in &self.0 {
            if let Some(key) = set.find(kid, method.family(), client).await {
                return Ok(key);
            }
        }
        Err(JwtError::Untrusted("no published set has the key that it names (kid)"))
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn single(url: &str) -> Result<KeySource, Refusal> {
    let uri = JwksUri { url: url.to_owned(), cache_timeout: 0 };
    Ok(KeySource::Sets(KeySets(vec![set("jwt_source", &uri)?])))
}

fn set(path: &str, written: &JwksUri) -> Result<KeySet, Refusal> {
    let url = &written.url;
    let uri = url.parse().ok().filter(|uri: &Uri| is_url(url) && uri.authority().is_some());
    let uri = uri.ok_or_else(|| Refusal {
        path: path.to_owned(),
        reason: format!("{url:?} is no address of a key set: write https://HOST/PATH"),
    })?;
    let kept = u64::try_from(written.cache_timeout).ok().filter(|seconds| *seconds > 0);
    Ok(KeySet::new(uri, kept.map_or(KEPT, Duration::from_secs)))
}

/// The value may be a secret, so it is not shown.
fn unusable(why: &str) -> Refusal {
    Refusal {
        path: "jwt_source".to_owned(),
        reason: format!(
            "{why}, so no JWT could be trusted: write the URL of a key set, or base64 of the shared secret (hmac) or of the public key in PEM"
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn source(value: Value, method: Method) -> Result<KeySource, Refusal> {
        KeySource::compile(&serde_json::from_value(value).unwrap(), method)
    }

    #[test]
    fn a_source_is_a_url_a_key_or_each_callers_own() {
        let of = |text: &str| source(json!({"jwt_source": text}), Method::Hmac).unwrap();
        assert!(matches!(of(""), KeySource::PerCaller));
        assert!(matches!(of(&STANDARD.encode("secret")), KeySource::Fixed(_)));
        for url in ["https://idp.test/keys".to_owned(), STANDARD.encode("http://idp.test/keys\n")] {
            assert!(matches!(of(&url), KeySource::Sets(_)), "{url}");
        }
        let uris = json!({"jwt_source": "%", "jwt_jwks_uris": [{"url": "http://a.test/"}, {"url": "http://b.test/"}]});
        assert!(matches!(source(uris, Method::Rsa).unwrap(), KeySource::Sets(KeySets(sets)) if sets.len() == 2));
    }

    #[test]
    fn a_source_that_cannot_be_used_is_refused_and_not_shown() {
        let pem = STANDARD.encode("-----BEGIN PUBLIC KEY-----\nMII=\n-----END PUBLIC KEY-----\n");
        for (text, method) in
            [("hush hush", Method::Hmac), (&STANDARD.encode("hush"), Method::Rsa), (&pem, Method::Hmac)]
        {
            let refusal = source(json!({"jwt_source": text}), method).unwrap_err();
            assert!(refusal.path == "jwt_source" && !refusal.reason.contains(text), "{refusal}");
        }
        let broken = json!({"jwt_jwks_uris": [{"url": "https://a.test/"}, {"url": "ftp://b.test/"}]});
        assert_eq!(source(broken, Method::Rsa).unwrap_err().path, "jwt_jwks_uris[1].url");
    }
}
