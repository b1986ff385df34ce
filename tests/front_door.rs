//! What the gateway answers itself, before any API: paths, limits, health.

use serde_json::json;

use crate::harness::{Gateway, Setup, Upstream, Wire, api, request};

#[tokio::test]
async fn a_path_of_no_api_is_404_with_the_usual_text() {
    let gateway = Gateway::start(Setup::new()).await;

    let answer = gateway.get("/nobody/listens").await;

    assert_eq!((answer.status(), answer.text()), (404, "Not Found"));
    assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn an_unclean_path_is_sent_to_its_clean_form() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;

    for (path, location) in [("/a//b?x=1", "/a/b?x=1"), ("/a/./b", "/a/b"), ("/a/../b/", "/b/")] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status(), answer.header("Location")), (301, Some(location)), "{path}");
    }
    assert_eq!(upstream.requests(), []);
}

#[tokio::test]
async fn health_and_readiness_are_json_with_the_version() {
    let gateway = Gateway::start(Setup::new()).await;
    let version = concat!("v", env!("CARGO_PKG_VERSION"));

    for (path, description) in [("/hello", "Tyk GW"), ("/ready", "Tyk GW Ready")] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status(), answer.header("Content-Type")), (200, Some("application/json")));
        assert_eq!(answer.json(), json!({"status": "pass", "version": version, "description": description}));
    }
    for (method, path) in [("POST", "/hello"), ("HEAD", "/hello"), ("HEAD", "/ready")] {
        assert_eq!(gateway.send(request(method, path), "").await.status(), 405, "{method} {path}");
    }
}

#[tokio::test]
async fn the_control_api_never_reaches_an_upstream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;

    assert_eq!(gateway.get("/tyk/reload/").await.status(), 403);
    assert_eq!(upstream.requests(), []);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_with_and_without_a_length() {
    let upstream = Upstream::start().await;
    let limit = json!({"http_server_options": {"max_request_body_size": 10}});
    let gateway = Gateway::start(Setup::from(api(&upstream)).conf(limit)).await;

    assert_eq!(gateway.post("/", "0123456789").await.status(), 200);
    let answer = gateway.post("/", "0123456789a").await;
    assert_eq!((answer.status(), answer.text()), (413, "Request Entity Too Large\n"));

    let mut client = Wire::connect(gateway.address).await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 413 "));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn an_api_with_a_domain_answers_under_that_name_only() {
    let upstream = Upstream::start().await;
    let bound = api(&upstream).named("bound").with(json!({"domain": "orders.test", "proxy": {"listen_path": "/"}}));
    let gateway = Gateway::start(Setup::from(bound).conf(json!({"enable_custom_domains": true}))).await;

    assert_eq!(gateway.send(request("GET", "/x").header("Host", "Orders.test:8080"), "").await.status(), 200);
    assert_eq!(gateway.send(request("GET", "/x").header("Host", "other.test"), "").await.status(), 404);
}

#[tokio::test]
async fn a_request_of_http11_names_one_host() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n", 200),
        ("GET / HTTP/1.0\r\n", 200),
    ] {
        let mut client = Wire::connect(gateway.address).await;
        client.send(format!("{head}\r\n")).await;
        let answer = client.head().await;
        assert_eq!(answer.split(' ').nth(1), Some(&*status.to_string()), "{head:?}: {answer}");
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn malformed_http_gets_an_answer_and_harms_nobody_else() {
    let gateway = Gateway::start(Setup::new()).await;
    let mut client = Wire::connect(gateway.address).await;

    client.send("NOT HTTP AT ALL\r\n\r\n").await;

    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
    assert_eq!(gateway.get("/hello").await.status(), 200);
}

#[tokio::test]
async fn there_are_no_tunnels() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;
    for target in ["/x", "up.test:443"] {
        let mut client = Wire::connect(gateway.address).await;
        client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        assert!(client.head().await.starts_with("HTTP/1.1 400 "), "{target}");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_body_in_a_coding_that_nobody_undoes_is_not_taken() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;
    for coding in ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked"] {
        let mut client = Wire::connect(gateway.address).await;
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {coding}\r\n\r\n");
        client.send(format!("{head}1\r\n.\r\n0\r\n\r\n")).await;
        let answer = client.head().await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{coding:?}: {answer}");
    }
    assert!(upstream.requests().is_empty());
}
