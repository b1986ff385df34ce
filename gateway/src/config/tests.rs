//! Whole configurations, from file and environment to what the gateway runs on.
#![allow(clippy::unwrap_used)]

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::session::key::Function;

fn load_with(text: &str, env: &[(&str, &str)], port: Option<u16>) -> Result<Loaded, ConfigError> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tyk.conf");
    fs::write(&file, text).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&file), env, port)
}

fn load(text: &str) -> Loaded {
    load_with(text, &[], None).unwrap()
}

fn refusal(text: &str) -> String {
    let message = load_with(text, &[], None).unwrap_err().to_string();
    message.split_once("tyk.conf: ").unwrap().1.to_owned()
}

#[test]
fn a_small_file_gets_the_defaults() {
    let loaded = load(r#"{"app_path": "apps", "LISTEN_PORT": 8080}"#);
    let config = loaded.config;
    assert_eq!(config.listen, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(config.health_check_name, "hello");
    assert_eq!(config.readiness_name, "ready");
    assert_eq!(config.grace, Duration::from_secs(30));
    assert_eq!(config.shutdown_delay, Duration::ZERO);
    assert_eq!(config.guards.read_time, Duration::from_secs(120));
    assert_eq!(config.http.max_request_body_size, None);
    assert_eq!(config.upstream.timeout, Duration::from_secs(30));
    assert!(config.canonical_headers);
    assert!(!config.coprocess.enabled);
    assert_eq!(config.coprocess.default_server, DefaultServer::Missing);
    assert_eq!(config.coprocess.max_receive, 4 * 1024 * 1024);
    assert_eq!(config.coprocess.max_send, i32::MAX as usize);
    assert_eq!(config.log, Log { level: LevelFilter::INFO, format: LogFormat::Auto });
    assert!(loaded.unsupported.is_empty() && loaded.unknown.is_empty() && loaded.problems.is_empty());
}

#[test]
fn a_file_made_for_tyk_loads_with_one_list_of_what_has_no_effect() {
    let loaded = load(
        r#"{
            "listen_address": "127.0.0.1", "listen_port": 8080, "secret": "s", "node_secret": "s",
            "template_path": "/t", "tyk_js_path": "/js", "middleware_path": "/m", "app_path": "/apps/",
            "policies": {"policy_source": "file", "policy_record_name": "/p.json"},
            "use_db_app_configs": false, "enable_analytics": false, "analytics_config": {"type": "", "ignored_ips": []},
            "storage": {"type": "embedded", "path": "/data"}, "hash_keys": true,
            "coprocess_options": {"enable_coprocess": true, "coprocess_grpc_server": "tcp://127.0.0.1:5555"},
            "http_server_options": {"enable_websockets": true}, "max_idle_connections_per_host": 500,
            "close_connections": false
        }"#,
    );
    let paths: Vec<_> = loaded.unsupported.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, ["middleware_path", "tyk_js_path"]);
    assert_eq!(loaded.config.upstream.max_idle_per_host, Some(500));
    assert_eq!(loaded.config.template_path, Some(PathBuf::from("/t")));
    let server = &loaded.config.coprocess.servers[DEFAULT_SERVER];
    assert_eq!(server.endpoints, Address::parse_target("127.0.0.1:5555").unwrap());
    assert_eq!(loaded.config.coprocess.default_server, DefaultServer::Usable);
}

#[test]
fn the_command_line_beats_the_environment_and_that_beats_the_file() {
    let env = [("TYK_GW_LISTENPORT", "2"), ("TYK_GW_APPPATH", "/env")];
    let text = r#"{"app_path": "/file", "listen_port": 1}"#;
    assert_eq!(load_with(text, &env, None).unwrap().config.listen.port(), 2);
    let config = load_with(text, &env, Some(3)).unwrap().config;
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.app_path, PathBuf::from("/env"));
}

#[test]
fn the_environment_alone_will_do_when_told_so() {
    let env = [("TYK_GW_OMITCONFIGFILE", "true"), ("TYK_GW_APPPATH", "/env")];
    let loaded = load_with("not even JSON", &env, None).unwrap();
    assert_eq!(loaded.file, None);
    assert_eq!(loaded.config.app_path, PathBuf::from("/env"));
}

