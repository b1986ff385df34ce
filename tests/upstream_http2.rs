//! Upstreams that speak HTTP/2, over TLS and in the clear.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::harness::{Api, Connection, Gateway, Received, Secure, Setup, Upstream, Wire, listen, request, within};

/// An upstream by prior knowledge, which says what it is told.
async fn h2c() -> (Upstream, Api) {
    h2c_answering(|received| Response::new(Full::from(received.body.clone()))).await
}

async fn h2c_answering(answer: impl Fn(&Received) -> Response<Full<Bytes>> + Send + Sync + 'static) -> (Upstream, Api) {
    let (listener, answer) = (listen().await, Arc::new(answer));
    let upstream = Upstream::at(listener.local_addr().unwrap());
    let serving = upstream.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serving.clone().serve_http2(socket, answer.clone()));
        }
    });
    let api = Api::to(&format!("h2c://{}/base", upstream.address));
    (upstream, api)
}

#[tokio::test]
async fn http2_is_offered_over_tls_only_where_the_operator_says_so() {
    let secure = Secure::start().await;
    for http2 in [false, true] {
        let setup = Setup::from(secure.api()).conf(json!({"proxy_enable_http2": http2}));
        let gateway = secure.trusted(setup).await;
        let mut client = Connection::open(gateway.address).await.unwrap();
        for _ in 0..3 {
            assert_eq!(client.get("/x?y").await.text(), "secret");
        }
    }

    let shaken: Vec<_> = secure.shaken().iter().map(|shaken| shaken.http2).collect();
    assert_eq!(shaken, [false, true]);
    let last = secure.upstream.requests().pop().unwrap();
    assert_eq!(last.target, format!("https://localhost:{}/x?y", secure.upstream.address.port()));
    assert_eq!(last.header("host"), None);
}

#[tokio::test]
async fn a_listed_target_without_a_scheme_has_the_apis_protocol() {
    let (upstream, api) = h2c().await;
    let list = json!({"enable_load_balancing": true, "target_list": [upstream.address.to_string()]});
    let gateway = Gateway::start(api.with(json!({"protocol": "h2c", "proxy": list}))).await;

    assert_eq!(gateway.get("/x").await.status(), 200);
    assert_eq!(upstream.request().target, format!("http://{}/x", upstream.address));
}

#[tokio::test]
async fn an_upgrade_goes_over_http1_where_the_upstream_may_choose() {
    let secure = Secure::start().await;
    let setup = Setup::from(secure.api());
    let conf = json!({"proxy_enable_http2": true, "http_server_options": {"enable_websockets": true}});
    let gateway = secure.trusted(setup.conf(conf)).await;

    let call = request("GET", "/").header("Connection", "Upgrade").header("Upgrade", "websocket");
    assert_eq!(gateway.send(call, "").await.text(), "secret");

    assert!(!secure.shaken()[0].http2);
    assert_eq!(secure.upstream.request().header("upgrade"), Some("websocket"));
}

#[tokio::test]
async fn an_h2c_target_is_called_over_http2_in_the_clear() {
    let (upstream, api) = h2c().await;
    let gateway = Gateway::start(api.with(json!({"proxy": {"preserve_host_header": true}}))).await;
    let long = "long body ".repeat(300_000);

    let call =
        request("POST", "/x").header("Host", "shop.test").header("Connection", "close, X-Mine").header("X-Mine", "1");
    let answer = gateway.send(call, &long).await;

    assert_eq!((answer.status(), answer.text().len()), (200, long.len()));
    let received = upstream.request();
    assert_eq!(received.target, "http://shop.test/base/x");
    assert_eq!((received.header("x-mine"), received.header("connection")), (None, None));
    assert_eq!(received.header("content-length"), Some(long.len().to_string().as_str()));
}

#[tokio::test]
async fn who_does_not_read_keeps_back_nobody_elses_answer() {
    let big = Bytes::from(vec![b'x'; 8 << 20]);
    let answer = move |received: &Received| match received.target.ends_with("/big") {
        true => Response::new(Full::from(big.clone())),
        false => Response::new(Full::from("small")),
    };
    let (upstream, api) = h2c_answering(answer).await;
    let gateway = Gateway::start(api).await;
    let mut idlers = Vec::new();
    for _ in 0..10 * std::thread::available_parallelism().unwrap().get() {
        let mut idler = Wire::connect(gateway.address).await;
        idler.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n").await;
        // Their answers have begun.
        idler.head().await;
        idlers.push(idler);
    }

    for _ in 0..20 {
        assert_eq!(gateway.get("/small").await.text(), "small");
    }
    assert_eq!(upstream.requests().len(), idlers.len() + 20);
}

#[tokio::test]
async fn an_h2c_target_that_speaks_something_else_is_500() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(Api::to(&format!("h2c://{}/", upstream.address))).await;
    assert_eq!(gateway.get("/").await.status(), 500);
}

#[tokio::test]
async fn requests_go_on_over_a_new_connection_when_the_old_one_has_ended() {
    let listener = listen().await;
    let address = listener.local_addr().unwrap();
    let gateway = Gateway::start(Api::to(&format!("h2c://{address}/"))).await;
    let upstream = Upstream::at(address);
    let serve = |socket, text: &'static str| {
        let answer = move |_: &Received| Response::new(Full::from(text));
        tokio::spawn(upstream.clone().serve_http2(socket, Arc::new(answer)))
    };
    // One client connection is one worker, which has one connection then.
    let mut client = Connection::open(gateway.address).await.unwrap();
    let accept = async || within("a connection", listener.accept()).await.unwrap().0;

    let (mut old, mut new) = (None, None);
    let (first, ()) = tokio::join!(client.get("/"), async { old = Some(serve(accept().await, "old")) });
    let old = old.unwrap();
    assert_eq!((first.text(), client.get("/").await.text()), ("old", "old"));
    old.abort();
    assert!(old.await.unwrap_err().is_cancelled());

    let (next, ()) = tokio::join!(client.get("/"), async { new = Some(serve(accept().await, "new")) });
    assert_eq!(next.text(), "new");
    drop(new);
}

type Frames = UnboundedReceiverStream<Result<Frame<Bytes>, Infallible>>;

#[tokio::test]
async fn events_are_flushed_one_by_one() {
    let listener = listen().await;
    let gateway = Gateway::start(Api::to(&format!("h2c://{}/", listener.local_addr().unwrap()))).await;
    let (say, said) = mpsc::unbounded_channel();
    let said: Arc<Mutex<Option<Frames>>> = Arc::new(Mutex::new(Some(said.into())));
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let service = service_fn(move |_| {
            let answer = Response::builder().header("content-type", "text/event-stream");
            let answer = answer.body(StreamBody::new(said.lock().unwrap().take().unwrap())).unwrap();
            async move { Ok::<_, Infallible>(answer) }
        });
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await
    });
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    for event in ["data: one\n\n", "data: two\n\n"] {
        say.send(Ok(Frame::data(Bytes::from_static(event.as_bytes())))).unwrap();
        client.through(event).await;
    }
    drop(say);
    client.through("\r\n0\r\n\r\n").await;
}
