//! One configured call of a plugin, and what its answer means.

mod edit;
mod object;
mod overrides;
mod reply;
mod sniff;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use coprocess::{Object, ReturnOverrides};

pub use edit::EditError;
pub use object::ObjectError;

use crate::dispatch::Call;
use crate::error::{Failure, HookFailure, Stop};
use crate::exchange::{Body, Exchange, HookNote, Outcome, Recall, Reply};
use crate::sockets::Sockets;
use overrides::Verdict;

/// Where in the chain a hook stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookType {
    /// Before authentication.
    Pre,
    /// In place of authentication.
    CustomKeyCheck,
    /// After authentication, before limits.
    PostKeyAuth,
    /// Before the upstream.
    Post,
    /// After the upstream.
    Response,
}

/// A call that an API definition asks for.
#[derive(Debug)]
pub struct Hook {
    /// Where it stands.
    pub kind: HookType,
    /// Its name, sent as it is.
    pub name: Arc<str>,
    /// Whether the plugin gets bodies only as bytes.
    pub raw_body_only: bool,
    /// The plugin server to call, or why there is none.
    pub server: Result<Arc<str>, String>,
    /// What every call of the API carries as `spec`.
    pub spec: Arc<HashMap<String, String>>,
}

/// What a returned object leaves behind once its request edits are applied.
pub struct Returned {
    /// The session that the plugin made, if it made one.
    pub session: Option<coprocess::SessionState>,
    /// The object's own metadata.
    pub metadata: HashMap<String, String>,
}

/// The metadata entry in which a plugin names its caller.
const TOKEN: &str = "token";

impl Returned {
    /// What the plugin calls the caller; nothing unless it made a session.
    pub fn token(&self) -> Option<&str> {
        let session = self.session.as_ref()?;
        let token = self.metadata.get(TOKEN).or_else(|| session.metadata.get(TOKEN))?;
        Some(token).filter(|token| !token.is_empty()).map(String::as_str)
    }
}

