//! The order of things: what happens to a request of an API, step by step.

mod compile;
mod headers;
mod limits;

use std::sync::Arc;

use http::header::TRAILER;
use http::{HeaderName, HeaderValue};

pub use compile::{CompileError, Shared, compile, lifetimes};
pub use headers::HeaderChange;
pub use limits::Limits;

use crate::auth::session_cache::Counts;
use crate::auth::{Auth, Strip};
use crate::error::{Failure, Stop};
use crate::exchange::{Exchange, Reply};
use crate::hook::Hook;
use crate::sockets::Sockets;
use crate::upstream::{Upstream, UpstreamError, strip_hop_by_hop};

const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const ZERO: HeaderValue = HeaderValue::from_static("0");

/// One step before the upstream.
enum Step {
    /// A Pre, PostKeyAuth or Post hook.
    Hook(Hook),
    /// The methods of auth.
    Auth(Box<Auth>),
    /// Takes credentials out of the request.
    Strip(Strip),
    /// Headers that every request gets or loses.
    Headers(HeaderChange),
    /// Expiry, access rights, allowed URLs, rate and quota of the session.
    Limits(Box<Limits>),
}

/// The steps that an API's definition asks for, compiled when it was loaded.
pub struct Chain {
    api_id: Arc<str>,
    request: Vec<Step>,
    upstream: Upstream,
    /// Headers that every reply gets or loses.
    reply_headers: Option<HeaderChange>,
    response: Vec<Hook>,
}

impl Chain {
    /// What lets every request fail that comes to it, although the API is served.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        let flaw = self.auth().and_then(Auth::flaw);
        let uncallable = self.hooks().filter_map(|hook| {
            let reason = hook.server.as_ref().err()?;
            Some(format!("hook {:?} ({}) cannot be called: {reason}", hook.name, hook.kind))
        });
        uncallable.chain(flaw)
    }

    /// How often the session cache was of use, if the API has one.
    pub fn session_cache(&self) -> Option<&Counts> {
        self.auth()?.session_cache()
    }

    fn auth(&self) -> Option<&Auth> {
        self.request.iter().find_map(|step| match step {
            Step::Auth(auth) => Some(&**auth),
            _ => None,
        })
    }

    fn hooks(&self) -> impl Iterator<Item = &Hook> {
        let before = self.request.iter().filter_map(|step| match step {
            Step::Hook(hook) => Some(hook),
            Step::Auth(auth) => auth.hook(),
            Step::Strip(_) | Step::Headers(_) | Step::Limits(_) => None,
        });
        before.chain(&self.response)
    }

    /// Takes `exchange` through the chain, unless a step answers in the upstream's place.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<Reply, Stop> {
        for step in &self.request {
            step.run(exchange, sockets).await?;
        }
        if !self.response.is_empty() {
            // Response hooks get the request's body again.
            exchange
                .body
                .read(None)
                .await
                .map_err(|error| Failure::Upstream(UpstreamError::Body(error.to_string())))?;
        }
        let mut reply = self.upstream.forward(exchange, &sockets.upstream).await.map_err(Failure::Upstream)?;
        if let Some(headers) = &self.reply_headers {
            headers.run_on_reply(exchange, &mut reply);
        }
        for hook in &self.response {
            hook.run_on_reply(exchange, &mut reply, sockets).await?;
        }
        finish(&mut reply, exchange, &self.api_id);
        Ok(reply)
    }
}

impl Step {
    async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<(), Stop> {
        match self {
            Self::Hook(hook) => hook.run(exchange, sockets).await.map(drop),
            Self::Auth(auth) => auth.run(exchange, sockets).await,
            Self::Strip(strip) => {
                strip.run(&mut exchange.head);
                Ok(())
            }
            Self::Headers(headers) => {
                headers.run_on_request(exchange);
                Ok(())
            }
            Self::Limits(limits) => Ok(limits.check(exchange, &sockets.store).await?),
        }
    }
}

/// What the proxy owes the client on every reply: no hop-by-hop headers, and the quota's figures,
/// which are zeros for callers without a session.
fn finish(reply: &mut Reply, exchange: &Exchange, api_id: &str) {
    let trailer = reply.headers().get(TRAILER).filter(|_| reply.body().bytes().is_none()).cloned();
    let headers = reply.headers_mut();
    strip_hop_by_hop(headers);
    if let Some(trailer) = trailer {
        headers.insert(TRAILER, trailer);
    }
    let [limit, remaining, reset] =
        exchange.session.as_ref().map_or([ZERO; 3], |session| session.quota(api_id).map(HeaderValue::from));
    headers.insert(RATE_LIMIT, limit);
    headers.insert(RATE_REMAINING, remaining);
    headers.insert(RATE_RESET, reset);
}
