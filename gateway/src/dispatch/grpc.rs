//! The dispatcher of driver `grpc`: unary calls to named plugin servers.

use std::collections::BTreeMap;

use bytes::Bytes;
use coprocess::{Event, EventReply, Object};
use prost::Message;
use tonic::{Code, Status};

use super::endpoint::EndpointError;
use super::server::{Method, Server};
use super::unary::frame;
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

    /// Calls a method of the server, on the first of its endpoints that can be reached.
    async fn call<R: Message + Default>(
        &self,
        name: &str,
        method: Method,
        message: &impl Message,
    ) -> Result<R, DispatchError> {
        let server = self.servers.get(name).ok_or_else(|| DispatchError::UnknownServer(name.to_owned()))?;
        let ended = |status: Status| DispatchError::Status {
            server: name.to_owned(),
            code: status.code(),
            message: status.message().to_owned(),
        };
        let message = frame(message, self.max_send)
            .ok_or_else(|| ended(Status::new(Code::ResourceExhausted, "the object is over grpc_send_max_size")))?;
        let mut unreachable = None;
        for endpoint in server.candidates().await {
            match endpoint.call(server.method(method), message.clone(), self.max_receive).await {
                Ok(reply) => {
                    return R::decode(reply).map_err(|error| ended(Status::new(Code::Internal, error.to_string())));
                }
                Err(EndpointError::Call(status)) => return Err(ended(status)),
                Err(EndpointError::Connect(error)) => {
                    unreachable = Some((endpoint.address().to_string(), error.to_string()))
                }
            }
        }
        let (address, reason) = unreachable.unwrap_or_default();
        Err(DispatchError::Connect { server: name.to_owned(), address, reason })
    }
}

impl Dispatcher for GrpcDispatcher {
    fn dispatch<'a>(&'a self, call: Call<'a>) -> Dispatched<'a, Object> {
        Box::pin(async move { self.call(call.server, Method::Dispatch, &call.object).await })
    }

    fn dispatch_event(&self, payload: Bytes) -> Dispatched<'_, ()> {
        Box::pin(async move {
            let payload = String::from_utf8(payload.into()).map_err(|_| DispatchError::Payload)?;
            self.call::<EventReply>(DEFAULT_SERVER, Method::DispatchEvent, &Event { payload }).await.map(drop)
        })
    }

    /// Connections outlive a reload, as the servers are named in `tyk.conf` alone.
    fn reload(&self) {
        self.servers.values().for_each(Server::reload);
    }
}
