//! The line that every request of an API leaves.

use outrigger_plugin::{AuthRequest, HookResult, Plugin, Request as HookRequest, Session};
use serde_json::json;

use crate::harness::{Gateway, Setup, Upstream, Wire, api, request, serve};

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn pre(&self, _: &mut HookRequest) -> HookResult {
        Ok(())
    }

    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        match request.header("X-Key") {
            Some(key) => {
                let session = Session::new(key);
                request.allow(session)
            }
            None => request.reject(401, "who are you?"),
        }
    }
}

#[tokio::test]
async fn a_request_leaves_one_json_line_with_api_status_hooks_and_times() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).auth(serve(Doorkeeper).await)).await;

    gateway.send(request("PUT", "/orders/7").header("X-Key", "k"), "{}").await;

    let line = gateway.access().await;
    assert_eq!(line["api_id"], "api");
    assert_eq!((&line["method"], &line["path"]), (&"PUT".into(), &"/orders/7".into()));
    assert_eq!((&line["status"], &line["client"]), (&200.into(), &"127.0.0.1".into()));
    let upstream_ms = line["upstream_ms"].as_f64().unwrap();
    assert!(0.0 < upstream_ms && upstream_ms < line["ms"].as_f64().unwrap(), "{line}");
    let hooks: Vec<_> = line["hooks"].as_str().unwrap().split(' ').collect();
    assert!(matches!(hooks[..], ["MyAuth", took, "continued"] if took.ends_with("ms")), "{line}");
}

#[tokio::test]
async fn a_refused_request_names_the_hook_and_has_no_upstream_time() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).auth(serve(Doorkeeper).await)).await;

    gateway.get("/").await;

    let line = gateway.access().await;
    assert_eq!((&line["status"], line.get("upstream_ms")), (&401.into(), None));
    assert!(line["hooks"].as_str().unwrap().ends_with("answered 401"), "{line}");
    assert_eq!(upstream.requests(), []);
}

#[tokio::test]
async fn keys_tokens_and_queries_are_never_logged() {
    let upstream = Upstream::start().await;
    let setup = Setup::from(api(&upstream).auth(serve(Doorkeeper).await));
    let gateway = Gateway::start(setup.conf(json!({"log_level": "debug", "secret": "hush-conf"}))).await;

    let call = request("GET", "/a?api_key=hush-query").header("X-Key", "hush-key").header("Authorization", "hush-auth");
    assert_eq!(gateway.send(call, "").await.status(), 200);

    assert_eq!(gateway.access().await["path"], "/a");
    let (_, lines) = gateway.stop().await;
    assert!(lines.iter().all(|line| !line.contains("hush-")), "{lines:#?}");
}

#[tokio::test]
async fn a_body_that_the_client_breaks_is_no_error_of_the_operators() {
    let upstream = Upstream::start().await;
    for api in [api(&upstream), api(&upstream).pre(serve(Doorkeeper).await)] {
        let gateway = Gateway::start(api).await;
        let mut client = Wire::connect(gateway.address).await;

        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n").await;

        client.head().await;
        let line = gateway.access().await;
        assert!(line["reason"].as_str().unwrap().contains("could not be read"), "{line}");
        let (_, lines) = gateway.stop().await;
        assert!(!lines.iter().any(|line| line.contains("request failed")), "{lines:#?}");
    }
}
