//! One client connection, from its first byte until the client, the drain or silence ends it.

mod activity;
mod preface;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use self::activity::{Activity, Watched};
use self::preface::Rewound;
use super::drain::Drained;
use super::tls::{self, Tls};
use super::{Gateway, front_door};
use crate::one_piece::OnePiece;
use crate::sockets::Sockets;

/// How many requests an HTTP/2 client may have open on one connection.
const STREAMS: u32 = 250;
/// The largest head of an HTTP/2 request in bytes, as HPACK counts them.
const HEAD: u32 = 16 << 10;
/// How many requests an HTTP/2 client may take back before they were looked at.
const TAKEN_BACK: usize = 20;
/// How long a connection that was told to end may be silent.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// A client, and what its requests need.
struct Client {
    gateway: Arc<Gateway>,
    sockets: Arc<Sockets>,
    address: HeaderValue,
    activity: Activity,
    last_request: Notify,
}

/// Serves a connection to its end.
pub(super) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    gateway: Arc<Gateway>,
    sockets: Arc<Sockets>,
    tls: Option<Tls>,
    drained: Drained,
) {
    let (address, activity, last_request) = (text(peer.ip()), Activity::default(), Notify::new());
    let client = Client { gateway, sockets, address, activity, last_request };
    let served = match tls {
        None => client.in_the_clear(socket, drained).await,
        // Large: it must not make connections without TLS large.
        Some(tls) => Box::pin(client.over_tls(&tls, socket, drained)).await,
    };
    if let Err(error) = served {
        tracing::debug!(%error, %peer, "a client's connection ended early");
    }
}

/// What comes of one of a connection's first steps, unless it takes too long.
async fn beginning<T>(
    future: impl Future<Output = io::Result<T>>,
    limit: Duration,
    drained: &mut Drained,
) -> io::Result<T> {
    tokio::select! {
        biased;
        begun = future => begun,
        () = drained.wait() => Err(io::Error::other("the gateway stops")),
        () = tokio::time::sleep(limit) => Err(io::ErrorKind::TimedOut.into()),
    }
}

impl Client {
    async fn in_the_clear(self, socket: TcpStream, mut drained: Drained) -> io::Result<()> {
        let limit = self.gateway.config.http.read_timeout;
        let (protocol, ahead) = beginning(preface::read(&socket), limit, &mut drained).await?;
        self.speak(protocol, Rewound::new(TokioIo::new(socket), ahead), drained).await
    }

    async fn over_tls(self, tls: &Tls, socket: TcpStream, mut drained: Drained) -> io::Result<()> {
        if beginning(tls::asks_in_the_clear(&socket), tls::HANDSHAKE, &mut drained).await? {
            return beginning(tls::turn_away(socket), tls::HANDSHAKE, &mut drained).await;
        }
        let socket = beginning(tls.shake_hands(socket), tls::HANDSHAKE, &mut drained).await?;
        let protocol = if tls::speaks_http2(&socket) { Protocol::Http2 } else { Protocol::Http1 };
        self.speak(protocol, TokioIo::new(socket), drained).await
    }

    async fn speak<S>(self, protocol: Protocol, socket: S, drained: Drained) -> io::Result<()>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let socket = OnePiece::new(socket);
        let ended = match protocol {
            Protocol::Http1 => self.http1(socket, drained).await,
            // Rare and large: it must not make every connection's future large.
            Protocol::Http2 => Box::pin(Arc::new(self).http2(socket, drained)).await,
        };
        ended.map_err(io::Error::other)
    }

    async fn http1<S>(&self, socket: S, drained: Drained) -> hyper::Result<()>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let config = &self.gateway.config;
        let mut http = http1::Builder::new();
        http.title_case_headers(config.canonical_headers);
        let service = service_fn(|request| async move {
            let mut reply = self.answer(request).await;
            if config.close_connections {
                reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(reply)
        });
        let connection = http.serve_connection(socket, service).with_upgrades();
        self.converse(connection, http1::UpgradeableConnection::graceful_shutdown, drained).await
    }

    async fn http2<S>(self: Arc<Self>, socket: S, drained: Drained) -> hyper::Result<()>
    where
        S: Read + Write + Unpin + 'static,
    {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.max_concurrent_streams(STREAMS).max_header_list_size(HEAD).max_pending_accept_reset_streams(TAKEN_BACK);
        let client = Arc::clone(&self);
        let service = service_fn(move |request| {
            let client = Arc::clone(&client);
            async move {
                let reply = client.answer(request).await;
                if client.gateway.config.close_connections {
                    client.last_request.notify_one();
                }
                Ok::<_, Infallible>(reply)
            }
        });
        self.converse(http.serve_connection(socket, service), http2::Connection::graceful_shutdown, drained).await
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Watched> {
        let busy = self.activity.begin();
        let reply = front_door::answer(&self.gateway, &self.sockets, request, &self.address).await;
        reply.map(|body| busy.until_the_end_of(body))
    }

    /// Goes on until the connection ends by itself, or is told to by `end`; then requests under way finish.
    async fn converse<C>(&self, connection: C, end: impl FnOnce(Pin<&mut C>), mut drained: Drained) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            ended = &mut connection => return ended,
            () = drained.wait() => {}
            () = self.last_request.notified() => {}
            () = self.activity.silence(self.gateway.config.http.read_timeout) => {}
        }
        end(connection.as_mut());
        tokio::select! {
            biased;
            ended = connection => ended,
            () = self.activity.silence(FAREWELL) => Ok(()),
        }
    }
}

/// An address as headers and logs have it; IPv4 stays IPv4 on a socket for both.
fn text(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}
