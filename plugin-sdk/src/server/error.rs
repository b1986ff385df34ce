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
    /// A file for TLS cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    CannotRead {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file for TLS holds something else.
    #[error("{} holds no {wanted} in PEM form", path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The certificate and the key are no pair, or of a kind that TLS does not take.
    #[error("cannot serve TLS with the certificate {} and the key {}: {source}", certificate.display(), key.display())]
    Tls {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What the transport says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Clients cannot be known by this authority.
    #[error("{} is no authority to know clients by: {source}", path.display())]
    ClientCa {
        /// The file of its certificate.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Clients are asked for certificates by a server that has none.
    #[error("a client_ca needs TLS: give the server a certificate and a key with Server::tls")]
    NoCertificate,
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
