//! Sends a request to the API's target and brings the reply.

mod client;
mod fetch;
mod headers;
mod path;
mod pool;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use thiserror::Error;

pub use client::{Client, ClientError, TlsError, tls};
pub use fetch::FetchError;
pub use headers::{is_hop_by_hop, strip_hop_by_hop};
pub use pool::Lease;

use crate::definition::Proxy;
use crate::exchange::{Body, Exchange, Reply, Target};
use crate::pattern::ListenPath;
use headers::Outgoing;
use pool::Origin;

/// Where an API's requests go.
#[derive(Debug)]
pub struct Upstream {
    to: Origin,
    host: HeaderValue,
    target: Target,
    listen_path: Option<ListenPath>,
    keep_slash: bool,
    preserve_host: bool,
}

/// Why there is no reply.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// A hook or header change wrote a method, header or target that HTTP cannot carry.
    #[error("a plugin or a header change made a request that cannot be sent: {0}")]
    Unsendable(String),
    /// No answer in time.
    #[error("{0} sent no response head within proxy_default_timeout")]
    Timeout(Authority),
    /// No answer within the time that the API gives.
    #[error("the upstream did not answer within the {0:?} that the API gives it")]
    HardTimeout(Duration),
    /// The host has no address.
    #[error("the host of {authority} cannot be looked up: {reason}")]
    Lookup {
        /// The target's host and port.
        authority: Authority,
        /// What the resolver said.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("{authority} did not answer: {reason}")]
    Broken {
        /// The target's host and port.
        authority: Authority,
        /// What happened.
        reason: String,
    },
    /// The client's body broke off.
    #[error("the client's body could not be read: {0}")]
    Body(String),
}

impl Upstream {
    /// Reads the `proxy` part of a definition; the reason if its target cannot be used.
    pub fn compile(proxy: &Proxy, listen_path: &ListenPath) -> Result<Self, String> {
        let target = Target::parse(&proxy.target_url).map_err(|error| error.to_string())?;
        let (scheme, authority) = target.origin().ok_or("it has no scheme and host, as in http://host/path")?;
        let scheme = match scheme {
            "http" | "ws" => Scheme::HTTP,
            "https" | "wss" => Scheme::HTTPS,
            other => return Err(format!("scheme {other} is not supported; use http or https")),
        };
        let authority = Authority::try_from(authority).map_err(|error| format!("host {authority:?}: {error}"))?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
        let listen_path = proxy.strip_listen_path.then(|| listen_path.clone());
        let (keep_slash, preserve_host) = (proxy.disable_strip_slash, proxy.preserve_host_header);
        let to = Origin::new(scheme, authority);
        Ok(Self { to, host, target, listen_path, keep_slash, preserve_host })
    }

    /// Sends the exchange upstream. Leaves in it the target and headers that a response hook sees.
    pub async fn forward(&self, exchange: &mut Exchange, client: &Client) -> Result<Reply, UpstreamError> {
        if !exchange.head.unsendable.is_empty() {
            return Err(UpstreamError::Unsendable(exchange.head.unsendable.describe()));
        }
        let uri = self.retarget(exchange)?;
        strip_hop_by_hop(&mut exchange.head.headers);
        let body = exchange.body.take();
        let started = Instant::now();
        let answer = self.send(exchange, client, uri, body).await;
        exchange.notes.upstream = Some(started.elapsed());
        let (response, lease, asked_gzip) = answer?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(exchange, response);
        }
        Ok(headers::incoming(response, lease, asked_gzip))
    }

    /// A request without a body that a kept connection swallowed is sent once more, as nothing was lost.
    async fn send(
        &self,
        exchange: &Exchange,
        client: &Client,
        uri: Uri,
        body: Body,
    ) -> Result<(Response<Incoming>, Lease, bool), UpstreamError> {
        let head = &exchange.head;
        let repeatable = head.method.is_safe() && http_body::Body::is_end_stream(&body);
        let (request, asked_gzip) = self.request(exchange, uri, body);
        let again = repeatable.then(|| request.uri().clone());
        let reply = match (client.send(&self.to, request).await, again) {
            (Err(error), Some(uri)) if error.swallowed() => {
                client.send(&self.to, self.request(exchange, uri, Body::empty()).0).await
            }
            (first, _) => first,
        };
        let (response, lease) = reply.map_err(|error| error.about(&self.to.authority))?;
        Ok((response, lease, asked_gzip))
    }

    /// The upstream goes on in another protocol; its connection is the exchange's own from now on.
    fn switch(&self, exchange: &mut Exchange, mut response: Response<Incoming>) -> Result<Reply, UpstreamError> {
        let upstream = hyper::upgrade::on(&mut response);
        let Some(upgrade) = exchange.upgrade.take() else {
            let reason = "it goes on in another protocol, and nobody wished for that".to_owned();
            return Err(UpstreamError::Broken { authority: self.to.authority.clone(), reason });
        };
        upgrade.join(upstream);
        Ok(response.map(|_| Body::empty()))
    }

    fn request(&self, exchange: &Exchange, uri: Uri, body: Body) -> (Request<Body>, bool) {
        let head = &exchange.head;
        let host = head.host.as_ref().filter(|_| self.preserve_host).unwrap_or(&self.host);
        let outgoing = Outgoing::new(head, host, &exchange.client.peer, &body);
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = outgoing.headers;
        if let Some(upgrade) = &exchange.upgrade {
            upgrade.write(request.headers_mut());
        }
        (request, outgoing.asks_gzip)
    }

    /// Points the exchange's target at the upstream.
    fn retarget(&self, exchange: &mut Exchange) -> Result<Uri, UpstreamError> {
        let target = &exchange.head.target;
        let path = match &self.listen_path {
            Some(listen_path) => listen_path.strip(target),
            None => Cow::Borrowed(target.path()),
        };
        let path = path::join(self.target.path(), &path, self.keep_slash);
        let query = path::queries(self.target.query(), target.query());
        let target = Target::upstream(&self.to.text, &path, query.as_deref());
        let unsendable = |error: http::Error| UpstreamError::Unsendable(format!("{}: {error}", target.as_str()));
        let resource = target.resource();
        let uri = PathAndQuery::try_from(&*resource).map_err(|error| unsendable(error.into()))?.into();
        exchange.head.target = target;
        Ok(uri)
    }
}
