//! New connections: names looked up, sockets, proxies, TLS, and what is spoken on it all.

mod proxied;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use self::proxied::OverTls;
pub(super) use self::proxied::ProxyError;
use super::client::ClientError;
use super::origin::Origin;
use super::transport::Speech;
use crate::config;
use crate::exchange::Body;
use crate::one_piece::OnePiece;

/// TCP probes on idle connections.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The largest head of an answer over HTTP/1.1, and the most of its body that waits for the client, in bytes.
const BUFFER: usize = 64 << 10;
/// The largest head of an answer over HTTP/2 in bytes, as HPACK counts them.
const HEAD: u32 = 256 << 10;
/// How much of a body may arrive over HTTP/2 before somebody takes it.
const WINDOW: u32 = 256 << 10;
/// The same for all bodies of a connection, as much as there can be: who does not take one keeps back no other.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Makes connections.
pub(super) struct Connector {
    tcp: Tcp,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// The near end of a new connection.
pub(super) enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// What bytes travel over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connector {
    pub(super) fn new(config: &config::Upstream, canonical_headers: bool) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_connect_timeout(Some(config.timeout));
        let mut http1 = http1::Builder::new();
        http1.title_case_headers(canonical_headers).max_buf_size(BUFFER);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .max_header_list_size(HEAD)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Self { tcp, http1, http2 }
    }

    pub(super) async fn connect(&self, to: &Origin) -> Result<Sender, ClientError> {
        match self.proxy_over_tls(to) {
            None => self.speak_with(to, self.socket(to).await?).await,
            Some(proxy) => self.speak_with(to, proxy.socket(to).await?).await,
        }
    }

    /// A connection without HTTP on it.
    pub(super) async fn stream(&self, to: &Origin) -> Result<Box<dyn Stream>, ClientError> {
        match self.proxy_over_tls(to) {
            None => boxed(to, self.socket(to).await?).await,
            Some(proxy) => boxed(to, proxy.socket(to).await?).await,
        }
    }

    /// A socket that leads to the host, or to a proxy that knows what to do.
    async fn socket(&self, to: &Origin) -> Result<TcpStream, ClientError> {
        let mut tcp = self.tcp.clone();
        let socket = match &to.transport.settings.proxy {
            Some(proxy) => proxied::reach(to, proxy, tcp).await?,
            None => tcp.call(address(to)?).await.map_err(|error| ClientError::Connect(error.into()))?,
        };
        Ok(socket.into_inner())
    }

    fn proxy_over_tls<'a>(&self, to: &'a Origin) -> Option<OverTls<'a>> {
        let (proxy, tls) = (to.transport.settings.proxy.as_ref()?, to.transport.proxy_tls.as_ref()?);
        Some(OverTls { proxy, tls, tcp: self.tcp.clone() })
    }

    /// HTTP on a socket that leads to the host, and TLS if that speaks it.
    async fn speak_with<S: Stream + 'static>(&self, to: &Origin, socket: S) -> Result<Sender, ClientError> {
        match to.tls() {
            None => self.speak(TokioIo::new(socket), to.transport.settings.speech == Speech::Http2).await,
            Some(tls) => {
                let socket = shake_hands(tls, &to.authority, socket).await?;
                let http2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
                self.speak(TokioIo::new(socket), http2).await
            }
        }
    }

    async fn speak<S>(&self, socket: S, http2: bool) -> Result<Sender, ClientError>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        if http2 {
            let (sender, connection) = self.http2.handshake(OnePiece::new(socket)).await?;
            tokio::spawn(until_it_ends(connection));
            return Ok(Sender::Http2(sender));
        }
        let (sender, connection) = self.http1.handshake(OnePiece::new(socket)).await?;
        tokio::spawn(until_it_ends(connection.with_upgrades()));
        Ok(Sender::Http1(sender))
    }
}

fn address(to: &Origin) -> Result<Uri, ClientError> {
    to.address().map_err(|error| ClientError::Connect(error.into()))
}

async fn boxed<S: Stream + 'static>(to: &Origin, socket: S) -> Result<Box<dyn Stream>, ClientError> {
    match to.tls() {
        None => Ok(Box::new(socket)),
        Some(tls) => Ok(Box::new(shake_hands(tls, &to.authority, socket).await?)),
    }
}

/// TLS on a socket that leads to this host.
async fn shake_hands<S: Stream>(
    tls: &Arc<ClientConfig>,
    authority: &Authority,
    socket: S,
) -> Result<TlsStream<S>, ClientError> {
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|error| ClientError::Connect(error.into()))?;
    let shaken = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await;
    shaken.map_err(|error| ClientError::Connect(error.into()))
}

async fn until_it_ends(connection: impl Future<Output = hyper::Result<()>>) {
    if let Err(error) = connection.await {
        tracing::debug!(target: "outrigger::upstream", %error, "connection to an upstream ended");
    }
}

/// Makes sockets.
type Tcp = HttpConnector<Resolver>;

/// The system's resolver, its failures told apart from those of connecting.
#[derive(Clone)]
struct Resolver(GaiResolver);

/// A name that has no address.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct LookupError(io::Error);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = LookupError;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, LookupError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LookupError>> {
        self.0.poll_ready(cx).map_err(LookupError)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let lookup = self.0.call(name);
        Box::pin(async move { lookup.await.map_err(LookupError) })
    }
}
