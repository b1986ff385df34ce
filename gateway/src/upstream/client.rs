//! The HTTP/1.1 client of one worker, for `http` and `https` targets.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::Authority;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use thiserror::Error;
use tower::Service;

use super::UpstreamError;
use super::pool::{Lease, Origin, Pool};
use crate::config;
use crate::exchange::Body;
use crate::one_piece::OnePiece;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(90);
/// TCP probes on idle connections.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Idle connections kept per target where the operator sets no number.
const IDLE_PER_HOST: usize = 512;

/// Sends requests to upstreams over kept connections.
pub struct Client {
    connector: HttpsConnector<HttpConnector<Resolver>>,
    http: http1::Builder,
    pool: Pool,
    pub(super) timeout: Duration,
}

/// A response whose body is still on the wire, and the connection that it comes over.
pub(super) type Answer = (Response<Incoming>, Lease);

/// Why the client got no response head.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Not within the limit.
    #[error("no response head in time")]
    Timeout,
    /// There is no connection.
    #[error(transparent)]
    Connect(Box<dyn Error + Send + Sync>),
    /// The connection broke, or the exchange broke HTTP's rules.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Why `https` targets cannot be verified.
#[derive(Debug, Error)]
#[error("the system's certificate roots cannot be loaded: {0}; install the package ca-certificates")]
pub struct TlsError(String);

/// TLS that trusts the system's roots.
pub fn tls() -> Result<rustls::ClientConfig, TlsError> {
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into());
    let config = config.with_safe_default_protocol_versions().map_err(|error| TlsError(error.to_string()))?;
    Ok(config.with_native_roots().map_err(|error| TlsError(error.to_string()))?.with_no_client_auth())
}

/// The largest head of an answer, and the most of its body that waits for the client, in bytes.
const BUFFER: usize = 64 << 10;

impl Client {
    /// A client without connections.
    pub fn new(config: &config::Upstream, canonical_headers: bool, tls: rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_connect_timeout(Some(config.timeout));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let mut http = http1::Builder::new();
        http.title_case_headers(canonical_headers).max_buf_size(BUFFER);
        let per_host = if config.close_connections { 0 } else { config.max_idle_per_host.unwrap_or(IDLE_PER_HOST) };
        Self { connector, http, pool: Pool::new(per_host, IDLE), timeout: config.timeout }
    }

    /// Closes connections that nobody has used for long; to be called now and then.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(&self, to: &Origin, request: Request<Body>) -> Result<Answer, ClientError> {
        match tokio::time::timeout(self.timeout, self.send_unlimited(to, request)).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout),
        }
    }

    /// A kept connection may have ended unnoticed; a request that it did not take goes to a new one.
    async fn send_unlimited(&self, to: &Origin, mut request: Request<Body>) -> Result<Answer, ClientError> {
        let shelf = self.pool.shelf(to);
        while let Some(mut lease) = shelf.take() {
            if lease.sender.ready().await.is_err() {
                continue;
            }
            match lease.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, lease)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().into()),
                },
            }
        }
        // Rare and large: it must not make every request's future large.
        let mut lease = shelf.lease(Box::pin(self.connect(to)).await?);
        let response = lease.sender.send_request(request).await?;
        Ok((response, lease))
    }

    async fn connect(&self, to: &Origin) -> Result<SendRequest<Body>, ClientError> {
        let uri = Uri::builder().scheme(to.scheme.clone()).authority(to.authority.clone()).path_and_query("/").build();
        let uri = uri.map_err(|error| ClientError::Connect(error.into()))?;
        let stream = self.connector.clone().call(uri).await.map_err(ClientError::Connect)?;
        let (sender, connection) = self.http.handshake(OnePiece::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(target: "outrigger::upstream", %error, "connection to an upstream ended");
            }
        });
        Ok(sender)
    }
}

impl ClientError {
    /// Whether a kept connection ended before a byte of the answer came.
    pub(super) fn swallowed(&self) -> bool {
        let Self::Http(error) = self else { return false };
        error.is_incomplete_message() || kind(error) == Some(io::ErrorKind::ConnectionReset)
    }

    /// The same as a fact about an upstream.
    pub(super) fn about(self, authority: &Authority) -> UpstreamError {
        let authority = authority.clone();
        let error: &(dyn Error + 'static) = match &self {
            Self::Timeout => return UpstreamError::Timeout(authority),
            Self::Http(error) if error.is_user() => return UpstreamError::Body(deepest(error)),
            Self::Http(error) => error,
            Self::Connect(error) => &**error,
        };
        if kind(error) == Some(io::ErrorKind::TimedOut) {
            return UpstreamError::Timeout(authority);
        }
        if let Some(lookup) = sources(error).find_map(|source| source.downcast_ref::<LookupError>()) {
            return UpstreamError::Lookup { authority, reason: lookup.to_string() };
        }
        UpstreamError::Broken { authority, reason: deepest(error) }
    }
}

/// An error and what caused it, down to the first.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// What the system calls it, if it was the system's.
fn kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    sources(error).find_map(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind)
}

fn deepest(error: &(dyn Error + 'static)) -> String {
    sources(error).last().map_or_else(String::new, ToString::to_string)
}

/// The system's resolver, its failures told apart from those of connecting.
#[derive(Clone)]
struct Resolver(GaiResolver);

#[derive(Debug, Error)]
#[error("{0}")]
struct LookupError(io::Error);

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
