//! What happens to requests of one version of an API, step by step.

use std::sync::Arc;

use http::header::{HeaderName, TRAILER};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::addresses::Addresses;
use super::breaker::Breaker;
use super::cache::{Cache, Found, Slot};
use super::cors::Cors;
use super::endpoints::Endpoints;
use super::error_overrides::ErrorOverrides;
use super::rewrite::{MethodChange, Rewrite};
use super::schema::{self, Schema};
use super::size::SizeLimits;
use super::timeouts::Timeouts;
use super::version_check::VersionCheck;
use super::{ApiLimit, End, HeaderChange, Limits, Organisation, redirect, rewrite};
use crate::auth::{Auth, Strip};
use crate::certificate::Welcome;
use crate::config::RateHeaders;
use crate::error::{Failure, Stop};
use crate::exchange::{Exchange, Memory, Reply, standing, strip_hop_by_hop, tell_of_break};
use crate::hook::Hook;
use crate::session::{Realm, Session};
use crate::sockets::Sockets;
use crate::upstream::{Upstream, UpstreamError};

/// Where, below the listen path, a caller is told its limits.
const OWN_LIMITS: &str = "/tyk/rate-limits/";
const EXPIRES: HeaderName = HeaderName::from_static("x-tyk-api-expires");
const ZERO: HeaderValue = HeaderValue::from_static("0");

/// One step before the upstream.
pub(super) enum Step {
    /// What web pages of other origins may do.
    Cors(Box<Cors>),
    /// A Pre or PostKeyAuth hook.
    Hook(Hook),
    /// Lists of client addresses.
    Addresses(Box<Addresses>),
    /// Whose certificates are welcome.
    Certificates(Arc<Welcome>),
    /// The limits of the API's organisation.
    Organisation(Arc<Organisation>),
    /// How long bodies may be.
    Sizes(Box<SizeLimits>),
    /// Remembers the request for variables.
    Remember(Memory),
    /// The methods of auth.
    Auth(Arc<Auth>),
    /// Takes credentials out of the request.
    Strip(Strip),
    /// Where the quota stands, for PostKeyAuth hooks.
    NoteQuota(Arc<Limits>),
    /// Expiry, access rights, allowed URLs, rate and quota of the session.
    Limits(Arc<Limits>),
    /// The rates of all callers together.
    ApiLimit(Box<ApiLimit>),
    /// What bodies on some paths must be.
    Schema(Box<Endpoints<Schema>>),
    /// Headers that every request gets or loses.
    Headers(HeaderChange),
    /// Headers that requests for some paths get or lose.
    PathHeaders(Box<Endpoints<HeaderChange>>),
    /// Other targets for some paths.
    Rewrite(Box<Endpoints<Rewrite>>),
    /// Other methods for some paths.
    Method(Box<Endpoints<MethodChange>>),
}

/// The steps that a version asks for.
pub(super) struct Plan {
    pub(super) realm: Realm,
    /// What it lets through at all.
    pub(super) version_check: Option<Box<VersionCheck>>,
    pub(super) request: Vec<Step>,
    /// Replies to requests that were made before.
    pub(super) cache: Option<Box<Cache>>,
    /// What comes last before the upstream.
    pub(super) post: Vec<Hook>,
    pub(super) upstream: Upstream,
    /// How long the upstream may take.
    pub(super) timeouts: Option<Box<Timeouts>>,
    /// When the upstream is spared calls.
    pub(super) breakers: Option<Box<Endpoints<Arc<Breaker>>>>,
    pub(super) replies: Replies,
    pub(super) response: Vec<Hook>,
    /// What stands in the place of errors.
    pub(super) error_overrides: Option<Box<ErrorOverrides>>,
    pub(super) headers: RateHeaders,
}

/// What replies go through before response hooks see them.
#[derive(Default)]
pub(super) struct Replies {
    /// Headers that replies for some paths get or lose.
    pub(super) path_headers: Option<Endpoints<HeaderChange>>,
    /// Headers that every reply gets or loses after that, one change after the other.
    pub(super) headers: Vec<HeaderChange>,
    /// When the version ends.
    pub(super) expires: Option<HeaderValue>,
    /// Names the version to clients that named none.
    pub(super) version: Option<(HeaderName, HeaderValue)>,
}

