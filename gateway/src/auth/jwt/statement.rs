//! A JWT taken apart; nothing in it is true before its signature is checked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

/// A token's parts.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    header: Header,
    pub(super) claims: Map<String, Value>,
    signed: &'a str,
    signature: &'a str,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<Value>,
    /// Extensions that must be understood; we understand none.
    crit: Option<IgnoredAny>,
}

impl<'a> Statement<'a> {
    /// Reads three parts of base64.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = decode(header)?;
        header.crit.is_none().then_some(())?;
        Some(Self { header, claims: decode(claims)?, signed, signature })
    }

    /// What the token says it is signed with.
    pub(super) fn alg(&self) -> &str {
        &self.header.alg
    }

    /// The name of the key that the token says it is signed with.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_ref()?.as_str().filter(|kid| !kid.is_empty())
    }

    /// Everything that it says: its header, and its claims, which go before.
    pub(super) fn into_members(self) -> Map<String, Value> {
        let header = self.signed.split_once('.').and_then(|(header, _)| decode(header));
        let mut members: Map<_, _> = header.unwrap_or_default();
        members.extend(self.claims);
        members
    }

    pub(super) fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm).unwrap_or(false)
    }
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jsonwebtoken::{EncodingKey, encode};
    use serde_json::json;

    use super::*;

    fn token(header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{header}.{claims}.c2ln")
    }

    #[test]
    fn header_and_claims_are_read() {
        let text = token(&json!({"alg": "none", "kid": "k"}), &json!({"sub": "ann"}));
        let read = Statement::parse(&text).unwrap();
        assert_eq!((read.alg(), read.kid(), &read.claims["sub"]), ("none", Some("k"), &json!("ann")));
        for kid in [json!(7), json!(""), Value::Null] {
            let text = token(&json!({"alg": "HS256", "kid": kid}), &json!({}));
            assert_eq!(Statement::parse(&text).unwrap().kid(), None, "{kid}");
        }
    }

    #[test]
    fn claims_go_before_members_of_the_header() {
        let text = token(&json!({"alg": "none", "kid": "k", "sub": "header"}), &json!({"sub": "ann", "n": 1}));
        let members = Statement::parse(&text).unwrap().into_members();
        assert_eq!(Value::Object(members), json!({"alg": "none", "kid": "k", "sub": "ann", "n": 1}));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let alg = json!({"alg": "HS256"});
        let four = format!("{}.x", token(&alg, &json!({})));
        for text in [
            "",
            "a.b",
            "...",
            &four,
            &token(&json!({}), &json!({})),
            &token(&alg, &json!([])),
            &token(&json!({"alg": "HS256", "crit": ["x"]}), &json!({})),
        ] {
            assert!(Statement::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_signature_fits_its_key_algorithm_and_text_only() {
        let text = encode(&Default::default(), &json!({"sub": "ann"}), &EncodingKey::from_secret(b"secret")).unwrap();
        let signed = |text: &str, secret: &str, algorithm| {
            Statement::parse(text).unwrap().is_signed_by(&DecodingKey::from_secret(secret.as_bytes()), algorithm)
        };
        assert!(signed(&text, "secret", Algorithm::HS256));
        assert!(!signed(&text, "other", Algorithm::HS256));
        assert!(!signed(&text, "secret", Algorithm::HS384));
        assert!(!signed(&text, "secret", Algorithm::RS256));
        let unsigned = &text[..=text.rfind('.').unwrap()];
        assert!(!signed(unsigned, "secret", Algorithm::HS256));
    }
}
