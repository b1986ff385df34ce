//! Sends a request to the API's target and brings the reply.

mod balance;
mod check;
mod client;
mod connect;
mod elsewhere;
mod fault;
mod fetch;
mod headers;
mod host;
mod origin;
mod path;
mod planner;
mod pool;
mod transport;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use http::header::{PROXY_AUTHORIZATION, TRAILER};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use hyper::body::Incoming;
use thiserror::Error;

pub use check::{Check, watch};
pub use client::{Client, ClientError};
pub use fault::Fault;
pub use fetch::FetchError;
pub use planner::{Planner, Ways};
pub use pool::Lease;
pub use transport::{TlsError, Transports, roots};

use crate::exchange::{Body, Exchange, Reply, Target, strip_hop_by_hop};
use crate::pattern::ListenPath;
use balance::{Balance, Destination};
use elsewhere::Elsewhere;
use headers::Outgoing;
use transport::ForwardProxy;

/// Where an API's requests go.
#[derive(Debug)]
pub struct Upstream {
    balance: Balance,
    /// Where rewritten requests go, if there are any.
    elsewhere: Option<Box<Elsewhere>>,
    listen_path: Option<ListenPath>,
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
        /// What kind of failure it is.
        fault: Fault,
    },
    /// The client's body broke off.
    #[error("the client's body could not be read: {0}")]
    Body(String),
}

impl Upstream {
    /// Sends the exchange upstream. Leaves in it the target and headers that a response hook sees.
    pub async fn forward(&self, exchange: &mut Exchange, client: &Client) -> Result<Reply, UpstreamError> {
        if !exchange.head.unsendable.is_empty() {
            return Err(UpstreamError::Unsendable(exchange.head.unsendable.describe()));
        }
        if let Some(elsewhere) = self.elsewhere.as_ref().filter(|_| exchange.passage.rewritten) {
            let to = elsewhere.of(&exchange.head.target)?;
            return self.forward_to(&to, exchange, client).await;
        }
        match self.balance.next() {
            Some(to) => self.forward_to(to, exchange, client).await,
            None => Ok(balance::all_down()),
        }
    }

    async fn forward_to(
        &self,
        to: &Destination,
        exchange: &mut Exchange,
        client: &Client,
    ) -> Result<Reply, UpstreamError> {
        let uri = self.retarget(exchange, to)?;
        strip_hop_by_hop(&mut exchange.head.headers);
        let body = exchange.body.take();
        let started = Instant::now();
        let answer = self.send(exchange, client, to, uri, body).await;
        exchange.notes.upstream = Some(started.elapsed());
        let (response, lease, asked_gzip) = answer?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return switch(exchange, to, response);
        }
        if let Some(coding) = headers::foreign_coding(response.headers()) {
            let reason = format!("the transfer coding {coding:?} of its answer cannot be read: only chunked can");
            return Err(misspoken(to, reason));
        }
        Ok(headers::incoming(response, lease, asked_gzip))
    }

    /// A request without a body that a kept connection swallowed is sent once more, as nothing was lost.
    async fn send(
        &self,
        exchange: &Exchange,
        client: &Client,
        to: &Destination,
        uri: Uri,
        body: Body,
    ) -> Result<(Response<Incoming>, Option<Lease>, bool), UpstreamError> {
        let head = &exchange.head;
        let repeatable = head.method.is_safe() && http_body::Body::is_end_stream(&body);
        let (request, asked_gzip) = self.request(exchange, to, uri, body);
        let origin = to.origin(exchange.upgrade.is_some());
        let again = repeatable.then(|| request.uri().clone());
        let reply = match (client.send(origin, request).await, again) {
            (Err(error), Some(uri)) if error.swallowed() => {
                client.send(origin, self.request(exchange, to, uri, Body::empty()).0).await
            }
            (first, _) => first,
        };
        let (response, lease) = reply.map_err(|error| error.about(&origin.authority))?;
        Ok((response, lease, asked_gzip))
    }

    fn request(&self, exchange: &Exchange, to: &Destination, uri: Uri, body: Body) -> (Request<Body>, bool) {
        let head = &exchange.head;
        let host = head.host.as_ref().filter(|_| self.preserve_host).unwrap_or(&to.host);
        let outgoing = Outgoing::new(head, host, &exchange.client.peer, &body);
        // Only what streams without a length has an end of its own.
        let streams = |_: &&HeaderValue| body.bytes().is_none() && body.size_hint().exact().is_none();
        let trailer = head.trailer.as_deref().filter(streams).cloned();
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = outgoing.headers;
        if let Some(trailer) = trailer {
            request.headers_mut().insert(TRAILER, trailer);
        }
        if let Some(upgrade) = exchange.upgrade.as_ref().filter(|_| to.upgrades()) {
            upgrade.write(request.headers_mut());
        }
        if let Some(credentials) = to.origin.told_proxy().and_then(ForwardProxy::authorization) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
        }
        (request, outgoing.asks_gzip)
    }

    /// Points the exchange's target at the upstream.
    fn retarget(&self, exchange: &mut Exchange, to: &Destination) -> Result<Uri, UpstreamError> {
        let target = &exchange.head.target;
        let below = match &self.listen_path {
            Some(listen_path) if !exchange.passage.rewritten => listen_path.strip(target),
            _ => Cow::Borrowed(target.path()),
        };
        let (path, base) = match exchange.passage.rewritten {
            // What a rewrite names is the whole path.
            true => (below, self.balance.first()),
            false => (path::join(to.target.path(), &below, to.keep_slash), Some(&to.target)),
        };
        let query = path::queries(base.and_then(Target::query), target.query());
        let target = Target::upstream(&to.origin.text, &path, query.as_deref());
        let unsendable = |error: http::Error| UpstreamError::Unsendable(format!("{}: {error}", target.as_str()));
        let resource = target.resource();
        let resource = PathAndQuery::try_from(&*resource).map_err(|error| unsendable(error.into()))?;
        let uri = match to.origin.told_proxy() {
            None => Uri::from(resource),
            Some(_) => to.origin.absolute(None, resource).map_err(unsendable)?,
        };
        exchange.head.target = target;
        Ok(uri)
    }
}

/// An answer against the rules of HTTP.
fn misspoken(to: &Destination, reason: String) -> UpstreamError {
    UpstreamError::Broken { authority: to.origin.authority.clone(), reason, fault: Fault::Protocol }
}

/// The upstream goes on in another protocol; its connection is the exchange's own from now on.
fn switch(exchange: &mut Exchange, to: &Destination, mut response: Response<Incoming>) -> Result<Reply, UpstreamError> {
    let upstream = hyper::upgrade::on(&mut response);
    let Some(upgrade) = exchange.upgrade.take() else {
        let reason = "it goes on in another protocol, and nobody wished for that".to_owned();
        return Err(misspoken(to, reason));
    };
    if !upgrade.agrees(response.headers()) {
        let reason = "it goes on in another protocol than the client wished for".to_owned();
        return Err(misspoken(to, reason));
    }
    upgrade.join(upstream);
    Ok(response.map(|_| Body::empty()))
}
