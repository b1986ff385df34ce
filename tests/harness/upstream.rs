//! An upstream that remembers what reached it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::listen;

/// A request as the upstream got it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    /// A header's only value; none if it is absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

type Handler = dyn Fn(&Received) -> Response<Full<Bytes>> + Send + Sync;

/// A server in the test's own process, on a port of the system's choice.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Upstream {
    /// Answers everything with 200 and `hello from upstream`.
    pub async fn start() -> Self {
        Self::answering(|_| Response::new(Full::from("hello from upstream"))).await
    }

    pub async fn answering(handler: impl Fn(&Received) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Self {
        let listener = listen().await;
        let (upstream, handler) = (Self::at(listener.local_addr().unwrap()), Arc::new(handler));
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(socket, handler.clone()));
            }
        });
        upstream
    }

    /// One whose sockets are accepted, and dressed in TLS, elsewhere.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, received: Arc::default() }
    }

    pub async fn serve(self, socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, handler: Arc<Handler>) {
        let service = service_fn(|request| self.clone().take(request, handler.clone()));
        // A gateway that goes away mid-request is the test's business, not ours.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
    }

    pub async fn serve_http2(
        self,
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        handler: Arc<Handler>,
    ) {
        let service = service_fn(|request| self.clone().take(request, handler.clone()));
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
    }

    async fn take(
        self,
        request: Request<Incoming>,
        handler: Arc<Handler>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let received = Received {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: parts.headers,
            body: body.collect().await.map(|body| body.to_bytes()).unwrap_or_default(),
        };
        let answer = handler(&received);
        self.received.lock().unwrap().push(received);
        Ok(answer)
    }

    pub fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The requests that came since this was asked last.
    pub fn drain(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    /// The request that came last.
    pub fn last(&self) -> Received {
        self.requests().pop().expect("a request came")
    }

    /// The only request that came.
    pub fn request(&self) -> Received {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }
}
