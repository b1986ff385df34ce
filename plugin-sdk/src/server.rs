//! Serves plugins to a gateway, until told to stop.

mod error;
mod health;
mod listen;
mod services;
mod stop;
mod tls;

use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tracing::warn;

use crate::hooks::Hooks;
use crate::{Address, Plugin};
pub use error::ServerError;
use health::ServingStatus;
use listen::Listener;
use services::services;
pub use stop::stop_signal;
use tls::Tls;

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
    tls: Tls,
}

/// Serves one plugin for all hooks at `address`; see [`Server::serve`].
pub async fn serve(plugin: impl Plugin, address: &str) -> Result<(), ServerError> {
    Server::new().plugin(plugin).serve(address).await
}

impl Server {
    /// A server without plugins: it lets requests go on and nobody in.
    pub fn new() -> Self {
        Self { hooks: Hooks::default(), message_size: MESSAGE_SIZE, drain: DRAIN, tls: Tls::default() }
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

    /// Speaks TLS, with the certificate (and those that lead to its authority) and the key in these
    /// PEM files.
    ///
    /// They are read when the server is bound.
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Answers only clients whose certificate one of the authorities in this PEM file has signed.
    ///
    /// Needs [`tls`](Server::tls).
    pub fn client_ca(mut self, authorities: impl Into<PathBuf>) -> Self {
        self.tls.client_ca = Some(authorities.into());
        self
    }

    /// Takes `address` (`host:port`, `tcp://host:port` or `unix:/path`) without serving yet.
    ///
    /// Connections wait from now on. A socket file that nobody listens on is replaced.
    pub async fn bind(self, address: &str) -> Result<Bound, ServerError> {
        let transport = self.tls.transport()?;
        let listener = Listener::bind(address.parse()?).await?;
        Ok(Bound { server: self, transport, listener })
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
    transport: tonic::transport::Server,
    listener: Listener,
}

impl Bound {
    /// The address, with the port that the system chose.
    pub fn address(&self) -> &Address {
        self.listener.address()
    }

    /// Answers calls until `stop` is ready, then finishes those in flight.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let Self { server: Server { hooks, message_size, drain, .. }, transport, listener } = self;
        let (status, watched) = watch::channel(ServingStatus::Serving);
        let services = services(hooks, message_size, watched.clone());
        let stop = async {
            stop.await;
            let _ = status.send(ServingStatus::NotServing);
            // Whoever watches has been told all there is to tell.
            drop(status);
        };
        let mut serving = pin!(listener.serve(transport, services, stop));
        tokio::select! {
            served = &mut serving => served,
            () = overdue(watched, drain) => {
                warn!(?drain, "calls took too long to finish and were dropped");
                Ok(())
            }
        }
    }
}

async fn overdue(mut status: watch::Receiver<ServingStatus>, drain: Duration) {
    // Without a sender there is nothing to be late for: serving has ended.
    if status.wait_for(|&status| status == ServingStatus::NotServing).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(drain).await;
}

#[cfg(test)]
mod tests;
