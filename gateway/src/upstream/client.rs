//! The client of one worker, for `http`, `https` and `h2c` targets.

use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::uri::Authority;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

use super::UpstreamError;
use super::connect::{Connector, LookupError, ProxyError, Sender};
use super::fault::Fault;
use super::origin::Origin;
use super::pool::{Lease, Pool, Shelf};
use super::transport::Transport;
use crate::config;
use crate::exchange::Body;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(90);
/// Idle connections kept per target where the operator sets no number.
const IDLE_PER_HOST: usize = 512;

/// Sends requests to upstreams over kept connections.
pub struct Client {
    connector: Connector,
    pool: Pool,
    pub(super) timeout: Duration,
    /// How documents are fetched.
    pub(super) fetching: Arc<Transport>,
}

/// A response whose body is still on the wire, and the connection that is its own until then.
pub(super) type Answer = (Response<Incoming>, Option<Lease>);

/// Why the client got no response head.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Not within the limit.
    #[error("no response head in time")]
    Timeout,
    /// There was no connection within the limit.
    #[error("no connection in time")]
    NotConnected,
    /// There is no connection.
    #[error(transparent)]
    Connect(Box<dyn Error + Send + Sync>),
    /// The connection broke, or the exchange broke HTTP's rules.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

impl Client {
    /// A client without connections.
    pub fn new(config: &config::Upstream, canonical_headers: bool, fetching: Arc<Transport>) -> Self {
        let connector = Connector::new(config, canonical_headers);
        let per_host = if config.close_connections { 0 } else { config.max_idle_per_host.unwrap_or(IDLE_PER_HOST) };
        Self { connector, pool: Pool::new(per_host, IDLE, config.max_age), timeout: config.timeout, fetching }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Closes connections that nobody has used for long; to be called now and then.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// Sends a request and waits for the head of its response; a connection that is not there yet has as
    /// long again to be made. A kept connection may have ended unnoticed; a request that it did not take
    /// goes to a new one.
    pub(super) async fn send(&self, to: &Origin, mut request: Request<Body>) -> Result<Answer, ClientError> {
        let shelf = self.pool.shelf(to);
        while let Some(lease) = shelf.take() {
            match self.in_time(request, |request| over_kept(lease, request)).await? {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::NotTaken(unsent) => request = unsent,
            }
        }
        // Rare and large: it must not make every request's future large.
        Box::pin(self.send_anew(to, &shelf, request)).await
    }

    async fn send_anew(&self, to: &Origin, shelf: &Arc<Shelf>, request: Request<Body>) -> Result<Answer, ClientError> {
        if to.transport.may_multiplex() {
            let answer = self.send_multiplexed(to, shelf, request).await;
            if matches!(answer, Err(ClientError::Timeout)) {
                // The connection may lead nowhere any more; who waits on it still may go on waiting.
                shelf.forget_shared();
            }
            return answer;
        }
        match self.connected(Box::pin(self.connector.connect(to))).await? {
            Sender::Http1(sender) => self.in_time(request, |request| over_http1(shelf.lease(sender), request)).await,
            Sender::Http2(sender) => self.in_time(request, |request| over_http2(sender, to, request)).await,
        }
    }

    /// A connection, if there is one within the limit. On the heap, for it is large and gone before the
    /// answer is waited for.
    async fn connected(
        &self,
        connecting: Pin<Box<impl Future<Output = Result<Sender, ClientError>>>>,
    ) -> Result<Sender, ClientError> {
        timeout(self.timeout, connecting).await.unwrap_or(Err(ClientError::NotConnected))
    }

    /// An answer, if there is one within the limit from when it became the upstream's turn.
    async fn in_time<T, S: Future<Output = Result<T, ClientError>>>(
        &self,
        request: Request<Body>,
        send: impl FnOnce(Request<Body>) -> S,
    ) -> Result<T, ClientError> {
        let upload = request.body().upload();
        let mut sending = pin!(send(request));
        let mut until = Instant::now() + self.timeout;
        loop {
            match timeout_at(until, &mut sending).await {
                Ok(sent) => return sent,
                Err(_) => match upload.as_ref().map(|upload| upload.upstreams_turn_since() + self.timeout) {
                    Some(later) if later > until => until = later,
                    _ => return Err(ClientError::Timeout),
                },
            }
        }
    }

    /// All requests of a worker share one connection if it speaks HTTP/2.
    async fn send_multiplexed(
        &self,
        to: &Origin,
        shelf: &Arc<Shelf>,
        mut request: Request<Body>,
    ) -> Result<Answer, ClientError> {
        while let Some(mut sender) = shelf.shared() {
            dress(to, &mut request)?;
            match self.in_time(request, |request| async { Ok(sender.try_send_request(request).await) }).await? {
                Ok(response) => return Ok((response, None)),
                Err(mut failed) => {
                    shelf.forget_closed();
                    match failed.take_message() {
                        Some(unsent) => request = unsent,
                        None => return Err(failed.into_error().into()),
                    }
                }
            }
        }
        match self.connected(Box::pin(self.join(to, shelf))).await? {
            Sender::Http1(sender) => {
                undress(&mut request)?;
                self.in_time(request, |request| over_http1(shelf.lease(sender), request)).await
            }
            Sender::Http2(sender) => self.in_time(request, |request| over_http2(sender, to, request)).await,
        }
    }

    /// A connection that others share, made by one of them.
    async fn join(&self, to: &Origin, shelf: &Shelf) -> Result<Sender, ClientError> {
        let _connecting = shelf.connecting().await;
        if let Some(sender) = shelf.shared() {
            return Ok(Sender::Http2(sender));
        }
        let sender = self.connector.connect(to).await?;
        if let Sender::Http2(sender) = &sender {
            shelf.share(sender.clone());
        }
        Ok(sender)
    }
}

/// What came of a kept connection.
enum Attempt {
    Answered(Answer),
    NotTaken(Request<Body>),
}

async fn over_kept(mut lease: Lease, request: Request<Body>) -> Result<Attempt, ClientError> {
    if lease.sender.ready().await.is_err() {
        return Ok(Attempt::NotTaken(request));
    }
    match lease.sender.try_send_request(request).await {
        Ok(response) => Ok(Attempt::Answered((response, Some(lease)))),
        Err(mut failed) => match failed.take_message() {
            Some(unsent) => Ok(Attempt::NotTaken(unsent)),
            None => Err(failed.into_error().into()),
        },
    }
}

async fn over_http1(mut lease: Lease, request: Request<Body>) -> Result<Answer, ClientError> {
    let response = lease.sender.send_request(request).await?;
    Ok((response, Some(lease)))
}

async fn over_http2(
    mut sender: http2::SendRequest<Body>,
    to: &Origin,
    mut request: Request<Body>,
) -> Result<Answer, ClientError> {
    dress(to, &mut request)?;
    Ok((sender.send_request(request).await?, None))
}

/// HTTP/2 names the host beside the path, and not in a header.
fn dress(to: &Origin, request: &mut Request<Body>) -> Result<(), ClientError> {
    if request.uri().authority().is_some() {
        return Ok(());
    }
    let Some(resource) = request.uri().path_and_query().cloned() else { return Ok(()) };
    let host = request.headers_mut().remove(HOST);
    *request.uri_mut() = to.absolute(host.as_ref(), resource).map_err(|error| ClientError::Connect(error.into()))?;
    Ok(())
}

/// HTTP/1.1 does it the other way round; for requests that no HTTP/2 connection took in the end.
fn undress(request: &mut Request<Body>) -> Result<(), ClientError> {
    let Some(authority) = request.uri().authority() else { return Ok(()) };
    let host = authority
        .as_str()
        .parse()
        .map_err(|error: http::header::InvalidHeaderValue| ClientError::Connect(error.into()))?;
    request.headers_mut().insert(HOST, host);
    if let Some(resource) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(resource);
    }
    Ok(())
}

