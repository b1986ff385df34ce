//! Tells whoever wants to hear of it that a request was stopped.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body::Body as _;

use super::Chain;
use crate::error::{Failure, Stop};
use crate::event::{Event, Events, Handlers, Name, Subject};
use crate::exchange::{Exchange, wire};
use crate::session::{Denied, Session, Shift};

/// The longest body that is told of; a longer one is left out.
const LONGEST: u64 = 1 << 20;
/// How long a client that is refused may take to send the rest of its body, to be told of.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who hears of an API's events.
pub(super) struct Reports {
    pub(super) handlers: Arc<Handlers>,
    pub(super) events: Events,
    /// The API's organisation.
    pub(super) org_id: String,
}

impl Reports {
    /// Tells that the limit of a session's rate changed with this request; its body is told of only if
    /// it has been read, because the request goes on.
    pub(super) fn tell_of_shift(&self, shift: Shift, session: &Session, exchange: &Exchange) {
        let (name, message) = match shift {
            Shift::Up => (Name::RateLimitSmoothingUp, "Rate limit increased with smoothing"),
            Shift::Down => (Name::RateLimitSmoothingDown, "Rate limit decreased with smoothing"),
        };
        if !self.handlers.hear(name) {
            return;
        }
        let wire = match self.handlers.want_request(name) {
            true => wire(&exchange.head, exchange.body.bytes()),
            false => Vec::new(),
        };
        let subject = subject(exchange, wire, session.key.id.to_string(), None);
        self.events.tell(Event { name, message, subject, at: SystemTime::now() }, &self.handlers);
    }
}

impl Chain {
    /// Tells of what stopped this request, or held it up. Nobody is waited for but a client whose
    /// body is still on its way.
    pub async fn report(&self, stop: Option<&Stop>, exchange: &mut Exchange) {
        let Some(reports) = &self.reports else { return };
        let rate = Stop::from(Failure::from(Denied::Rate));
        let refused = matches!(stop, Some(Stop::Failure(Failure::Denied(Denied::Rate))));
        let held_up = Some(&rate).filter(|_| exchange.standing.waited && !refused);
        for stop in held_up.into_iter().chain(stop) {
            self.tell(reports, stop, exchange).await;
        }
    }

    /// Tells of a host that one of its tests found changed.
    pub fn tell_of_host(&self, event: Event) {
        if let Some(reports) = self.reports.as_ref().filter(|reports| reports.handlers.hear(event.name)) {
            reports.events.tell(event, &reports.handlers);
        }
    }

    async fn tell(&self, reports: &Reports, stop: &Stop, exchange: &mut Exchange) {
        if let Some((name, message)) = stop.event().filter(|(name, _)| reports.handlers.hear(*name)) {
            let at = SystemTime::now();
            let wire = match reports.handlers.want_request(name) {
                true => Box::pin(as_it_stands(exchange)).await,
                false => Vec::new(),
            };
            let key = self.key(stop, exchange, reports).into_owned();
            let reason = match stop {
                Stop::Failure(Failure::Version(error)) => Some(error.answer().1),
                _ => None,
            };
            let subject = subject(exchange, wire, key, reason);
            reports.events.tell(Event { name, message, subject, at }, &reports.handlers);
        }
    }

    /// The key or credential that is concerned.
    fn key<'a>(&'a self, stop: &'a Stop, exchange: &'a Exchange, reports: &'a Reports) -> Cow<'a, str> {
        match stop {
            Stop::Refusal(refusal) => refusal.token.as_str().into(),
            Stop::Failure(Failure::Denied(Denied::OrgRate | Denied::OrgQuota)) => reports.org_id.as_str().into(),
            Stop::Failure(Failure::Denied(Denied::ApiRate)) => {
                format!("apilimiter-{}{}", reports.org_id, self.api_id).into()
            }
            Stop::Failure(Failure::Address(_)) => exchange.client.address(&exchange.head.headers),
            Stop::Failure(Failure::Version(_)) => "".into(),
            Stop::Failure(Failure::Denied(_)) => exchange.session.as_ref().map_or("", |session| &session.key.id).into(),
            Stop::Failure(failure) => {
                self.auth().and_then(|auth| auth.presented(failure, &exchange.head)).unwrap_or_default()
            }
            Stop::Answer(_) => "".into(),
        }
    }
}

fn subject(exchange: &Exchange, wire: Vec<u8>, key: String, reason: Option<&'static str>) -> Subject {
    let head = &exchange.head;
    let path = head.target.decoded_path().into_owned();
    Subject::Request { wire, path, client: exchange.client.address(&head.headers).into_owned(), key, reason }
}

/// The request as HTTP would write it now.
async fn as_it_stands(exchange: &mut Exchange) -> Vec<u8> {
    let body = read(exchange).await;
    wire(&exchange.head, body.as_ref())
}

async fn read(exchange: &mut Exchange) -> Option<Bytes> {
    if let Some(bytes) = exchange.body.bytes() {
        return Some(bytes.clone());
    }
    if exchange.body.size_hint().lower() > LONGEST {
        return None;
    }
    let read = tokio::time::timeout(PATIENCE, exchange.body.read(Some(LONGEST))).await;
    read.ok()?.ok().cloned()
}
