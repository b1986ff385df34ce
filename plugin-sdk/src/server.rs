//! Serves plugins to a gateway, until told to stop.

mod error;
mod listen;

use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coprocess::dispatcher_server::{Dispatcher, DispatcherServer};
use coprocess::{EventReply, Object};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::warn;

use crate::hooks::Hooks;
use crate::{Address, Plugin};
pub use error::ServerError;
use listen::Listener;

const MESSAGE_SIZE: usize = 64 << 20;
const DRAIN: Duration = Duration::from_secs(30);

/// A server of one plugin or several.
///
/// ```no_run
/// # use outrigger_plugin::{Plugin, Server, ServerError, stop_signal};
/// # struct Audit; impl Plugin for Audit {}
/// # struct Login; impl Plugin for Login {}
/// # async fn run() -> Result<(), ServerError> {
/// let server = Server::new().plugin(Audit).hook("MyLogin", Login);
/// let bound = server.bind("127.0.0.1:0").await?;
/// println!("listening on {}", bound.address());
/// bound.run(stop_signal()).await
/// # }
/// ```
#[must_use = "a server does nothing until it is bound or served"]
pub struct Server {
    hooks: Hooks,
    message_size: usize,
    drain: Duration,
}

/// Serves one plugin for all hooks at `address`; see [`Server::serve`].
pub async fn serve(plugin: impl Plugin, address: &str) -> Result<(), ServerError> {
    Server::new().plugin(plugin).serve(address).await
}

impl Server {
    /// A server without plugins: it lets requests go on and nobody in.
    pub fn new() -> Self {
        Self { hooks: Hooks::default(), message_size: MESSAGE_SIZE, drain: DRAIN }
    }

    /// Takes a plugin for every hook and event handler that has none of its own name.
    pub fn plugin(mut self, plugin: impl Plugin) -> Self {
        self.hooks.set_default(plugin);
        self
    }

    /// Takes a plugin for the hook, or event handler, of this name in the API definition.
    pub fn hook(mut self, name: impl Into<String>, plugin: impl Plugin) -> Self {
        self.hooks.insert(name.into(), plugin);
        self
    }

    /// Limits a call's size in bytes, both ways; 64 MiB unless told.
    ///
    /// A text body travels twice in a call, so the limit is more than twice the largest body.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.message_size = bytes;
        self
    }

    /// Limits how long calls may still take once the server is told to stop; 30 seconds unless
    /// told.
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }

    /// Takes `address` (`host:port`, `tcp://host:port` or `unix:/path`) without serving yet.
    ///
    /// Connections wait from now on. A socket file that nobody listens on is replaced.
    pub async fn bind(self, address: &str) -> Result<Bound, ServerError> {
        let listener = Listener::bind(address.parse()?).await?;
        Ok(Bound { server: self, listener })
    }

    /// Binds, says `listening on <address>` on standard output and runs until SIGTERM or Ctrl-C.
    pub async fn serve(self, address: &str) -> Result<(), ServerError> {
        let stop = stop_signal();
        self.serve_until(address, stop).await
    }

    /// Does what [`serve`](Server::serve) does, until `stop` is ready.
    pub async fn serve_until(self, address: &str, stop: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let bound = self.bind(address).await?;
        let mut stdout = io::stdout();
        let line = writeln!(stdout, "listening on {}", bound.address());
        // A plugin whose output nobody reads still serves.
        let _ = line.and_then(|()| stdout.flush());
        bound.run(stop).await
    }

    /// Answers one call without a socket.
    #[doc(hidden)]
    pub async fn dispatch(&self, object: Object) -> Object {
        self.hooks.dispatch(object).await
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// A server that has its address; it answers once it runs.
#[must_use = "a bound server answers once it runs"]
pub struct Bound {
    server: Server,
    listener: Listener,
}

impl Bound {
    /// The address, with the port that the system chose.
    pub fn address(&self) -> &Address {
        self.listener.address()
    }

    /// Answers calls until `stop` is ready, then finishes those in flight.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let Self { server: Server { hooks, message_size, drain }, listener } = self;
        let service = DispatcherServer::new(Service(Arc::new(hooks)))
            .max_decoding_message_size(message_size)
            .max_encoding_message_size(message_size);
        let (stopping, stopped) = oneshot::channel();
        let stop = async {
            stop.await;
            let _ = stopping.send(());
        };
        let mut serving = pin!(listener.serve(service, stop));
        tokio::select! {
            served = &mut serving => served,
            () = overdue(stopped, drain) => {
                warn!(?drain, "calls took too long to finish and were dropped");
                Ok(())
            }
        }
    }
}

async fn overdue(stopped: oneshot::Receiver<()>, drain: Duration) {
    // Without a sender there is nothing to be late for: serving has ended.
    if stopped.await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(drain).await;
}

/// Waits for SIGTERM or Ctrl-C, from this call on.
pub fn stop_signal() -> impl Future<Output = ()> + Send {
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async {
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
        }
    }
}

async fn received(signal: io::Result<Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(error) => {
            warn!(%error, "cannot listen for a stop signal");
            std::future::pending().await
        }
    }
}

/// The two methods of the contract.
struct Service(Arc<Hooks>);

#[tonic::async_trait]
impl Dispatcher for Service {
    async fn dispatch(&self, request: tonic::Request<Object>) -> Result<tonic::Response<Object>, tonic::Status> {
        let object = self.0.dispatch(request.into_inner()).await;
        Ok(tonic::Response::new(object))
    }

    async fn dispatch_event(
        &self,
        request: tonic::Request<coprocess::Event>,
    ) -> Result<tonic::Response<EventReply>, tonic::Status> {
        self.0.notify(&request.into_inner().payload);
        Ok(tonic::Response::new(EventReply {}))
    }
}

#[cfg(test)]
mod tests;
