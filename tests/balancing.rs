//! APIs with several upstreams: whose turn it is, and who is passed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use http::Response;
use http_body_util::Full;
use serde_json::json;

use crate::harness::{Api, Gateway, Setup, Upstream, Wire, api, listen, until};

async fn saying(text: &'static str) -> Upstream {
    Upstream::answering(move |_| Response::new(Full::from(text))).await
}

fn balanced(targets: &[String]) -> Api {
    Api::to("http://unused.test/").with(json!({"proxy": {"enable_load_balancing": true, "target_list": targets}}))
}

#[tokio::test]
async fn requests_go_to_each_upstream_in_turn_whatever_the_connection() {
    let (one, two) = (saying("one").await, saying("two").await);
    // Named twice, it gets twice as much; without a scheme it is http.
    let targets = [format!("http://{}/a", one.address), two.address.to_string(), two.address.to_string()];
    let gateway = Gateway::start(balanced(&targets)).await;

    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(gateway.get("/x?y").await.text().to_owned());
    }

    assert_eq!(answers, ["one", "two", "two", "one", "two", "two"]);
    assert_eq!((one.requests()[0].target.as_str(), two.requests()[0].target.as_str()), ("/a/x?y", "/x?y"));
    assert_eq!(one.requests()[0].header("host"), Some(one.address.to_string().as_str()));
}

#[tokio::test]
async fn a_list_counts_only_where_it_is_switched_on_and_is_not_empty() {
    let upstream = saying("target_url").await;
    let off = json!({"proxy": {"target_list": ["http://unused.test"]}});
    let empty = json!({"proxy": {"enable_load_balancing": true, "target_list": []}});
    let setup = Setup::from(api(&upstream).named("off").with(off)).api(api(&upstream).named("empty").with(empty));
    let gateway = Gateway::start(setup).await;

    assert_eq!(gateway.get("/off/").await.text(), "target_url");
    assert_eq!(gateway.get("/empty/").await.text(), "target_url");
}

#[tokio::test]
async fn a_list_with_a_target_that_is_none_refuses_the_api() {
    let good = "http://up.test".to_owned();
    for bad in ["ftp://up.test", "", "http://", "http://up test/"] {
        let gateway = Gateway::start(balanced(&[good.clone(), bad.to_owned()])).await;
        assert_eq!(gateway.get("/").await.status(), 404, "{bad:?}");
        let line = gateway.process.says("API definition refused").await;
        assert!(
            line.contains("proxy.target_list[1]: ") && line.contains("cannot be") || line.contains("can be called"),
            "{line}"
        );
    }
}

/// A fast round of tests, one failure being enough.
fn tested(api: Api) -> Setup {
    let config = json!({"failure_trigger_sample_size": 1, "time_wait": 1});
    Setup::from(api).conf(json!({"uptime_tests": {"config": config}}))
}

#[tokio::test]
async fn an_upstream_that_fails_its_tests_is_passed_over_until_it_passes_them() {
    let (well, status) = (saying("well").await, Arc::new(AtomicU16::new(500)));
    let answer = Arc::clone(&status);
    let ill = Upstream::answering(move |received| {
        let status = if received.target == "/health" { answer.load(Ordering::SeqCst) } else { 200 };
        Response::builder().status(status).body(Full::from("ill")).unwrap()
    })
    .await;
    let targets = [well.address.to_string(), ill.address.to_string()];
    let health = format!("http://{}/health", ill.address);
    let api = balanced(&targets).with(json!({
        "proxy": {"check_host_against_uptime_tests": true},
        "uptime_tests": {"check_list": [{"url": health, "headers": {"X-Test": "1"}}]},
    }));
    let gateway = Gateway::start(tested(api)).await;
    let both = async || [gateway.get("/").await.text().to_owned(), gateway.get("/").await.text().to_owned()];

    gateway.process.says("an upstream is down by its uptime tests").await;
    assert_eq!(both().await, ["well", "well"]);
    status.store(200, Ordering::SeqCst);
    gateway.process.says("an upstream is up again").await;
    let mut answers = both().await;
    answers.sort();

    assert_eq!(answers, ["ill", "well"]);
    let test = ill.requests().into_iter().find(|received| received.target == "/health").unwrap();
    assert_eq!((test.method.as_str(), test.header("x-test")), ("GET", Some("1")));
}

#[tokio::test]
async fn where_all_upstreams_are_down_the_client_is_told() {
    let listener = listen().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let api = balanced(&[address.to_string()]).with(json!({
        "proxy": {"check_host_against_uptime_tests": true},
        "uptime_tests": {"check_list": [{"url": format!("tcp://{address}")}]},
    }));
    let replaced = api.clone().named("replaced").with(json!({
        "error_overrides": {"503": [{"match": {"flag": "URS"}, "response": {"status_code": 502, "message": "later"}}]},
    }));
    let gateway = Gateway::start(tested(api.named("plain")).api(replaced)).await;

    gateway.process.says("an upstream is down by its uptime tests").await;
    let answer = gateway.get("/plain/").await;

    assert_eq!((answer.status(), answer.text()), (503, "all hosts are down\n"));
    assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("X-Ratelimit-Limit"), Some("0"));
    let answer = gateway.get("/replaced/").await;
    assert_eq!((answer.status(), &*answer.error()), (502, "later"), "it counts as an upstream's answer");
}

#[tokio::test]
async fn a_test_may_be_a_talk() {
    let listener = listen().await;
    let address = listener.local_addr().unwrap();
    let fluent = Arc::new(AtomicBool::new(true));
    let speaks = Arc::clone(&fluent);
    tokio::spawn(async move {
        loop {
            let mut wire = Wire::accept(&listener).await;
            wire.through("PING\r\n").await;
            wire.send(if speaks.load(Ordering::SeqCst) { "+PO" } else { "-ER" }).await;
            wire.send("NG\r\n").await;
        }
    });
    let api = balanced(&[address.to_string()]).with(json!({
        "proxy": {"check_host_against_uptime_tests": true},
        "uptime_tests": {"check_list": [{
            "url": address.to_string(),
            "protocol": "tcp",
            "commands": [{"name": "send", "message": "PING\r\n"}, {"name": "expect", "message": "+PONG"}],
        }]},
    }));
    let gateway = Gateway::start(tested(api)).await;

    fluent.store(false, Ordering::SeqCst);
    let line = gateway.process.says("an upstream is down by its uptime tests").await;
    assert!(line.contains("it did not say"), "{line}");
    fluent.store(true, Ordering::SeqCst);
    gateway.process.says("an upstream is up again").await;
}

#[tokio::test]
async fn tests_can_be_switched_off() {
    let upstream = saying("well").await;
    let tests = json!({"check_list": [{"url": format!("http://{}/health", upstream.address)}]});
    let on = api(&upstream).named("on").with(json!({"uptime_tests": tests}));
    let mut off = json!({"uptime_tests": tests});
    off["uptime_tests"]["disabled"] = true.into();
    off["uptime_tests"]["check_list"][0]["url"] = format!("http://{}/never", upstream.address).into();
    let gateway = Gateway::start(tested(on).api(api(&upstream).named("off").with(off))).await;

    until("a test", async || !upstream.requests().is_empty()).await;
    assert_eq!(gateway.get("/off/").await.text(), "well");

    assert!(upstream.requests().iter().all(|received| received.target != "/never"));
}
