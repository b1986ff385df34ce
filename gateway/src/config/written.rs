//! The honoured keys of `tyk.conf` with the types they have in the file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Written {
    pub(super) listen_address: String,
    pub(super) listen_port: i64,
    pub(super) hostname: String,
    pub(super) app_path: String,
    pub(super) template_path: String,
    pub(super) health_check_endpoint_name: String,
    pub(super) readiness_check_endpoint_name: String,
    pub(super) hide_generator_header: bool,
    pub(super) close_connections: bool,
    pub(super) ignore_canonical_mime_header_key: bool,
    pub(super) enable_custom_domains: bool,
    pub(super) http_server_options: HttpServerOptions,
    pub(super) proxy_default_timeout: f64,
    pub(super) proxy_close_connections: bool,
    pub(super) proxy_ssl_min_version: i64,
    pub(super) max_idle_connections_per_host: i64,
    pub(super) coprocess_options: CoprocessOptions,
    pub(super) graceful_shutdown_timeout_duration: i64,
    pub(super) graceful_shutdown_delay_seconds: i64,
    pub(super) log_level: String,
    pub(super) log_format: String,
    pub(super) pid_file_location: String,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) storage: Storage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HttpServerOptions {
    pub(super) max_request_body_size: i64,
    pub(super) read_timeout: i64,
    pub(super) enable_strict_routes: bool,
    pub(super) skip_url_cleaning: bool,
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
    /// Accepted before anything is stored, so that a configuration need not change then.
    #[serde(rename = "path")]
    _path: String,
}
