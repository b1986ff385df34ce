//! Bodies that nobody needs whole pass as they come, both ways.

use serde_json::json;

use crate::harness::{Api, Gateway, Setup, Wire, listen, scene};

#[tokio::test]
async fn the_first_bytes_of_a_download_arrive_before_its_end() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
    assert!(client.head().await.contains("Content-Length: 10\r\n"));
    client.through("first").await;

    upstream.send(" last").await;
    client.through(" last").await;
}

#[tokio::test]
async fn the_first_bytes_of_an_upload_arrive_before_its_end() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst").await;
    let mut upstream = Wire::accept(&listener).await;
    assert!(upstream.head().await.contains("Content-Length: 10\r\n"));
    upstream.through("first").await;

    client.send(" last").await;
    upstream.through(" last").await;
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 204 No Content\r\n"));
}

#[tokio::test]
async fn a_chunked_upload_stays_chunked() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    assert!(upstream.head().await.contains("Transfer-Encoding: chunked\r\n"));
    upstream.through("5\r\nfirst\r\n").await;

    client.send("4\r\nlast\r\n0\r\n\r\n").await;
    upstream.through("4\r\nlast\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn each_event_of_a_stream_arrives_when_it_is_sent() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET /events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;

    for event in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        upstream.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
        client.through(event).await;
    }
}

#[tokio::test]
async fn events_that_break_off_end_with_one_that_tells_of_it() {
    let (_gateway, mut client, listener) = scene().await;
    for (kind, told) in [("text/event-stream; charset=utf-8", true), ("text/plain", false)] {
        client.send("GET /events HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let mut upstream = Wire::accept(&listener).await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
        client.head().await;
        upstream.send("9\r\ndata: 1\n\n\r\n").await;
        client.through("data: 1\n\n\r\n").await;
        drop(upstream);
        if told {
            let rest = client.through("0\r\n\r\n").await;
            assert!(rest.contains("event: error\ndata: upstream connection terminated unexpectedly\n\n"), "{rest}");
        } else {
            assert_eq!(client.rest().await, "");
        }
    }
}

#[tokio::test]
async fn the_upstream_hears_when_the_client_leaves_a_stream() {
    let (gateway, mut client, listener) = scene().await;
    client.send("GET /events HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n").await;
    client.through("1\r\n.\r\n").await;

    drop(client);

    assert_eq!(upstream.rest().await, "");
    assert_eq!(gateway.access().await["status"], 200);
}

#[tokio::test]
async fn the_upstream_hears_when_the_client_leaves_before_the_reply() {
    let (gateway, mut client, listener) = scene().await;
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    drop(client);

    assert_eq!(upstream.rest().await, "");
    assert_eq!(gateway.access().await["status"], 499);
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;

    for word in ["3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"] {
        client.send(word).await;
        upstream.through(word).await;
        upstream.send(word).await;
        client.through(word).await;
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;

    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body").await;
    upstream.through("body").await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn trailers_pass_to_a_client_that_takes_them() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    assert!(upstream.head().await.contains("Te: trailers\r\n"));

    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n").await;
    upstream.send("4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n").await;

    assert!(client.head().await.contains("Trailer: X-Sum\r\n"));
    let body = client.through("\r\n\r\n").await;
    assert!(body.to_ascii_lowercase().ends_with("0\r\nx-sum: 42\r\n\r\n"), "{body}");
}

#[tokio::test]
async fn trailers_of_a_request_reach_the_upstream() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n").await;
    client.send("4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;

    let head = upstream.head().await;
    assert!(head.contains("Trailer: X-Sum\r\n"), "{head}");
    let body = upstream.through("\r\n\r\n").await;
    assert!(body.to_ascii_lowercase().ends_with("0\r\nx-sum: 42\r\n\r\n"), "{body}");
}

#[tokio::test]
async fn trailers_are_not_announced_to_a_client_that_takes_none() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n").await;
    upstream.send("4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n").await;

    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("Trailer"), "{head}");
    assert_eq!(client.through("\r\n\r\n").await, "4\r\nbody\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_reply_may_be_silent_for_longer_than_a_client_that_sends_no_request() {
    let listener = listen().await;
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap()));
    let conf = json!({"http_server_options": {"idle_timeout": 1, "read_header_timeout": 1}});
    let gateway = Gateway::start(Setup::from(api).conf(conf)).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
    client.head().await;

    // One after the other, these outlast the limit and its tolerance.
    for unfinished in ["", "GET / HTTP/1.1\r\nHost: h\r\n", ""] {
        let mut silent = Wire::connect(gateway.address).await;
        silent.send(unfinished).await;
        silent.rest().await;
    }
    upstream.send("last").await;
    client.through("last").await;
}