#[test]
fn no_file_and_broken_files_do_not_start() {
    let error = read(None, &["/nowhere/a.conf", "/nowhere/b.conf"]).unwrap_err();
    assert!(error.to_string().starts_with("no configuration file: looked for /nowhere/a.conf, /nowhere/b.conf;"));
    let missing = Config::load(Some(Path::new("/nowhere/c.conf")), std::iter::empty(), None);
    assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));
    assert_eq!(refusal("{"), "line 1, column 1: EOF while parsing an object: correct the JSON");
}

#[test]
fn an_unusable_value_stops_the_start_with_path_value_and_remedy() {
    for (text, message) in [
        (r#"{"listen_port": "80"}"#, r#"listen_port: expected a whole number, found "80""#),
        (r#"{"listen_port": 70000}"#, "listen_port is 70000: write a port from 0 to 65535; 0 lets the system choose"),
        (r#"{}"#, r#"app_path is "": name the folder that holds the API definitions"#),
        (r#"{"app_path": "a", "log_level": "loud"}"#, r#"log_level is "loud": write debug, info, warn or error"#),
        (
            r#"{"app_path": "a", "proxy_default_timeout": -1}"#,
            "proxy_default_timeout is -1.0: write a number of seconds; 0 means 30",
        ),
        (
            r#"{"app_path": "a", "listen_address": "eth0"}"#,
            r#"listen_address is "eth0": write an IP address of this machine, localhost, or nothing for all addresses"#,
        ),
    ] {
        assert_eq!(refusal(text), message);
    }
    let env = [("TYK_GW_LISTENPORT", "70000")];
    let error = load_with(r#"{"app_path": "a"}"#, &env, None).unwrap_err().to_string();
    assert!(error.starts_with("TYK_GW_LISTENPORT: listen_port is 70000"), "{error}");
}

#[test]
fn what_must_not_be_without_effect_stops_the_start() {
    for text in [
        r#"{"app_path": "a", "http_server_options": {"use_ssl": true}}"#,
        r#"{"use_db_app_configs": true}"#,
        r#"{"slave_options": {"use_rpc": true}}"#,
        r#"{"app_path": "a", "security": {"pinned_public_keys": {"*": "id"}}}"#,
        r#"{"app_path": "a", "security": {"control_api_use_mutual_tls": true}}"#,
        r#"{"app_path": "a", "security": {"certificates": {"apis": ["/no/such/file"]}}}"#,
        r#"{"management_node": true}"#,
        r#"{"app_path": "a", "proxy_ssl_min_version": 773}"#,
        r#"{"app_path": "a", "storage": {"type": "etcd"}}"#,
    ] {
        assert!(load_with(text, &[], None).is_err(), "{text}");
    }
}

#[test]
fn redis_is_configured_by_file_and_environment() {
    let env = [("TYK_GW_STORAGE_ADDRS", "a:1,b:2"), ("TYK_GW_STORAGE_ENABLECLUSTER", "true")];
    let text = r#"{"app_path": "a", "node_secret": "n", "suppress_redis_signal_reload": true,
        "storage": {"type": "redis", "host": "h", "timeout": 2, "optimisation_max_idle": 100}}"#;
    let loaded = load_with(text, &env, None).unwrap();
    let Storage::Redis(redis) = loaded.config.storage else { panic!("{:?}", loaded.config.storage) };
    assert!(matches!(redis.servers, Servers::Cluster(nodes) if nodes.len() == 2));
    assert_eq!(redis.timeout, Duration::from_secs(2));
    assert_eq!(loaded.unsupported[0].0, "storage.optimisation_max_idle");
    let messages = loaded.config.messages;
    assert_eq!(messages.secret.0, "n");
    assert!(!messages.heard && !messages.allow_unsigned);
}

#[test]
fn an_unusable_default_server_is_told_but_not_fatal() {
    let loaded = load(
        r#"{"app_path": "a", "coprocess_options": {"enable_coprocess": true, "coprocess_grpc_server": "://invalid"}}"#,
    );
    assert!(matches!(loaded.config.coprocess.default_server, DefaultServer::Unusable(_)));
    assert!(loaded.config.coprocess.servers.is_empty());
    assert_eq!(loaded.problems[0].path, "coprocess_options.coprocess_grpc_server");
    assert_eq!(loaded.problems[0].value, "\"://invalid\"");
}

#[test]
fn what_is_of_no_use_is_told_and_something_else_counts() {
    let loaded = load(
        r#"{"app_path": "a", "hash_key_function": "md5", "override_messages": {"auth.nothing": {"code": 401}},
            "coprocess_options": {"coprocess_grpc_server": "dns://10.0.0.1/h:1",
                                  "plugin_servers": {"auth": {"endpoints": "dns://ns/h:2"}}}}"#,
    );
    assert_eq!(loaded.config.keys.hashing.function, Some(Function::Murmur64));
    let shown = |name: &str| loaded.config.coprocess.servers[name].endpoints[0].to_string();
    assert_eq!([shown(DEFAULT_SERVER), shown("auth")], ["dns:///h:1", "dns:///h:2"]);
    let mut paths: Vec<_> = loaded.problems.iter().map(|problem| problem.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "coprocess_options.coprocess_grpc_server",
            "coprocess_options.plugin_servers.auth.endpoints",
            "hash_key_function",
            "override_messages.auth.nothing"
        ]
    );
    let refused = refusal(r#"{"app_path": "a", "override_messages": {"auth.key_not_found": {"code": 200}}}"#);
    assert!(
        refused.starts_with("override_messages.auth.key_not_found.code is unusable: 200 is no status"),
        "{refused}"
    );
}

#[test]
fn named_plugin_servers_have_one_or_more_endpoints_and_nothing_else() {
    let servers = |servers: &str| {
        format!(
            r#"{{"app_path": "a", "coprocess_options": {{"coprocess_grpc_server": "h:1", "plugin_servers": {servers}}}}}"#
        )
    };
    let loaded = load(&servers(r#"{"auth": {"endpoints": ["unix:///a.sock", "h:2"]}, "one": {"endpoints": "h:3"}}"#));
    assert_eq!(loaded.config.coprocess.servers["auth"].endpoints.len(), 2);
    assert!(loaded.config.coprocess.servers["auth"].round_robin);
    assert_eq!(loaded.config.coprocess.servers["one"].endpoints[0].to_string(), "tcp://h:3");

    let refused = |text: &str| refusal(&servers(text));
    assert!(
        refused(r#"{"auth": {"endpoints": []}}"#)
            .starts_with("coprocess_options.plugin_servers.auth.endpoints is empty")
    );
    assert!(
        refused(r#"{"auth": {"endpoints": ["h"]}}"#)
            .starts_with(r#"coprocess_options.plugin_servers.auth.endpoints[0] is "h": the port is missing"#)
    );
    assert!(
        refused(r#"{"auth": {"endpoints": "h:1", "timeout_ms": 5}}"#)
            .starts_with("coprocess_options.plugin_servers.auth.timeout_ms is 5: this setting is not supported")
    );
    assert!(refused(r#"{"default": {"endpoints": "h:1"}}"#).contains("remove one of the two"));
}

#[test]
fn references_are_resolved_before_values_are_checked() {
    let env = [("TYK_PLUGIN", "unix:///p.sock")];
    let text = r#"{"app_path": "secrets://apps", "secrets": {"apps": "/apps"}, "coprocess_options": {"coprocess_grpc_server": "env://TYK_PLUGIN"}}"#;
    let config = load_with(text, &env, None).unwrap().config;
    assert_eq!(config.app_path, PathBuf::from("/apps"));
    assert_eq!(config.coprocess.servers[DEFAULT_SERVER].endpoints[0].to_string(), "unix:///p.sock");
    assert!(refusal(r#"{"app_path": "env://NOWHERE"}"#).ends_with("set the environment variable NOWHERE"));
}
