//! The examples, each a process of its own, do what they promise.

use std::collections::HashMap;

use bytes::Bytes;
use coprocess::dispatcher_client::DispatcherClient;
use coprocess::{AccessDefinition, Event, HookType, MiniRequestObject, Object, ReturnOverrides, SessionState};
use http::Response;
use http_body_util::Full;
use rustix::process::Signal;
use serde_json::json;
use tonic::transport::Channel;

use crate::harness::{Connection, Gateway, Language, PluginServer, Setup, Upstream, api, example, request};

#[tokio::test]
async fn the_headers_example_keeps_its_promises() {
    keeps_promises(Language::Rust).await;
}

#[tokio::test]
#[ignore = "needs the Python environment that tests/run makes"]
async fn the_headers_example_in_python_keeps_them_too() {
    keeps_promises(Language::Python).await;
}

#[tokio::test]
#[ignore = "needs the Node packages that tests/run installs"]
async fn the_headers_example_in_node_keeps_them_too() {
    keeps_promises(Language::Node).await;
}

/// What every headers example does, whatever it is written in.
async fn keeps_promises(language: Language) {
    let (mut process, plugin) = example(language, "headers", "127.0.0.1:0").await;
    let _connected = edits_headers_and_query(&plugin).await;
    leaves_bodies_as_they_are(&plugin).await;
    lets_other_hooks_pass_and_nobody_in(&plugin).await;
    returns_what_it_does_not_know(&plugin).await;
    answers_events(&plugin).await;
    process.tell(Signal::TERM);
    assert_eq!(process.end().await.code(), Some(0));

    listens_on_a_socket_file(language).await;
}

/// Gives the gateway, which is still connected.
async fn edits_headers_and_query(plugin: &PluginServer) -> Gateway {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).hook("pre", "Headers", plugin.clone())).await;

    let call = request("GET", "/x?debug=1&a=b").header("User-Agent", "tests").header("Cookie", "c=d");
    assert_eq!(gateway.send(call, "").await.status(), 200);

    let received = upstream.request();
    assert_eq!(received.target, "/x?a=b&source=gateway");
    assert_eq!((received.header("X-Client"), received.header("Cookie")), (Some("tests"), None));
    gateway
}

/// Bytes that are no text too, and more than the 4 MiB that gRPC libraries take unless told.
async fn leaves_bodies_as_they_are(plugin: &PluginServer) {
    let upstream = Upstream::start().await;
    let conf = json!({"coprocess_options": {"grpc_recv_max_size": 16 << 20, "grpc_send_max_size": 16 << 20}});
    let setup = Setup::from(api(&upstream).hook("pre", "Headers", plugin.clone())).conf(conf);
    let gateway = Gateway::start(setup).await;

    for body in [Bytes::from_static(b"\xff\0\xfe"), Bytes::from(vec![b'x'; 5 << 20])] {
        let call = request("POST", "/upload").body(Full::from(body.clone())).unwrap();
        let answer = Connection::open(gateway.address).await.unwrap().send(call).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(upstream.drain().remove(0).body == body, "the body has changed");
    }
}

async fn lets_other_hooks_pass_and_nobody_in(plugin: &PluginServer) {
    let reply = || Response::builder().status(418).header("X-A", "1").header("X-A", "2");
    let upstream = Upstream::answering(move |_| reply().body(Full::from("teapot")).unwrap()).await;
    let passed = ["post", "response"];
    let open = passed.iter().fold(api(&upstream).named("open"), |api, key| api.hook(key, "Other", plugin.clone()));
    let guarded = api(&upstream).named("guarded").auth(plugin.clone());
    let gateway = Gateway::start(Setup::new().api(open).api(guarded)).await;

    let answer = gateway.post("/open/x?debug=1", "body").await;
    assert_eq!((answer.status(), answer.text()), (418, "teapot"));
    assert_eq!(answer.headers.get_all("X-A").iter().collect::<Vec<_>>(), ["1", "2"]);
    let received = upstream.drain().remove(0);
    assert_eq!((&*received.target, &*received.body), ("/x?debug=1", &b"body"[..]));

    assert_eq!(gateway.get("/guarded/x").await.status(), 403);
    assert_eq!(upstream.drain().len(), 0);
}

/// Nothing of an object is lost on its way through the language's own types.
async fn returns_what_it_does_not_know(plugin: &PluginServer) {
    let map = |name: &str| HashMap::from([(name.to_owned(), "\u{e9}".to_owned())]);
    let session = SessionState {
        quota_max: i64::MAX,
        expires: -1,
        rate: 0.1,
        metadata: map("of session"),
        access_rights: HashMap::from([(
            "api".to_owned(),
            AccessDefinition { api_id: "api".to_owned(), ..Default::default() },
        )]),
        tags: vec!["a".to_owned(), String::new()],
        ..Default::default()
    };
    let request = MiniRequestObject {
        headers: map("of request"),
        raw_body: Bytes::from_static(b"\xff"),
        return_overrides: Some(ReturnOverrides { response_code: -1, ..Default::default() }),
        method: "GET".to_owned(),
        url: "/x".to_owned(),
        ..Default::default()
    };
    let object = Object {
        hook_type: HookType::Post.into(),
        hook_name: "Other".to_owned(),
        request: Some(request),
        session: Some(session),
        metadata: map("of object"),
        spec: map("of api"),
        response: None,
    };
    let returned = client(plugin).await.dispatch(object.clone()).await.unwrap().into_inner();
    assert_eq!(returned, object);
}

async fn answers_events(plugin: &PluginServer) {
    let payload = json!({
        "message": {"Type": "AuthFailure", "Meta": {"Path": "/"}, "TimeStamp": "2026-01-01 00:00:00 +0000 UTC"},
        "handler_name": "Other",
    });
    for payload in [payload.to_string(), "no JSON".to_owned()] {
        client(plugin).await.dispatch_event(Event { payload }).await.unwrap();
    }
}

async fn listens_on_a_socket_file(language: Language) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("plugin.sock");
    let (mut process, plugin) = example(language, "headers", &format!("unix:{}", socket.display())).await;
    let _connected = edits_headers_and_query(&plugin).await;

    process.tell(Signal::TERM);

    assert_eq!(process.end().await.code(), Some(0));
    assert!(!socket.exists());
}

async fn client(plugin: &PluginServer) -> DispatcherClient<Channel> {
    let address = plugin.address.replace("tcp://", "http://");
    DispatcherClient::new(Channel::from_shared(address).unwrap().connect().await.unwrap())
}

#[tokio::test]
async fn api_key_lets_in_who_has_a_key() {
    let upstream = Upstream::start().await;
    let (_process, plugin) = example(Language::Rust, "api_key", "127.0.0.1:0").await;
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
    let (_process, plugin) = example(Language::Rust, "rewrite_json", "127.0.0.1:0").await;
    let gateway = Gateway::start(api(&upstream).response(plugin)).await;

    let answer = gateway.get("/user").await;
    assert_eq!(answer.json(), json!({"name": "jane", "served_by": "api"}));
    assert_eq!(answer.header("Etag"), None);
    assert_eq!(gateway.get("/other").await.text(), "plain");
}

#[tokio::test]
async fn watch_writes_a_line_for_each_refused_caller() {
    let upstream = Upstream::start().await;
    let (process, plugin) = example(Language::Rust, "watch", "127.0.0.1:0").await;
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
