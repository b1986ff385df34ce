//! The end of the process: what is in flight finishes, nothing new begins.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;

use crate::harness::{Api, Gateway, Setup, Upstream, Wire, api, listen, until};

#[tokio::test]
async fn a_request_in_flight_finishes_and_new_connections_are_refused() {
    let listener = listen().await;
    let target = format!("http://{}/", listener.local_addr().unwrap());
    let mut gateway = Gateway::start(Api::to(&target)).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    gateway.process.tell(Signal::TERM);
    gateway.process.says("stopping").await;
    until("a refused connection", async || TcpStream::connect(gateway.address).await.is_err()).await;

    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ndone"), "{answer}");
    assert_eq!(gateway.process.end().await.code(), Some(0));
}

#[tokio::test]
async fn whoever_has_connected_and_asked_by_then_is_answered() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(api(&upstream)).await;
    let mut clients = Vec::new();
    for at in 0..100 {
        let mut client = Wire::connect(gateway.address).await;
        client.send(format!("GET /{at} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        clients.push(client);
    }

    gateway.process.tell(Signal::TERM);

    for mut client in clients {
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
    }
    assert_eq!(gateway.process.end().await.code(), Some(0));
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;
    let mut idle = Wire::connect(gateway.address).await;
    idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    idle.through("hello from upstream").await;
    let _silent = Wire::connect(gateway.address).await;

    let started = Instant::now();
    let (status, _) = gateway.stop().await;

    assert_eq!(status.code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_period_is_cut_off() {
    let listener = listen().await;
    let target = format!("http://{}/", listener.local_addr().unwrap());
    let setup = Setup::from(Api::to(&target)).conf(json!({"graceful_shutdown_timeout_duration": 1}));
    let gateway = Gateway::start(setup).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET /for-ever HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    let started = Instant::now();
    let (status, lines) = gateway.stop().await;

    let took = started.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(Duration::from_secs(1) <= took && took < Duration::from_secs(3), "{took:?}");
    assert!(lines.iter().any(|line| line.contains("the grace period ended")), "{lines:#?}");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn readiness_fails_while_requests_are_still_taken_before_the_end() {
    let upstream = Upstream::start().await;
    let delay = json!({"graceful_shutdown_delay_seconds": 2});
    let mut gateway = Gateway::start(Setup::from(api(&upstream)).conf(delay)).await;
    assert_eq!(gateway.get("/ready").await.status(), 200);

    gateway.process.tell(Signal::TERM);
    gateway.process.says("stopping").await;

    assert_eq!(gateway.get("/ready").await.status(), 503);
    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(gateway.process.end().await.code(), Some(0));
}
