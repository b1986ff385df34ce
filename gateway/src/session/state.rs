//! A session as it is stored and as the REST API shows it: JSON under the original's names.
//!
//! Every member may be missing on input; on output members at their zero value are left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is known of a caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Of an older limiter; kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub last_check: i64,
    /// Of an older limiter; kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub allowance: f64,
    /// Requests in `per` seconds; no limit unless positive.
    #[serde(skip_serializing_if = "zero")]
    pub rate: f64,
    /// Seconds.
    #[serde(skip_serializing_if = "zero")]
    pub per: f64,
    /// Seconds between tries of a request that is over its rate.
    #[serde(skip_serializing_if = "zero")]
    pub throttle_interval: f64,
    /// How many such tries.
    #[serde(skip_serializing_if = "zero")]
    pub throttle_retry_limit: i64,
    /// GraphQL; -1 is no limit.
    #[serde(skip_serializing_if = "zero")]
    pub max_query_depth: i64,
    /// RFC 3339.
    #[serde(skip_serializing_if = "zero")]
    pub date_created: String,
    /// Unix seconds; never unless positive.
    #[serde(skip_serializing_if = "zero")]
    pub expires: i64,
    /// Requests in `quota_renewal_rate` seconds; no quota unless positive.
    #[serde(skip_serializing_if = "zero")]
    pub quota_max: i64,
    /// Unix seconds; as last counted.
    #[serde(skip_serializing_if = "zero")]
    pub quota_renews: i64,
    /// As last counted.
    #[serde(skip_serializing_if = "zero")]
    pub quota_remaining: i64,
    /// Seconds; the quota never renews unless positive.
    #[serde(skip_serializing_if = "zero")]
    pub quota_renewal_rate: i64,
    /// What may be called, by API id; empty is everything. Boxed, as a map has room for eleven at once.
    #[serde(skip_serializing_if = "zero")]
    pub access_rights: BTreeMap<String, Box<AccessDefinition>>,
    /// The organisation.
    #[serde(skip_serializing_if = "zero")]
    pub org_id: String,
    /// The OAuth client that the session belongs to.
    #[serde(skip_serializing_if = "zero")]
    pub oauth_client_id: String,
    /// OAuth's tokens.
    #[serde(skip_serializing_if = "zero")]
    pub oauth_keys: BTreeMap<String, String>,
    /// The client certificate that the session belongs to.
    #[serde(skip_serializing_if = "zero")]
    pub certificate: String,
    /// The client certificates that may present the key.
    #[serde(skip_serializing_if = "zero")]
    pub mtls_static_certificate_bindings: Vec<String>,
    /// For basic auth.
    #[serde(skip_serializing_if = "zero")]
    pub basic_auth_data: BasicAuth,
    /// For JWT.
    #[serde(skip_serializing_if = "zero")]
    pub jwt_data: Jwt,
    /// Whether the key may sign with HMAC.
    #[serde(skip_serializing_if = "zero")]
    pub hmac_enabled: bool,
    /// Whether the key may sign with RSA.
    #[serde(skip_serializing_if = "zero")]
    pub enable_http_signature_validation: bool,
    /// The HMAC secret.
    #[serde(skip_serializing_if = "zero")]
    pub hmac_string: String,
    /// The certificate that holds the RSA key.
    #[serde(skip_serializing_if = "zero")]
    pub rsa_certificate_id: String,
    /// Whether the caller is kept out.
    #[serde(skip_serializing_if = "zero")]
    pub is_inactive: bool,
    /// The older way to name one policy.
    #[serde(skip_serializing_if = "zero")]
    pub apply_policy_id: String,
    /// The policies that change this session each time it is read.
    #[serde(skip_serializing_if = "zero")]
    pub apply_policies: Vec<String>,
    /// When analytics of the caller expire.
    #[serde(skip_serializing_if = "zero")]
    pub data_expires: i64,
    /// At which shares of the quota an event is raised.
    #[serde(skip_serializing_if = "zero")]
    pub monitor: Monitor,
    /// The older word for `enable_detailed_recording`.
    #[serde(skip_serializing_if = "zero")]
    pub enable_detail_recording: bool,
    /// Whether analytics keep whole requests.
    #[serde(skip_serializing_if = "zero")]
    pub enable_detailed_recording: bool,
    /// What a plugin or an operator noted.
    #[serde(skip_serializing_if = "zero")]
    pub meta_data: Map<String, Value>,
    /// Labels.
    #[serde(skip_serializing_if = "zero")]
    pub tags: Vec<String>,
    /// A name for people.
    #[serde(skip_serializing_if = "zero")]
    pub alias: String,
    /// Unix seconds as text, where the REST API wrote it.
    #[serde(skip_serializing_if = "zero")]
    pub last_updated: String,
    /// Until when the auth hook need not be asked again, in unix seconds.
    #[serde(skip_serializing_if = "zero")]
    pub id_extractor_deadline: i64,
    /// How long it is stored, in seconds; the API's lifetime unless positive.
    #[serde(skip_serializing_if = "zero")]
    pub session_lifetime: i64,
    /// `retain` or `delete`: what becomes of it once expired.
    #[serde(skip_serializing_if = "zero")]
    pub post_expiry_action: String,
    /// Seconds for which an expired session is retained; -1 for ever.
    #[serde(skip_serializing_if = "zero")]
    pub post_expiry_grace_period: i64,
    /// Rate smoothing, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub smoothing: Value,
}

