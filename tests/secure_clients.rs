//! What streams for long, for clients that speak TLS; and clients that others wrote.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;
use tonic::transport::{Channel, Endpoint};

use crate::grpc::{bare, idle, talk};
use crate::harness::{Api, Authority, Gateway, Setup, Upstream, Wire, api, listen, within};

/// A gateway that speaks TLS, in front of an upstream that the test plays.
async fn scene(authority: &Authority) -> (Gateway, TcpListener) {
    let listener = listen().await;
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap()));
    (secured(authority, api).await, listener)
}

async fn secured(authority: &Authority, api: Api) -> Gateway {
    let options = json!({"http_server_options": {"use_ssl": true, "enable_websockets": true}});
    Gateway::listening(Setup::from(api).conf(authority.conf()).conf(options)).await
}

#[tokio::test]
async fn a_websocket_echoes() {
    let authority = Authority::new();
    let (gateway, listener) = scene(&authority).await;
    let mut client = Wire::over(authority.connect(gateway.address, &["http/1.1"]).await.unwrap());
    client.send("GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));

    for word in ["one", "two", "three"] {
        // A frame of text; the mask of zeros leaves it as it is.
        let length = u8::try_from(word.len()).unwrap();
        client.send([&[0x81, 0x80 | length, 0, 0, 0, 0], word.as_bytes()].concat()).await;
        assert_eq!(upstream.bytes(6 + word.len()).await.unwrap()[6..], *word.as_bytes());
        upstream.send([&[0x81, length], word.as_bytes()].concat()).await;
        assert_eq!(client.bytes(2 + word.len()).await.unwrap()[2..], *word.as_bytes());
    }
    drop(client);
    assert_eq!(upstream.rest().await, "");
}

/// The upstream's part of a stream of events.
async fn begin_events(listener: &TcpListener) -> Wire {
    let mut upstream = Wire::accept(listener).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    upstream
}

#[tokio::test]
async fn each_event_arrives_when_it_is_sent() {
    let authority = Authority::new();
    let (gateway, listener) = scene(&authority).await;
    let mut client = Wire::over(authority.connect(gateway.address, &["http/1.1"]).await.unwrap());
    client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut upstream = begin_events(&listener).await;
    client.head().await;

    for event in ["data: one\n\n", "data: two\n\n"] {
        upstream.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
        client.through(event).await;
    }
}

#[tokio::test]
async fn each_event_arrives_when_it_is_sent_over_http2_too() {
    let authority = Authority::new();
    let (gateway, listener) = scene(&authority).await;
    let socket = TokioIo::new(authority.connect(gateway.address, &["h2"]).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/events").body(Empty::<Bytes>::new()).unwrap();
    let asking = tokio::spawn(sender.send_request(request));
    let mut upstream = begin_events(&listener).await;
    let mut body = within("an answer", asking).await.unwrap().unwrap().into_body();

    for event in ["data: one\n\n", "data: two\n\n"] {
        upstream.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
        let frame = within("an event", body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    drop(body);
    assert_eq!(upstream.rest().await, "", "the upstream hears that the client has left");
}

#[tokio::test]
async fn both_sides_of_a_grpc_call_stream() {
    let authority = Arc::new(Authority::new());
    let server = idle().await;
    let gateway = secured(&authority, Api::to(&format!("h2c://{}", bare(&server.address)))).await;

    let channel = channel(&authority, gateway.address).await;

    within("two talks over one connection", async { tokio::join!(talk(channel.clone()), talk(channel)) }).await;
}

async fn channel(authority: &Arc<Authority>, address: SocketAddr) -> Channel {
    let authority = Arc::clone(authority);
    let connect = tower::service_fn(move |_: Uri| {
        let authority = Arc::clone(&authority);
        async move { authority.connect(address, &["h2"]).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://localhost").connect_with_connector(connect).await.unwrap()
}

/// What a program said; nothing where it is not installed.
async fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = within(program, Command::new(program).args(arguments).output()).await.ok()?;
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn curl_nghttp_and_h2load_are_served_in_the_clear_and_over_tls() {
    let (authority, upstream) = (Authority::new(), Upstream::start().await);
    let plain = Gateway::start(api(&upstream)).await;
    let secure = secured(&authority, api(&upstream)).await;
    let clear = format!("http://{}/x", plain.address);
    let tls = format!("https://localhost:{}/x", secure.address.port());
    let roots = authority.path("roots.pem");
    let body = authority.path("key.pem");
    for (arguments, version) in [
        (vec!["--http1.1", &clear], "1.1"),
        // An upgrade that need not be granted.
        (vec!["--http2", &clear], "1.1"),
        (vec!["--http2-prior-knowledge", &clear], "2"),
        (vec!["--http1.1", "--cacert", &roots, &tls], "1.1"),
        (vec!["--http2", "--cacert", &roots, &tls], "2"),
        (vec!["--http2", "--data-binary", "some body", "--cacert", &roots, &tls], "2"),
    ] {
        let all = [&["-sS", "-w", " over %{http_version}"], &arguments[..]].concat();
        let Some(said) = run("curl", &all).await else { continue };
        assert_eq!(said, format!("hello from upstream over {version}"), "{arguments:?}");
    }
    for url in [&clear, &tls] {
        for more in [&[][..], &["-d", &body], &["-m", "20"]] {
            let Some(said) = run("nghttp", &[&["-ns"], more, &[url]].concat()).await else { continue };
            let count = if more.contains(&"20") { 20 } else { 1 };
            assert_eq!(said.matches("  200  ").count(), count, "{url} {more:?}: {said}");
        }
        for more in [&[][..], &["--h1"], &["-d", &body], &["--h1", "-d", &body]] {
            let load = [&["-n", "500", "-c", "8", "-m", "10"], more, &[url]].concat();
            let Some(said) = run("h2load", &load).await else { continue };
            assert!(said.contains("500 succeeded, 0 failed, 0 errored, 0 timeout"), "{url} {more:?}: {said}");
            assert!(said.contains("500 2xx, 0 3xx, 0 4xx, 0 5xx"), "{url} {more:?}: {said}");
        }
    }
}
