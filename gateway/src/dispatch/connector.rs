//! Opens HTTP/2 connections to plugin servers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tonic::body::Body;

use crate::config::Address;

/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Flow-control windows: a large body should not wait for updates.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// The sending half of a connection.
pub(super) type Sender = SendRequest<Body>;

/// Connects to one address; a name's addresses are tried in order.
pub(super) async fn connect(address: &Address) -> io::Result<Sender> {
    tokio::time::timeout(LIMIT, open(address)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn open(address: &Address) -> io::Result<Sender> {
    match address {
        Address::Tcp { host, port } | Address::Dns { host, port } => handshake(tcp(host, *port).await?).await,
        Address::Unix(path) => handshake(UnixStream::connect(path).await?).await,
        Address::UnixAbstract(name) => handshake(abstract_socket(name).await?).await,
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An abstract socket's name starts with a zero byte, which tokio's paths accept.
async fn abstract_socket(name: &str) -> io::Result<UnixStream> {
    UnixStream::connect(format!("\0{name}")).await
}

async fn handshake<S>(stream: S) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a plugin server ended");
        }
    });
    Ok(sender)
}

/// All addresses of a name, for balancing over them.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((host, port)).await?.collect())
}
