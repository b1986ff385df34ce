//! One client connection, from its first byte until the client, the drain or silence ends it.

mod activity;
mod gauge;
mod preface;
mod vigil;

use std::convert::Infallible;
use std::io;
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use self::activity::Activity;
use self::gauge::Gauge;
use self::preface::Rewound;
use self::vigil::{Trouble, Vigil};
use super::admission::Admitted;
use super::drain::Drained;
use super::entrance::{Door, Entrance};
use super::tls::{self, Tls};
use super::{Gateway, front_door, message};
use crate::config::Trust;
use crate::exchange::{self, Reply};
use crate::one_piece::OnePiece;
use crate::sockets::Sockets;

/// How many requests an HTTP/2 client may take back before they were looked at.
const TAKEN_BACK: usize = 20;
/// How many headers the HTTP/1.1 codec takes without being told.
const HEADERS: usize = 100;
/// How long a connection that was told to end may be silent.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long one may be silent whose request may have come just before it was told to end.
const LAST_MOMENT: Duration = Duration::from_millis(100);

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
    address: exchange::Client,
    door: Door,
    activity: Activity,
    last_request: Notify,
}

/// Serves a connection to its end.
pub(super) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    admitted: Admitted,
    gateway: Arc<Gateway>,
    sockets: Arc<Sockets>,
    entrance: Arc<Entrance>,
    drained: Drained,
) {
    let activity = Activity::new(gateway.config.guards.resets);
    let address = address(peer.ip(), &gateway.config.trust, entrance.tls.is_some());
    let last_request = Notify::new();
    let client = Client { gateway, sockets, address, door: entrance.door, activity, last_request };
    let served = match &entrance.tls {
        None => client.in_the_clear(socket, admitted, drained).await,
        // Large: it must not make connections without TLS large.
        Some(tls) => Box::pin(client.over_tls(tls, socket, admitted, drained)).await,
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
    let mut future = pin!(future);
    tokio::select! {
        biased;
        begun = &mut future => return begun,
        () = drained.wait() => {}
        () = tokio::time::sleep(limit) => return Err(io::ErrorKind::TimedOut.into()),
    }
    let begun = tokio::time::timeout(LAST_MOMENT, future).await;
    begun.unwrap_or_else(|_| Err(io::Error::other("the gateway stops")))
}

impl Client {
    async fn in_the_clear(self, socket: TcpStream, admitted: Admitted, mut drained: Drained) -> io::Result<()> {
        let limit = self.gateway.config.guards.idle_time;
        let (protocol, ahead) = beginning(preface::read(&socket), limit, &mut drained).await?;
        self.speak(protocol, Rewound::new(TokioIo::new(socket), ahead), admitted, drained).await
    }

    async fn over_tls(
        mut self,
        tls: &Tls,
        socket: TcpStream,
        admitted: Admitted,
        mut drained: Drained,
    ) -> io::Result<()> {
        if beginning(tls::asks_in_the_clear(&socket), tls::HANDSHAKE, &mut drained).await? {
            return beginning(tls::turn_away(socket), tls::HANDSHAKE, &mut drained).await;
        }
        let ask = self.door.asks_for_certificates(&self.gateway);
        let socket = beginning(tls.shake_hands(socket, ask), tls::HANDSHAKE, &mut drained).await?;
        self.address.certificate = tls::certificate(&socket);
        let protocol = if tls::speaks_http2(&socket) { Protocol::Http2 } else { Protocol::Http1 };
        self.speak(protocol, TokioIo::new(socket), admitted, drained).await
    }

    async fn speak<S>(self, protocol: Protocol, socket: S, admitted: Admitted, drained: Drained) -> io::Result<()>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let socket = OnePiece::new(Gauge::new(socket, &self.activity, admitted));
        match protocol {
            Protocol::Http1 => self.http1(socket, drained).await,
            // Rare and large: it must not make every connection's future large.
            Protocol::Http2 => Box::pin(Arc::new(self).http2(socket, drained)).await,
        }
    }

    async fn http1<S>(&self, socket: S, drained: Drained) -> io::Result<()>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let config = &self.gateway.config;
        let mut http = http1::Builder::new();
        http.title_case_headers(config.canonical_headers).max_buf_size(config.guards.head_size);
        // Said, even the default number costs each request an allocation.
        if config.guards.headers != HEADERS {
            http.max_headers(config.guards.headers);
        }
        let service = service_fn(|request| async move {
            let busy = self.activity.begin();
            let mut reply = self.answer(request).await;
            message::name_status(&mut reply);
            let mut reply = reply.map(|body| self.activity.whole(busy, body));
            if config.close_connections {
                reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(reply)
        });
        let connection = http.serve_connection(socket, service).with_upgrades();
        let vigil = Vigil::new(&config.guards, Protocol::Http1);
        self.converse(connection, http1::UpgradeableConnection::graceful_shutdown, vigil, drained).await
    }

    async fn http2<S>(self: Arc<Self>, socket: S, drained: Drained) -> io::Result<()>
    where
        S: Read + Write + Unpin + 'static,
    {
        let mut http = http2::Builder::new(TokioExecutor::new());
        let guards = &self.gateway.config.guards;
        http.max_concurrent_streams(guards.streams)
            .max_header_list_size(u32::try_from(guards.head_size).unwrap_or(u32::MAX))
            .max_send_buf_size(guards.head_size)
            .max_pending_accept_reset_streams(TAKEN_BACK);
        let client = Arc::clone(&self);
        let service = service_fn(move |request| {
            let client = Arc::clone(&client);
            async move {
                let busy = client.activity.begin();
                let reply = client.answer(request).await.map(|body| client.activity.shared(busy, body));
                if client.gateway.config.close_connections {
                    client.last_request.notify_one();
                }
                Ok::<_, Infallible>(reply)
            }
        });
        let vigil = Vigil::new(guards, Protocol::Http2);
        let connection = http.serve_connection(socket, service);
        self.converse(connection, http2::Connection::graceful_shutdown, vigil, drained).await
    }

    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let Self { gateway, sockets, address, door, activity, .. } = self;
        // What hooks make of the method is not what the client waits for.
        let asked_head = request.method() == Method::HEAD;
        let mut reply = front_door::answer(gateway, sockets, request, address, *door, &activity.uploads).await;
        message::end_with_head(asked_head, &mut reply);
        reply
    }

    /// Done when the connection should end; an error if that cannot wait for requests under way.
    async fn told_to_end(&self, vigil: &mut Vigil, drained: &mut Drained) -> io::Result<()> {
        tokio::select! {
            () = drained.wait() => Ok(()),
            () = self.last_request.notified() => Ok(()),
            trouble = vigil.trouble(&self.activity) => match trouble {
                Trouble::Idle => Ok(()),
                trouble => Err(io::Error::other(trouble)),
            },
        }
    }

    /// Goes on until the connection ends by itself, or is told to by `end`; then requests under way finish.
    async fn converse<C>(
        &self,
        connection: C,
        end: impl FnOnce(Pin<&mut C>),
        mut vigil: Vigil,
        mut drained: Drained,
    ) -> io::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        // A set of one: it is looked at when it has woken, and not with each of the connection's steps.
        let mut told: FuturesUnordered<_> = iter::once(self.told_to_end(&mut vigil, &mut drained)).collect();
        tokio::select! {
            biased;
            ended = &mut connection => return ended.map_err(io::Error::other),
            Some(told) = told.next() => told?,
        }
        drop(told);
        end(connection.as_mut());
        let mut vigil = vigil.farewell(FAREWELL);
        tokio::select! {
            biased;
            ended = connection => ended.map_err(io::Error::other),
            trouble = vigil.trouble(&self.activity) => match trouble {
                Trouble::Idle => Ok(()),
                trouble => Err(io::Error::other(trouble)),
            }
        }
    }
}

/// An address as headers and logs have it; IPv4 stays IPv4 on a socket for both.
fn address(peer: IpAddr, trust: &Trust, tls: bool) -> exchange::Client {
    let peer = peer.to_canonical();
    let depth = trust.believes(peer).then_some(trust.depth);
    let peer = HeaderValue::from_str(&peer.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
    exchange::Client { peer, depth, tls, certificate: None }
}
