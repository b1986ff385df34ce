//! Every key of `tyk.conf` that we know: how it is named, what it holds and whether it counts.
//!
//! One table drives the environment mapping, the warning about keys without effect and the
//! refusal of keys that must not be without effect.

use self::Kind::{Bool, Duration, Float, Int, Json, List, Map, Section, Text};
use self::Standing::{Honoured, Refused, Unsupported};

/// What a key holds, as far as its environment variable must be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    Int,
    Float,
    /// Nanoseconds; in Go's form (`1m30s`) in the environment.
    Duration,
    /// Comma separated in the environment.
    List,
    /// `k:v,k:v` in the environment.
    Map,
    /// JSON text in the environment.
    Json,
    /// An object whose members are not told apart.
    Section,
}

/// What we do about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Honoured,
    /// It has no effect; what follows from that.
    Unsupported(&'static str),
    /// Set, it stops the start: without it the gateway would let through what it should not.
    Refused(&'static str),
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) standing: Standing,
    variable: Option<&'static str>,
}

impl Key {
    /// The environment variable, without `TYK_GW_`: Go's field names know no separators.
    pub(super) fn variable(&self) -> String {
        match self.variable {
            Some(name) => name.to_owned(),
            None => self.path.replace('_', "").replace('.', "_").to_ascii_uppercase(),
        }
    }

    const fn named(mut self, variable: &'static str) -> Self {
        self.variable = Some(variable);
        self
    }
}

/// The most specific key that covers a path in lower case.
pub(super) fn covering(path: &str) -> Option<&'static Key> {
    KEYS.iter()
        .filter(|key| match path.strip_prefix(key.path) {
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        })
        .max_by_key(|key| key.path.len())
}

const fn honoured(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, standing: Honoured, variable: None }
}

const fn unsupported(path: &'static str, kind: Kind, consequence: &'static str) -> Key {
    Key { path, kind, standing: Unsupported(consequence), variable: None }
}

const fn refused(path: &'static str, kind: Kind, why: &'static str) -> Key {
    Key { path, kind, standing: Refused(why), variable: None }
}

const ONE_LIMITER: &str = "every limiter counts in one step, before the request goes on";
const NO_BUNDLES: &str = "plugin bundles are not fetched; an API that names one is refused";
const NO_SCRIPTS: &str = "scripts do not run in the gateway; hooks run in plugin servers";
const NO_DASHBOARD: &str = "there is no connection to a dashboard";
const NO_ANALYTICS: &str = "no analytics records are written";
const NO_TRACES: &str = "no spans or metrics are exported";
const NO_AUTHORITIES: &str = "certificates of clients are compared, and no authorities are announced";
const NO_VAULTS: &str = "values are taken from the environment and from secrets only";
const NO_OAUTH: &str = "there is no OAuth";
const ONE_STORE: &str = "everything is kept in the one store that storage names";
const ONE_CONNECTION: &str = "each worker has one connection to Redis";
const NO_RELOAD: &str = "definitions come from app_path only";
const NO_LOG_SERVICES: &str = "logs go to the standard streams only";
const NO_OAS: &str = "OpenAPI definitions are not read";

