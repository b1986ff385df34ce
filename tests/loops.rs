//! Requests that go from one API of the gateway to another.

use outrigger_plugin::{AuthRequest, HookResult, Plugin, Request, Session};
use serde_json::{Value, json};

use crate::harness::{Gateway, Setup, Upstream, Wire, api, request, serve};

/// Sends what comes to this path there.
fn rewrite(path: &str, to: &str) -> Value {
    json!({"version_data": {"versions": {"Default": {"use_extended_paths": true, "extended_paths": {
        "url_rewrites": [{"path": path, "match_pattern": format!("{path}(.*)"), "rewrite_to": to}],
    }}}}})
}

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        match request.header("Authorization") {
            Some("ann") => request.allow(Session::new("k")),
            _ => request.reject(403, "nobody"),
        }
    }

    async fn pre(&self, request: &mut Request) -> HookResult {
        let passes = request.header("X-Passes").map_or(0, |passes| passes.parse().unwrap_or(0));
        request.set_header("X-Passes", (passes + 1).to_string());
        Ok(())
    }
}

#[tokio::test]
async fn a_request_goes_on_in_another_api_by_its_id_or_name() {
    let upstream = Upstream::start().await;
    let setup = Setup::new()
        .api(api(&upstream).named("id").with(rewrite("/", "tyk://inner/there?a=1&method=PUT")))
        .api(api(&upstream).named("name").with(rewrite("/", "tyk://the-inner-one/there")))
        .api(api(&upstream).named("nowhere").with(rewrite("/", "tyk://missing/there")))
        .api(api(&upstream).named("inner").with(json!({"internal": true, "name": "The Inner One #shop"})));
    let gateway = Gateway::start(setup).await;
    for (path, method, target) in [("/id/x", "PUT", "/there?a=1"), ("/name/x", "GET", "/there")] {
        assert_eq!(gateway.get(path).await.status(), 200);
        let received = upstream.last();
        assert_eq!((&*received.method, &*received.target), (method, target));
    }
    let lost = gateway.get("/nowhere/x").await;
    assert_eq!((lost.status(), &*lost.error()), (500, "Can't detect loop target"));
    assert_eq!(gateway.get("/inner/x").await.status(), 404);
}

#[tokio::test]
async fn the_other_api_asks_who_is_calling_itself() {
    let upstream = Upstream::start().await;
    let server = serve(Doorkeeper).await;
    let setup = Setup::new()
        .api(api(&upstream).named("open").with(rewrite("/", "tyk://closed/there")))
        .api(api(&upstream).named("closed").auth(server));
    let gateway = Gateway::start(setup).await;
    let status =
        async |key: &str| gateway.send(request("GET", "/open/x").header("Authorization", key), "").await.status();
    assert_eq!([status("ann").await, status("bob").await], [200, 403]);
}

#[tokio::test]
async fn a_request_may_come_back_to_its_api_and_counts_once() {
    let upstream = Upstream::start().await;
    let server = serve(Doorkeeper).await;
    let limit = json!({"global_rate_limit": {"rate": 2, "per": 3600}});
    let api = api(&upstream).pre(server.clone()).auth(server).with(rewrite("/first", "tyk://self/second")).with(limit);
    let gateway = Gateway::start(api).await;
    let status = async || gateway.send(request("GET", "/first").header("Authorization", "ann"), "").await.status();
    assert_eq!([status().await, status().await, status().await], [200, 200, 429]);
    let received = upstream.last();
    assert_eq!((&*received.target, received.header("X-Passes")), ("/second", Some("2")));
}

#[tokio::test]
async fn a_request_does_not_go_round_for_ever() {
    let upstream = Upstream::start().await;
    let setup = Setup::new()
        .api(api(&upstream).named("round").with(rewrite("/", "tyk://self/again")))
        .api(api(&upstream).named("twice").with(rewrite("/", "tyk://self/again?loop_limit=2")));
    let gateway = Gateway::start(setup).await;
    for (path, most) in [("/round/x", 5), ("/twice/x", 2)] {
        let answer = gateway.get(path).await;
        let error = format!("Loop level too deep. Found more than {most} loops in single request");
        assert_eq!((answer.status(), answer.error()), (500, error));
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn nothing_that_a_client_or_a_definition_says_keeps_a_request_going_round() {
    let upstream = Upstream::start().await;
    let round = json!({"definition": {
        "enabled": true, "name": "v1", "default": "self", "location": "header", "key": "ver", "versions": {"v2": "family"},
    }});
    let setup = Setup::new()
        .api(api(&upstream).named("round").with(rewrite("/", "tyk://self/again/$1")))
        .api(api(&upstream).named("family").with(round));
    let gateway = Gateway::start(setup).await;
    for request in [request("GET", "/round/x?loop_limit=4000000000"), request("GET", "/family/x").header("ver", "v2")] {
        let answer = gateway.send(request, "").await;
        let error = "Loop level too deep. Found more than 100 loops in single request".to_owned();
        assert_eq!((answer.status(), answer.error()), (500, error));
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn only_rewrites_and_hooks_send_requests_to_other_apis() {
    let upstream = Upstream::start().await;
    let setup = Setup::new()
        .api(api(&upstream).named("open"))
        .api(api(&upstream).named("inner").with(json!({"internal": true})));
    let gateway = Gateway::start(setup).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET tyk://inner/x HTTP/1.1\r\nHost: open\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 400 "));
    assert!(upstream.requests().is_empty());
}
