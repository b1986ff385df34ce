//! The order of things: what happens to a request of an API, step by step.

mod compile;
mod headers;
mod limiter;
mod limits;
mod organisation;
mod report;

use std::sync::Arc;

use http::header::TRAILER;
use http::{HeaderValue, Method, StatusCode};

pub use compile::{CompileError, Shared, compile, lifetimes};
pub use headers::HeaderChange;
pub use limiter::Limiter;
pub use limits::{ApiLimit, Limits};
pub use organisation::Organisation;

use self::report::Reports;

use crate::auth::session_cache::Counts;
use crate::auth::{Auth, Strip};
use crate::config::RateHeaders;
use crate::definition::Refusal;
use crate::error::{Failure, Stop};
use crate::exchange::{Exchange, ReadError, Reply, standing};
use crate::hook::Hook;
use crate::session::Session;
use crate::sockets::Sockets;
use crate::upstream::{Upstream, UpstreamError, strip_hop_by_hop};

/// Where, below the listen path, a caller is told its limits.
const OWN_LIMITS: &str = "/tyk/rate-limits/";
const ZERO: HeaderValue = HeaderValue::from_static("0");

/// One step before the upstream.
enum Step {
    /// A Pre, PostKeyAuth or Post hook.
    Hook(Hook),
    /// The limits of the API's organisation.
    Organisation(Box<Organisation>),
    /// The methods of auth.
    Auth(Box<Auth>),
    /// Remembers the request for variables; with `forms` the form in its body too.
    Remember { forms: bool },
    /// Takes credentials out of the request.
    Strip(Strip),
    /// Headers that every request gets or loses.
    Headers(HeaderChange),
    /// Where the quota stands, for PostKeyAuth hooks.
    NoteQuota(Arc<Limits>),
    /// Expiry, access rights, allowed URLs, rate and quota of the session.
    Limits(Arc<Limits>),
    /// The rate of all callers together.
    ApiLimit(Box<ApiLimit>),
}

/// The steps that an API's definition asks for, compiled when it was loaded.
pub struct Chain {
    api_id: Arc<str>,
    request: Vec<Step>,
    upstream: Upstream,
    /// Headers that every reply gets or loses, one change after the other.
    reply_headers: Vec<HeaderChange>,
    response: Vec<Hook>,
    headers: RateHeaders,
    /// Who hears of what stops requests.
    reports: Option<Box<Reports>>,
    left_out: Vec<Refusal>,
}

impl Chain {
    /// The event handlers that hear nothing, and why.
    pub fn left_out(&self) -> &[Refusal] {
        &self.left_out
    }

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

    /// Forgets the keys that others published for JWTs.
    pub fn forget_key_sets(&self) {
        if let Some(auth) = self.auth() {
            auth.forget_key_sets();
        }
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
            Step::Organisation(_)
            | Step::Remember { .. }
            | Step::Strip(_)
            | Step::NoteQuota(_)
            | Step::Limits(_)
            | Step::ApiLimit(_)
            | Step::Headers(_) => None,
        });
        before.chain(&self.response)
    }

    /// Takes `exchange` through the chain, unless a step answers in the upstream's place.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<Reply, Stop> {
        if let Some(limits) = self.asked_for_limits(exchange) {
            return self.tell_limits(limits, exchange, sockets).await;
        }
        for step in &self.request {
            step.run(exchange, sockets).await?;
        }
        if !self.response.is_empty() {
            // Response hooks get the request's body again.
            exchange.body.read(None).await.map_err(unreadable)?;
        }
        let mut reply = self.upstream.forward(exchange, &sockets.upstream).await.map_err(Failure::Upstream)?;
        if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(reply);
        }
        for change in &self.reply_headers {
            change.run_on_reply(exchange, &mut reply);
        }
        for hook in &self.response {
            hook.run_on_reply(exchange, &mut reply, sockets).await?;
        }
        self.finish(&mut reply, exchange);
        Ok(reply)
    }

    /// The limits that a caller asks to be told; nobody is, where everybody may call.
    fn asked_for_limits(&self, exchange: &Exchange) -> Option<&Limits> {
        let head = &exchange.head;
        if head.method != Method::GET || !head.target.path().ends_with(OWN_LIMITS) {
            return None;
        }
        let limits = self.request.iter().find_map(|step| match step {
            Step::Limits(limits) => Some(&**limits),
            _ => None,
        })?;
        (limits.listen_path.strip(&head.target) == OWN_LIMITS).then_some(limits)
    }

    /// Tells a caller its limits: whoever may call is told, and nothing is counted but for the organisation.
    async fn tell_limits(
        &self,
        limits: &Limits,
        exchange: &mut Exchange,
        sockets: &Arc<Sockets>,
    ) -> Result<Reply, Stop> {
        for step in &self.request {
            match step {
                Step::Organisation(_) | Step::Remember { .. } | Step::Auth(_) => step.run(exchange, sockets).await?,
                Step::Hook(_)
                | Step::Strip(_)
                | Step::NoteQuota(_)
                | Step::Limits(_)
                | Step::ApiLimit(_)
                | Step::Headers(_) => {}
            }
        }
        Ok(limits.tell(exchange, &sockets.store).await?)
    }

    /// What the proxy owes the client on every reply: no hop-by-hop headers, and the quota's figures,
    /// which are zeros for callers without a session. The rate's figures stand in their place, if
    /// they are wanted, on replies that are not proxied, too.
    fn finish(&self, reply: &mut Reply, exchange: &Exchange) {
        let trailer = reply.headers().get(TRAILER).filter(|_| reply.body().bytes().is_none()).cloned();
        let headers = reply.headers_mut();
        strip_hop_by_hop(headers);
        if let Some(trailer) = trailer {
            headers.insert(TRAILER, trailer);
        }
        if self.headers == RateHeaders::Rates {
            return standing::remove(headers);
        }
        let quota = |session: &Arc<Session>| session.quota(&self.api_id, exchange.standing.quota);
        standing::write(
            headers,
            exchange.session.as_ref().map_or([ZERO; 3], |session| quota(session).map(HeaderValue::from)),
        );
    }
}

fn unreadable(error: ReadError) -> Failure {
    Failure::Upstream(UpstreamError::Body(error.to_string()))
}

impl Step {
    async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<(), Stop> {
        match self {
            Self::Hook(hook) => hook.run(exchange, sockets).await.map(drop),
            Self::Auth(auth) => auth.run(exchange, sockets).await,
            Self::Remember { forms } => Ok(exchange.remember(*forms).await.map_err(unreadable)?),
            Self::Strip(strip) => {
                strip.run(&mut exchange.head);
                Ok(())
            }
            Self::Headers(headers) => {
                headers.run_on_request(exchange);
                Ok(())
            }
            Self::Organisation(organisation) => Ok(organisation.check(&sockets.store).await?),
            Self::NoteQuota(limits) => {
                limits.note_quota(exchange, &sockets.store).await;
                Ok(())
            }
            Self::Limits(limits) => Ok(limits.check(exchange, &sockets.store).await?),
            Self::ApiLimit(limit) => Ok(limit.check(exchange, &sockets.store).await?),
        }
    }
}
