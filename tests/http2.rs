//! Clients that speak HTTP/2 on a port without TLS.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_plugin::{HookResult, Plugin, Response as Reply, SessionRequest};
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::harness::{Api, Gateway, Setup, Upstream, Wire, api, listen, serve, within};

type Sender = SendRequest<Full<Bytes>>;

/// A connection by prior knowledge, and its end.
async fn connect(address: SocketAddr) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn send(mut sender: Sender, request: http::request::Builder, body: &str) -> (StatusCode, Bytes) {
    let request: Request<Full<Bytes>> = request.body(Bytes::copy_from_slice(body.as_bytes()).into()).unwrap();
    within("an answer over HTTP/2", async {
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        assert!(!parts.headers.contains_key("connection") && !parts.headers.contains_key("transfer-encoding"));
        (parts.status, body.collect().await.unwrap().to_bytes())
    })
    .await
}

#[tokio::test]
async fn requests_with_and_without_bodies_share_a_connection() {
    let upstream = Upstream::answering(|received| Response::new(Full::from(received.body.clone()))).await;
    let api = api(&upstream).with(json!({"proxy": {"preserve_host_header": true}}));
    let gateway = Gateway::start(api).await;
    let (sender, _connection) = connect(gateway.address).await;

    let get = Request::get("http://h2.test/a?b=c").header("cookie", "a=1").header("cookie", "b=2");
    let post = Request::post("http://h2.test/echo").header("te", "trailers");
    let long = "long body ".repeat(100_000);
    let (got, posted) = tokio::join!(send(sender.clone(), get, ""), send(sender, post, &long));

    assert_eq!(got, (StatusCode::OK, Bytes::new()));
    assert_eq!((posted.0, posted.1.len()), (StatusCode::OK, long.len()));
    let requests = upstream.requests();
    let got = requests.iter().find(|request| request.method == "GET").unwrap();
    assert_eq!(got.target, "/a?b=c");
    assert_eq!((got.header("host"), got.header("cookie")), (Some("h2.test"), Some("a=1; b=2")));
}

#[tokio::test]
async fn a_connection_ends_after_its_answer_where_connections_are_not_kept() {
    let upstream = Upstream::start().await;
    let setup = Setup::from(api(&upstream)).conf(json!({"close_connections": true}));
    let gateway = Gateway::start(setup).await;
    let (sender, connection) = connect(gateway.address).await;

    assert_eq!(send(sender.clone(), Request::get("http://h2.test/"), "").await.0, 200);

    within("the connection to end", connection).await.unwrap().unwrap();
    assert!(sender.is_closed());
}

#[tokio::test]
async fn a_request_in_flight_finishes_while_the_gateway_stops() {
    let listener = listen().await;
    let mut gateway = Gateway::start(Api::to(&format!("http://{}/", listener.local_addr().unwrap()))).await;
    let (sender, _connection) = connect(gateway.address).await;
    let (_idle, idle_connection) = connect(gateway.address).await;
    let asking = tokio::spawn(send(sender, Request::get("http://h2.test/slow"), ""));
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    gateway.process.tell(Signal::TERM);
    within("the idle connection to end", idle_connection).await.unwrap().unwrap();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;

    assert_eq!(asking.await.unwrap(), (StatusCode::OK, Bytes::from("done")));
    assert_eq!(gateway.process.end().await.code(), Some(0));
}

#[tokio::test]
async fn only_silence_ends_a_connection_and_a_request_under_way_is_none() {
    let listener = listen().await;
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap()));
    let gateway = Gateway::start(Setup::from(api).conf(json!({"http_server_options": {"idle_timeout": 1}}))).await;
    let (busy, _connection) = connect(gateway.address).await;
    let (_idle, idle_connection) = connect(gateway.address).await;
    let asking = tokio::spawn(send(busy, Request::get("http://h2.test/slow"), ""));
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;

    within("the idle connection to end", idle_connection).await.unwrap().unwrap();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;

    assert_eq!(asking.await.unwrap().0, 200);
}

#[tokio::test]
async fn a_head_over_the_limit_is_431_and_the_connection_goes_on() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;
    let (sender, _connection) = connect(gateway.address).await;

    // The client knows the limit only after the first exchange.
    let large = Request::get("http://h2.test/").header("x-large", "x".repeat(80 << 10));
    assert_eq!(send(sender.clone(), large, "").await.0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(send(sender, Request::get("http://h2.test/"), "").await.0, 200);
    assert_eq!(upstream.requests().len(), 1);
}

/// What an answer says of its length, and what it has.
async fn lengths(mut sender: Sender, request: http::request::Builder) -> (u16, Option<String>, usize) {
    within("an answer over HTTP/2", async {
        let (parts, body) = sender.send_request(request.body(Full::default()).unwrap()).await.unwrap().into_parts();
        let length = parts.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
        (parts.status.as_u16(), length, body.collect().await.unwrap().to_bytes().len())
    })
    .await
}

#[tokio::test]
async fn an_answer_to_head_has_its_length_and_no_body() {
    let upstream = Upstream::start().await;
    let setup = Setup::from(api(&upstream).named("open").pre(serve(Answers).await))
        .api(api(&upstream).named("closed").with(json!({"use_keyless": false})));
    let gateway = Gateway::start(setup).await;
    let (sender, _connection) = connect(gateway.address).await;

    for (path, status, length) in [
        ("/nowhere", 404, "9"),
        ("/closed/", 401, "46"),
        ("/open/answer", 200, "7"),
        ("/open/get", 200, "19"),
        ("/open/", 200, "19"),
    ] {
        let head = Request::head(format!("http://h2.test{path}"));
        assert_eq!(lengths(sender.clone(), head).await, (status, Some(length.to_owned()), 0), "{path}");
    }
}

#[tokio::test]
async fn an_answer_whose_status_has_no_body_has_none() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).response(serve(Answers).await)).await;
    let (sender, _connection) = connect(gateway.address).await;

    for status in [204, 304] {
        let request = Request::get("http://h2.test/").header("x-status", status);
        assert_eq!(lengths(sender.clone(), request).await, (status, None, 0));
    }
}

/// Answers some requests itself, makes GET of others, and gives replies the status that is asked for.
struct Answers;

impl Plugin for Answers {
    async fn pre(&self, request: &mut outrigger_plugin::Request) -> HookResult {
        match request.path() {
            path if path.ends_with("/answer") => return request.respond(200, &[], "a reply"),
            path if path.ends_with("/get") => request.set_method("GET"),
            _ => {}
        }
        Ok(())
    }

    async fn response(&self, request: &SessionRequest, response: &mut Reply) -> HookResult {
        if let Some(status) = request.header("X-Status") {
            response.set_status(status.parse().unwrap())?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn curl_is_served_as_well() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream)).await;
    let url = format!("http://{}/x", gateway.address);
    let arguments = ["-sS", "--http2-prior-knowledge", "-w", " over %{http_version}", &url];

    let Ok(output) = Command::new("curl").args(arguments).output().await else { return };

    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "hello from upstream over 2");
}
