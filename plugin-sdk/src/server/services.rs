//! What the server answers: the contract's calls, its health, and what it speaks.

use std::sync::Arc;

use coprocess::dispatcher_server::{Dispatcher, DispatcherServer};
use coprocess::{Event, EventReply, Object};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder as Reflection;

use super::health::{Health, ServingStatus};
use crate::hooks::Hooks;

/// All services of a server whose calls hold up to `message_size` bytes each way.
pub(super) fn services(hooks: Hooks, message_size: usize, status: watch::Receiver<ServingStatus>) -> Routes {
    let dispatcher = DispatcherServer::new(Calls(Arc::new(hooks)))
        .max_decoding_message_size(message_size)
        .max_encoding_message_size(message_size);
    let described = "what protox has compiled is a descriptor set";
    Routes::new(dispatcher)
        .add_service(HealthServer::new(Health(status)))
        .add_service(reflection().build_v1().expect(described))
        .add_service(reflection().build_v1alpha().expect(described))
}

fn reflection() -> Reflection<'static> {
    Reflection::configure()
        .register_encoded_file_descriptor_set(coprocess::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// The two methods of the contract.
struct Calls(Arc<Hooks>);

#[tonic::async_trait]
impl Dispatcher for Calls {
    async fn dispatch(&self, request: Request<Object>) -> Result<Response<Object>, Status> {
        let object = self.0.dispatch(request.into_inner()).await;
        Ok(Response::new(object))
    }

    async fn dispatch_event(&self, request: Request<Event>) -> Result<Response<EventReply>, Status> {
        self.0.notify(&request.into_inner().payload);
        Ok(Response::new(EventReply {}))
    }
}
