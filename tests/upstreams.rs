//! The way to the upstream and back: headers, errors, kept connections.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use http::Response;
use http_body_util::Full;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::{Api, Gateway, Setup, Upstream, Wire, api, listen, request, scene};

// === Headers ===

#[tokio::test]
async fn the_clients_address_is_appended_to_those_before_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;

    gateway.send(request("GET", "/").header("X-Forwarded-For", "10.1.1.1"), "").await;

    assert_eq!(upstream.request().header("X-Forwarded-For"), Some("10.1.1.1, 127.0.0.1"));
}

#[tokio::test]
async fn headers_of_a_connection_stay_on_that_connection() {
    let upstream = Upstream::answering(|_| {
        let answer = Response::builder().header("Keep-Alive", "timeout=5").header("X-Kept", "1");
        answer.header("Proxy-Authenticate", "Basic").body(Full::from("ok")).unwrap()
    })
    .await;
    let gateway = Gateway::start(api(&upstream)).await;

    let call = request("GET", "/").header("Connection", "X-Mine").header("X-Mine", "1").header("X-Kept", "1");
    let answer = gateway.send(call.header("Proxy-Authorization", "Basic x").header("TE", "gzip"), "").await;

    let received = upstream.request();
    for name in ["Connection", "X-Mine", "Proxy-Authorization", "TE"] {
        assert_eq!(received.header(name), None, "{name}");
    }
    assert_eq!((received.header("X-Kept"), answer.header("X-Kept")), (Some("1"), Some("1")));
    assert_eq!((answer.header("Keep-Alive"), answer.header("Proxy-Authenticate")), (None, None));
}

#[tokio::test]
async fn a_caller_without_a_session_gets_zeros_for_limits() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;

    let answer = gateway.get("/").await;

    for name in ["X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"] {
        assert_eq!(answer.header(name), Some("0"), "{name}");
    }
}

#[tokio::test]
async fn the_upstream_sees_its_own_host_unless_the_clients_is_kept() {
    let upstream = Upstream::start().await;
    let kept = api(&upstream).named("kept").with(json!({"proxy": {"preserve_host_header": true}}));
    let gateway = Gateway::start(Setup::from(api(&upstream).named("own")).api(kept)).await;

    for path in ["/own/", "/kept/"] {
        gateway.send(request("GET", path).header("Host", "shop.test"), "").await;
    }

    let hosts: Vec<_> =
        upstream.requests().iter().map(|received| received.header("Host").unwrap().to_owned()).collect();
    assert_eq!(hosts, [upstream.address.to_string(), "shop.test".to_owned()]);
}

#[tokio::test]
async fn an_answer_to_head_has_the_length_and_no_body() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;

    let answer = gateway.send(request("HEAD", "/"), "").await;

    assert_eq!((answer.status(), answer.header("Content-Length"), answer.text()), (200, Some("19"), ""));
    assert_eq!(upstream.request().method, "HEAD");
}

#[tokio::test]
async fn a_status_has_the_words_of_its_kind_and_none_of_the_upstreams() {
    let (_gateway, mut client, listener) = scene().await;
    let mut upstream = keep(&mut client, &listener).await;
    for (upstreams, words) in [
        ("404 Gone Fishing", "404 Not Found"),
        ("413 x", "413 Request Entity Too Large"),
        ("599 x", "599 status code 599"),
    ] {
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 {upstreams}\r\nContent-Length: 0\r\n\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {words}\r\n")), "{head}");
    }
}

async fn zipping() -> Upstream {
    Upstream::answering(|received| {
        let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
        zipped.write_all(b"unpacked").unwrap();
        let asked = received.header("Accept-Encoding").unwrap_or("nothing");
        let answer = Response::builder().header("Content-Encoding", "gzip").header("X-Asked", asked);
        answer.body(Full::from(zipped.finish().unwrap())).unwrap()
    })
    .await
}

#[tokio::test]
async fn a_client_that_did_not_ask_for_gzip_gets_the_body_unpacked() {
    let gateway = Gateway::start(api(&zipping().await)).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.text(), answer.header("Content-Encoding")), ("unpacked", None));
    assert_eq!(answer.header("X-Asked"), Some("gzip"));
}

#[tokio::test]
async fn a_client_that_asked_for_gzip_gets_it_as_it_came() {
    let gateway = Gateway::start(api(&zipping().await)).await;

    let answer = gateway.send(request("GET", "/").header("Accept-Encoding", "gzip, br"), "").await;

    assert_eq!((answer.header("Content-Encoding"), answer.header("X-Asked")), (Some("gzip"), Some("gzip, br")));
    assert_eq!(answer.body[..2], [0x1f, 0x8b]);
}

