//! `tyk.conf` and the environment: what stops the start, and what is only told.

use serde_json::json;

use crate::harness::{Api, Gateway, PluginServer, Setup, Upstream, api};

/// The start fails with 64, and one line holds all of this.
async fn stops(setup: Setup, told: &[&str]) {
    let (code, said) = Gateway::refused(setup).await;
    assert_eq!(code, 64, "{said}");
    assert!(said.lines().any(|line| told.iter().all(|part| line.contains(part))), "no line with {told:?} in:\n{said}");
}

#[tokio::test]
async fn broken_json_is_told_with_file_and_line() {
    let setup = Setup::new().file("tyk.conf", "{\n  \"listen_port\": 8080,\n  \"app_path\" \"./apps\"\n}\n");
    stops(setup, &["tyk.conf", "line 3", "correct the JSON"]).await;
}

#[tokio::test]
async fn a_wrong_type_is_told_with_its_json_path() {
    let setup = Setup::new().conf(json!({"http_server_options": {"max_request_body_size": "big"}}));
    stops(setup, &["tyk.conf", "http_server_options.max_request_body_size", "big"]).await;
}

#[tokio::test]
async fn an_unusable_value_is_told_with_path_value_and_remedy() {
    for (change, told) in [
        (json!({"listen_port": 70000}), ["listen_port", "70000", "from 0 to 65535"]),
        (json!({"log_level": "loud"}), ["log_level", "\"loud\"", "write debug, info, warn or error"]),
        (json!({"storage": {"type": "mongo"}}), ["storage.type", "\"mongo\"", "\"embedded\""]),
        (json!({"proxy_default_timeout": -1}), ["proxy_default_timeout", "-1", "number of seconds"]),
        (
            json!({"http_server_options": {"use_ssl": true}}),
            ["http_server_options.use_ssl", "true", "name a certificate"],
        ),
        (
            json!({"coprocess_options": {"plugin_servers": {"auth": {"endpoints": ["http://h:1"]}}}}),
            ["coprocess_options.plugin_servers.auth.endpoints", "http://h:1", "write tcp://HOST:PORT"],
        ),
        (
            json!({"coprocess_options": {"plugin_servers": {"auth": {"endpoints": ["tcp://h:1"], "retries": 1}}}}),
            ["coprocess_options.plugin_servers.auth.retries", "1", "remove it"],
        ),
    ] {
        stops(Setup::new().conf(change), &told).await;
    }
}

#[tokio::test]
async fn a_missing_folder_of_definitions_stops_the_start() {
    stops(Setup::new().conf(json!({"app_path": "/nowhere/apps"})), &["app_path", "/nowhere/apps"]).await;
}

#[tokio::test]
async fn an_unusable_default_plugin_server_is_told_and_only_its_hooks_fail() {
    let upstream = Upstream::start().await;
    let hooked = api(&upstream).named("hooked").pre(PluginServer::elsewhere("127.0.0.1:http"));
    let gateway = Gateway::start(Setup::new().api(hooked).api(api(&upstream).named("plain"))).await;

    let line = gateway.process.says("coprocess_options.coprocess_grpc_server is").await;
    assert!(line.contains("tyk.conf") && line.contains("127.0.0.1:http") && line.contains("from 1 to 65535"), "{line}");
    assert_eq!(gateway.get("/hooked/").await.status(), 500);
    assert_eq!(gateway.get("/plain/").await.status(), 200);
}

#[tokio::test]
async fn the_environment_wins_over_the_file() {
    let upstream = Upstream::start().await;
    let setup = Setup::from(api(&upstream).named("a"))
        .conf(json!({"listen_port": 1, "readiness_check_endpoint_name": "file"}))
        .env("TYK_GW_LISTENPORT", "0")
        .env("TYK_GW_READINESSCHECKENDPOINTNAME", "environment");
    let gateway = Gateway::start(setup).await;

    assert_ne!(gateway.address.port(), 1);
    assert_eq!(gateway.get("/environment").await.status(), 200);
    assert_eq!(gateway.get("/file").await.status(), 404);
}

#[tokio::test]
async fn a_variable_that_cannot_be_read_stops_the_start() {
    let setup = Setup::new().env("TYK_GW_LISTENPORT", "http");
    stops(setup, &["TYK_GW_LISTENPORT", "\"http\"", "a whole number"]).await;
}

#[tokio::test]
async fn references_to_the_environment_and_to_secrets_are_followed() {
    let upstream = Upstream::start().await;
    let setup = Setup::from(Api::to("env://TARGET").named("a"))
        .api(Api::to("http://secrets://host/b/").named("b"))
        .conf(json!({
            "secrets": {"host": upstream.address.to_string()},
            "readiness_check_endpoint_name": "env://READY",
        }))
        .env("TARGET", format!("http://{}/a/", upstream.address))
        .env("READY", "are-you");
    let gateway = Gateway::start(setup).await;

    assert_eq!(gateway.get("/a/x").await.status(), 200);
    assert_eq!(gateway.get("/b/x").await.status(), 200);
    assert_eq!(gateway.get("/are-you").await.status(), 200);
    let targets: Vec<_> = upstream.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/a/x", "/b/x"]);
}

#[tokio::test]
async fn a_reference_to_nothing_stops_the_start() {
    let setup = Setup::new().conf(json!({"template_path": "secrets://templates"}));
    stops(setup, &["tyk.conf", "template_path", "secrets://templates", "add templates to secrets"]).await;
    let setup = Setup::new().conf(json!({"template_path": "env://TEMPLATES"}));
    stops(setup, &["template_path", "set the environment variable TEMPLATES"]).await;
}

#[tokio::test]
async fn keys_that_have_no_effect_yet_are_named_in_one_warning() {
    let gateway = Gateway::start(Setup::new().conf(json!({
        "enable_analytics": true,
        "enable_rate_limit_smoothing": true,
        "hash_keys": false,
        "no_such_key": 1,
    })))
    .await;

    let lines = gateway.process.says_times(1, "have no effect").await;
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains("enable_analytics: ") && lines[0].contains("enable_rate_limit_smoothing: "),
        "{}",
        lines[0]
    );
    assert!(!lines[0].contains("hash_keys") && !lines[0].contains("no_such_key"), "{}", lines[0]);
}

#[tokio::test]
async fn keys_count_whatever_their_case() {
    let upstream = Upstream::start().await;
    let definition = format!(
        r#"{{"Name": "a", "API_ID": "a", "Use_Keyless": true,
            "PROXY": {{"Listen_Path": "/a/", "Target_URL": "http://{}/", "STRIP_listen_path": true}}}}"#,
        upstream.address
    );
    let setup = Setup::new().conf(json!({"Readiness_Check_Endpoint_NAME": "are-you"})).file("apps/a.json", definition);
    let gateway = Gateway::start(setup).await;

    assert_eq!(gateway.get("/are-you").await.status(), 200);
    assert_eq!(gateway.get("/a/x").await.status(), 200);
    assert_eq!(upstream.request().target, "/x");
}