impl ClientError {
    /// Whether a kept connection ended before a byte of the answer came.
    pub(super) fn swallowed(&self) -> bool {
        let Self::Http(error) = self else { return false };
        if let Some(error) = sources(error).find_map(|source| source.downcast_ref::<h2::Error>()) {
            let refused = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
            return error.is_io() || (error.is_remote() && refused);
        }
        error.is_incomplete_message()
            || of_socket(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    }

    /// The same as a fact about an upstream.
    pub(super) fn about(self, authority: &Authority) -> UpstreamError {
        let authority = authority.clone();
        let (error, otherwise): (&(dyn Error + 'static), _) = match &self {
            Self::Timeout => return UpstreamError::Timeout(authority),
            Self::NotConnected => {
                let reason = "it took no connection within proxy_default_timeout".to_owned();
                return UpstreamError::Broken { authority, reason, fault: Fault::Late };
            }
            Self::Http(error) if error.is_user() => return UpstreamError::Body(deepest(error)),
            Self::Http(error) => (error, Fault::Protocol),
            Self::Connect(error) => (&**error, Fault::Connection),
        };
        let proxy = sources(error).find_map(|source| source.downcast_ref::<ProxyError>()).map(|error| &error.proxy);
        if let Some(lookup) = sources(error).find_map(|source| source.downcast_ref::<LookupError>()) {
            let authority = proxy.cloned().unwrap_or(authority);
            return UpstreamError::Lookup { authority, reason: lookup.to_string() };
        }
        let reason = match proxy {
            Some(proxy) => format!("the proxy {proxy}: {}", deepest(error)),
            None => deepest(error),
        };
        UpstreamError::Broken { authority, reason, fault: Fault::of(of_socket(error), otherwise) }
    }
}

/// An error and what caused it, down to the first.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// What was said of a socket, if it was that.
fn of_socket<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    sources(error).find_map(|source| source.downcast_ref())
}

fn deepest(error: &(dyn Error + 'static)) -> String {
    sources(error).last().map_or_else(String::new, ToString::to_string)
}
