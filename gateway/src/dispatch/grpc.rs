//! The dispatcher of driver `grpc`: unary calls to named plugin servers.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use coprocess::dispatcher_client::DispatcherClient;
use coprocess::{Event, Object};
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::endpoint::Endpoint;
use super::server::Server;
use super::{Call, DispatchError, Dispatched, Dispatcher};
use crate::config::{Coprocess, DEFAULT_SERVER};

/// Calls plugin servers over gRPC; every worker has one of its own.
pub struct GrpcDispatcher {
    servers: BTreeMap<String, Server>,
    max_receive: usize,
    max_send: usize,
}

impl GrpcDispatcher {
    /// A dispatcher for the configured servers; nothing is connected yet.
    pub fn new(config: &Coprocess) -> Self {
        let servers = config.servers.iter().map(|(name, server)| (name.clone(), Server::new(server))).collect();
        Self { servers, max_receive: config.max_receive, max_send: config.max_send }
    }

    fn server(&self, name: &str) -> Result<&Server, DispatchError> {
        self.servers.get(name).ok_or_else(|| DispatchError::UnknownServer(name.to_owned()))
    }

    /// A client on the first endpoint of the server that can be reached.
    async fn client(&self, name: &str) -> Result<DispatcherClient<Transport>, DispatchError> {
        let server = self.server(name)?;
        let endpoint = match server.only() {
            Some(only) => only,
            None => reachable(server).await,
        };
        endpoint.sender().await.map_err(|error| DispatchError::Connect {
            server: name.to_owned(),
            address: endpoint.address().to_string(),
            reason: error.to_string(),
        })?;
        Ok(DispatcherClient::with_origin(Transport(endpoint), server.origin.clone())
            .max_decoding_message_size(self.max_receive)
            .max_encoding_message_size(self.max_send))
    }
}

/// The first endpoint that has or gets a connection, else the last one tried.
async fn reachable(server: &Server) -> Arc<Endpoint> {
    let mut candidates = server.candidates().await;
    let last = candidates.pop();
    for endpoint in candidates {
        if endpoint.sender().await.is_ok() {
            return endpoint;
        }
    }
    last.expect("a plugin server has at least one endpoint")
}

impl Dispatcher for GrpcDispatcher {
    fn dispatch<'a>(&'a self, call: Call<'a>) -> Dispatched<'a, Object> {
        Box::pin(async move {
            let mut client = self.client(call.server).await?;
            let returned = client.dispatch(call.object).await;
            returned.map(tonic::Response::into_inner).map_err(|status| ended(call.server, &status))
        })
    }

    fn dispatch_event(&self, payload: Bytes) -> Dispatched<'_, ()> {
        Box::pin(async move {
            let payload = String::from_utf8(payload.into()).map_err(|_| DispatchError::Payload)?;
            let mut client = self.client(DEFAULT_SERVER).await?;
            let replied = client.dispatch_event(Event { payload }).await;
            replied.map(drop).map_err(|status| ended(DEFAULT_SERVER, &status))
        })
    }

    /// Connections outlive a reload, as the servers are named in `tyk.conf` alone.
    fn reload(&self) {}

    fn knows(&self, server: &str) -> bool {
        self.servers.contains_key(server)
    }
}

fn ended(server: &str, status: &Status) -> DispatchError {
    DispatchError::Status { server: server.to_owned(), code: status.code(), message: status.message().to_owned() }
}

/// An endpoint as tonic wants to see it.
#[derive(Clone)]
struct Transport(Arc<Endpoint>);

impl Service<Request<Body>> for Transport {
    type Response = Response<Incoming>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let endpoint = Arc::clone(&self.0);
        Box::pin(async move { endpoint.send(request).await })
    }
}
