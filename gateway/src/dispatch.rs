//! Calls plugins: what a hook sends, where it goes, and what can go wrong on the way.

mod connector;
mod endpoint;
mod grpc;
mod server;
mod unary;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use coprocess::Object;
use thiserror::Error;

pub use grpc::GrpcDispatcher;

/// One call of a plugin.
#[derive(Debug)]
pub struct Call<'a> {
    /// What travels.
    pub object: Object,
    /// The plugin server's name in the configuration.
    pub server: &'a str,
}

/// What a call will have become.
pub type Dispatched<'a, T> = Pin<Box<dyn Future<Output = Result<T, DispatchError>> + Send + 'a>>;

/// What calls plugins. Dropping the future of a call cancels it on the plugin's side too.
pub trait Dispatcher: Send + Sync {
    /// Calls a plugin and gives what it returns.
    fn dispatch<'a>(&'a self, call: Call<'a>) -> Dispatched<'a, Object>;

    /// Tells the default plugin server of an event; the payload is JSON.
    fn dispatch_event(&self, payload: Bytes) -> Dispatched<'_, ()>;

    /// The API definitions were loaded anew: what is known of servers that are away, and where names
    /// lead, may be out of date. Connections that work stay.
    fn reload(&self);
}

/// All dispatchers of the process: each worker has one of its own, and so have events.
#[derive(Default)]
pub struct Dispatchers(Mutex<Vec<Arc<dyn Dispatcher>>>);

impl Dispatchers {
    /// Adds one.
    pub fn add(&self, dispatcher: impl Dispatcher + 'static) -> Arc<dyn Dispatcher> {
        let dispatcher: Arc<dyn Dispatcher> = Arc::new(dispatcher);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&dispatcher));
        dispatcher
    }

    /// Tells all of them that the API definitions were loaded anew.
    pub fn reload(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|dispatcher| dispatcher.reload());
    }
}

impl DispatchError {
    /// Whether the server was away, rather than of another opinion.
    pub fn is_unreachable(&self) -> bool {
        use tonic::Code::{DeadlineExceeded, Unavailable};
        matches!(self, Self::Connect { .. } | Self::Status { code: Unavailable | DeadlineExceeded, .. })
    }
}

/// Why a call had no answer.
#[derive(Debug, Error)]
pub enum DispatchError {
    /// No plugin server has this name.
    #[error("no plugin server is named {0:?}; see coprocess_options in tyk.conf")]
    UnknownServer(String),
    /// An event that is no text.
    #[error("an event's payload is not UTF-8")]
    Payload,
    /// The server could not be reached.
    #[error("plugin server {server:?} at {address} cannot be reached: {reason}")]
    Connect {
        /// The server's name.
        server: String,
        /// The last address that was tried.
        address: String,
        /// What the attempt said.
        reason: String,
    },
    /// The server answered with an error, or broke off.
    #[error("plugin server {server:?} ended the call with {code:?}: {message}")]
    Status {
        /// The server's name.
        server: String,
        /// The gRPC status.
        code: tonic::Code,
        /// What it said.
        message: String,
    },
}
