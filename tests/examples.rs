//! The examples, each a process of its own, do what they promise.

use http::Response;
use http_body_util::Full;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Gateway, Setup, Upstream, api, example, node_example, python_example, request};

/// What `headers.rs`, `python/headers.py` and `node/headers.js` promise alike.
async fn edits_headers_and_query(gateway: &Gateway, upstream: &Upstream) {
    let call = request("GET", "/x?debug=1&a=b").header("User-Agent", "tests").header("Cookie", "c=d");
    assert_eq!(gateway.send(call, "").await.status(), 200);

    let received = upstream.request();
    assert_eq!(received.target, "/x?a=b&source=gateway");
    assert_eq!((received.header("X-Client"), received.header("Cookie")), (Some("tests"), None));
}

#[tokio::test]
async fn headers_edits_headers_and_query() {
    let upstream = Upstream::start().await;
    let (_process, plugin) = example("headers", "127.0.0.1:0").await;
    let gateway = Gateway::start(api(&upstream).hook("pre", "Headers", plugin)).await;

    edits_headers_and_query(&gateway, &upstream).await;
}

#[tokio::test]
#[ignore = "needs the Python environment that tests/run makes"]
async fn headers_in_python_edits_headers_and_query() {
    let upstream = Upstream::start().await;
    let (_process, plugin) = python_example("headers.py", "127.0.0.1:0").await;
    let gateway = Gateway::start(api(&upstream).hook("pre", "Headers", plugin)).await;

    edits_headers_and_query(&gateway, &upstream).await;
}

#[tokio::test]
#[ignore = "needs the Node environment that tests/run makes"]
async fn headers_in_node_edits_headers_and_query() {
    let upstream = Upstream::start().await;
    let (mut process, plugin) = node_example("headers.js", "127.0.0.1:0").await;
    let gateway = Gateway::start(api(&upstream).hook("pre", "Headers", plugin)).await;

    edits_headers_and_query(&gateway, &upstream).await;

    process.tell(Signal::TERM);
    assert_eq!(process.end().await.code(), Some(0));
}

#[tokio::test]
async fn api_key_lets_in_who_has_a_key() {
    let upstream = Upstream::start().await;
    let (_process, plugin) = example("api_key", "127.0.0.1:0").await;
    let definition = json!({
        "custom_middleware": {"id_extractor": {
            "extract_from": "header", "extract_with": "value", "extractor_config": {"header_name": "X-Api-Key"},
        }},
        "config_data": {"keys": {"s3cret": "jane"}},
    });
    let gateway = Gateway::start(api(&upstream).auth(plugin).with(definition)).await;

    let with = |key| gateway.send(request("GET", "/orders").header("X-Api-Key", key), "");
    assert_eq!(with("s3cret").await.status(), 200);
    assert_eq!(with("s3cret").await.status(), 200);
    gateway.process.says("\"session_cache\":\"hit\"").await;
    let refused = with("guess").await;
    assert_eq!((refused.status(), refused.error()), (401, "a valid API key is needed".to_owned()));
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn rewrite_json_rewrites_json_and_leaves_the_rest() {
    let upstream = Upstream::answering(|received| match received.target.as_str() {
        "/user" => {
            let answer = Response::builder().header("Etag", "1").header("Content-Type", "application/json");
            answer.body(Full::from(r#"{"name":"jane","password":"hush"}"#)).unwrap()
        }
        _ => Response::new(Full::from("plain")),
    })
    .await;
    let (_process, plugin) = example("rewrite_json", "127.0.0.1:0").await;
    let gateway = Gateway::start(api(&upstream).response(plugin)).await;

    let answer = gateway.get("/user").await;
    assert_eq!(answer.json(), json!({"name": "jane", "served_by": "api"}));
    assert_eq!(answer.header("Etag"), None);
    assert_eq!(gateway.get("/other").await.text(), "plain");
}

#[tokio::test]
async fn watch_writes_a_line_for_each_refused_caller() {
    let upstream = Upstream::start().await;
    let (process, plugin) = example("watch", "127.0.0.1:0").await;
    let protected = api(&upstream).with(json!({
        "use_keyless": false,
        "custom_middleware": {"driver": "grpc"},
        "event_handlers": {"events": {"AuthFailure": [
            {"handler_name": "cp_dynamic_handler", "handler_meta": {"name": "Watch"}},
        ]}},
    }));
    let conf = json!({"coprocess_options": {"enable_coprocess": true, "coprocess_grpc_server": plugin.address}});
    let gateway = Gateway::start(Setup::from(protected).conf(conf)).await;

    let stranger = request("GET", "/secret").header("Authorization", "stranger");
    assert_eq!(gateway.send(stranger, "").await.status(), 403);

    let line = process.says("AuthFailure").await;
    assert!(line.contains("/secret") && line.contains("127.0.0.1") && !line.contains("stranger"), "{line}");
}

#[tokio::test]
async fn an_example_on_a_unix_socket_ends_when_told_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("plugin.sock");
    let upstream = Upstream::start().await;
    let (mut process, plugin) = example("headers", &format!("unix:{}", socket.display())).await;
    let gateway = Gateway::start(api(&upstream).hook("pre", "Headers", plugin)).await;
    edits_headers_and_query(&gateway, &upstream).await;

    process.tell(Signal::TERM);

    assert_eq!(process.end().await.code(), Some(0));
    assert!(!socket.exists());
}