/// A gzipped answer as the wire has it: its head, and chunks of what is flushed in between.
fn zipped(parts: &[&str]) -> Vec<Vec<u8>> {
    let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
    let chunk = |coder: &mut GzEncoder<Vec<u8>>| {
        let bytes = std::mem::take(coder.get_mut());
        [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat()
    };
    let mut chunks = vec![
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n".to_vec(),
    ];
    for part in parts {
        coder.write_all(part.as_bytes()).unwrap();
        coder.flush().unwrap();
        chunks.push(chunk(&mut coder));
    }
    coder.try_finish().unwrap();
    chunks.push(chunk(&mut coder));
    chunks
}

#[tokio::test]
async fn what_is_unpacked_goes_on_at_once_and_before_trailers() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    let chunks = zipped(&["first", "second"]);

    upstream.send(&chunks[0]).await;
    client.head().await;
    for (chunk, text) in chunks[1..3].iter().zip(["first", "second"]) {
        upstream.send(chunk).await;
        client.through(text).await;
    }
    upstream.send([&chunks[3], &b"0\r\nX-Sum: 7\r\n\r\n"[..]].concat()).await;
    assert!(client.through("\r\n\r\n").await.to_ascii_lowercase().ends_with("0\r\nx-sum: 7\r\n\r\n"));

    client.send("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n").await;
    upstream.head().await;
    upstream.send([zipped(&["whole"]).concat(), b"0\r\nX-Sum: 7\r\n\r\n".to_vec()].concat()).await;
    client.head().await;
    assert!(client.through(": 7\r\n\r\n").await.contains("whole"));
}

#[tokio::test]
async fn a_packed_answer_of_no_bytes_is_empty() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    for framing in ["Content-Length: 0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n{framing}")).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 "), "{framing:?}");
        if framing.contains("chunked") {
            client.through("0\r\n\r\n").await;
        }
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    }
    upstream.head().await;
}

// === Framing ===

#[tokio::test]
async fn a_body_in_chunks_reaches_the_upstream_whatever_the_method() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;

    assert!(upstream.head().await.contains("Transfer-Encoding: chunked\r\n"));
    assert_eq!(upstream.through("0\r\n\r\n").await, "5\r\nhello\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_count() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .await;

    assert!(!client.head().await.contains("Content-Length"));
    assert!(client.through("0\r\n\r\n").await.contains("hello"));
}

#[tokio::test]
async fn an_answer_in_a_coding_that_nobody_undoes_is_500() {
    let (gateway, mut client, listener) = scene().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\n.\r\n0\r\n\r\n").await;

    assert!(client.head().await.starts_with("HTTP/1.1 500 "));
    gateway.process.says("only chunked can").await;
}

// === Errors ===

#[tokio::test]
async fn an_upstream_that_is_down_is_500_with_the_usual_text() {
    let listener = listen().await;
    let target = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let gateway = Gateway::start(Api::to(&target)).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.status(), answer.error()), (500, "There was a problem proxying the request".to_owned()));
    gateway.process.says("did not answer").await;
}

#[tokio::test]
async fn an_upstream_that_takes_too_long_is_504() {
    let listener = listen().await;
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap()));
    let gateway = Gateway::start(Setup::from(api).conf(json!({"proxy_default_timeout": 0.3}))).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.status(), answer.error()), (504, "Upstream service reached hard timeout.".to_owned()));
}

#[tokio::test]
async fn an_upload_may_take_longer_and_the_time_for_the_answer_begins_at_its_end() {
    let listener = listen().await;
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap()));
    let gateway = Gateway::start(Setup::from(api).conf(json!({"proxy_default_timeout": 0.4}))).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    for part in ["one", "two", "last"] {
        // Longer than an answer may take.
        tokio::time::sleep(Duration::from_millis(600)).await;
        client.send(part).await;
        upstream.through(part).await;
    }
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    client.through("\r\n\r\nok").await;

    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nlast").await;

    assert!(client.head().await.starts_with("HTTP/1.1 504 "));
}

/// A listener that takes no more connections, and what fills it.
async fn full() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Some may wait in spite of a backlog of none.
    while let Ok(Ok(connected)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(connected);
    }
    (listener, address, waiting)
}

#[tokio::test]
async fn an_upstream_that_takes_no_connection_is_500() {
    let (_full, address, _waiting) = full().await;
    let silent = listen().await;
    let late = json!({"error_overrides": {"500": [{"match": {"flag": "UCT"}, "response": {"message": "late"}}]}});
    let setup = Setup::new()
        .api(Api::to(&format!("http://{address}/")).named("full").with(late))
        .api(Api::to(&format!("https://{}/", silent.local_addr().unwrap())).named("silent"))
        .conf(json!({"proxy_default_timeout": 0.3}));
    let gateway = Gateway::start(setup).await;

    for (path, error) in [("/full/", "late"), ("/silent/", "There was a problem proxying the request")] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status(), &*answer.error()), (500, error), "{path}");
    }
}

#[tokio::test]
async fn an_upstream_whose_name_cannot_be_looked_up_is_500_with_its_own_text() {
    // A label this long is refused by every resolver without asking the network.
    let gateway = Gateway::start(Api::to(&format!("http://{}.test/", "x".repeat(64)))).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.status(), answer.error()), (500, "Upstream host lookup failed".to_owned()));
}

