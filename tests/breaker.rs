//! Circuit breakers: an upstream that fails too often is spared calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use http::Response;
use http_body_util::Full;
use outrigger_plugin::{Event, Plugin};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::harness::{Api, Gateway, PluginServer, Upstream, api, serve, until, within};

/// Answers with a status that the test sets.
async fn moody(status: &Arc<AtomicU16>) -> Upstream {
    let status = Arc::clone(status);
    Upstream::answering(move |_| {
        Response::builder().status(status.load(Ordering::Relaxed)).body(Full::from("hello")).unwrap()
    })
    .await
}

fn broken() -> Arc<AtomicU16> {
    Arc::new(AtomicU16::new(500))
}

/// Opens after two failed calls to `/frail`.
fn frail(change: Value) -> Value {
    let mut breaker = json!({"path": "/frail", "threshold_percent": 0.5, "samples": 2});
    breaker.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"version_data": {"versions": {"Default": {
        "use_extended_paths": true, "extended_paths": {"circuit_breakers": [breaker]},
    }}}})
}

struct Watch(UnboundedSender<Event>);

impl Plugin for Watch {
    async fn on_event(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

async fn watch() -> (PluginServer, UnboundedReceiver<Event>) {
    let (sender, events) = mpsc::unbounded_channel();
    (serve(Watch(sender)).await, events)
}

/// Tells the server of what breakers do; a Pre hook makes it the default server.
fn watched(api: Api, server: PluginServer) -> Api {
    let watch = |name: &str| json!([{"handler_name": "cp_dynamic_handler", "handler_meta": {"name": name}}]);
    let events =
        json!({"BreakerTriggered": watch("both"), "BreakerTripped": watch("one"), "BreakerReset": watch("one")});
    api.pre(server).with(json!({"event_handlers": {"events": events}}))
}

#[tokio::test]
async fn an_upstream_that_fails_too_often_is_not_called_on_that_path() {
    let status = broken();
    let upstream = moody(&status).await;
    let rules = frail(json!({"return_to_service_after": 600, "disable_half_open_state": true}));
    let gateway = Gateway::start(api(&upstream).with(rules)).await;
    let codes = [gateway.get("/frail").await.status(), gateway.get("/frail").await.status()];
    assert_eq!(codes, [500, 500]);
    let refused = gateway.get("/frail").await;
    assert_eq!((refused.status(), &*refused.error()), (503, "Service temporarily unavailable."));
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(gateway.get("/other").await.status(), 500);
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_counts_as_failed() {
    let upstream = Upstream::at("127.0.0.1:1".parse().unwrap());
    let rules = frail(json!({"return_to_service_after": i64::MAX, "disable_half_open_state": true}));
    let gateway = Gateway::start(api(&upstream).with(rules)).await;
    let codes = [gateway.get("/frail").await.status(), gateway.get("/frail").await.status()];
    assert_eq!((codes, gateway.get("/frail").await.status()), ([500, 500], 503));
}

#[tokio::test]
async fn a_trial_that_goes_well_closes_the_circuit_and_both_turns_are_told() {
    let status = broken();
    let upstream = moody(&status).await;
    let (server, mut events) = watch().await;
    let rules = frail(json!({"return_to_service_after": 600}));
    let gateway = Gateway::start(watched(api(&upstream).with(rules), server)).await;
    gateway.get("/frail").await;
    gateway.get("/frail").await;
    status.store(200, Ordering::Relaxed);
    assert_eq!(gateway.get("/frail").await.status(), 503);
    until("a trial", async || gateway.get("/frail").await.status() == 200).await;

    let mut told = Vec::new();
    for _ in 0..4 {
        let event = within("an event", events.recv()).await.unwrap();
        assert_eq!((event.path(), event.text("APIID"), event.request().is_some()), (Some("/frail"), Some("api"), true));
        told.push(format!("{} {} {} {}", event.handler, event.name, event.message(), event.meta["CircuitEvent"]));
    }
    // Deliveries keep no order.
    told.sort();
    assert_eq!(
        told,
        [
            "both BreakerTriggered Breaker Reset 1",
            "both BreakerTriggered Breaker Tripped 0",
            "one BreakerReset Breaker Reset 1",
            "one BreakerTripped Breaker Tripped 0",
        ]
    );
}

#[tokio::test]
async fn the_circuit_closes_in_time_without_a_call() {
    let upstream = moody(&broken()).await;
    let rules = frail(json!({"return_to_service_after": 1, "disable_half_open_state": true}));
    let gateway = Gateway::start(api(&upstream).with(rules)).await;
    gateway.get("/frail").await;
    gateway.get("/frail").await;
    gateway.process.says("the upstream is called again").await;
    assert_eq!(gateway.get("/frail").await.status(), 500);
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_share_that_is_none_closes_the_api() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).with(frail(json!({"threshold_percent": 50})))).await;
    assert_eq!(gateway.get("/frail").await.status(), 404);
    gateway.process.says("circuit_breakers[0].threshold_percent: 50 is no share of calls").await;
}
