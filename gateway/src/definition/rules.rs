//! What a definition may ask for that is not built: by JSON path, set or not set.

use serde_json::Value;

use super::Refusal;
use crate::json::{find, is_set, is_set_at};

/// A value that must not be set.
pub(super) struct Rule {
    path: &'static str,
    /// A switch that takes the value out of force.
    unless: Option<&'static str>,
    reason: &'static str,
}

impl Rule {
    const fn unless(mut self, switch: &'static str) -> Self {
        self.unless = Some(switch);
        self
    }

    /// Everything in a document that breaks the rule, below a path.
    pub(super) fn broken_in(&self, document: &Value, below: &str) -> Vec<Refusal> {
        if self.unless.is_some_and(|switch| is_set_at(document, switch)) {
            return Vec::new();
        }
        find(document, self.path)
            .into_iter()
            .filter(|found| is_set(found.value))
            .map(|found| Refusal { path: format!("{below}{}", found.path), reason: self.reason.to_owned() })
            .collect()
    }
}

const fn rule(path: &'static str, reason: &'static str) -> Rule {
    Rule { path, unless: None, reason }
}

const AUTH: &str = "this method of auth is not supported yet: set it to false, and check the token in an auth_check hook (custom_plugin_auth_enabled)";
const CERTIFICATE: &str = "certificates say who is calling in authToken only: set it to false";
const SIGNATURE: &str =
    "signatures beside auth tokens are not checked yet: set it to false, or use enable_signature_checking";
const OURS: &str = "this setting of hooks is not supported yet: remove it";

/// For every API.
pub(super) static EVERYONE: &[Rule] = &[
    rule("custom_middleware_bundle", "plugin bundles are not supported yet: write the hooks into custom_middleware, or set custom_middleware_bundle_disabled")
        .unless("custom_middleware_bundle_disabled"),
    rule("custom_middleware.*.timeout_ms", OURS),
    rule("custom_middleware.*.*.timeout_ms", OURS),
    rule("custom_middleware.*.on_failure", OURS),
    rule("custom_middleware.*.*.on_failure", OURS),
    rule("proxy.service_discovery.use_discovery_service", "service discovery is not supported yet: set it to false and name the upstream in proxy.target_url"),
    rule("upstream_auth.enabled", "credentials for the upstream are not supported yet: set it to false, or add the header in a Post hook"),
    rule("request_signing.is_enabled", "request signing is not supported yet: set it to false, or sign in a Post hook"),
    rule("is_oas", "OpenAPI documents are not supported yet, and this one may hold rules: set it to false if the classic definition says it all"),
    rule("graphql.enabled", "GraphQL is not supported: set it to false"),
];

/// For APIs with auth.
pub(super) static PROTECTED: &[Rule] = &[
    rule("use_oauth2", AUTH),
    rule("use_openid", AUTH),
    rule("external_oauth.enabled", AUTH),
    rule("auth_configs.jwt.use_certificate", CERTIFICATE),
    rule("auth_configs.basic.use_certificate", CERTIFICATE),
    rule("auth_configs.hmac.use_certificate", CERTIFICATE),
    rule("auth_configs.coprocess.use_certificate", CERTIFICATE),
    rule("auth_configs.oauth.use_certificate", CERTIFICATE),
    rule("auth_configs.oidc.use_certificate", CERTIFICATE),
    rule("auth_configs.*.validate_signature", SIGNATURE),
    rule("auth.validate_signature", SIGNATURE),
];

/// Known keys that change nothing about who gets in or what the upstream sees.
pub(super) static IGNORED: &[(&str, Option<&str>)] = &[
    ("tags", Some("tags_disabled")),
    ("tag_headers", None),
    ("enable_detailed_recording", None),
    ("expire_analytics_after", None),
    ("detailed_tracing", None),
    ("analytics_plugin.enable", None),
    ("custom_middleware.traffic_logs.name", Some("custom_middleware.traffic_logs.disabled")),
    ("dont_set_quota_on_create", None),
    ("notifications.oauth_on_keychange_url", None),
];

/// The ignored keys that are set.
pub(super) fn ignored_in(document: &Value) -> Vec<&'static str> {
    IGNORED
        .iter()
        .filter(|(path, _)| is_set_at(document, path))
        .filter(|(_, switch)| !switch.is_some_and(|switch| is_set_at(document, switch)))
        .map(|(path, _)| *path)
        .collect()
}