impl Plan {
    pub(super) fn auth(&self) -> Option<&Arc<Auth>> {
        self.request.iter().find_map(|step| match step {
            Step::Auth(auth) => Some(auth),
            _ => None,
        })
    }

    pub(super) fn hooks(&self) -> impl Iterator<Item = &Hook> {
        let before = self.request.iter().filter_map(|step| match step {
            Step::Hook(hook) => Some(hook),
            Step::Auth(auth) => auth.hook(),
            _ => None,
        });
        before.chain(&self.post).chain(&self.response)
    }

    /// Takes `exchange` through the chain, unless a step answers in the upstream's place.
    pub(super) async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<End, Stop> {
        let mock = self.version_check.as_ref().map_or(Ok(None), |version| version.check(exchange))?;
        if let Some(mut reply) = mock {
            self.finish(&mut reply, exchange);
            return Ok(End::Reply(reply));
        }
        if let Some(limits) = self.asked_for_limits(exchange) {
            return self.tell_limits(limits, exchange, sockets).await.map(End::Reply);
        }
        for step in &self.request {
            step.run(exchange, sockets).await?;
        }
        let slot = match self.look_up(exchange, sockets).await? {
            Found::Reply(mut reply) => {
                self.finish(&mut reply, exchange);
                return Ok(End::Reply(reply));
            }
            Found::Nothing(slot) => Some(slot),
            Found::Aside => None,
        };
        for hook in &self.post {
            hook.run(exchange, sockets).await?;
        }
        self.forward(exchange, sockets, slot).await
    }

    async fn look_up(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Found<'_>, Failure> {
        match &self.cache {
            None => Ok(Found::Aside),
            // Rare and large: it must not make every request's future large.
            Some(cache) => Box::pin(cache.look_up(exchange, &sockets.store)).await,
        }
    }