pub(super) static KEYS: &[Key] = &[
    // The listener.
    honoured("listen_address", Text),
    honoured("listen_port", Int),
    honoured("hostname", Text),
    honoured("close_connections", Bool),
    honoured("http_server_options.max_request_body_size", Int),
    honoured("http_server_options.read_timeout", Int),
    honoured("http_server_options.enable_strict_routes", Bool),
    honoured("http_server_options.skip_url_cleaning", Bool),
    honoured("http_server_options.use_ssl", Bool),
    honoured("http_server_options.certificates", Json),
    honoured("http_server_options.ssl_certificates", List),
    honoured("http_server_options.server_name", Text),
    honoured("http_server_options.min_version", Int),
    honoured("http_server_options.max_version", Int),
    honoured("http_server_options.ssl_ciphers", List).named("HTTPSERVEROPTIONS_CIPHERS"),
    honoured("http_server_options.enable_http2", Bool),
    honoured("http_server_options.write_timeout", Int),
    honoured("http_server_options.read_header_timeout", Int),
    honoured("http_server_options.idle_timeout", Int),
    honoured("http_server_options.max_header_bytes", Int),
    honoured("http_server_options.max_headers", Int),
    honoured("http_server_options.max_connections", Int),
    honoured("http_server_options.max_connections_per_address", Int),
    honoured("http_server_options.max_buffered_bytes", Int),
    honoured("http_server_options.http2_max_concurrent_streams", Int),
    honoured("http_server_options.http2_max_resets", Int),
    honoured("http_server_options.xff_depth", Int),
    honoured("http_server_options.trusted_proxies", List),
    honoured("http_server_options.enable_websockets", Bool),
    unsupported("http_server_options.flush_interval", Int, "answers are flushed as they come"),
    unsupported("http_server_options.skip_target_path_escaping", Bool, "paths go upstream escaped"),
    unsupported("http_server_options.max_response_body_size", Int, "bodies of answers are not transformed"),
    honoured("http_server_options.enable_path_prefix_matching", Bool),
    honoured("http_server_options.enable_path_suffix_matching", Bool),
    unsupported("http_server_options.ssl_insecure_skip_verify", Bool, NO_AUTHORITIES),
    unsupported("http_server_options.skip_client_ca_announcement", Bool, NO_AUTHORITIES),
    honoured("ports_whitelist", Json).named("PORTWHITELIST"),
    honoured("disable_ports_whitelist", Bool).named("DISABLEPORTWHITELIST"),
    refused("management_node", Bool, "a node that proxies nothing is not supported yet: set it to false"),
    // APIs and what they are served with.
    honoured("app_path", Text),
    honoured("template_path", Text),
    honoured("enable_custom_domains", Bool),
    honoured("hide_generator_header", Bool),
    honoured("ignore_canonical_mime_header_key", Bool),
    honoured("health_check_endpoint_name", Text),
    honoured("readiness_check_endpoint_name", Text),
    honoured("rate_limit_response_headers", Text),
    honoured("secrets", Map),
    honoured("ignore_endpoint_case", Bool),
    honoured("version_header", Text),
    honoured("override_messages", Json),
    honoured("error_overrides", Json),
    honoured("event_handlers", Json),
    unsupported("oas_config", Section, NO_OAS).named("OAS"),
    unsupported("streaming", Section, "streaming APIs are not served"),
    // The upstream.
    honoured("proxy_default_timeout", Float),
    honoured("max_idle_connections_per_host", Int).named("MAXIDLECONNSPERHOST"),
    honoured("proxy_close_connections", Bool),
    honoured("proxy_ssl_min_version", Int),
    honoured("proxy_ssl_max_version", Int),
    honoured("proxy_ssl_insecure_skip_verify", Bool),
    honoured("proxy_ssl_ciphers", List).named("PROXYSSLCIPHERSUITES"),
    honoured("proxy_enable_http2", Bool),
    honoured("ssl_force_common_name_check", Bool),
    honoured("security.pinned_public_keys", Map),
    honoured("security.certificates.upstream", Map),
    honoured("max_conn_time", Int),
    honoured("uptime_tests.disable", Bool),
    honoured("uptime_tests.config.failure_trigger_sample_size", Int),
    honoured("uptime_tests.config.time_wait", Int),
    unsupported("max_idle_connections", Int, "idle connections are limited per host only").named("MAXIDLECONNS"),
    unsupported("proxy_ssl_disable_renegotiation", Bool, "TLS is never renegotiated"),
    honoured("security.control_api_use_mutual_tls", Bool),
    honoured("security.allow_unsafe_dynamic_mtls_token", Bool),
    honoured("security.certificates.apis", List).named("SECURITY_CERTIFICATES_API"),
    honoured("security.certificates.control_api", List),
    honoured("security.private_certificate_encoding_secret", Text),
    unsupported("security", Section, "nobody is told of certificates that expire, or of those of other programs"),
    unsupported("service_discovery", Section, "targets are not discovered"),
    unsupported("dns_cache", Section, "names are looked up for each new connection"),
    unsupported("external_services", Section, "no external services are called"),
    unsupported("uptime_tests", Section, "each node tests upstreams for itself"),
    // Plugin servers.
    honoured("coprocess_options.enable_coprocess", Bool),
    honoured("coprocess_options.coprocess_grpc_server", Text),
    honoured("coprocess_options.grpc_recv_max_size", Int),
    honoured("coprocess_options.grpc_send_max_size", Int),
    honoured("coprocess_options.grpc_authority", Text),
    honoured("coprocess_options.grpc_round_robin_load_balancing", Bool),
    honoured("coprocess_options.plugin_servers", Json),
    unsupported("coprocess_options.python_path_prefix", Text, NO_SCRIPTS),
    unsupported("coprocess_options.python_version", Text, NO_SCRIPTS),
    unsupported("middleware_path", Text, NO_SCRIPTS),
    unsupported("tyk_js_path", Text, NO_SCRIPTS),
    unsupported("enable_jsvm", Bool, NO_SCRIPTS),
    unsupported("jsvm_timeout", Int, NO_SCRIPTS),
    unsupported("disable_virtual_path_blobs", Bool, NO_SCRIPTS),
    unsupported("enable_bundle_downloader", Bool, NO_BUNDLES),
    unsupported("bundle_base_url", Text, NO_BUNDLES),
    unsupported("bundle_insecure_skip_verify", Bool, NO_BUNDLES),
    unsupported("skip_verify_existing_plugin_bundle", Bool, NO_BUNDLES),
    unsupported("public_key_path", Text, NO_BUNDLES),
    // The process.
    honoured("log_level", Text),
    honoured("log_format", Text),
    honoured("pid_file_location", Text),
    honoured("graceful_shutdown_timeout_duration", Int),
    honoured("graceful_shutdown_delay_seconds", Int),
    unsupported("access_logs", Section, "the access log has its own fields and is always on at level info"),
    unsupported("track_404_logs", Bool, "requests that no API is for leave no line"),
    unsupported("enable_key_logging", Bool, "keys are never logged"),
    honoured("reload_interval", Int),
    honoured("watch_files", Bool),
    honoured("suppress_redis_signal_reload", Bool),
    unsupported("resource_sync", Section, NO_RELOAD),
    unsupported("health_check", Section, "no health values are sampled"),
    honoured("liveness_check.check_duration", Duration),
    unsupported("enable_http_profiler", Bool, "there is no profiler").named("HTTPPROFILE"),
    unsupported("disable_regexp_cache", Bool, "regular expressions are compiled once"),
    unsupported("regexp_cache_expire", Int, "regular expressions are compiled once"),
    unsupported("cloud", Bool, "the gateway runs on its own"),
    // The control API and the cluster.
    honoured("secret", Text),
    honoured("allow_unauthenticated_control_api", Bool),
    honoured("node_secret", Text),
    honoured("control_api_port", Int),
    unsupported("control_api_hostname", Text, "the control API answers under every host name, as in the original"),
    unsupported("enable_config_inspection", Bool, "the configuration is not shown over HTTP"),
    honoured("allow_insecure_configs", Bool),
    unsupported("allow_remote_config", Bool, NO_DASHBOARD),
    refused(
        "use_db_app_configs",
        Bool,
        "definitions cannot come from a dashboard: set it to false and name their folder in app_path",
    ),
    unsupported("db_app_conf_options", Section, NO_DASHBOARD),
    unsupported("disable_dashboard_zeroconf", Bool, NO_DASHBOARD),
    refused(
        "slave_options.use_rpc",
        Bool,
        "definitions cannot come over RPC: set it to false and name their folder in app_path",
    ),
    unsupported("slave_options", Section, NO_DASHBOARD),
    unsupported("auth_override", Section, NO_DASHBOARD),
    // The store.
    honoured("storage.type", Text),
    honoured("storage.path", Text),
    honoured("storage.host", Text),
    honoured("storage.port", Int),
    honoured("storage.addrs", List),
    honoured("storage.hosts", Map),
    honoured("storage.master_name", Text),
    honoured("storage.sentinel_password", Text),
    honoured("storage.username", Text),
    honoured("storage.password", Text),
    honoured("storage.database", Int),
    honoured("storage.timeout", Int),
    honoured("storage.enable_cluster", Bool),
    honoured("storage.use_ssl", Bool),
    honoured("storage.ssl_insecure_skip_verify", Bool),
    honoured("storage.ca_file", Text),
    honoured("storage.cert_file", Text),
    honoured("storage.key_file", Text),
    honoured("storage.tls_min_version", Text),
    honoured("storage.tls_max_version", Text),
    unsupported("storage.optimisation_max_idle", Int, ONE_CONNECTION).named("STORAGE_MAXIDLE"),
    unsupported("storage.optimisation_max_active", Int, ONE_CONNECTION).named("STORAGE_MAXACTIVE"),
    unsupported("enable_separate_cache_store", Bool, ONE_STORE).named("ENABLESEPERATECACHESTORE"),
    unsupported("cache_storage", Section, ONE_STORE),
    unsupported("enable_separate_analytics_store", Bool, ONE_STORE).named("ENABLESEPERATEANALYTICSSTORE"),
    unsupported("analytics_storage", Section, ONE_STORE),
    unsupported("kv", Section, NO_VAULTS),
    unsupported("consul", Section, NO_VAULTS),
    unsupported("vault", Section, NO_VAULTS),
    unsupported("file", Section, NO_VAULTS),
    unsupported("stores", Section, NO_VAULTS),
    // Keys, sessions, policies, limits.
    honoured("policies.policy_source", Text),
    honoured("policies.policy_path", Text),
    honoured("policies.policy_record_name", Text),
    unsupported("policies", Section, "policies come from files only"),
    unsupported("allow_unsafe_policy_ids", Bool, "ids of policies that are made over HTTP must be safe file names"),
    honoured("hash_keys", Bool),
    honoured("hash_key_function", Text),
    honoured("hash_key_function_fallback", List),
    honoured("enable_hashed_keys_listing", Bool),
    honoured("disable_key_actions_by_username", Bool),
    honoured("min_token_length", Int),
    honoured("allow_master_keys", Bool),
    honoured("basic_auth_hash_key_function", Text),
    unsupported("jwt_ssl_insecure_skip_verify", Bool, "certificates of key sets are always verified"),
    unsupported("jwks", Section, "key sets are fetched when they are needed"),
    unsupported("oauth_refresh_token_expire", Int, NO_OAUTH).named("OAUTHREFRESHEXPIRE"),
    unsupported("oauth_token_expire", Int, NO_OAUTH),
    unsupported("oauth_token_expired_retain_period", Int, NO_OAUTH),
    unsupported("oauth_redirect_uri_separator", Text, NO_OAUTH),
    unsupported("oauth_error_status_code", Int, NO_OAUTH),
    honoured("force_global_session_lifetime", Bool),
    honoured("global_session_lifetime", Int),
    honoured("session_lifetime_respects_key_expiration", Bool),
    honoured("local_session_cache.disable_cached_session_state", Bool),
    unsupported("local_session_cache", Section, "sessions are remembered for ten seconds"),
    honoured("enforce_org_quotas", Bool),
    unsupported("enforce_org_data_age", Bool, NO_ANALYTICS),
    unsupported("enforce_org_data_detail_logging", Bool, NO_ANALYTICS),
    unsupported("experimental_process_org_off_thread", Bool, ONE_LIMITER),
    honoured("enable_redis_rolling_limiter", Bool),
    honoured("enable_sentinel_rate_limiter", Bool),
    honoured("enable_fixed_window_rate_limiter", Bool),
    honoured("enable_rate_limit_smoothing", Bool),
    unsupported("enable_non_transactional_rate_limiter", Bool, ONE_LIMITER),
    honoured("drl_threshold", Float),
    unsupported("drl_notification_frequency", Int, "nodes say every two seconds that they are there"),
    unsupported("drl_enable_sentinel_rate_limiter", Bool, ONE_LIMITER),
    honoured("monitor.enable_trigger_monitors", Bool),
    honoured("monitor.configuration", Json),
    honoured("monitor.global_trigger_limit", Float),
    honoured("monitor.monitor_user_keys", Bool),
    honoured("monitor.monitor_org_keys", Bool),
    // What is told to others.
    unsupported("enable_analytics", Bool, NO_ANALYTICS),
    unsupported("analytics_config", Section, NO_ANALYTICS),
    unsupported("opentelemetry", Section, NO_TRACES),
    unsupported("tracing", Section, NO_TRACES).named("TRACER"),
    unsupported("newrelic", Section, NO_TRACES),
    unsupported("statsd_connection_string", Text, NO_TRACES),
    unsupported("statsd_prefix", Text, NO_TRACES),
    unsupported("use_redis_log", Bool, NO_LOG_SERVICES),
    unsupported("use_sentry", Bool, NO_LOG_SERVICES),
    unsupported("sentry_code", Text, NO_LOG_SERVICES),
    unsupported("sentry_log_level", Text, NO_LOG_SERVICES),
    unsupported("use_syslog", Bool, NO_LOG_SERVICES),
    unsupported("syslog_transport", Text, NO_LOG_SERVICES),
    unsupported("syslog_network_addr", Text, NO_LOG_SERVICES),
    unsupported("use_graylog", Bool, NO_LOG_SERVICES),
    unsupported("graylog_network_addr", Text, NO_LOG_SERVICES),
    unsupported("use_logstash", Bool, NO_LOG_SERVICES),
    unsupported("logstash_transport", Text, NO_LOG_SERVICES),
    unsupported("logstash_network_addr", Text, NO_LOG_SERVICES),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn variables_follow_gos_field_names() {
        let variable = |path| covering(path).unwrap().variable();
        assert_eq!(variable("listen_port"), "LISTENPORT");
        assert_eq!(variable("coprocess_options.coprocess_grpc_server"), "COPROCESSOPTIONS_COPROCESSGRPCSERVER");
        assert_eq!(variable("http_server_options.use_ssl"), "HTTPSERVEROPTIONS_USESSL");
        assert_eq!(variable("max_idle_connections_per_host"), "MAXIDLECONNSPERHOST");
    }

    #[test]
    fn no_key_and_no_variable_stands_twice() {
        for taken in [|key: &Key| key.path.to_owned(), |key: &Key| key.variable()] {
            let mut all: Vec<_> = KEYS.iter().map(taken).collect();
            all.sort();
            let before = all.len();
            all.dedup();
            assert_eq!(all.len(), before);
        }
    }

    #[test]
    fn a_section_covers_what_no_key_of_its_own_does() {
        assert_eq!(covering("storage.type").unwrap().path, "storage.type");
        assert_eq!(covering("opentelemetry.any").unwrap().path, "opentelemetry");
        assert_eq!(covering("secrets.any").unwrap().path, "secrets");
        assert!(covering("storagex").is_none());
    }
}
