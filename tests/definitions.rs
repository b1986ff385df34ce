//! API definitions: one that cannot be served is refused with its reason, and the others are served.

use serde_json::{Value, json};

use crate::harness::{Gateway, Setup, Upstream, api, serve};

struct Nothing;

impl outrigger_plugin::Plugin for Nothing {}

/// The definition with this change is not served, and one line of the log holds all of this.
async fn refuses(change: Value, told: &[&str]) {
    let upstream = Upstream::start().await;
    let refused = api(&upstream).named("refused").with(change);
    let gateway = Gateway::start(Setup::new().api(refused).api(api(&upstream).named("served"))).await;

    let line = gateway.process.says("API definition refused").await;
    assert!(line.contains("refused.json"), "{line}");
    assert!(told.iter().all(|part| line.contains(part)), "no {told:?} in {line}");
    assert_eq!(gateway.get("/refused/").await.status(), 404);
    assert_eq!(gateway.get("/served/").await.status(), 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_step_that_is_not_built_is_refused_with_path_and_reason() {
    refuses(
        json!({"use_keyless": false, "use_oauth2": true}),
        &["use_oauth2: ", "this method of auth is not supported yet"],
    )
    .await;
    refuses(
        json!({
            "use_keyless": false,
            "custom_plugin_auth_enabled": true,
            "custom_middleware": {
                "driver": "grpc",
                "auth_check": {"name": "MyAuth"},
                "id_extractor": {"extract_from": "querystring", "extract_with": "value"},
            },
        }),
        &["custom_middleware.id_extractor.extract_from: ", "so all clients would share one session"],
    )
    .await;
    refuses(
        json!({"version_data": {"versions": {"Default": {
            "use_extended_paths": true,
            "extended_paths": {"validate_request": [{"path": "/admin"}]},
        }}}}),
        &["version_data.versions.Default.extended_paths.validate_request[0]: ", "not supported yet"],
    )
    .await;
}

#[tokio::test]
async fn an_api_that_would_let_everybody_in_by_mistake_is_refused() {
    refuses(json!({"use_keyless": false, "use_openid": true}), &["use_openid: "]).await;
    refuses(json!({"allowed_ips": ["10.0.0"]}), &["allowed_ips[0]: "]).await;
}

#[tokio::test]
async fn a_hook_of_a_plugin_server_that_does_not_exist_is_refused() {
    let upstream = Upstream::start().await;
    let hooked = api(&upstream).named("refused").pre(serve(Nothing).await);
    let hook = json!({"custom_middleware": {"pre": [{"name": "MyPre", "server": "nobody"}]}});
    let gateway = Gateway::start(hooked.with(hook)).await;

    let line = gateway.process.says("API definition refused").await;
    assert!(line.contains("custom_middleware.pre[0].server") && line.contains("nobody"), "{line}");
    assert_eq!(gateway.get("/refused/").await.status(), 404);
}

#[tokio::test]
async fn broken_definitions_are_told_with_line_or_path_and_the_others_are_served() {
    let upstream = Upstream::start().await;
    let setup = Setup::from(api(&upstream).named("good"))
        .file("apps/broken.json", "{\n  \"name\": \"x\",\n  oops\n}")
        .file("apps/shape.json", r#"{"name": "x", "proxy": {"listen_path": 7}}"#);
    let gateway = Gateway::start(setup).await;

    let line = gateway.process.says("broken.json").await;
    assert!(line.contains("line 3"), "{line}");
    let line = gateway.process.says("shape.json").await;
    assert!(line.contains("proxy.listen_path: "), "{line}");
    assert_eq!(gateway.get("/good/").await.status(), 200);
}

#[tokio::test]
async fn an_unknown_driver_is_told_and_every_request_that_comes_to_its_hook_is_500() {
    let upstream = Upstream::start().await;
    let setup = Setup::from(api(&upstream).named("a").pre(serve(Nothing).await));
    let gateway =
        Gateway::start(setup.api(api(&upstream).named("b").with(json!({"custom_middleware": {"driver": "otto",
            "pre": [{"name": "Script"}]}}))))
        .await;

    let line = gateway.process.says("b.json").await;
    for part in ["Script", "custom_middleware.driver", "otto", "\\\"grpc\\\""] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert_eq!(gateway.get("/b/").await.status(), 500);
    assert_eq!(upstream.requests(), []);
    assert_eq!(gateway.get("/a/").await.status(), 200);
}

#[tokio::test]
async fn of_two_equal_listen_paths_the_second_is_moved_and_told() {
    let upstream = Upstream::start().await;
    let path = json!({"proxy": {"listen_path": "/same/"}});
    let first = api(&upstream).named("first").with(path.clone());
    let gateway = Gateway::start(Setup::from(first).api(api(&upstream).named("second").with(path))).await;

    let line = gateway.process.says("another API has this listen path").await;
    for part in ["second.json", "proxy.listen_path", "\"/same/\"", "/same/-second", "one of its own"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert_eq!(gateway.get("/same/x").await.status(), 200);
    assert_eq!(gateway.access().await["api_id"], "first");
}

#[tokio::test]
async fn keys_of_a_definition_that_have_no_effect_yet_are_named() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).with(json!({"detailed_tracing": true, "tags": ["a"]}))).await;

    let line = gateway.process.says("have no effect").await;
    assert!(line.contains("api.json") && line.contains("tags, detailed_tracing"), "{line}");
}
