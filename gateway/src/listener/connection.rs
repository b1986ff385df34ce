//! One client connection: HTTP/1.1 until the client, the drain or silence ends it.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;

use super::{Gateway, front_door};
use crate::exchange::Body;
use crate::one_piece::OnePiece;
use crate::sockets::Sockets;

/// Serves a connection to its end.
pub(super) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    gateway: Arc<Gateway>,
    sockets: Arc<Sockets>,
    watcher: Watcher,
) {
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().title_case_headers(gateway.config.canonical_headers);
    let (activity, limit) = (Activity::default(), gateway.config.http.read_timeout);
    let client = Arc::new(Client { gateway, sockets, address: text(peer.ip()), activity: activity.clone() });
    let service = service_fn(move |request| {
        let client = Arc::clone(&client);
        async move { Ok::<_, Infallible>(client.answer(request).await) }
    });
    let serving = watcher.watch(http.serve_connection_with_upgrades(OnePiece::new(TokioIo::new(socket)), service));
    tokio::select! {
        biased;
        ended = serving => if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a client's connection ended early");
        },
        () = activity.silence(limit) => {
            tracing::debug!(%peer, "a client's connection is closed: no request came in time");
        }
    }
}

/// Who is at the other end.
struct Client {
    gateway: Arc<Gateway>,
    sockets: Arc<Sockets>,
    address: HeaderValue,
    activity: Activity,
}

impl Client {
    async fn answer(&self, request: Request<Incoming>) -> Response<Watched> {
        let busy = self.activity.begin();
        let reply = front_door::answer(&self.gateway, &self.sockets, request, &self.address).await;
        reply.map(|body| Watched { body, _busy: busy })
    }
}

/// Counts the beginnings and ends of a connection's requests: odd while there is one.
#[derive(Clone, Default)]
struct Activity(Arc<AtomicU64>);

/// A request under way, until its reply's last byte.
struct Busy(Arc<AtomicU64>);

/// A reply's body that keeps its connection busy.
struct Watched {
    body: Body,
    _busy: Busy,
}

impl Activity {
    fn begin(&self) -> Busy {
        self.0.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }

    /// Done when no request began or ended for `limit`, and for twice as long at most. One timer for
    /// many requests costs them nothing.
    async fn silence(&self, limit: Duration) {
        loop {
            let before = self.0.load(Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            if before.is_multiple_of(2) && before == self.0.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An address as headers and logs have it; IPv4 stays IPv4 on a socket for both.
fn text(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}
