//! API definitions as written (classic JSON), and the refusal of what this gateway cannot do.
//!
//! A definition that asks for a step that is not built is not served at all: without the
//! step it would let through what its owner wanted stopped.

mod auth;
mod checks;
pub(crate) mod duration;
mod error;
mod events;
mod hooks;
mod listen_path;
mod overrides;
mod rules;
mod upstream;
mod version;
mod versions;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::auth::{AuthConfig, BasicAuth, JwksUri, Provider, ScopeClaim, Scopes};
pub use self::error::{DefinitionError, Refusal};
pub use self::events::{EventHandler, EventHandlers, PLUGIN as PLUGIN_HANDLER};
pub use self::hooks::{CustomMiddleware, ExtractorConfig, Hook, IdExtractor, SessionCache};
pub use self::overrides::{ErrorMatch, ErrorOverride, ErrorOverrides, ErrorResponse};
pub use self::upstream::{CheckCommand, HostCheck, Transport, UptimeTests};
pub use self::version::NoVersion;
pub use self::versions::{
    CacheRule, CircuitBreaker, Endpoint, ExtendedPaths, HardTimeout, HeaderTransform, MethodTransform, Mock,
    RewriteTrigger, TriggerMatch, UrlRewrite, ValidateJson, VersionData, VersionInfo, Versioning,
};
use crate::json;

/// An API definition as written; an absent key is its type's zero value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Definition {
    /// The id in a dashboard's database.
    pub id: String,
    /// The API's id.
    pub api_id: String,
    /// The organisation that the API belongs to.
    pub org_id: String,
    /// The name for people.
    pub name: String,
    /// The short name.
    pub slug: String,
    /// Whether the API is reached from other APIs only.
    pub internal: bool,
    /// The protocol of the listener.
    pub protocol: String,
    /// The API's own port, if it has one.
    pub listen_port: i64,
    /// The certificates that are shown to clients that name them or the domain, by id or PEM file.
    pub certificates: Vec<String>,
    /// Whether only holders of certain certificates may call.
    pub use_mutual_tls_auth: bool,
    /// Those, by id or PEM file.
    pub client_certificates: Vec<String>,
    /// Whether anybody may call.
    pub use_keyless: bool,
    /// Whether a plugin decides who may call.
    pub custom_plugin_auth_enabled: bool,
    /// The older word for the same.
    pub enable_coprocess_auth: bool,
    /// The word for the same with plugins in Go.
    pub use_go_plugin_auth: bool,
    /// Whether stored keys decide who may call.
    pub use_standard_auth: bool,
    /// Whether user names and passwords do.
    pub use_basic_auth: bool,
    /// How passwords are found and remembered.
    pub basic_auth: BasicAuth,
    /// Whether JWTs do.
    pub enable_jwt: bool,
    /// The family of algorithms that signs JWTs.
    pub jwt_signing_method: String,
    /// What JWTs are checked with, in base64, or where it is published.
    pub jwt_source: String,
    /// Where keys are published, instead.
    pub jwt_jwks_uris: Vec<JwksUri>,
    /// The claim that names the owner.
    pub jwt_identity_base_field: String,
    /// The claim that names a key whose policy counts.
    pub jwt_client_base_field: String,
    /// The claim that names the policy.
    pub jwt_policy_field_name: String,
    /// The policies of JWTs that name none.
    pub jwt_default_policies: Vec<String>,
    /// Seconds that an issuer's clock may be ahead.
    pub jwt_issued_at_validation_skew: u64,
    /// Seconds for which an expired JWT still counts.
    pub jwt_expires_at_validation_skew: u64,
    /// Seconds by which a JWT may count too early.
    pub jwt_not_before_validation_skew: u64,
    /// Whether a JWT's `kid` names no caller.
    pub jwt_skip_kid: bool,
    /// The policies that scopes stand for.
    pub scopes: Scopes,
    /// The older place of the same.
    pub jwt_scope_to_policy_mapping: BTreeMap<String, String>,
    /// The older place of the claim that lists scopes.
    pub jwt_scope_claim_name: String,
    /// Whether signatures of requests decide who may call.
    pub enable_signature_checking: bool,
    /// Milliseconds that a signed date may be from now; anything unless positive.
    pub hmac_allowed_clock_skew: i64,
    /// The algorithms that may sign; all if empty.
    pub hmac_allowed_algorithms: Vec<String>,
    /// Which method of auth makes the session.
    pub base_identity_provided_by: String,
    /// Whether the upstream does not see credentials.
    pub strip_auth_data: bool,
    /// The host name that the API answers to.
    pub domain: String,
    /// Whether that name does not count.
    pub domain_disabled: bool,
    /// When the API ends.
    pub expiration: String,
    /// Where auth tokens and JWTs are found, unless the next says.
    pub auth: AuthConfig,
    /// Where each method of auth finds what it checks.
    pub auth_configs: BTreeMap<String, AuthConfig>,
    /// How an older gateway would look up keys.
    pub auth_provider: Provider,
    /// What every hook is told.
    pub config_data: Option<Map<String, Value>>,
    /// Whether hooks are not told.
    pub config_data_disabled: bool,
    /// The hooks.
    pub custom_middleware: CustomMiddleware,
    /// The archive that holds the hooks instead.
    pub custom_middleware_bundle: String,
    /// Whether that archive does not count.
    pub custom_middleware_bundle_disabled: bool,
    /// The way in and the way out.
    pub proxy: Proxy,
    /// Who hears of its events.
    pub event_handlers: EventHandlers,
    /// What stands in the place of error answers.
    pub error_overrides: ErrorOverrides,
    /// Whether that does not count.
    pub error_overrides_disabled: bool,
    /// How a request names its version.
    pub definition: Versioning,
    /// The certificates that are shown to upstreams, by host.
    pub upstream_certificates: BTreeMap<String, String>,
    /// Whether those do not count.
    pub upstream_certificates_disabled: bool,
    /// The public keys that upstreams must have one of, by host.
    pub pinned_public_keys: BTreeMap<String, String>,
    /// Whether those do not count.
    pub certificate_pinning_disabled: bool,
    /// How upstreams are tested.
    pub uptime_tests: UptimeTests,
    /// The versions.
    pub version_data: VersionData,
    /// What replies go through.
    pub response_processors: Vec<ResponseProcessor>,
    /// Whether texts may hold variables of the request.
    pub enable_context_vars: bool,
    /// The limit on all callers together.
    pub global_rate_limit: GlobalRateLimit,
    /// Whether one request may hold many.
    pub enable_batch_request_support: bool,
    /// Which replies are kept for requests to come.
    pub cache_options: CacheOptions,
    /// What web pages of other origins may do.
    pub cors: Cors,
    /// How long sessions are stored, in seconds; for ever unless positive.
    pub session_lifetime: i64,
    /// Whether a session that expires later is stored until then.
    pub session_lifetime_respects_key_expiration: bool,
    /// Whether rates are not limited.
    pub disable_rate_limit: bool,
    /// Whether there are no quotas.
    pub disable_quota: bool,
    /// The only client addresses let in.
    pub allowed_ips: Vec<String>,
    /// The client addresses kept out.
    pub blacklisted_ips: Vec<String>,
    /// Whether the first list counts for certain.
    pub enable_ip_whitelisting: bool,
    /// Whether the second list counts for certain.
    pub enable_ip_blacklisting: bool,
    /// Whether a list without such certainty does not count.
    pub ip_access_control_disabled: bool,
}

