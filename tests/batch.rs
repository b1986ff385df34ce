//! Batches: one request that holds others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use http_body_util::Full;
use outrigger_plugin::{HookResult, Plugin, Request};
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Gateway, Upstream, api, request, serve};

fn batches(upstream: &Upstream) -> Api {
    api(upstream).named("shop").with(json!({"enable_batch_request_support": true}))
}

async fn send(gateway: &Gateway, requests: Value) -> Answer {
    gateway.post("/shop/tyk/batch/", &json!({"requests": requests}).to_string()).await
}

/// Counts calls, and refuses who comes without a ticket.
struct Doorkeeper(Arc<AtomicUsize>);

impl Plugin for Doorkeeper {
    async fn pre(&self, request: &mut Request) -> HookResult {
        self.0.fetch_add(1, Ordering::Relaxed);
        if request.header("X-Ticket").is_some() { Ok(()) } else { request.reject(403, "no ticket") }
    }
}

#[tokio::test]
async fn every_part_goes_through_the_chain_and_replies_stand_in_the_order_of_requests() {
    let upstream = Upstream::start().await;
    let calls = Arc::<AtomicUsize>::default();
    let gateway = Gateway::start(batches(&upstream).pre(serve(Doorkeeper(Arc::clone(&calls))).await)).await;
    let ticket = json!({"X-Ticket": "1"});
    let answer = send(
        &gateway,
        json!([
            {"method": "PUT", "relative_url": "a?b=c&d=e", "headers": ticket, "body": "text"},
            {"relative_url": "/b"},
            {"method": "NO METHOD", "relative_url": "c", "headers": ticket},
            {"relative_url": "../other/d", "headers": ticket},
        ]),
    )
    .await;
    assert_eq!((answer.status(), answer.header("Content-Type")), (200, Some("application/json")));
    assert!(answer.text().starts_with(r#"[{"relative_url":"a?b=c\u0026d=e","code":200,"headers":{"#), "{answer:?}");
    let replies = answer.json();
    let urls: Vec<_> = replies.as_array().unwrap().iter().map(|reply| &reply["relative_url"]).collect();
    assert_eq!(urls, ["a?b=c&d=e", "/b", "c", "../other/d"]);
    let codes: Vec<_> = replies.as_array().unwrap().iter().map(|reply| &reply["code"]).collect();
    assert_eq!(codes, [200, 403, 400, 301]);
    assert_eq!(replies[0]["body"], "hello from upstream");
    assert_eq!(replies[0]["headers"]["X-Ratelimit-Limit"], json!(["0"]));
    assert!(replies[1]["body"].as_str().unwrap().contains("no ticket"));
    assert_eq!(calls.load(Ordering::Relaxed), 2, "the batch itself is for no hook");
    let received = upstream.request();
    assert_eq!((&*received.method, &*received.target, received.text()), ("PUT", "/a?b=c&d=e", "text"));
}

#[tokio::test]
async fn a_part_cannot_come_from_another_address_than_its_batch() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(batches(&upstream).with(json!({"allowed_ips": ["10.0.0.1"]}))).await;
    let batch = json!({"requests": [{"relative_url": "a", "headers": {"x-real-ip": "10.0.0.1"}}]}).to_string();
    for (address, code) in [("10.0.0.2", 403), ("10.0.0.1", 200)] {
        let call = request("POST", "/shop/tyk/batch/").header("X-Real-IP", address);
        assert_eq!(gateway.send(call, &batch).await.json()[0]["code"], code, "{address}");
    }
}

#[tokio::test]
async fn what_is_no_batch_is_refused_and_what_is_none_to_the_api_goes_on() {
    let upstream = Upstream::start().await;
    let setup = crate::harness::Setup::new().api(batches(&upstream)).api(api(&upstream).named("plain"));
    let gateway = Gateway::start(setup).await;
    for broken in ["", "[]", r#"{"requests": 5}"#] {
        let refused = gateway.post("/shop/tyk/batch/", broken).await;
        assert_eq!((refused.status(), &*refused.error()), (400, "Batch request malformed"), "{broken}");
    }
    let refused = send(&gateway, json!(vec![json!({"relative_url": "a"}); 101])).await;
    assert_eq!((refused.status(), &*refused.error()), (400, "Batch request has more than 100 parts"));
    assert_eq!(upstream.requests(), []);

    assert_eq!(gateway.post("/plain/tyk/batch/", "{}").await.text(), "hello from upstream");
    assert_eq!(gateway.get("/shop/tyk/batch/").await.text(), "hello from upstream");
}

#[tokio::test]
async fn replies_are_bounded_one_by_one_and_together() {
    const MIB: usize = 1 << 20;
    let upstream = Upstream::answering(|received| {
        let long = if received.target == "/long" { 2 * MIB + 1 } else { 2 * MIB };
        Response::new(Full::from("a".repeat(long)))
    })
    .await;
    let gateway = Gateway::start(batches(&upstream)).await;
    let parts: Vec<_> = ["long"].iter().chain(&["x"; 9]).map(|url| json!({"relative_url": url})).collect();
    let batch = json!({"requests": parts, "suppress_parallel_execution": true});
    let replies = gateway.post("/shop/tyk/batch/", &batch.to_string()).await.json();
    let codes: Vec<_> = replies.as_array().unwrap().iter().map(|reply| reply["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [500, 200, 200, 200, 200, 200, 200, 200, 200, 500]);
    assert_eq!(replies[1]["body"].as_str().unwrap().len(), 2 * MIB);
}

#[tokio::test]
async fn a_part_takes_away_no_header_that_the_chain_sets() {
    let upstream = Upstream::start().await;
    let set = json!({"version_data": {"versions": {"Default": {"global_headers": {"X-Caller": "chain"}}}}});
    let gateway = Gateway::start(batches(&upstream).with(set)).await;
    let headers = json!({"Connection": "X-Caller", "X-Caller": "part"});
    send(&gateway, json!([{"relative_url": "x", "headers": headers}])).await;
    assert_eq!(upstream.request().header("X-Caller"), Some("chain"));
}