#[tokio::test]
async fn an_upstream_that_breaks_off_ends_the_clients_connection() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    client.through("half").await;
    drop(upstream);

    assert_eq!(client.rest().await, "");
}

// === Connections ===

/// The upstream's end of a connection that an exchange has left open.
async fn keep(client: &mut Wire, listener: &TcpListener) -> Wire {
    client.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut kept = Wire::accept(listener).await;
    kept.head().await;
    kept.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    client.through("\r\n\r\nok").await;
    kept
}

#[tokio::test]
async fn a_get_that_a_kept_connection_swallowed_is_sent_again() {
    let listener = listen().await;
    let gateway = Gateway::start(Api::to(&format!("http://{}/", listener.local_addr().unwrap()))).await;
    // One client connection is one worker, which has one kept connection then.
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut kept = Wire::accept(&listener).await;
    kept.head().await;
    kept.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    client.through("\r\n\r\nok").await;

    client.send("GET /second HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(kept.head().await.starts_with("GET /second "));
    drop(kept);

    let mut fresh = Wire::accept(&listener).await;
    assert!(fresh.head().await.starts_with("GET /second "));
    fresh.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain").await;
    client.through("\r\n\r\nagain").await;
}

#[tokio::test]
async fn a_post_that_a_kept_connection_swallowed_is_not_sent_again() {
    let (_gateway, mut client, listener) = scene().await;
    let mut kept = keep(&mut client, &listener).await;

    client.send("POST /pay HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1").await;
    assert!(kept.head().await.starts_with("POST /pay "));
    drop(kept);

    assert!(client.head().await.starts_with("HTTP/1.1 500 "));
}

#[tokio::test]
async fn a_kept_connection_that_the_upstream_closed_is_passed_over() {
    let (_gateway, mut client, listener) = scene().await;
    let kept = keep(&mut client, &listener).await;
    drop(kept);

    // A POST is never sent twice: it must not go to the closed connection at all.
    client.send("POST /pay HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1").await;

    let mut fresh = Wire::accept(&listener).await;
    assert!(fresh.head().await.starts_with("POST /pay "));
    fresh.through("1").await;
    fresh.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npaid").await;
    client.through("\r\n\r\npaid").await;
}

#[tokio::test]
async fn a_connection_is_used_again_when_a_reply_has_ended() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("GET /first HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;

    for (reply, end) in [
        ("Content-Length: 5\r\n\r\nwhole", "whole"),
        ("Content-Length: 0\r\n\r\n", "\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nchunk\r\n0\r\n\r\n", "\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n0\r\nX-Sum: 7\r\n\r\n", ": 7\r\n\r\n"),
    ] {
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\n{reply}")).await;
        client.through(end).await;
        client.send("GET /next HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n").await;
    }
    assert!(upstream.head().await.starts_with("GET /next "));
}

#[tokio::test]
async fn a_connection_is_used_again_when_the_request_ended_after_its_reply() {
    let (_gateway, mut client, listener) = scene().await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.through("first").await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly").await;
    client.through("\r\n\r\nearly").await;

    client.send(" last").await;
    upstream.through(" last").await;

    client.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(upstream.head().await.starts_with("GET /next "));
}

#[tokio::test]
async fn a_connection_whose_request_is_not_all_sent_is_for_nobody_else() {
    let (gateway, mut client, listener) = scene().await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst").await;
    let mut busy = Wire::accept(&listener).await;
    busy.through("first").await;
    busy.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly").await;
    client.through("\r\n\r\nearly").await;

    // Some of them are the same worker's.
    for _ in 0..2 * std::thread::available_parallelism().unwrap().get() {
        let mut other = Wire::connect(gateway.address).await;
        other.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let mut fresh = Wire::accept(&listener).await;
        assert!(fresh.head().await.starts_with("GET /other "));
        fresh.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        other.through("\r\n\r\nok").await;
    }
}

#[tokio::test]
async fn a_connection_gets_no_more_requests_once_it_is_too_old() {
    let listener = listen().await;
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap()));
    let gateway = Gateway::start(Setup::from(api).conf(json!({"max_conn_time": 1}))).await;
    let mut client = Wire::connect(gateway.address).await;
    let made = Instant::now();
    let mut kept = keep(&mut client, &listener).await;

    // The connection is kept, until it is a second old.
    let mut fresh = loop {
        client.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n").await;
        tokio::select! {
            fresh = Wire::accept(&listener) => break fresh,
            begun = kept.bytes(1) => match begun {
                Some(_) => drop(kept.head().await),
                // It may be seen that the old one closes before the new one comes.
                None => break Wire::accept(&listener).await,
            },
        }
        kept.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        client.through("\r\n\r\nok").await;
    };

    assert!(made.elapsed() >= Duration::from_secs(1));
    assert!(fresh.head().await.starts_with("GET /next "));
}
