//! The pooled HTTP/1.1 client of one worker, for `http` and `https` targets.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::Authority;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;
use tower::Service;

use super::UpstreamError;
use crate::config;
use crate::exchange::Body;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(90);
/// TCP probes on idle connections.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Idle connections kept per target where the operator sets no number.
const IDLE_PER_HOST: usize = 512;

/// Keeps connections to upstreams and sends requests over them.
pub struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Body>,
    timeout: Duration,
}

/// Why the client got no response head.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Not within the limit.
    #[error("no response head in time")]
    Timeout,
    /// It could not be had at all.
    #[error(transparent)]
    Failed(#[from] legacy::Error),
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

impl Client {
    /// A client without connections; `tls` is shared by all workers.
    pub fn new(config: &config::Upstream, canonical_headers: bool, tls: rustls::ClientConfig) -> Self {
        let mut http = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEP_ALIVE));
        http.set_connect_timeout(Some(config.timeout));
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
        let idle = if config.close_connections { 0 } else { config.max_idle_per_host.unwrap_or(IDLE_PER_HOST) };
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle)
            .http1_title_case_headers(canonical_headers)
            .set_host(false)
            .build(https);
        Self { inner, timeout: config.timeout }
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, ClientError> {
        match tokio::time::timeout(self.timeout, self.inner.request(request)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(ClientError::Timeout),
        }
    }
}

impl ClientError {
    /// Whether a kept connection ended before a byte of the answer came.
    pub(super) fn swallowed(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        sources(error).any(|source| {
            source.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
                || source
                    .downcast_ref::<io::Error>()
                    .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
        })
    }

    /// The same as a fact about an upstream.
    pub(super) fn about(self, authority: &Authority) -> UpstreamError {
        let authority = authority.clone();
        let error = match self {
            Self::Timeout => return UpstreamError::Timeout(authority),
            Self::Failed(error) => error,
        };
        if sources(&error).any(|s| s.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut)) {
            return UpstreamError::Timeout(authority);
        }
        if let Some(lookup) = sources(&error).find_map(|source| source.downcast_ref::<LookupError>()) {
            return UpstreamError::Lookup { authority, reason: lookup.to_string() };
        }
        if sources(&error).any(|s| s.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user)) {
            return UpstreamError::Body(deepest(&error));
        }
        UpstreamError::Broken { authority, reason: deepest(&error) }
    }
}

fn sources(error: &legacy::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |source: &&(dyn std::error::Error + 'static)| (*source).source())
}

fn deepest(error: &legacy::Error) -> String {
    sources(error).last().map_or_else(|| error.to_string(), ToString::to_string)
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
