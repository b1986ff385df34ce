//! Why a plugin server does not start, or stopped.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::Address;

/// Why a plugin server does not start, or stopped before it was told to.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The text is no address.
    #[error("{text:?} is no address to listen on: use host:port, tcp://host:port or unix:/path")]
    Address {
        /// What was given.
        text: String,
    },
    /// Something else listens there.
    #[error("{address} is in use: stop the server that listens there or choose another address")]
    InUse {
        /// Where.
        address: Address,
    },
    /// The socket's path is taken by something that is no socket.
    #[error("{} is no socket: remove it or choose another path", path.display())]
    NotASocket {
        /// Which path.
        path: PathBuf,
    },
    /// The system refuses to listen there.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// The server stopped by itself.
    #[error("the server on {address} stopped: {source}")]
    Serve {
        /// Where it was listening.
        address: Address,
        /// What the transport says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

// A `main` that returns this error shows it by `Debug`, to a person.
impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
