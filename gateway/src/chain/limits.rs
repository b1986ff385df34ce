//! What a session may do, checked after PostKeyAuth hooks.

use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::Monitor;
use super::endpoints::Endpoints;
use super::limiter::{Charge, Counted, Limiter};
use super::report::Reports;
use crate::clock;
use crate::error::Failure;
use crate::exchange::{Body, Exchange, RateFigures, Reply, Scope, Template};
use crate::json;
use crate::pattern::ListenPath;
use crate::session::access::{check_expiry, check_rights};
use crate::session::windows::Verdict;
use crate::session::{Denied, Grant, Left, Quota, Rate, Realm, Session};
use crate::store::{self, Store};

/// The checks of one API.
pub struct Limits {
    /// The API, as access rights name it.
    pub realm: Realm,
    /// The version, as access rights name it, of an API that has versions.
    pub version: Option<Box<str>>,
    /// Its listen path: rates of single paths are given below it.
    pub listen_path: ListenPath,
    /// Counts requests.
    pub limiter: Arc<Limiter>,
    /// Whether rates count here.
    pub rate: bool,
    /// Whether quotas count here.
    pub quota: bool,
    /// Whether names of counters may have variables of the request in them.
    pub context: bool,
    /// Who is told how much of a quota is used.
    pub monitor: Option<Monitor>,
    /// Who hears of limits that change.
    pub(super) reports: Option<Arc<Reports>>,
}

impl Limits {
    /// Lets the session pass, or says why not.
    pub async fn check(&self, exchange: &mut Exchange, store: &Store) -> Result<(), Failure> {
        let session = self.admitted(exchange)?;
        let named = self.named(&session, exchange);
        let grant = named.as_ref().unwrap_or_else(|| session.grant(&self.realm));
        let (head, method) = (&exchange.head, exchange.head.method_text());
        // A request that came back has been counted.
        let counts = !exchange.passage.returned;
        grant.check_url(method, &head.target, &self.listen_path)?;
        let rate = grant.rate(method, || self.listen_path.below(&head.target)).filter(|_| self.rate && counts);
        let quota = grant.quota.as_ref().filter(|_| self.quota && counts);
        let counted = self.limiter.count(Charge { rate, throttle: grant.throttle, quota }, store).await;
        let counted = counted.map_err(|uncounted| uncounted.refuse(Denied::Rate, Denied::Quota))?;
        exchange.standing.waited = counted.waited;
        if let (Some(reports), Some(shift)) = (&self.reports, counted.shift) {
            reports.tell_of_shift(shift, &session, exchange);
        }
        note_rate(exchange, &counted);
        check_rate(&counted, Denied::Rate)?;
        if let Some(quota) = quota {
            exchange.standing.quota = counted.quota.map(|counted| left(quota, counted));
            if let (Some(monitor), Some(counted)) = (&self.monitor, counted.quota) {
                monitor.watch(&session, quota, counted);
            }
            check_quota(quota, &counted, Denied::Quota)?;
        }
        Ok(())
    }

    /// Notes where the session's own quota stands, for hooks that come before it is counted.
    pub async fn note_quota(&self, exchange: &mut Exchange, store: &Store) {
        if let Some(session) = &exchange.session {
            exchange.standing.quota = self.stands(session, exchange, store).await;
        }
    }

    /// Where the session's own quota stands, if it counts and the store knows.
    async fn stands(&self, session: &Session, exchange: &Exchange, store: &Store) -> Option<Left> {
        let named = self.named(session, exchange);
        let grant = named.as_ref().unwrap_or_else(|| session.grant(&self.realm));
        let quota = grant.quota.as_ref().filter(|quota| quota.own && self.quota)?;
        let stands = store.quotas(&[&quota.name]).await.ok()?;
        Some(left(quota, (*stands.first()?)?))
    }

    /// Tells the caller where it stands, without counting.
    pub async fn tell(&self, exchange: &Exchange, store: &Store) -> Result<Reply, Failure> {
        let session = self.admitted(exchange)?;
        let (state, left) = (&session.state, self.stands(&session, exchange, store).await);
        let (remaining, renews) =
            left.map_or((state.quota_remaining, state.quota_renews), |left| (left.remaining, left.renews));
        let [requests, per_unit] = [state.rate, state.per].map(|figure| json::compact(&figure.into()));
        let quota =
            format!(r#"{{"quota_max":{},"quota_remaining":{remaining},"quota_renews":{renews}}}"#, state.quota_max);
        let rate = format!(r#"{{"requests":{requests},"per_unit":{per_unit}}}"#);
        let mut reply = Reply::new(Body::whole(format!("{{\"quota\":{quota},\"rate_limit\":{rate}}}\n")));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(reply)
    }

    /// What a session grants that names its counters itself. A name that cannot be made out, or is
    /// empty, does not count.
    fn named(&self, session: &Session, exchange: &Exchange) -> Option<Grant> {
        let template = Template::parse(session.pattern()?, Scope { context: self.context, secrets: None }).ok()?;
        let name = template.expand(exchange);
        (!name.is_empty()).then(|| Grant::compile(&session.state, &name, &self.realm))
    }

    /// The session, if it opens this API.
    fn admitted(&self, exchange: &Exchange) -> Result<Arc<Session>, Failure> {
        let session = exchange.session.clone().ok_or(Failure::SessionMissing)?;
        check_expiry(&session.state, clock::unix_seconds())?;
        check_rights(&session.state, &self.realm.api_id, self.version.as_deref())?;
        Ok(session)
    }
}

/// The limits on all callers of an API together.
pub struct ApiLimit {
    /// At most so many, on paths without a rate of their own.
    pub rate: Option<Rate>,
    /// Rates of single paths.
    pub(super) paths: Option<Endpoints<Rate>>,
    /// Counts requests.
    pub limiter: Arc<Limiter>,
}

impl ApiLimit {
    /// Lets the request pass, or says why not.
    pub async fn check(&self, exchange: &mut Exchange, store: &Store) -> Result<(), Failure> {
        let own = self.paths.as_ref().and_then(|paths| paths.find(exchange));
        let rate = own.or(self.rate.as_ref());
        let counted = self.limiter.count(Charge { rate, throttle: None, quota: None }, store).await;
        let counted = counted.map_err(|uncounted| uncounted.refuse(Denied::ApiRate, Denied::ApiRate))?;
        note_rate(exchange, &counted);
        check_rate(&counted, Denied::ApiRate)
    }
}

pub(super) fn check_rate(counted: &Counted, denied: Denied) -> Result<(), Failure> {
    let admitted = counted.rate.is_none_or(|verdict| verdict.admitted);
    admitted.then_some(()).ok_or(denied.into())
}

/// What is not counted is not let in.
pub(super) fn check_quota(quota: &Quota, counted: &Counted, denied: Denied) -> Result<(), Failure> {
    let fits = counted.quota.is_some_and(|counted| counted.used <= quota.max);
    fits.then_some(()).ok_or(denied.into())
}

fn left(quota: &Quota, store::Quota { used, renews }: store::Quota) -> Left {
    Left { limit: quota.max, remaining: quota.max.saturating_sub(used).max(0), renews, own: quota.own }
}

/// The first limiter that counted the request is the one that is told of.
fn note_rate(exchange: &mut Exchange, counted: &Counted) {
    let figures = |Verdict { limit, remaining, frees, .. }: Verdict| RateFigures { limit, remaining, frees };
    exchange.standing.rate = exchange.standing.rate.or(counted.rate.map(figures));
}
