//! Calls of web pages of other origins.

use http::Response;
use http_body_util::Full;
use outrigger_plugin::{HookResult, Plugin, Request};
use serde_json::json;

use crate::harness::{Answer, Gateway, Upstream, api, request, serve};

/// Refuses who comes without a ticket.
struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn pre(&self, request: &mut Request) -> HookResult {
        if request.header("X-Ticket").is_some() { Ok(()) } else { request.reject(403, "no ticket") }
    }
}

fn preflight(method: &str) -> http::request::Builder {
    request("OPTIONS", "/x").header("Origin", "http://a").header("Access-Control-Request-Method", method)
}

fn allowed(answer: &Answer) -> [Option<&str>; 2] {
    ["Access-Control-Allow-Origin", "Access-Control-Allow-Methods"].map(|name| answer.header(name))
}

#[tokio::test]
async fn a_preflight_ends_at_the_gateway_before_any_hook() {
    let upstream = Upstream::start().await;
    let rules = json!({"CORS": {"enable": true, "allowed_origins": ["http://a"], "allowed_methods": ["PUT"]}});
    let gateway = Gateway::start(api(&upstream).with(rules).pre(serve(Doorkeeper).await)).await;
    let answer = gateway.send(preflight("PUT"), "").await;
    assert_eq!((answer.status(), answer.text(), allowed(&answer)), (204, "", [Some("http://a"), Some("PUT")]));
    let answer = gateway.send(preflight("DELETE"), "").await;
    assert_eq!((answer.status(), allowed(&answer)), (204, [None, None]));
    let answer = gateway.send(request("OPTIONS", "/x").header("Origin", "http://a"), "").await;
    assert_eq!((answer.status(), answer.text(), allowed(&answer)), (200, "", [Some("http://a"), None]));
    assert_eq!(upstream.requests(), []);
}

#[tokio::test]
async fn replies_and_refusals_tell_pages_what_the_gateway_allows() {
    let upstream = Upstream::answering(|_| {
        let reply = Response::builder().header("Access-Control-Allow-Origin", "http://upstream");
        reply.header("Access-Control-Max-Age", "9").body(Full::from("hello")).unwrap()
    })
    .await;
    let rules = json!({"CORS": {"enable": true, "exposed_headers": ["X-One"], "allow_credentials": true}});
    let gateway = Gateway::start(api(&upstream).with(rules).pre(serve(Doorkeeper).await)).await;
    let call = || request("GET", "/").header("Origin", "http://a");
    for (call, status, max_age) in [(call().header("X-Ticket", "1"), 200, Some("9")), (call(), 403, None)] {
        let answer = gateway.send(call, "").await;
        assert_eq!((answer.status(), answer.header("Vary")), (status, Some("Origin")));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(answer.header("Access-Control-Expose-Headers"), Some("X-One"));
        assert_eq!(answer.header("Access-Control-Allow-Credentials"), Some("true"));
        assert_eq!(answer.header("Access-Control-Max-Age"), max_age);
    }
    let answer = gateway.send(request("GET", "/").header("X-Ticket", "1"), "").await;
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("http://upstream"), "no page calls");
}

struct AnswersPages;

impl Plugin for AnswersPages {
    async fn pre(&self, request: &mut Request) -> HookResult {
        request.respond(200, &[("Access-Control-Allow-Origin", "http://own"), ("Vary", "X")], "own")
    }
}

#[tokio::test]
async fn what_a_plugin_tells_pages_in_its_answer_stays() {
    let upstream = Upstream::start().await;
    let rules = json!({"CORS": {"enable": true, "allow_credentials": true}});
    let gateway = Gateway::start(api(&upstream).with(rules).pre(serve(AnswersPages).await)).await;

    let answer = gateway.send(request("GET", "/").header("Origin", "http://a"), "").await;

    let told = ["Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"];
    assert_eq!(told.map(|name| answer.header(name)), [Some("http://own"), Some("true"), Some("X")]);
}

#[tokio::test]
async fn options_pass_everything_where_the_definition_wants_it() {
    let upstream = Upstream::start().await;
    let place = json!({"location": "header", "key": "ver"});
    let versions = json!({"not_versioned": false, "versions": {"Default": null, "v1": {"name": "v1"}}});
    let rules = json!({
        "use_keyless": false, "CORS": {"options_passthrough": true}, "definition": place, "version_data": versions,
    });
    let gateway = Gateway::start(api(&upstream).with(rules).pre(serve(Doorkeeper).await)).await;
    gateway.process.says("CORS.options_passthrough").await;
    let answer = gateway.send(preflight("PUT"), "").await;
    assert_eq!((answer.status(), answer.text()), (200, "hello from upstream"));
    assert_eq!(upstream.request().method, "OPTIONS");
    assert_eq!(gateway.send(request("GET", "/x").header("ver", "v1"), "").await.status(), 403);
}