/// What may be called on one API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessDefinition {
    /// The API's name.
    #[serde(skip_serializing_if = "zero")]
    pub api_name: String,
    /// The API's id.
    #[serde(skip_serializing_if = "zero")]
    pub api_id: String,
    /// The API's versions.
    #[serde(skip_serializing_if = "zero")]
    pub versions: Vec<String>,
    /// Paths and methods; all if empty.
    #[serde(skip_serializing_if = "zero")]
    pub allowed_urls: Vec<AllowedUrl>,
    /// GraphQL, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub restricted_types: Value,
    /// GraphQL, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub allowed_types: Value,
    /// The API's own rate and quota; the session's if it is all zero.
    #[serde(skip_serializing_if = "zero")]
    pub limit: Limit,
    /// GraphQL, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub field_access_rights: Value,
    /// GraphQL.
    #[serde(skip_serializing_if = "zero")]
    pub disable_introspection: bool,
    /// Which counters the limit counts on; set when policies are applied.
    #[serde(skip_serializing_if = "zero")]
    pub allowance_scope: String,
    /// Rates of single paths.
    #[serde(skip_serializing_if = "zero")]
    pub endpoints: Vec<Endpoint>,
    /// JSON-RPC, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub json_rpc_methods: Value,
    /// JSON-RPC, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub json_rpc_methods_access_rights: Value,
    /// MCP, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub mcp_primitives: Value,
    /// MCP, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub mcp_access_rights: Value,
}

/// A path and the methods that may be used on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AllowedUrl {
    /// A regular expression, not anchored.
    #[serde(skip_serializing_if = "zero")]
    pub url: String,
    /// Upper case.
    #[serde(skip_serializing_if = "zero")]
    pub methods: Vec<String>,
}

/// A rate and a quota.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limit {
    /// Requests in `per` seconds.
    #[serde(skip_serializing_if = "zero")]
    pub rate: f64,
    /// Seconds.
    #[serde(skip_serializing_if = "zero")]
    pub per: f64,
    /// Rate smoothing, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub smoothing: Value,
    /// Seconds between tries of a request that is over its rate.
    #[serde(skip_serializing_if = "zero")]
    pub throttle_interval: f64,
    /// How many such tries.
    #[serde(skip_serializing_if = "zero")]
    pub throttle_retry_limit: i64,
    /// GraphQL; -1 is no limit.
    #[serde(skip_serializing_if = "zero")]
    pub max_query_depth: i64,
    /// Requests in `quota_renewal_rate` seconds.
    #[serde(skip_serializing_if = "zero")]
    pub quota_max: i64,
    /// Unix seconds; as last counted.
    #[serde(skip_serializing_if = "zero")]
    pub quota_renews: i64,
    /// As last counted.
    #[serde(skip_serializing_if = "zero")]
    pub quota_remaining: i64,
    /// Seconds; the quota never renews unless positive.
    #[serde(skip_serializing_if = "zero")]
    pub quota_renewal_rate: i64,
}

