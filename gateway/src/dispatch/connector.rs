//! Opens HTTP/2 connections to plugin servers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::config::Address;

/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Flow-control windows: a large body should not wait for updates.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// A connection; its input and output run as a task of their own.
#[derive(Clone)]
pub(super) struct Connection {
    /// Opens streams.
    pub(super) sender: SendRequest<Bytes>,
    open: Arc<AtomicBool>,
}

impl Connection {
    /// Whether the connection has not ended yet.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }
}

/// Connects to one address; a name's addresses are tried in order.
pub(super) async fn connect(address: &Address) -> io::Result<Connection> {
    tokio::time::timeout(LIMIT, open(address)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn open(address: &Address) -> io::Result<Connection> {
    match address {
        Address::Tcp { host, port } | Address::Dns { host, port } => handshake(tcp(host, *port).await?).await,
        Address::Unix(path) => handshake(UnixStream::connect(path).await?).await,
        // An abstract socket's name starts with a zero byte.
        Address::UnixAbstract(name) => handshake(UnixStream::connect(format!("\0{name}")).await?).await,
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn handshake<S>(stream: S) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut http2 = h2::client::Builder::new();
    http2.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW).enable_push(false);
    let (sender, connection) = http2.handshake(stream).await.map_err(io::Error::other)?;
    let open = Arc::new(AtomicBool::new(true));
    let ended = Arc::clone(&open);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(target: "outrigger::dispatch", %error, "connection to a plugin server ended");
        }
        ended.store(false, Ordering::Relaxed);
    });
    Ok(Connection { sender, open })
}

/// All addresses of a name, for balancing over them.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((host, port)).await?.collect())
}