/// The way in and the way out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Proxy {
    /// The path that leads to the API, as written: `Definition::listen_path` makes it usable.
    pub listen_path: String,
    /// The upstream.
    pub target_url: String,
    /// Whether the upstream does not see the listen path.
    pub strip_listen_path: bool,
    /// Whether an empty rest leaves the upstream's path as it is.
    pub disable_strip_slash: bool,
    /// Whether the upstream sees the client's `Host`.
    pub preserve_host_header: bool,
    /// Whether requests are spread over `target_list`.
    pub enable_load_balancing: bool,
    /// The upstreams to spread over.
    pub target_list: Vec<String>,
    /// Whether those are passed over that failed their tests.
    pub check_host_against_uptime_tests: bool,
    /// How connections are made.
    pub transport: Transport,
}

/// What replies go through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResponseProcessor {
    /// What it is.
    pub name: String,
    /// What `header_injector` changes beside the headers of the version.
    pub options: HeaderOptions,
}

/// Changes of headers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HeaderOptions {
    /// Set.
    pub add_headers: BTreeMap<String, String>,
    /// Removed.
    pub remove_headers: Vec<String>,
}

/// The limit on all callers together.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GlobalRateLimit {
    /// How many requests.
    pub rate: f64,
    /// In how many seconds.
    pub per: f64,
    /// Whether there is no limit.
    pub disabled: bool,
}

