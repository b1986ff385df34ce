//! The versions of an API as written, and their rules for single paths.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// How a request names its version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Versioning {
    /// Whether versions are APIs of their own, those in `versions`.
    pub enabled: bool,
    /// What this API is called among them.
    pub name: String,
    /// The version for requests that name none; `self` is this API.
    pub default: String,
    /// `header`, `url-param` or `url`.
    pub location: String,
    /// The header or parameter.
    pub key: String,
    /// The older word for `strip_versioning_data`.
    pub strip_path: bool,
    /// Whether the upstream does not see the version.
    pub strip_versioning_data: bool,
    /// What versions look like that stand in the URL.
    pub url_versioning_pattern: String,
    /// Whether a version that does not exist is the default one.
    pub fallback_to_default: bool,
    /// The APIs by version.
    pub versions: BTreeMap<String, String>,
}

/// The versions of an API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct VersionData {
    /// Whether there is one for all.
    pub not_versioned: bool,
    /// The one for requests that name none.
    pub default_version: String,
    /// The versions by name.
    pub versions: BTreeMap<String, VersionInfo>,
}

/// One version of an API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct VersionInfo {
    /// The name, once more.
    pub name: String,
    /// When the version ends.
    pub expires: String,
    /// Paths in their older form.
    pub paths: Paths,
    /// Whether `extended_paths` counts, and not `paths`.
    pub use_extended_paths: bool,
    /// Rules for single paths.
    pub extended_paths: ExtendedPaths,
    /// Set on each request.
    pub global_headers: BTreeMap<String, String>,
    /// Removed from each request.
    pub global_headers_remove: Vec<String>,
    /// Whether neither counts.
    pub global_headers_disabled: bool,
    /// Set on each reply.
    pub global_response_headers: BTreeMap<String, String>,
    /// Removed from each reply.
    pub global_response_headers_remove: Vec<String>,
    /// Whether neither counts.
    pub global_response_headers_disabled: bool,
    /// Whether paths match in any case.
    pub ignore_endpoint_case: bool,
    /// The longest body, in bytes; any unless positive.
    pub global_size_limit: i64,
    /// Whether that limit does not count.
    pub global_size_limit_disabled: bool,
    /// How long the upstream may take, in Go's form (`1m30s`).
    pub global_enforce_timeout: String,
    /// Whether that limit does not count.
    pub global_enforce_timeout_disabled: bool,
    /// The upstream in place of the API's.
    pub override_target: String,
}

/// Paths in their older form, for any method.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Paths {
    /// Open to everybody.
    pub ignored: Vec<String>,
    /// The only ones there are.
    pub white_list: Vec<String>,
    /// Those that are closed.
    pub black_list: Vec<String>,
}

/// Rules for single paths.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExtendedPaths {
    /// Open to everybody.
    pub ignored: Vec<Endpoint>,
    /// The only ones there are.
    pub white_list: Vec<Endpoint>,
    /// Those that are closed.
    pub black_list: Vec<Endpoint>,
    /// Those that other APIs reach only.
    pub internal: Vec<Endpoint>,
    /// Answered by the gateway.
    pub mock_response: Vec<Mock>,
    /// Headers of requests.
    pub transform_headers: Vec<HeaderTransform>,
    /// Headers of replies.
    pub transform_response_headers: Vec<HeaderTransform>,
    /// How long the upstream may take.
    pub hard_timeouts: Vec<HardTimeout>,
    /// Other targets.
    pub url_rewrites: Vec<UrlRewrite>,
    /// Other methods.
    pub method_transforms: Vec<MethodTransform>,
    /// The longest bodies.
    pub size_limits: Vec<SizeLimit>,
    /// What bodies must be.
    pub validate_json: Vec<ValidateJson>,
    /// How many requests of all callers together.
    pub rate_limit: Vec<RateLimit>,
    /// When the upstream is spared calls.
    pub circuit_breakers: Vec<CircuitBreaker>,
    /// Paths with safe requests whose replies are kept.
    pub cache: Vec<String>,
    /// Other requests whose replies are kept.
    pub advance_cache_config: Vec<CacheRule>,
}

