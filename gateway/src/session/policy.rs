//! Policies: what an operator lays over sessions each time they are read.

mod apply;
pub mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{AccessDefinition, Limit, State};

/// A policy as written. Unlike a session's, members at their zero value are written too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// What a database called it; its id, if it has no other.
    #[serde(rename = "_id")]
    pub object_id: String,
    /// Its id within the organisation.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// The organisation.
    pub org_id: String,
    /// Requests in `per` seconds; says nothing if zero, no limit if negative.
    pub rate: f64,
    /// Seconds.
    pub per: f64,
    /// Requests in `quota_renewal_rate` seconds; says nothing if zero, no quota if -1.
    pub quota_max: i64,
    /// Seconds; the quota never renews unless positive.
    pub quota_renewal_rate: i64,
    /// Seconds between tries of a request that is over its rate.
    pub throttle_interval: f64,
    /// How many such tries.
    pub throttle_retry_limit: i64,
    /// GraphQL; -1 is no limit.
    pub max_query_depth: i64,
    /// What may be called, by API id.
    pub access_rights: Option<BTreeMap<String, AccessDefinition>>,
    /// Whether its keys may sign with HMAC.
    pub hmac_enabled: bool,
    /// Whether its keys may sign with RSA.
    pub enable_http_signature_validation: bool,
    /// Kept as it came: only `is_inactive` counts.
    pub active: bool,
    /// Whether its callers are kept out.
    pub is_inactive: bool,
    /// Labels.
    pub tags: Option<Vec<String>>,
    /// Seconds from a key's creation to its expiry; never unless positive.
    pub key_expires_in: i64,
    /// `retain` or `delete`: what becomes of its keys once expired.
    pub post_expiry_action: String,
    /// Seconds for which an expired key is retained; -1 for ever.
    pub post_expiry_grace_period: i64,
    /// What of a session it governs.
    pub partitions: Partitions,
    /// Unix seconds as text.
    pub last_updated: String,
    /// Notes that replace the session's of the same name.
    pub meta_data: Option<Map<String, Value>>,
    /// GraphQL, kept as it came.
    pub graphql_access_rights: Value,
    /// Rate smoothing, kept as it came.
    pub smoothing: Value,
}

/// What of a session a policy governs: what is named here, or everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Partitions {
    /// The quota.
    pub quota: bool,
    /// The rate.
    pub rate_limit: bool,
    /// The query depth.
    pub complexity: bool,
    /// Which APIs may be called.
    pub acl: bool,
    /// Everything, with limits for each API; goes with none of the others.
    pub per_api: bool,
}

/// The policies in force.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    by_id: BTreeMap<String, Vec<Arc<Policy>>>,
    unreadable: BTreeSet<String>,
}

/// Why a session's policies cannot be applied.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    /// The only policy that the session names does not exist.
    #[error("there is no policy {0:?}")]
    Unknown(String),
    /// A policy is there and cannot be read: what it takes away must not be granted.
    #[error("the policy {0:?} cannot be read; correct its file")]
    Unreadable(String),
    /// A policy belongs to another organisation than the API.
    #[error("the policy {0:?} belongs to another organisation than the API")]
    OtherOrganisation(String),
    /// A policy has limits for each API and partitions as well.
    #[error("the policy {0:?} has per_api and another partition; choose one")]
    PerApiAndPartition(String),
    /// The session names policies of both kinds.
    #[error("cannot apply multiple policies when some have per_api set and some are partitioned")]
    Mixed,
    /// The policies grant no API.
    #[error("key has no valid policies to be applied")]
    NoneValid,
    /// The policies in the session's metadata cannot be read.
    #[error("the session's metadata entry \"policies\" cannot be read: {0}")]
    Inline(String),
}

impl Policies {
    /// Puts a policy in force, in place of its organisation's one of the same id.
    pub fn add(&mut self, policy: Policy) {
        let named = self.by_id.entry(policy.id.clone()).or_default();
        named.retain(|other| other.org_id != policy.org_id);
        named.push(Arc::new(policy));
    }

