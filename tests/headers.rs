//! Headers that every request or reply of an API gets or loses.

use http::Response;
use http_body_util::Full;
use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session};
use serde_json::json;

use crate::harness::{Gateway, Upstream, api, request, serve};

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        request.allow(Session::new("k").metadata("user", "ann"))
    }
}

#[tokio::test]
async fn headers_are_set_and_removed_both_ways_with_what_is_known_of_the_caller() {
    let upstream = Upstream::answering(|_| {
        let reply = Response::builder().header("Server", "secret/1.0").header("X-Kept", "1");
        reply.body(Full::from("hello")).unwrap()
    })
    .await;
    let change = json!({
        "enable_context_vars": true,
        "response_processors": [{"name": "header_injector"}],
        "version_data": {"versions": {"Default": {
            "global_headers": {"X-User": "$tyk_meta.user", "X-Agent": "via $tyk_context.headers_User_Agent", "X-Plain": "p"},
            "global_headers_remove": ["X-Debug", "X-Plain"],
            "global_response_headers": {"X-For": "$tyk_meta.user"},
            "global_response_headers_remove": ["Server"],
        }}},
    });
    let gateway = Gateway::start(api(&upstream).auth(serve(Doorkeeper).await).with(change)).await;

    let sent = request("GET", "/x").header("X-Debug", "1").header("X-Plain", "clients").header("User-Agent", "test");
    let answer = gateway.send(sent, "").await;
    let received = upstream.request();
    let seen = ["X-User", "X-Agent", "X-Plain", "X-Debug"].map(|name| received.header(name));
    assert_eq!(seen, [Some("ann"), Some("via test"), Some("p"), None]);
    assert_eq!(["X-For", "Server", "X-Kept"].map(|name| answer.header(name)), [Some("ann"), None, Some("1")]);
}

#[tokio::test]
async fn what_is_no_header_is_refused_with_its_path() {
    let upstream = Upstream::start().await;
    let change = json!({"version_data": {"versions": {"Default": {"global_headers": {"X A": "1"}}}}});
    let gateway = Gateway::start(api(&upstream).with(change)).await;
    gateway.process.says("version_data.versions.*.global_headers.X A: \\\"X A\\\" is no name of a header").await;
    assert_eq!(gateway.get("/").await.status(), 404);
}