/// A path and a method.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path: literal, or with `{name}` and `*`.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// Whether the path matches in any case.
    pub ignore_case: bool,
    /// What happens, by method.
    pub method_actions: BTreeMap<String, MethodAction>,
}

/// What happens on a method of a listed path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MethodAction {
    /// `no_action`, or `reply` for an answer by the gateway.
    pub action: String,
    /// The answer's status.
    pub code: u16,
    /// The answer's body.
    pub data: String,
    /// The answer's headers.
    pub headers: BTreeMap<String, String>,
}

/// An answer by the gateway.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Mock {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// Whether the path matches in any case.
    pub ignore_case: bool,
    /// The status.
    pub code: u16,
    /// The body.
    pub body: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
}

/// A change of headers on one path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HeaderTransform {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// Removed.
    pub delete_headers: Vec<String>,
    /// Set.
    pub add_headers: BTreeMap<String, String>,
}

/// How long the upstream may take on one path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HardTimeout {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// Seconds.
    pub timeout: i64,
    /// The same in Go's form (`1m30s`); it counts, if both are written.
    pub duration: String,
}

/// Another target for one path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct UrlRewrite {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// What the path and query must look like.
    pub match_pattern: String,
    /// The target, `$1` for the first group of the pattern.
    pub rewrite_to: String,
    /// Other targets for certain requests; the first that fits counts.
    pub triggers: Vec<RewriteTrigger>,
}

/// Another target for certain requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RewriteTrigger {
    /// `any` or `all`: how many of the options must fit.
    pub on: String,
    /// What a request must look like.
    pub options: TriggerOptions,
    /// The target.
    pub rewrite_to: String,
}

/// What a request must look like.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TriggerOptions {
    /// By name of header.
    pub header_matches: BTreeMap<String, TriggerMatch>,
    /// By name of query parameter.
    pub query_val_matches: BTreeMap<String, TriggerMatch>,
    /// Any part of the path.
    pub path_part_matches: BTreeMap<String, TriggerMatch>,
    /// By name in the session's metadata.
    pub session_meta_matches: BTreeMap<String, TriggerMatch>,
    /// By name of a variable of the request.
    pub request_context_matches: BTreeMap<String, TriggerMatch>,
    /// The body.
    pub payload_matches: TriggerMatch,
}

/// What a value must look like.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TriggerMatch {
    /// A regular expression, not anchored; none if empty.
    pub match_rx: String,
    /// Whether it must not match.
    pub reverse: bool,
}

/// Another method for one path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MethodTransform {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// The method that the upstream sees.
    pub to_method: String,
}

/// The longest body on one path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SizeLimit {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// Bytes.
    pub size_limit: u64,
}

/// What bodies on one path must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ValidateJson {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// A JSON Schema.
    pub schema: Option<Map<String, Value>>,
    /// The status of a refusal; 422 if it is 0.
    pub error_response_code: u16,
}

/// How many requests of all callers together may come to one path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RateLimit {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// How many requests; the API's rate counts unless positive.
    pub rate: f64,
    /// In how many seconds.
    pub per: f64,
}

/// Requests whose replies are kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CacheRule {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any safe one if empty.
    pub method: String,
    /// Finds the part of the body that replies depend on.
    pub cache_key_regex: String,
    /// The statuses that are kept; those of the API if there are none.
    pub cache_response_codes: Vec<u16>,
    /// Seconds; those of the API unless positive.
    pub timeout: i64,
}

/// When the upstream is spared calls to one path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CircuitBreaker {
    /// Whether it does not count.
    pub disabled: bool,
    /// The path.
    pub path: String,
    /// The method; any if empty.
    pub method: String,
    /// The share of calls that must have failed, from 0 to 1.
    pub threshold_percent: f64,
    /// How many calls there must have been.
    pub samples: i64,
    /// For how many seconds.
    pub return_to_service_after: i64,
    /// Whether no call may try meanwhile.
    pub disable_half_open_state: bool,
}