    /// Refuses sessions that name this policy, because it cannot be read.
    pub fn add_unreadable(&mut self, id: String) {
        self.unreadable.insert(id);
    }

    /// A policy of an organisation.
    pub fn get(&self, org_id: &str, id: &str) -> Option<&Arc<Policy>> {
        self.by_id.get(id)?.iter().find(|policy| policy.org_id == org_id)
    }

    /// All policies, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.by_id.values().flatten()
    }

    /// Lays the policies that the session names over it, for an API of this organisation. After an
    /// error the session is of no use.
    pub fn apply(&self, state: &mut State, org_id: &str) -> Result<(), PolicyError> {
        apply::apply(self, state, org_id)
    }

    /// The policy that a session means; none if there is none of this name.
    fn find(&self, org_id: &str, id: &str) -> Result<Option<&Arc<Policy>>, PolicyError> {
        if self.unreadable.contains(id) {
            return Err(PolicyError::Unreadable(id.to_owned()));
        }
        match self.get(org_id, id) {
            None if self.by_id.contains_key(id) => Err(PolicyError::OtherOrganisation(id.to_owned())),
            found => Ok(found),
        }
    }
}

impl Policy {
    fn limit(&self) -> Limit {
        Limit {
            rate: self.rate,
            per: self.per,
            smoothing: self.smoothing.clone(),
            throttle_interval: self.throttle_interval,
            throttle_retry_limit: self.throttle_retry_limit,
            max_query_depth: self.max_query_depth,
            quota_max: self.quota_max,
            quota_renewal_rate: self.quota_renewal_rate,
            ..Limit::default()
        }
    }

    fn rights(&self) -> impl Iterator<Item = (&String, &AccessDefinition)> {
        self.access_rights.iter().flatten()
    }
}

impl Partitions {
    fn is_partitioned(self) -> bool {
        self.quota || self.rate_limit || self.complexity || self.acl
    }

    /// With everything named that it governs.
    fn governed(self) -> Self {
        if self.is_partitioned() {
            return self;
        }
        Self { quota: true, rate_limit: true, complexity: true, acl: true, ..self }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_policy_is_written_with_its_zero_values_in_the_usual_order() {
        let policy: Policy = json::read(r#"{"ID": "gold", "Tags": [], "PARTITIONS": {"Acl": true}}"#).unwrap().0;
        let expected = concat!(
            r#"{"_id":"","id":"gold","name":"","org_id":"","rate":0.0,"per":0.0,"quota_max":0,"quota_renewal_rate":0,"#,
            r#""throttle_interval":0.0,"throttle_retry_limit":0,"max_query_depth":0,"access_rights":null,"#,
            r#""hmac_enabled":false,"enable_http_signature_validation":false,"active":false,"is_inactive":false,"#,
            r#""tags":[],"key_expires_in":0,"post_expiry_action":"","post_expiry_grace_period":0,"#,
            r#""partitions":{"quota":false,"rate_limit":false,"complexity":false,"acl":true,"per_api":false},"#,
            r#""last_updated":"","meta_data":null,"graphql_access_rights":null,"smoothing":null}"#,
        );
        assert_eq!(serde_json::to_string(&policy).unwrap(), expected);
    }

    #[test]
    fn organisations_have_policies_of_their_own() {
        let gold = |org: &str, name: &str| Policy {
            id: "gold".into(),
            org_id: org.into(),
            name: name.into(),
            ..Default::default()
        };
        let mut policies = Policies::default();
        for policy in [gold("a", "1"), gold("b", "2"), gold("a", "3")] {
            policies.add(policy);
        }
        assert_eq!(policies.get("a", "gold").unwrap().name, "3");
        assert_eq!(policies.iter().count(), 2);
        assert!(policies.get("c", "gold").is_none());
    }
}