impl Hook {
    /// Calls the plugin before the upstream and applies its answer to the exchange.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Returned, Stop> {
        let started = Instant::now();
        let result = self.call_and_apply(exchange, sockets).await;
        self.note(exchange, started, result.as_ref().err());
        result
    }

    async fn call_and_apply(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Returned, Stop> {
        let server = self.server()?;
        exchange.body.read(None).await.map_err(|error| self.failed(error))?;
        let object = self.object(exchange, None)?;
        let started = Instant::now();
        let returned =
            sockets.dispatcher.dispatch(Call { object, server }).await.map_err(|error| self.failed(error))?;
        if let Some(request) = &returned.request {
            let session = self.kind == HookType::CustomKeyCheck && returned.session.is_some();
            self.trace(server, started, || edit::summary(request, session));
        }
        self.apply(returned, exchange)
    }

    /// Applies what the plugin returned to the exchange, whose body has been read.
    pub fn apply(&self, returned: Object, exchange: &mut Exchange) -> Result<Returned, Stop> {
        let request = returned.request.ok_or_else(|| self.failed(HookFailure::Malformed("request")))?;
        let overrides = edit::apply(request, exchange).map_err(|error| self.failed(error))?;
        let returned = Returned { session: returned.session, metadata: returned.metadata };
        self.obey(overrides, &returned)?;
        Ok(returned)
    }

    fn obey(&self, overrides: Option<ReturnOverrides>, returned: &Returned) -> Result<(), Stop> {
        let overrides = overrides.ok_or_else(|| self.failed(HookFailure::Malformed("request.return_overrides")))?;
        match overrides::verdict(overrides, || returned.token().unwrap_or_default().to_owned()) {
            Ok(Verdict::Continue) => Ok(()),
            Ok(Verdict::Answer(reply)) => Err(Stop::Answer(reply)),
            Ok(Verdict::Refuse(refusal)) => Err(Stop::Refusal(refusal)),
            Err(error) => Err(self.failed(error).into()),
        }
    }

    /// Calls the plugin after the upstream and lets it rewrite the reply.
    pub async fn run_on_reply(
        &self,
        exchange: &mut Exchange,
        reply: &mut Reply,
        sockets: &Sockets,
    ) -> Result<(), Stop> {
        let started = Instant::now();
        let result = self.call_and_rewrite(exchange, reply, sockets).await.map_err(Stop::Failure);
        self.note(exchange, started, result.as_ref().err());
        result
    }

    async fn call_and_rewrite(&self, exchange: &Exchange, reply: &mut Reply, sockets: &Sockets) -> Result<(), Failure> {
        let server = self.server()?;
        reply.body_mut().read(None).await.map_err(|error| self.failed(error))?;
        let object = self.object(exchange, Some(reply))?;
        let sent = object.response.as_ref().map(|response| response.headers.clone()).unwrap_or_default();
        let started = Instant::now();
        let returned =
            sockets.dispatcher.dispatch(Call { object, server }).await.map_err(|error| self.failed(error))?;
        if let Some(response) = &returned.response {
            self.trace(server, started, || reply::summary(response, reply, &sent));
        }
        self.apply_to_reply(returned, &sent, exchange, reply)
    }

    /// Applies what the plugin returned to the reply; `sent` are the reply's `headers` that it got.
    pub fn apply_to_reply(
        &self,
        returned: Object,
        sent: &HashMap<String, String>,
        exchange: &Exchange,
        reply: &mut Reply,
    ) -> Result<(), Failure> {
        let response = returned.response.ok_or_else(|| self.failed(HookFailure::Malformed("response")))?;
        let head_request = exchange.head.method == http::Method::HEAD;
        reply::apply(response, sent, head_request, reply).map_err(|error| self.failed(error))
    }

    /// What the plugin is sent. Bodies that have not been read are left out.
    pub fn object(&self, exchange: &Exchange, reply: Option<&Reply>) -> Result<Object, Failure> {
        let body = exchange.body.bytes().cloned().unwrap_or_default();
        let response = reply.map(|reply| reply::object(reply, self.raw_body_only)).transpose();
        let response = response.map_err(|error| self.failed(error))?;
        object::build(self, exchange, &body, response).map_err(|error| self.failed(error))
    }

    /// The plugin server to call.
    pub fn server(&self) -> Result<&str, Failure> {
        self.server.as_deref().map_err(|reason| Failure::NoDriver {
            name: self.name.to_string(),
            kind: self.kind,
            reason: reason.clone(),
        })
    }

    fn failed(&self, cause: impl Into<HookFailure>) -> Failure {
        Failure::Hook { name: self.name.to_string(), kind: self.kind, cause: cause.into() }
    }

    fn note(&self, exchange: &mut Exchange, started: Instant, stop: Option<&Stop>) {
        let outcome = match stop {
            None => Outcome::Continued,
            Some(Stop::Answer(reply)) => Outcome::Answered(reply.status().as_u16()),
            Some(Stop::Refusal(refusal)) => Outcome::Answered(refusal.status.as_u16()),
            Some(Stop::Failure(_)) => Outcome::Failed,
        };
        exchange.notes.hooks.push(HookNote { name: Arc::clone(&self.name), took: started.elapsed(), outcome });
    }

    /// One line for a call that the session cache spared.
    pub fn trace_spared(&self, recall: Recall) {
        tracing::debug!(target: "outrigger::hook", hook = &*self.name, r#type = %self.kind, spared = recall.as_str(), "hook call spared");
    }

    /// One line per call for whoever watches; nothing is formatted otherwise.
    fn trace(&self, server: &str, started: Instant, changed: impl FnOnce() -> String) {
        if tracing::enabled!(target: "outrigger::hook", tracing::Level::DEBUG) {
            let ms = started.elapsed().as_secs_f64() * 1000.0;
            tracing::debug!(target: "outrigger::hook", hook = &*self.name, r#type = %self.kind, server, ms, changed = changed(), "hook call");
        }
    }
}

impl HookType {
    fn on_the_wire(self) -> coprocess::HookType {
        match self {
            Self::Pre => coprocess::HookType::Pre,
            Self::CustomKeyCheck => coprocess::HookType::CustomKeyCheck,
            Self::PostKeyAuth => coprocess::HookType::PostKeyAuth,
            Self::Post => coprocess::HookType::Post,
            Self::Response => coprocess::HookType::Response,
        }
    }
}

impl fmt::Display for HookType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The text form of a body: empty where a plugin wants bytes only, or where it is no UTF-8.
fn text_of(body: &Bytes, raw_body_only: bool) -> String {
    if raw_body_only {
        return String::new();
    }
    std::str::from_utf8(body).map(str::to_owned).unwrap_or_default()
}

/// A reply with these bytes in place of its body.
fn with_bytes(reply: &mut Reply, bytes: Bytes) {
    *reply.body_mut() = Body::whole(bytes);
}

/// Whether a hook of this type is sent the session at all.
fn sees_session(kind: HookType) -> bool {
    matches!(kind, HookType::PostKeyAuth | HookType::Post | HookType::Response)
}

/// The session part of an object: always there for response hooks.
fn session_part(kind: HookType, exchange: &Exchange) -> Option<coprocess::SessionState> {
    match &exchange.session {
        Some(session) if sees_session(kind) => Some(session.for_plugin(exchange.standing.quota)),
        None if kind == HookType::Response => Some(crate::session::zero()),
        _ => None,
    }
}
