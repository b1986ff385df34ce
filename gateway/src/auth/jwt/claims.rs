//! What the claims of a JWT say about its time and its owner.

use serde_json::{Map, Value};

use crate::auth::error::JwtError;
use crate::definition::Definition;

/// The claim that names the owner where the definition names none.
const SUBJECT: &str = "sub";

/// How wrong the issuer's clock may be, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skews {
    issued_at: f64,
    expires_at: f64,
    not_before: f64,
}

impl Skews {
    pub(super) fn new(definition: &Definition) -> Self {
        Self {
            issued_at: definition.jwt_issued_at_validation_skew as f64,
            expires_at: definition.jwt_expires_at_validation_skew as f64,
            not_before: definition.jwt_not_before_validation_skew as f64,
        }
    }

    /// Whether the token counts at `now` (unix seconds). A time that is no number never counts.
    pub(super) fn check(&self, claims: &Map<String, Value>, now: i64) -> Result<(), JwtError> {
        let now = now as f64;
        let holds = |name: &str, rule: &dyn Fn(f64) -> bool| {
            claims.get(name).is_none_or(|value| value.as_f64().is_some_and(rule))
        };
        if !holds("exp", &|expires| now - self.expires_at < expires) {
            return Err(JwtError::Expired);
        }
        if !holds("iat", &|issued| issued <= now + self.issued_at) {
            return Err(JwtError::IssuedLater);
        }
        if !holds("nbf", &|begins| begins <= now + self.not_before) {
            return Err(JwtError::NotYetValid);
        }
        Ok(())
    }
}

/// The owner: what the named claim says, or else `sub`.
pub(super) fn identity<'a>(claims: &'a Map<String, Value>, named: &str) -> Result<&'a str, JwtError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let named = Some(named).filter(|name| !name.is_empty() && text(name).is_some()).unwrap_or(SUBJECT);
    match text(named) {
        Some("") => Err(JwtError::EmptyIdentity(named.to_owned())),
        found => found.ok_or(JwtError::NoIdentity),
    }
}

/// When the token expires, in unix seconds; 0 if it does not.
pub(super) fn expires(claims: &Map<String, Value>) -> i64 {
    claims.get("exp").and_then(Value::as_f64).map_or(0, |expires| expires as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_token_counts_from_its_beginning_to_its_end() {
        let check = |value: Value| Skews::default().check(&claims(&value), 1000);
        assert_eq!(check(json!({})), Ok(()));
        assert_eq!(check(json!({"exp": 1000.5, "iat": 1000, "nbf": 1000})), Ok(()));
        assert_eq!(check(json!({"exp": 1000, "iat": 2000})), Err(JwtError::Expired));
        assert_eq!(check(json!({"iat": 1001, "nbf": 1001})), Err(JwtError::IssuedLater));
        assert_eq!(check(json!({"nbf": 1001})), Err(JwtError::NotYetValid));
        for value in [json!("2000"), json!(null), json!(0)] {
            assert_eq!(check(json!({"exp": value})), Err(JwtError::Expired), "{value}");
        }
    }

    #[test]
    fn a_skew_widens_its_own_claim_only() {
        let skews = Skews { issued_at: 10.0, expires_at: 20.0, not_before: 30.0 };
        let check = |value: Value| skews.check(&claims(&value), 1000);
        assert_eq!(check(json!({"exp": 981, "iat": 1010, "nbf": 1030})), Ok(()));
        assert_eq!(check(json!({"exp": 980})), Err(JwtError::Expired));
        assert_eq!(check(json!({"iat": 1011})), Err(JwtError::IssuedLater));
        assert_eq!(check(json!({"nbf": 1031})), Err(JwtError::NotYetValid));
    }

    #[test]
    fn the_owner_is_the_named_claim_or_the_subject() {
        let both = claims(&json!({"user": "ann", "sub": "bob", "n": 1}));
        for (named, owner) in [("user", "ann"), ("", "bob"), ("other", "bob"), ("n", "bob")] {
            assert_eq!(identity(&both, named), Ok(owner));
        }
        let empty = |name: &str| Err(JwtError::EmptyIdentity(name.into()));
        assert_eq!(identity(&claims(&json!({"user": "", "sub": "bob"})), "user"), empty("user"));
        assert_eq!(identity(&claims(&json!({"sub": ""})), "user"), empty("sub"));
        assert_eq!(identity(&claims(&json!({"sub": 7})), ""), Err(JwtError::NoIdentity));
    }
}
