//! A plugin server that returns whatever object a test wants, sound or not.

use std::sync::{Arc, Mutex};

use coprocess::dispatcher_server::{Dispatcher, DispatcherServer};
use coprocess::{Event, EventReply, Object};
use tonic::{Request, Response, Status};

use super::{PluginServer, listen};

type Answer = dyn FnMut(Object) -> Object + Send;

/// What is returned for an object that came; replaced at will.
#[derive(Clone)]
pub struct RawDispatcher {
    answer: Arc<Mutex<Box<Answer>>>,
}

impl RawDispatcher {
    /// Returns each object as it came, on a port of the system's choice.
    pub async fn start() -> (Self, PluginServer) {
        let listener = listen().await;
        let address = listener.local_addr().unwrap().to_string();
        let dispatcher = Self { answer: Arc::new(Mutex::new(Box::new(|object| object))) };
        let serving = DispatcherServer::new(dispatcher.clone());
        tokio::spawn(async move {
            let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
            tonic::transport::Server::builder().add_service(serving).serve_with_incoming(incoming).await.unwrap();
        });
        (dispatcher, PluginServer::elsewhere(&address))
    }

    /// From now on returns this.
    pub fn answer(&self, answer: impl FnMut(Object) -> Object + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }
}

#[tonic::async_trait]
impl Dispatcher for RawDispatcher {
    async fn dispatch(&self, request: Request<Object>) -> Result<Response<Object>, Status> {
        Ok(Response::new((self.answer.lock().unwrap())(request.into_inner())))
    }

    async fn dispatch_event(&self, _: Request<Event>) -> Result<Response<EventReply>, Status> {
        Ok(Response::new(EventReply {}))
    }
}
