//! Makes a chain of a definition.

mod auth;
mod hooks;
mod rates;
mod version;

use std::sync::Arc;

use arc_swap::ArcSwap;
use thiserror::Error;

use self::hooks::Hooks;
use self::version::Parts;
use super::cache::Shelf;
use super::monitor::{Kind, Monitor};
use super::plan::Step;
use super::report::Reports;
use super::versions::Versions;
use super::{Answers, Chain, Limiter, Organisation};
use crate::auth::callers::Callers;
use crate::auth::keys::Keys;
use crate::certificate::{Certificates, Guests, Welcome};
use crate::cluster::Nodes;
use crate::config::Config;
use crate::definition::{Definition, Refusal};
use crate::error::{Overrides, Pages};
use crate::event::{Compiled, Events, Handlers, Origin};
use crate::exchange::{Scope, Secrets};
use crate::pattern::ListenPath;
use crate::session::lifetime::Lifetimes;
use crate::upstream::{Planner, Ways};

/// Why a definition cannot be served, with the JSON path of the reason.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{path}: {reason}")]
pub struct CompileError {
    /// Where in the definition.
    pub path: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl From<Refusal> for CompileError {
    fn from(Refusal { path, reason }: Refusal) -> Self {
        Self { path, reason }
    }
}

/// Makes the chain of a definition that passed its own checks.
pub fn compile(
    definition: &Definition,
    listen_path: &ListenPath,
    config: &Config,
    shared: &Shared,
    given: &Certificates,
) -> Result<Chain, CompileError> {
    let hooks = Hooks::new(definition, &config.coprocess);
    let auth = (!definition.use_keyless).then(|| auth::compile(definition, &hooks, config, shared)).transpose()?;
    let (reports, left_out) = reports(definition, &hooks, &shared.events);
    let overrides = match definition.error_overrides_disabled {
        true => None,
        false => Overrides::compile("error_overrides", &definition.error_overrides)?,
    };
    let parts = Parts {
        definition,
        listen_path,
        config,
        scope: Scope {
            context: definition.enable_context_vars,
            secrets: Some(Secrets { conf: &config.secrets, env: &|name| std::env::var(name).ok() }),
        },
        auth: auth.map(Arc::new),
        reports: reports.clone(),
        shelf: Shelf::of(definition, &shared.answers),
        shared,
        organisation: organisation(definition, config, shared).map(Arc::new),
        certificates: certificates(definition, given)?.map(Arc::new),
        hooks,
        upstreams: Planner::new(definition, &config.upstream, &shared.ways, &given.shelf)?,
        overrides: overrides.as_ref(),
    };
    let versions = Versions::compile(definition, listen_path, |version| parts.plan(version))?;
    let (checks, passes_options) = (parts.upstreams.checks()?, definition.cors.options_passthrough);
    let api_id = definition.api_id.as_str().into();
    Ok(Chain { api_id, versions, checks, reports, left_out, overrides, passes_options })
}

/// Who hears of the API's events, and who does not: a plugin server only where hooks could call it.
fn reports(definition: &Definition, hooks: &Hooks<'_>, events: &Events) -> (Option<Arc<Reports>>, Vec<Refusal>) {
    let Definition { api_id, org_id, .. } = definition;
    let origin = Origin { api_id: api_id.clone(), org_id: org_id.clone() };
    let no_plugins = hooks.no_default_server();
    let Compiled { handlers, left_out } = Handlers::of_api(&definition.event_handlers, origin, no_plugins.as_deref());
    let reports = |handlers| Arc::new(Reports { handlers, events: events.clone(), org_id: org_id.clone() });
    (handlers.map(reports), left_out)
}

fn organisation(definition: &Definition, config: &Config, shared: &Shared) -> Option<Organisation> {
    let counts = config.limits.organisations && !definition.org_id.is_empty();
    let monitor = || Monitor::of(Kind::Organisations, config.monitor.as_ref(), &shared.events);
    let key = || shared.keys.key(&definition.org_id);
    counts.then(|| Organisation::new(key(), Arc::clone(&shared.limiter), monitor()))
}

/// Whose certificates are welcome, if the API asks for certificates.
fn certificates(definition: &Definition, given: &Certificates) -> Result<Option<Welcome>, CompileError> {
    if !definition.use_mutual_tls_auth {
        return Ok(None);
    }
    let listed = definition.client_certificates.iter().map(String::as_str);
    let own = Welcome::read(listed, &given.shelf).map_err(|error| CompileError {
        path: format!("client_certificates[{}]", error.at),
        reason: error.to_string(),
    })?;
    let welcome = own.with(&given.guests.apis);
    if welcome.is_empty() {
        let reason = "nobody could call: list certificates, or security.certificates.apis in tyk.conf";
        return Err(CompileError { path: "client_certificates".to_owned(), reason: reason.to_owned() });
    }
    Ok(Some(welcome))
}

/// How long an API lets sessions be stored.
pub fn lifetimes(definition: &Definition, config: &Config) -> Lifetimes {
    config.lifetimes.with_api(definition.session_lifetime, definition.session_lifetime_respects_key_expiration)
}

/// What all chains share.
pub struct Shared {
    /// The sessions of keys.
    pub keys: Arc<Keys>,
    /// What APIs know of their callers.
    pub callers: Callers,
    /// The rates and quotas of all.
    pub limiter: Arc<Limiter>,
    /// Where events are told.
    pub events: Events,
    /// The ways to upstreams.
    pub ways: Arc<Ways>,
    /// The replies that are kept.
    pub answers: Answers,
    /// Whose certificates `tyk.conf` welcomes.
    pub guests: ArcSwap<Guests>,
    /// How errors look.
    pub pages: Arc<Pages>,
}

impl Shared {
    /// Knows no session, and has counted nothing; what happens is told to `events`.
    pub fn new(config: &Config, nodes: Nodes, events: Events, ways: Ways, pages: Pages) -> Self {
        Self {
            keys: Arc::new(Keys::new(&config.keys)),
            callers: Callers::default(),
            limiter: Arc::new(Limiter::new(config.limits.limiter, nodes)),
            events,
            ways: Arc::new(ways),
            answers: Answers::default(),
            guests: ArcSwap::default(),
            pages: Arc::new(pages),
        }
    }
}
