//! Which policies the claims of a JWT stand for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::auth::error::JwtError;
use crate::definition::{Definition, ScopeClaim};

/// The claim that names a policy where the definition names none.
const POLICY: &str = "pol";
/// The claim that lists scopes where the definition names none.
const SCOPE: &str = "scope";

/// How policies are found.
#[derive(Debug)]
pub(super) struct Grants {
    policy_claim: String,
    client_claim: String,
    defaults: Vec<String>,
    scope_claim: String,
    scopes: BTreeMap<String, String>,
}

/// What a token says about its first policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Base<'a> {
    /// It names it.
    Policy(&'a str),
    /// It names a key whose policy counts.
    Client(&'a str),
    /// It names none.
    None,
}

impl Grants {
    pub(super) fn new(definition: &Definition) -> Self {
        let ScopeClaim { scope_claim_name, scope_to_policy } = &definition.scopes.jwt;
        let older = &definition.jwt_scope_to_policy_mapping;
        let or = |name: &str, other: &str| if name.is_empty() { other.to_owned() } else { name.to_owned() };
        Self {
            policy_claim: definition.jwt_policy_field_name.clone(),
            client_claim: definition.jwt_client_base_field.clone(),
            defaults: definition.jwt_default_policies.clone(),
            scope_claim: or(scope_claim_name, &or(&definition.jwt_scope_claim_name, SCOPE)),
            scopes: if scope_to_policy.is_empty() { older.clone() } else { scope_to_policy.clone() },
        }
    }

    /// The claim with the policy counts; that with the key of a client only where no claim is named
    /// for the policy.
    pub(super) fn base<'a>(&self, claims: &'a Map<String, Value>) -> Base<'a> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let base = match (self.policy_claim.as_str(), self.client_claim.as_str()) {
            ("", "") => text(POLICY).map(Base::Policy),
            ("", client) => text(client).map(Base::Client),
            (policy, _) => text(policy).map(Base::Policy),
        };
        base.unwrap_or(Base::None)
    }

    /// The ids of the policies. Scopes add to a policy that the token names, and take the place of
    /// the defaults.
    pub(super) fn policies(&self, claims: &Map<String, Value>, base: Option<String>) -> Result<Vec<String>, JwtError> {
        let scopes = if self.scopes.is_empty() { Vec::new() } else { scopes(claims, &self.scope_claim) };
        let mut ids: Vec<_> = base.into_iter().collect();
        if !scopes.is_empty() {
            ids.extend(scopes.iter().filter_map(|scope| self.scopes.get(*scope)).cloned());
        } else if ids.is_empty() {
            ids.clone_from(&self.defaults);
        }
        let mut seen = Vec::with_capacity(ids.len());
        ids.retain(|id| {
            !seen.contains(id) && {
                seen.push(id.clone());
                true
            }
        });
        match (ids.is_empty(), scopes.is_empty()) {
            (false, _) => Ok(ids),
            (true, false) => Err(JwtError::NoPolicyInScope),
            (true, true) if self.scopes.is_empty() => Err(JwtError::NoPolicyFound),
            (true, true) => Err(JwtError::NoScopeOrPolicy),
        }
    }
}

/// The scopes in a claim, divided by spaces or in a list; dots in its name lead into objects.
fn scopes<'a>(claims: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    match claims.get(name).or_else(|| nested(claims, name)) {
        Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn nested<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let (first, rest) = name.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |value, key| value.get(key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grants(value: Value) -> Grants {
        Grants::new(&serde_json::from_value(value).unwrap())
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn the_policy_is_named_by_its_claim_or_by_a_clients_key() {
        let claims = claims(json!({"pol": "p", "plan": "q", "client": "c", "none": "", "n": 1}));
        for (definition, base) in [
            (json!({}), Base::Policy("p")),
            (json!({"jwt_policy_field_name": "plan", "jwt_client_base_field": "client"}), Base::Policy("q")),
            (json!({"jwt_policy_field_name": "none", "jwt_client_base_field": "client"}), Base::None),
            (json!({"jwt_client_base_field": "client"}), Base::Client("c")),
            (json!({"jwt_client_base_field": "n"}), Base::None),
        ] {
            assert_eq!(grants(definition.clone()).base(&claims), base, "{definition}");
        }
    }

    #[test]
    fn scopes_add_to_the_named_policy_and_replace_the_defaults() {
        let mapped = json!({"jwt_default_policies": ["d", "e"], "scopes": {"jwt": {"scope_to_policy": {"r": "p1", "w": "p2", "x": "p1"}}}});
        let grants = grants(mapped);
        let policies = |claim: Value, base: Option<&str>| grants.policies(&claims(claim), base.map(str::to_owned));
        let ids = |ids: &[&str]| Ok(ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        assert_eq!(policies(json!({"scope": "r w  x other"}), None), ids(&["p1", "p2"]));
        assert_eq!(policies(json!({"scope": ["w", 1]}), Some("b")), ids(&["b", "p2"]));
        assert_eq!(policies(json!({"scope": "r"}), Some("p1")), ids(&["p1"]));
        assert_eq!(policies(json!({"scope": "other"}), None), Err(JwtError::NoPolicyInScope));
        assert_eq!(policies(json!({"scope": ""}), None), ids(&["d", "e"]));
        assert_eq!(policies(json!({}), Some("b")), ids(&["b"]));
    }

    #[test]
    fn without_any_policy_nobody_gets_in() {
        let none = claims(json!({"scope": "r"}));
        assert_eq!(grants(json!({})).policies(&none, None), Err(JwtError::NoPolicyFound));
        let older = json!({"jwt_scope_claim_name": "a.b", "jwt_scope_to_policy_mapping": {"r": "p"}});
        assert_eq!(grants(older.clone()).policies(&none, None), Err(JwtError::NoScopeOrPolicy));
        assert_eq!(grants(older).policies(&claims(json!({"a": {"b": "r"}})), None), Ok(vec!["p".to_owned()]));
    }
}
