//! Breakers: while too many calls to a path fail, the upstream is spared the others.

mod circuit;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use self::circuit::{Admission, Circuit, Terms};
use super::CompileError;
use super::endpoints::{Endpoints, Place};
use super::report::Reports;
use crate::definition::{CircuitBreaker, ExtendedPaths};
use crate::error::Failure;
use crate::event::{Event, Name, Subject};
use crate::exchange::{Exchange, Reply, wire};
use crate::upstream::UpstreamError;

/// The longest time for which a circuit is open, in seconds: a year.
const LONGEST: u64 = 365 * 24 * 60 * 60;

/// The breaker of a path, one for all workers.
pub(super) struct Breaker {
    api_id: Arc<str>,
    /// As the definition has it.
    path: String,
    terms: Terms,
    circuit: Mutex<Circuit>,
    reports: Option<Arc<Reports>>,
}

/// A call that the breaker let through, and waits for.
pub(super) struct Call {
    breaker: Arc<Breaker>,
    admission: Admission,
    ended: bool,
}

/// What a circuit does.
#[derive(Clone, Copy)]
enum Turn {
    Opens,
    Closes,
}

/// The breakers that stand at this JSON path.
pub(super) fn compile(
    at: &str,
    paths: &ExtendedPaths,
    mut rules: Endpoints<Arc<Breaker>>,
    api_id: &str,
    reports: Option<&Arc<Reports>>,
) -> Result<Option<Endpoints<Arc<Breaker>>>, CompileError> {
    for (index, written) in paths.circuit_breakers.iter().enumerate().filter(|(_, breaker)| !breaker.disabled) {
        let at = format!("{at}.circuit_breakers[{index}]");
        let breaker = Breaker {
            api_id: api_id.into(),
            path: written.path.clone(),
            terms: terms(&at, written)?,
            circuit: Mutex::new(Circuit::new(Instant::now())),
            reports: reports.cloned(),
        };
        let place = Place { written: &at, path: &written.path, method: &written.method, ignore_case: false };
        rules.add(place, Arc::new(breaker))?;
    }
    Ok(rules.unless_empty())
}

fn terms(at: &str, written: &CircuitBreaker) -> Result<Terms, CompileError> {
    let threshold = written.threshold_percent;
    if !(0.0..=1.0).contains(&threshold) {
        let reason = format!("{threshold} is no share of calls: write one from 0 to 1, as in 0.5");
        return Err(CompileError { path: format!("{at}.threshold_percent"), reason });
    }
    let seconds = u64::try_from(written.return_to_service_after).unwrap_or(0).min(LONGEST);
    Ok(Terms {
        threshold,
        samples: written.samples.try_into().unwrap_or(0),
        open_for: Duration::from_secs(seconds),
        trials: !written.disable_half_open_state,
    })
}

impl Breaker {
    /// Lets a call through, unless the circuit is open.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Call, Failure> {
        let (closed, admission) = {
            let (now, mut circuit) = (Instant::now(), self.circuit());
            (circuit.expire(now), circuit.admit(&self.terms, now))
        };
        if closed {
            self.tell(Turn::Closes, None);
        }
        if admission == Admission::Refused {
            return Err(Failure::CircuitOpen(self.path.clone()));
        }
        Ok(Call { breaker: Arc::clone(self), admission, ended: false })
    }

    /// Closes the circuit when its time has come, also if nobody calls then.
    fn close_in_time(self: &Arc<Self>) {
        let breaker = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(breaker.terms.open_for).await;
            if breaker.circuit().expire(Instant::now()) {
                breaker.tell(Turn::Closes, None);
            }
        });
    }

    /// Each turn is two events.
    fn tell(&self, turn: Turn, exchange: Option<&Exchange>) {
        let (api_id, path) = (&*self.api_id, &*self.path);
        match turn {
            Turn::Opens => tracing::warn!(api_id, path, "too many calls fail: the upstream is not called for a while"),
            Turn::Closes => tracing::info!(api_id, path, "the upstream is called again"),
        }
        let Some(reports) = &self.reports else { return };
        for name in [Name::BreakerTriggered, turn.name()] {
            if !reports.handlers.hear(name) {
                continue;
            }
            let told = exchange.filter(|_| reports.handlers.want_request(name));
            let wire = told.map(|exchange| wire(&exchange.head, exchange.body.bytes())).unwrap_or_default();
            let (path, api_id) = (self.path.clone(), self.api_id.to_string());
            let subject = Subject::Circuit { wire, path, api_id, event: turn.number() };
            let event = Event { name, message: turn.message(), subject, at: SystemTime::now() };
            reports.events.tell(event, &reports.handlers);
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// Notes how the call went: a reply with a status from 500 on is a failure, too.
    pub(super) fn end(mut self, outcome: &Result<Reply, UpstreamError>, exchange: &Exchange) {
        let failed = match outcome {
            Ok(reply) => reply.status().is_server_error(),
            // It says nothing about the upstream.
            Err(UpstreamError::Unsendable(_) | UpstreamError::Body(_)) => return,
            Err(_) => true,
        };
        self.ended = true;
        let (breaker, now) = (&self.breaker, Instant::now());
        if failed {
            let opened = breaker.circuit().failed(self.admission, &breaker.terms, now);
            if opened {
                breaker.close_in_time();
                breaker.tell(Turn::Opens, Some(exchange));
            }
            return;
        }
        let closed = breaker.circuit().succeeded(self.admission, now);
        if closed {
            breaker.tell(Turn::Closes, Some(exchange));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.breaker.circuit().abandoned(self.admission);
        }
    }
}

impl Turn {
    fn name(self) -> Name {
        match self {
            Self::Opens => Name::BreakerTripped,
            Self::Closes => Name::BreakerReset,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Opens => "Breaker Tripped",
            Self::Closes => "Breaker Reset",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Opens => 0,
            Self::Closes => 1,
        }
    }
}