    /// Sends the request where it is to go, and takes the reply through the rest of the chain.
    pub(super) async fn forward(
        &self,
        exchange: &mut Exchange,
        sockets: &Arc<Sockets>,
        slot: Option<Slot<'_>>,
    ) -> Result<End, Stop> {
        exchange.settle();
        if let Some(elsewhere) = redirect::follow(exchange)? {
            return Ok(End::Elsewhere(elsewhere));
        }
        if !self.response.is_empty() {
            // Response hooks get the request's body again.
            exchange.body.read(None).await.map_err(Failure::from)?;
        }
        let path_headers = self.replies.path_headers.as_ref().and_then(|rules| rules.find(exchange));
        let mut reply = self.call(exchange, sockets).await?;
        if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(End::Reply(reply));
        }
        for change in path_headers.into_iter().chain(&self.replies.headers) {
            change.run_on_reply(exchange, &mut reply);
        }
        for hook in &self.response {
            hook.run_on_reply(exchange, &mut reply, sockets).await?;
        }
        if let Some(overrides) = &self.error_overrides {
            overrides.run(&mut reply, &exchange.head).await;
        }
        if let Some(slot) = slot {
            slot.keep(&mut reply, &exchange.head, &sockets.store);
        }
        self.finish(&mut reply, exchange);
        Ok(End::Reply(reply))
    }

    /// Sends the request, unless a breaker keeps it from the upstream.
    async fn call(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Reply, Failure> {
        let breaker = self.breakers.as_ref().and_then(|breakers| breakers.find(exchange));
        let call = breaker.map(Breaker::admit).transpose()?;
        let outcome = self.send(exchange, sockets).await;
        if let Some(call) = call {
            call.end(&outcome, exchange);
        }
        Ok(outcome?)
    }

    async fn send(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Reply, UpstreamError> {
        let limit = self.timeouts.as_ref().and_then(|timeouts| timeouts.of(exchange));
        let answer = self.upstream.forward(exchange, &sockets.upstream);
        let Some(limit) = limit else { return answer.await };
        let deadline = Instant::now() + limit;
        let answer = timeout_at(deadline, answer).await.unwrap_or(Err(UpstreamError::HardTimeout(limit)));
        Ok(answer?.map(|body| body.until(deadline)))
    }

    /// The limits that a caller asks to be told; nobody is, where everybody may call.
    fn asked_for_limits(&self, exchange: &Exchange) -> Option<&Limits> {
        let head = &exchange.head;
        if !head.target.path().ends_with(OWN_LIMITS) {
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
            if let Step::Addresses(_)
            | Step::Certificates(_)
            | Step::Organisation(_)
            | Step::Remember(_)
            | Step::Auth(_) = step
            {
                step.run(exchange, sockets).await?;
            }
        }
        Ok(limits.tell(exchange, &sockets.store).await?)
    }

    /// What the proxy owes the client on every reply: no hop-by-hop headers, and the quota's figures,
    /// which are zeros for callers without a session. The rate's figures stand in their place, if
    /// they are wanted, on replies that are not proxied, too.
    fn finish(&self, reply: &mut Reply, exchange: &Exchange) {
        tell_of_break(reply);
        let told = |_: &&HeaderValue| reply.body().bytes().is_none() && exchange.head.takes_trailers();
        let trailer = reply.headers().get(TRAILER).filter(told).cloned();
        let headers = reply.headers_mut();
        strip_hop_by_hop(headers);
        if let Some(trailer) = trailer {
            headers.insert(TRAILER, trailer);
        }
        self.replies.tell_version(headers, exchange.passage.version_implied);
        if self.headers == RateHeaders::Rates {
            return standing::remove(headers);
        }
        let quota = |session: &Arc<Session>| session.quota(&self.realm, exchange.standing.quota);
        standing::write(
            headers,
            exchange.session.as_ref().map_or([ZERO; 3], |session| quota(session).map(HeaderValue::from)),
        );
    }
}

impl Replies {
    /// All changes of headers.
    pub(super) fn changes(&self) -> impl Iterator<Item = &HeaderChange> {
        self.headers.iter().chain(self.path_headers.iter().flat_map(Endpoints::values))
    }

    fn tell_version(&self, headers: &mut HeaderMap, implied: bool) {
        if let Some(expires) = &self.expires {
            headers.insert(EXPIRES, expires.clone());
        }
        if let Some((name, version)) = self.version.as_ref().filter(|_| implied) {
            headers.insert(name, version.clone());
        }
    }
}

impl Step {
    async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<(), Stop> {
        match self {
            Self::Cors(cors) => cors.run(exchange).map_or(Ok(()), |answer| Err(Stop::Answer(Box::new(answer)))),
            Self::Hook(hook) => hook.run(exchange, sockets).await.map(drop),
            Self::Addresses(addresses) => Ok(addresses.check(exchange)?),
            Self::Sizes(sizes) => Ok(sizes.check(exchange)?),
            Self::Auth(auth) => {
                // The caller of a request that came back is known.
                let known = exchange.passage.returned && exchange.session.is_some();
                let open = known || exchange.passage.ignored;
                if open { Ok(auth.callable()?) } else { auth.run(exchange, sockets).await }
            }
            Self::Remember(memory) => Ok(exchange.remember(*memory).await.map_err(Failure::from)?),
            Self::Strip(strip) => {
                strip.run(&mut exchange.head);
                Ok(())
            }
            Self::Headers(headers) => {
                headers.run_on_request(exchange);
                Ok(())
            }
            Self::Certificates(welcome) => {
                Ok(welcome.admit(exchange.client.certificate.as_deref()).map_err(Failure::Unwelcome)?)
            }
            Self::Organisation(organisation) => Ok(organisation.check(&sockets.store).await?),
            Self::PathHeaders(rules) => {
                if let Some(headers) = rules.find(exchange) {
                    headers.run_on_request(exchange);
                }
                Ok(())
            }
            Self::Rewrite(rules) => Ok(rewrite::run(rules, exchange).await?),
            Self::Method(rules) => Ok(rewrite::change_method(rules, exchange)?),
            Self::NoteQuota(_) | Self::Limits(_) if exchange.passage.ignored => Ok(()),
            Self::NoteQuota(limits) => {
                limits.note_quota(exchange, &sockets.store).await;
                Ok(())
            }
            Self::Limits(limits) => Ok(limits.check(exchange, &sockets.store).await?),
            Self::ApiLimit(_) if exchange.passage.returned => Ok(()),
            Self::ApiLimit(limit) => Ok(limit.check(exchange, &sockets.store).await?),
            Self::Schema(rules) => Ok(schema::check(rules, exchange).await?),
        }
    }
}
