//! The honoured keys of `tyk.conf` with the types they have in the file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::definition::{ErrorOverrides, EventHandlers};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Written {
    pub(super) listen_address: String,
    pub(super) listen_port: i64,
    pub(super) control_api_port: i64,
    pub(super) ports_whitelist: BTreeMap<String, PortList>,
    pub(super) disable_ports_whitelist: bool,
    pub(super) hostname: String,
    pub(super) app_path: String,
    pub(super) template_path: String,
    pub(super) health_check_endpoint_name: String,
    pub(super) readiness_check_endpoint_name: String,
    pub(super) liveness_check: LivenessCheck,
    pub(super) hide_generator_header: bool,
    pub(super) close_connections: bool,
    pub(super) ignore_canonical_mime_header_key: bool,
    pub(super) enable_custom_domains: bool,
    pub(super) http_server_options: HttpServerOptions,
    pub(super) proxy_default_timeout: f64,
    pub(super) proxy_close_connections: bool,
    pub(super) proxy_enable_http2: bool,
    pub(super) proxy_ssl_insecure_skip_verify: bool,
    pub(super) proxy_ssl_min_version: i64,
    pub(super) proxy_ssl_max_version: i64,
    pub(super) proxy_ssl_ciphers: Vec<String>,
    pub(super) ssl_force_common_name_check: bool,
    pub(super) max_conn_time: i64,
    pub(super) uptime_tests: UptimeTests,
    pub(super) max_idle_connections_per_host: i64,
    pub(super) coprocess_options: CoprocessOptions,
    pub(super) graceful_shutdown_timeout_duration: i64,
    pub(super) graceful_shutdown_delay_seconds: i64,
    pub(super) log_level: String,
    pub(super) log_format: String,
    pub(super) pid_file_location: String,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) storage: Storage,
    pub(super) hash_keys: bool,
    pub(super) hash_key_function: String,
    pub(super) hash_key_function_fallback: Vec<String>,
    pub(super) disable_key_actions_by_username: bool,
    pub(super) min_token_length: i64,
    pub(super) force_global_session_lifetime: bool,
    pub(super) global_session_lifetime: i64,
    pub(super) session_lifetime_respects_key_expiration: bool,
    pub(super) local_session_cache: LocalSessionCache,
    pub(super) policies: Policies,
    pub(super) secret: String,
    pub(super) security: Security,
    pub(super) allow_unauthenticated_control_api: bool,
    pub(super) allow_master_keys: bool,
    pub(super) enable_hashed_keys_listing: bool,
    pub(super) basic_auth_hash_key_function: String,
    pub(super) reload_interval: i64,
    pub(super) watch_files: bool,
    pub(super) enable_fixed_window_rate_limiter: bool,
    pub(super) enable_sentinel_rate_limiter: bool,
    pub(super) enable_redis_rolling_limiter: bool,
    pub(super) enable_rate_limit_smoothing: bool,
    pub(super) drl_threshold: f64,
    pub(super) rate_limit_response_headers: String,
    pub(super) enforce_org_quotas: bool,
    pub(super) ignore_endpoint_case: bool,
    pub(super) version_header: String,
    pub(super) monitor: super::monitor::Written,
    pub(super) node_secret: String,
    pub(super) allow_insecure_configs: bool,
    pub(super) suppress_redis_signal_reload: bool,
    pub(super) event_handlers: EventHandlers,
    pub(super) override_messages: BTreeMap<String, Message>,
    pub(super) error_overrides: ErrorOverrides,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) message: String,
    pub(super) code: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PortList {
    pub(super) ranges: Vec<PortRange>,
    pub(super) ports: Vec<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PortRange {
    pub(super) from: i64,
    pub(super) to: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HttpServerOptions {
    pub(super) max_request_body_size: i64,
    pub(super) read_timeout: i64,
    pub(super) read_header_timeout: i64,
    pub(super) write_timeout: i64,
    pub(super) idle_timeout: i64,
    pub(super) max_header_bytes: i64,
    pub(super) max_headers: i64,
    pub(super) max_connections: i64,
    pub(super) max_connections_per_address: i64,
    pub(super) max_buffered_bytes: i64,
    pub(super) http2_max_concurrent_streams: i64,
    pub(super) http2_max_resets: i64,
    pub(super) xff_depth: i64,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) enable_strict_routes: bool,
    pub(super) enable_path_prefix_matching: bool,
    pub(super) enable_path_suffix_matching: bool,
    pub(super) skip_url_cleaning: bool,
    pub(super) enable_websockets: bool,
    pub(super) use_ssl: bool,
    pub(super) certificates: Vec<CertificateFiles>,
    pub(super) ssl_certificates: Vec<String>,
    pub(super) server_name: String,
    pub(super) min_version: i64,
    pub(super) max_version: i64,
    pub(super) ssl_ciphers: Vec<String>,
    pub(super) enable_http2: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CertificateFiles {
    pub(super) domain_name: String,
    pub(super) cert_file: String,
    pub(super) key_file: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CoprocessOptions {
    pub(super) enable_coprocess: bool,
    pub(super) coprocess_grpc_server: String,
    pub(super) grpc_recv_max_size: i64,
    pub(super) grpc_send_max_size: i64,
    pub(super) grpc_authority: String,
    pub(super) grpc_round_robin_load_balancing: bool,
    /// Read by hand: an unknown key here must not pass.
    pub(super) plugin_servers: BTreeMap<String, BTreeMap<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Storage {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) path: String,
    pub(super) host: String,
    pub(super) port: i64,
    pub(super) addrs: Vec<String>,
    pub(super) hosts: BTreeMap<String, String>,
    pub(super) master_name: String,
    pub(super) sentinel_password: String,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) database: i64,
    pub(super) timeout: i64,
    pub(super) enable_cluster: bool,
    pub(super) use_ssl: bool,
    pub(super) ssl_insecure_skip_verify: bool,
    pub(super) ca_file: String,
    pub(super) cert_file: String,
    pub(super) key_file: String,
    pub(super) tls_min_version: String,
    pub(super) tls_max_version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Security {
    pub(super) control_api_use_mutual_tls: bool,
    pub(super) allow_unsafe_dynamic_mtls_token: bool,
    pub(super) private_certificate_encoding_secret: String,
    pub(super) pinned_public_keys: BTreeMap<String, String>,
    pub(super) certificates: SecurityCertificates,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SecurityCertificates {
    pub(super) apis: Vec<String>,
    pub(super) control_api: Vec<String>,
    pub(super) upstream: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LivenessCheck {
    /// Nanoseconds, as Go writes durations.
    pub(super) check_duration: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LocalSessionCache {
    pub(super) disable_cached_session_state: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Policies {
    pub(super) policy_source: String,
    pub(super) policy_path: String,
    pub(super) policy_record_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UptimeTests {
    pub(super) disable: bool,
    pub(super) config: UptimeTestsConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UptimeTestsConfig {
    pub(super) failure_trigger_sample_size: i64,
    pub(super) time_wait: i64,
}
