//! What clients may use up, and that others are served while somebody uses it up.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_plugin::{HookResult, Plugin, Request as HookRequest};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::harness::{Api, Connection, Gateway, Setup, Upstream, Wire, api, listen, request, serve, until, within};

const GET: &str = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

/// A gateway with these limits in front of an upstream that answers.
async fn guarded(limits: Value) -> Gateway {
    let upstream = Upstream::start().await;
    Gateway::start(Setup::from(api(&upstream)).conf(json!({"http_server_options": limits}))).await
}

/// The same in front of an upstream that the test plays.
async fn played(limits: Value) -> (Gateway, TcpListener) {
    let listener = listen().await;
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap()));
    let conf = json!({"http_server_options": limits});
    (Gateway::start(Setup::from(api).conf(conf)).await, listener)
}

async fn over_http2(address: SocketAddr) -> (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn get() -> Request<Full<Bytes>> {
    Request::get("http://h2.test/").body(Full::default()).unwrap()
}

// === Heads ===

#[tokio::test]
async fn a_head_that_is_too_large_or_has_too_many_headers_is_431() {
    let gateway = guarded(json!({"max_header_bytes": 10000, "max_headers": 20})).await;
    let many: String = (0..20).map(|at| format!("X-{at}: 1\r\n")).collect();
    for (headers, status) in [
        (format!("X-A: {}\r\n", "a".repeat(9000)), "HTTP/1.1 200 "),
        (format!("X-A: {}\r\n", "a".repeat(40000)), "HTTP/1.1 431 "),
        (many, "HTTP/1.1 431 "),
    ] {
        let mut client = Wire::connect(gateway.address).await;
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with(status), "{head} for {} bytes", headers.len());
    }

    let (mut sender, _connection) = over_http2(gateway.address).await;
    let mut many = get();
    (0..21).for_each(|at| {
        drop(many.headers_mut().insert(http::HeaderName::try_from(format!("x-{at}")).unwrap(), 1.into()))
    });
    let refused = within("an answer", sender.send_request(many)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(within("an answer", sender.send_request(get())).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_head_has_its_time_however_many_bytes_come_and_silence_has_its_own() {
    let gateway = guarded(json!({"read_header_timeout": 1})).await;
    let mut silent = Wire::connect(gateway.address).await;
    silent.send(GET).await;
    silent.through("upstream").await;
    let mut slow = TcpStream::connect(gateway.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();

    within("the slow client's connection to close", async {
        while slow.write_all(b"X-Another: header\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;

    silent.send(GET).await;
    silent.through("upstream").await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_a_while() {
    let gateway = guarded(json!({"idle_timeout": 1})).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send(GET).await;
    client.through("upstream").await;

    assert_eq!(client.rest().await, "");
}

// === Bodies ===

#[tokio::test]
async fn a_body_may_be_slow_but_not_stand_still() {
    let gateway = guarded(json!({"read_timeout": 1})).await;
    let (mut slow, mut still) = (Wire::connect(gateway.address).await, Wire::connect(gateway.address).await);
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";
    still.send(format!("{head}123")).await;
    slow.send(head).await;

    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        slow.send("x").await;
    }

    assert!(slow.head().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(still.rest().await, "");
}

#[tokio::test]
async fn a_body_that_a_hook_waits_for_may_not_stand_still_either() {
    let plugin = serve(Nothing).await;
    let upstream = Upstream::start().await;
    let conf = json!({"http_server_options": {"read_timeout": 1}});
    let gateway = Gateway::start(Setup::from(api(&upstream).pre(plugin)).conf(conf)).await;
    let mut client = Wire::connect(gateway.address).await;

    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123").await;

    assert_eq!(client.rest().await, "");
    assert_eq!(upstream.requests(), []);
}

struct Nothing;

impl Plugin for Nothing {
    async fn pre(&self, _: &mut HookRequest) -> HookResult {
        Ok(())
    }
}

/// Holds requests that say so until it is told to let them go.
struct Holder {
    held: mpsc::UnboundedSender<()>,
    go: Arc<Notify>,
}

impl Plugin for Holder {
    async fn pre(&self, request: &mut HookRequest) -> HookResult {
        if request.header("X-Hold").is_some() {
            self.held.send(()).unwrap();
            self.go.notified().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn bodies_in_memory_have_one_limit_together_and_its_end_is_503() {
    let upstream = Upstream::start().await;
    let (held, mut holds) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let api = api(&upstream).pre(serve(Holder { held, go: Arc::clone(&go) }).await);
    let gateway =
        Gateway::start(Setup::from(api).conf(json!({"http_server_options": {"max_buffered_bytes": 1000}}))).await;

    for _ in 0..3 {
        assert_eq!(gateway.post("/", &"x".repeat(900)).await.status(), 200);
        let refused = gateway.post("/", &"x".repeat(1100)).await;
        assert_eq!(
            (refused.status(), refused.error()),
            (503, "Too many bodies are in memory, please try again later".to_owned())
        );
    }

    let body = "x".repeat(900);
    let holding = gateway.send(request("POST", "/").header("X-Hold", "1"), &body);
    let meanwhile = async {
        within("the body to be held", holds.recv()).await.unwrap();
        assert_eq!(gateway.post("/", &"x".repeat(200)).await.status(), 503);
        go.notify_one();
    };
    assert_eq!(tokio::join!(holding, meanwhile).0.status(), 200);
    assert_eq!(gateway.post("/", &"x".repeat(200)).await.status(), 200);
}

// === Answers ===

/// Sends an endless answer until the gateway wants no more; says how many bytes it took, and how it ended.
async fn answer_for_ever(listener: &TcpListener) -> (usize, ErrorKind) {
    let (mut upstream, _) = within("the gateway to connect", listener.accept()).await.unwrap();
    // What waits here was not taken.
    SockRef::from(&upstream).set_send_buffer_size(1 << 16).unwrap();
    // An answer before its request is no answer.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("the request", upstream.read_u8()).await.unwrap());
    }
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n").await.unwrap();
    let mut taken = 0;
    within("the gateway to give up", async {
        loop {
            match upstream.write(&[b'x'; 1 << 16]).await {
                Ok(count) => taken += count,
                Err(error) => return (taken, error.kind()),
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_answer_that_the_client_does_not_read_ends_and_its_upstream_is_free() {
    let (gateway, listener) = played(json!({"write_timeout": 1})).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send(GET).await;

    let (taken, ended) = answer_for_ever(&listener).await;

    assert!(matches!(ended, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{ended}");
    // The gateway's share and the system's, on both sides.
    assert!(taken < 3 << 20, "{taken} bytes were taken for a client that reads none");
}

#[tokio::test]
async fn the_same_holds_for_a_request_of_http2() {
    let (gateway, listener) = played(json!({"write_timeout": 1})).await;
    let (mut sender, connection) = over_http2(gateway.address).await;
    let asking = tokio::spawn(async move { (sender.send_request(get()).await.unwrap(), sender) });

    let (_, ended) = answer_for_ever(&listener).await;

    assert!(matches!(ended, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{ended}");
    let (unread, _sender) = asking.await.unwrap();
    drop(within("the connection to close", connection).await.unwrap());
    assert!(unread.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_its_whole_answer() {
    let (gateway, listener) = played(json!({"write_timeout": 1})).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    let body = vec![b'x'; 24 << 20];
    let answering = async {
        let mut upstream = Wire::accept(&listener).await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())).await;
        upstream.send(&body).await;
    };
    let reading = async {
        let (mut read, mut piece) = (0, vec![0; 2 << 20]);
        while read < body.len() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let count = client.read(&mut piece).await.unwrap();
            assert_ne!(count, 0, "closed after {read} bytes");
            read += count;
        }
    };
    tokio::join!(answering, reading);
}

// === Connections ===

/// A connection that was served once, unless it was closed at once.
async fn served(gateway: &Gateway) -> Option<Connection> {
    let mut connection = Connection::open(gateway.address).await.ok()?;
    let request = request("GET", "/hello").body(Full::default()).unwrap();
    connection.send(request).await.is_ok().then_some(connection)
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once_and_the_log_says_so_now_and_then() {
    for key in ["max_connections", "max_connections_per_address"] {
        let gateway = guarded(json!({key: 4})).await;
        let mut open = Vec::new();
        until("four connections", async || {
            open.extend(served(&gateway).await);
            open.len() == 4
        })
        .await;

        for _ in 0..20 {
            assert!(served(&gateway).await.is_none());
        }
        assert_eq!(open[0].get("/hello").await.status(), 200);
        open.pop();
        until("a place", async || served(&gateway).await.is_some()).await;

        let said = gateway.process.says(&format!("http_server_options.{key}\"")).await;
        assert!(said.contains("WARN"), "{said}");
        assert!(gateway.process.lines().iter().filter(|line| line.contains("closed at once")).count() <= 2);
    }
}

#[tokio::test]
async fn a_process_without_files_goes_on_when_there_are_some_again() {
    let gateway = guarded(json!({})).await;
    let id = gateway.process.id();
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count() as u64;
    let limit = |files| Rlimit { current: Some(files), maximum: Some(files) };
    prlimit(Pid::from_raw(id.try_into().unwrap()), Resource::Nofile, limit(files + 5)).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..30 {
        waiting.push(Wire::connect(gateway.address).await);
    }

    let said: Value = serde_json::from_str(&gateway.process.says("connections cannot be accepted").await).unwrap();

    assert_eq!((&said["level"], &said["count"]), (&json!("WARN"), &json!(1)));
    assert!(seconds_of_work(id) < 5.0);
    drop(waiting);
    assert_eq!(gateway.get("/hello").await.status(), 200);
    assert_eq!(gateway.process.lines().iter().filter(|line| line.contains("cannot be accepted")).count(), 1);
}

/// How long a process has kept a core busy.
fn seconds_of_work(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // In hundredths, on every Linux.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

// === HTTP/2 ===

#[tokio::test]
async fn http2_clients_hear_how_many_requests_they_may_have_open() {
    let gateway = guarded(json!({"http2_max_concurrent_streams": 7})).await;
    let socket = TcpStream::connect(gateway.address).await.unwrap();
    let (sender, connection) = within("a handshake", h2::client::handshake(socket)).await.unwrap();
    let connection = tokio::spawn(async move {
        let mut connection = connection;
        let mut ended = std::pin::pin!(std::future::poll_fn(move |cx| {
            let polled = Future::poll(std::pin::Pin::new(&mut connection), cx);
            match connection.max_concurrent_send_streams() {
                7 => std::task::Poll::Ready(Ok(7)),
                _ => polled.map(|ended| ended.map(|()| 0)),
            }
        }));
        ended.as_mut().await
    });

    assert_eq!(within("the settings", connection).await.unwrap().unwrap(), 7);
    drop(sender);
}

#[tokio::test]
async fn a_client_that_takes_back_request_after_request_loses_its_connection() {
    let (gateway, _listener) = played(json!({"http2_max_resets": 10})).await;
    let (sender, connection) = over_http2(gateway.address).await;
    let (mut polite, _polite_connection) = over_http2(gateway.address).await;

    let flood = async {
        while let Ok(()) = sender.clone().ready().await {
            let mut sender = sender.clone();
            // The request goes out, its answer is not waited for.
            let asked = sender.send_request(get());
            let _ = tokio::time::timeout(Duration::from_millis(5), asked).await;
        }
    };
    within("the flood to end", flood).await;

    drop(within("the connection to close", connection).await.unwrap());
    let hello = Request::get("http://h2.test/hello").body(Full::default()).unwrap();
    assert_eq!(within("an answer", polite.send_request(hello)).await.unwrap().status(), 200);
}

// === Addresses ===

#[tokio::test]
async fn the_word_of_a_proxy_counts_unless_others_are_trusted() {
    for (limits, told) in [
        (json!({}), "192.0.2.7"),
        (json!({"trusted_proxies": ["127.0.0.0/8"], "xff_depth": 1}), "192.0.2.8"),
        (json!({"trusted_proxies": ["10.0.0.0/8"]}), "127.0.0.1"),
    ] {
        let gateway = guarded(limits).await;
        let call = request("GET", "/").header("X-Forwarded-For", "192.0.2.7, 192.0.2.8");
        gateway.send(call, "").await;
        assert_eq!(gateway.access().await["client"], told);
    }
}
