//! Connections that go on in another protocol.

use serde_json::json;

use crate::harness::{Api, Gateway, Setup, Wire, listen};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: h.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn start(upstream: &tokio::net::TcpListener, websockets: bool) -> Gateway {
    let api = Api::to(&format!("http://{}/", upstream.local_addr().unwrap()));
    Gateway::start(Setup::from(api).conf(json!({"http_server_options": {"enable_websockets": websockets}}))).await
}

#[tokio::test]
async fn after_the_handshake_bytes_pass_both_ways_until_one_side_ends() {
    let listener = listen().await;
    let gateway = start(&listener, true).await;

    let mut client = Wire::connect(gateway.address).await;
    client.send(HANDSHAKE).await;
    let mut upstream = Wire::accept(&listener).await;
    let request = upstream.head().await;
    for header in
        ["Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"]
    {
        assert!(request.contains(header), "no {header:?} in {request}");
    }
    upstream.send(format!("{SWITCHED}first words")).await;
    let reply = client.head().await;
    assert!(reply.starts_with("HTTP/1.1 101 ") && reply.contains("Sec-Websocket-Accept: "), "{reply}");
    assert_eq!(client.through("words").await, "first words");
    client.send("from the client").await;
    assert_eq!(upstream.through("client").await, "from the client");
    upstream.send("bye").await;
    drop(upstream);
    assert_eq!(client.rest().await, "bye");
}

#[tokio::test]
async fn where_upgrades_are_off_the_upstream_sees_an_ordinary_request() {
    let listener = listen().await;
    let gateway = start(&listener, false).await;

    let mut client = Wire::connect(gateway.address).await;
    client.send(HANDSHAKE).await;
    let mut upstream = Wire::accept(&listener).await;
    let request = upstream.head().await;
    assert!(!request.contains("Upgrade"), "{request}");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert!(client.through("ok").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_upstream_that_declines_answers_like_any_other_and_one_that_was_not_asked_may_not_switch() {
    let listener = listen().await;
    let gateway = start(&listener, true).await;

    let mut client = Wire::connect(gateway.address).await;
    client.send(HANDSHAKE).await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno").await;
    assert!(client.through("no").await.starts_with("HTTP/1.1 400 "));

    client.send("GET / HTTP/1.1\r\nHost: h.test\r\n\r\n").await;
    upstream.head().await;
    upstream.send(SWITCHED).await;
    assert!(client.head().await.starts_with("HTTP/1.1 500 "));
}

#[tokio::test]
async fn only_what_was_wished_for_is_switched_to_and_no_text_is_no_wish() {
    let listener = listen().await;
    let gateway = start(&listener, true).await;

    let mut client = Wire::connect(gateway.address).await;
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c,\x80\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    let request = upstream.head().await;
    assert!(!request.contains("Upgrade"), "{request}");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    client.through("\r\n\r\nok").await;

    client.send(HANDSHAKE).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 500 "));
}