/// Which replies are kept for requests to come.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CacheOptions {
    /// Whether any are.
    pub enable_cache: bool,
    /// Seconds; none are kept unless positive.
    pub cache_timeout: i64,
    /// Whether those to all safe requests are.
    pub cache_all_safe_requests: bool,
    /// The statuses that are kept; all below 500 if there are none.
    pub cache_response_codes: Vec<u16>,
    /// Whether the upstream decides.
    pub enable_upstream_cache_control: bool,
    /// The header in which it says for how long.
    pub cache_control_ttl_header: String,
    /// Headers of requests that replies depend on.
    pub cache_by_headers: Vec<String>,
}

/// What web pages of other origins may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cors {
    /// Whether they are told.
    pub enable: bool,
    /// The origins, a star for anything; all if empty.
    pub allowed_origins: Vec<String>,
    /// The methods; GET, POST and HEAD if empty.
    pub allowed_methods: Vec<String>,
    /// The headers that they may send, a star for all.
    pub allowed_headers: Vec<String>,
    /// The headers that they may read.
    pub exposed_headers: Vec<String>,
    /// Whether they may send credentials.
    pub allow_credentials: bool,
    /// Seconds for which they need not ask again.
    pub max_age: i64,
    /// Whether OPTIONS goes to the upstream, past everything.
    pub options_passthrough: bool,
}

/// A definition that can be served.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The definition.
    pub definition: Definition,
    /// Known keys that are set and have no effect: for one warning.
    pub ignored: Vec<&'static str>,
}

impl Definition {
    /// Reads a definition, and refuses it unless all it asks for can be done.
    pub fn parse(text: &str) -> Result<Parsed, DefinitionError> {
        let (definition, document) = json::read::<Self>(text)?;
        let findings = checks::check(&definition, &document);
        if !findings.refusals.is_empty() {
            return Err(DefinitionError::Unsupported(findings.refusals));
        }
        Ok(Parsed { definition, ignored: findings.ignored })
    }

    /// Where auth tokens are.
    pub fn token_auth(&self) -> &AuthConfig {
        self.auth_configs.get("authToken").unwrap_or(&self.auth)
    }

    /// The switch that asks clients for certificates, if one is on.
    pub fn asks_for_certificates(&self) -> Option<&'static str> {
        let token = !self.use_keyless && self.token_auth().use_certificate;
        match self.use_mutual_tls_auth {
            true => Some("use_mutual_tls_auth"),
            false => token.then_some("auth_configs.authToken.use_certificate"),
        }
    }

    /// All certificates and public keys that it names.
    pub fn named_certificates(&self) -> impl Iterator<Item = &str> {
        let lists = self.certificates.iter().chain(&self.client_certificates).map(String::as_str);
        let pins = self.pinned_public_keys.values().flat_map(|keys| keys.split(',').map(str::trim));
        lists.chain(self.upstream_certificates.values().map(String::as_str)).chain(pins)
    }

    /// Whether a plugin decides who may call: never on a keyless API.
    pub fn custom_auth(&self) -> bool {
        let asked = self.custom_plugin_auth_enabled || self.enable_coprocess_auth || self.use_go_plugin_auth;
        asked && !self.use_keyless
    }

    /// The version that all requests get, if there is one, and its key.
    pub fn version(&self) -> Result<Option<(&str, &VersionInfo)>, NoVersion> {
        version::in_force(&self.version_data)
    }

    /// Whether requests, and access rights, are for one version or another.
    pub fn is_versioned(&self) -> bool {
        !self.version_data.not_versioned && !self.version_data.versions.is_empty()
    }

    /// A method of auth in use that looks nowhere for its credential.
    pub fn auth_without_source(&self) -> Option<&str> {
        let used = |method: &str| match method {
            "authToken" => self.use_standard_auth,
            "basic" => self.use_basic_auth,
            "jwt" => self.enable_jwt,
            "hmac" => self.enable_signature_checking,
            "coprocess" => self.custom_auth(),
            _ => false,
        };
        let blind = |config: &AuthConfig| config.disable_header && !config.use_param && !config.use_cookie;
        let mut configs = self.auth_configs.iter();
        let found = configs.find(|(method, config)| used(method.as_str()) && blind(config));
        found.map(|(method, _)| method.as_str())
    }

    /// The upstreams that requests are spread over; none if they all go to the one.
    pub fn targets(&self) -> &[String] {
        if self.proxy.enable_load_balancing { &self.proxy.target_list } else { &[] }
    }

    /// The listen path as requests are matched against it.
    pub fn listen_path(&self) -> Result<String, Refusal> {
        listen_path::normalise(&self.proxy.listen_path)
            .map_err(|reason| Refusal { path: "proxy.listen_path".to_owned(), reason })
    }
}

#[cfg(test)]
mod tests;