/// A path with rates of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// A regular expression for the path below the listen path.
    #[serde(skip_serializing_if = "zero")]
    pub path: String,
    /// The rates by method.
    #[serde(skip_serializing_if = "zero")]
    pub methods: Vec<EndpointMethod>,
}

/// A method with a rate of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointMethod {
    /// In any case.
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
    /// The rate.
    #[serde(skip_serializing_if = "zero")]
    pub limit: EndpointLimit,
}

/// A rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointLimit {
    /// Requests in `per` seconds.
    #[serde(skip_serializing_if = "zero")]
    pub rate: f64,
    /// Seconds.
    #[serde(skip_serializing_if = "zero")]
    pub per: f64,
    /// Rate smoothing, kept as it came.
    #[serde(skip_serializing_if = "zero")]
    pub smoothing: Value,
}

/// A password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BasicAuth {
    /// As `hash_type` made it.
    #[serde(skip_serializing_if = "zero")]
    pub password: String,
    /// `bcrypt`, `plaintext`, `sha256`, `murmur32`, `murmur64` or `murmur128`.
    #[serde(skip_serializing_if = "zero")]
    pub hash_type: String,
}

/// The secret of one key's tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jwt {
    /// What signs them.
    #[serde(skip_serializing_if = "zero")]
    pub secret: String,
}

/// At which shares of the quota an event is raised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Monitor {
    /// Per cent.
    #[serde(skip_serializing_if = "zero")]
    pub trigger_limits: Vec<f64>,
}

impl State {
    /// The policies that it names; the older way counts where the list is empty.
    pub fn policy_ids(&self) -> impl Iterator<Item = &str> {
        let old = Some(self.apply_policy_id.as_str()).filter(|id| !id.is_empty() && self.apply_policies.is_empty());
        self.apply_policies.iter().map(String::as_str).chain(old)
    }

    /// The rights on an API that has limits of its own.
    pub fn own_limit(&self, api_id: &str) -> Option<&AccessDefinition> {
        self.access_rights.get(api_id).map(|rights| &**rights).filter(|rights| !rights.limit.is_empty())
    }

    /// The session's own rate and quota, which count where an API has none of its own.
    pub fn root_limit(&self) -> Limit {
        Limit {
            rate: self.rate,
            per: self.per,
            smoothing: self.smoothing.clone(),
            throttle_interval: self.throttle_interval,
            throttle_retry_limit: self.throttle_retry_limit,
            max_query_depth: self.max_query_depth,
            quota_max: self.quota_max,
            quota_renews: self.quota_renews,
            quota_remaining: self.quota_remaining,
            quota_renewal_rate: self.quota_renewal_rate,
        }
    }

    /// Replaces the session's own rate and quota.
    pub fn set_root_limit(&mut self, limit: Limit) {
        self.rate = limit.rate;
        self.per = limit.per;
        self.smoothing = limit.smoothing;
        self.throttle_interval = limit.throttle_interval;
        self.throttle_retry_limit = limit.throttle_retry_limit;
        self.max_query_depth = limit.max_query_depth;
        self.quota_max = limit.quota_max;
        self.quota_renews = limit.quota_renews;
        self.quota_remaining = limit.quota_remaining;
        self.quota_renewal_rate = limit.quota_renewal_rate;
    }

    /// Notes where the quota of a scope stands: in the session itself where there is none, and in
    /// the limit of every API that has it.
    pub fn note_quota(&mut self, scope: &str, remaining: i64, renews: i64) {
        if scope.is_empty() {
            (self.quota_remaining, self.quota_renews) = (remaining, renews);
        }
        let scoped = self.access_rights.values_mut().filter(|rights| rights.allowance_scope == scope);
        // A note in a limit that says nothing would make it one.
        for rights in scoped.filter(|rights| !rights.limit.is_empty()) {
            (rights.limit.quota_remaining, rights.limit.quota_renews) = (remaining, renews);
        }
    }
}

impl Limit {
    /// Whether it says nothing, so that the session's own counts.
    pub fn is_empty(&self) -> bool {
        zero(self)
    }
}

fn zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
