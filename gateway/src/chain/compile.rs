//! Makes a chain of a definition.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use serde_json::Value;
use thiserror::Error;

use super::report::Reports;
use super::{ApiLimit, Chain, HeaderChange, Limiter, Limits, Organisation, Step};
use crate::auth::callers::Callers;
use crate::auth::extractor::IdExtractor;
use crate::auth::keys::Keys;
use crate::auth::session_cache::SessionCache;
use crate::auth::{Auth, BasicAuth, CustomAuth, Extraction, JwtAuth, Method, SignatureAuth, Source, Strip, TokenAuth};
use crate::cluster::Nodes;
use crate::config::{Config, Coprocess, DEFAULT_SERVER, DefaultServer};
use crate::definition::{self, Definition, Refusal};
use crate::event::{Compiled, Events, Handlers, Origin};
use crate::exchange::{Scope, Secrets};
use crate::hook::{Hook, HookType};
use crate::json;
use crate::pattern::ListenPath;
use crate::session::lifetime::Lifetimes;
use crate::session::{Rate, counters};
use crate::upstream::Upstream;

/// The one driver that there is.
const DRIVER: &str = "grpc";

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
) -> Result<Chain, CompileError> {
    let upstream = Upstream::compile(&definition.proxy, listen_path);
    let upstream = upstream.map_err(|reason| CompileError {
        path: "proxy.target_url".to_owned(),
        reason: format!("{:?} cannot be used: {reason}", definition.proxy.target_url),
    })?;
    let hooks = Hooks { definition, plugins: &config.coprocess, spec: Arc::new(spec(definition)) };
    let middleware = &definition.custom_middleware;
    let mut request = hooks.steps(HookType::Pre, "pre", &middleware.pre)?;
    if config.limits.organisations && !definition.org_id.is_empty() {
        let key = shared.keys.key(&definition.org_id);
        request.push(Step::Organisation(Box::new(Organisation::new(key, Arc::clone(&shared.limiter)))));
    }
    let scope = Scope {
        context: definition.enable_context_vars,
        secrets: Some(Secrets { conf: &config.secrets, env: &|name| std::env::var(name).ok() }),
    };
    let request_headers = request_headers(definition, scope)?;
    let reply_headers = reply_headers(definition, scope)?;
    request.extend(remember(definition, request_headers.iter().chain(&reply_headers)));
    if !definition.use_keyless {
        request.push(Step::Auth(Box::new(auth(definition, &hooks, config, shared)?)));
        let limits = Arc::new(limits(definition, listen_path, config, shared));
        let hooks = hooks.steps(HookType::PostKeyAuth, "post_key_auth", &middleware.post_key_auth)?;
        if !hooks.is_empty() {
            request.push(Step::NoteQuota(Arc::clone(&limits)));
        }
        request.extend(hooks);
        if definition.strip_auth_data {
            request.push(Step::Strip(Strip::compile(definition)?));
        }
        request.push(Step::Limits(limits));
    }
    request.extend(api_limit(definition, config, shared).map(|limit| Step::ApiLimit(Box::new(limit))));
    request.extend(request_headers.map(Step::Headers));
    request.extend(hooks.steps(HookType::Post, "post", &middleware.post)?);
    let response = hooks.list(HookType::Response, "response", &middleware.response)?;
    let (reports, left_out) = reports(definition, &hooks, &shared.events);
    Ok(Chain {
        api_id: definition.api_id.as_str().into(),
        request,
        upstream,
        reply_headers,
        response,
        headers: config.limits.headers,
        reports,
        left_out,
    })
}

/// Who hears of the API's events, and who does not: a plugin server only where hooks could call it.
fn reports(definition: &Definition, hooks: &Hooks<'_>, events: &Events) -> (Option<Box<Reports>>, Vec<Refusal>) {
    let Definition { api_id, org_id, .. } = definition;
    let origin = Origin { api_id: api_id.clone(), org_id: org_id.clone() };
    let no_plugins = match hooks.plugins.enabled {
        true => hooks.default_server().err(),
        false => Some("coprocess_options.enable_coprocess is false in tyk.conf".to_owned()),
    };
    let Compiled { handlers, left_out } = Handlers::of_api(&definition.event_handlers, origin, no_plugins.as_deref());
    let reports = |handlers| Box::new(Reports { handlers, events: events.clone(), org_id: org_id.clone() });
    (handlers.map(reports), left_out)
}

/// Sessions may name their counters by anything in the request, so it is remembered for them too.
fn remember<'a>(definition: &Definition, changes: impl Iterator<Item = &'a HeaderChange>) -> Option<Step> {
    let (mut wanted, mut forms) = (!definition.use_keyless, !definition.use_keyless);
    for template in changes.flat_map(HeaderChange::templates) {
        wanted |= template.has_context();
        forms |= template.reads_form();
    }
    (definition.enable_context_vars && wanted).then_some(Step::Remember { forms })
}

fn request_headers(definition: &Definition, scope: Scope<'_>) -> Result<Option<HeaderChange>, CompileError> {
    let Some((name, version)) = definition.version().filter(|(_, version)| !version.global_headers_disabled) else {
        return Ok(None);
    };
    let path = |key: &str| format!("version_data.versions.{name}.{key}");
    HeaderChange::compile(
        (&path("global_headers_remove"), &version.global_headers_remove),
        (&path("global_headers"), &version.global_headers),
        scope,
    )
}

/// The headers of the version, and then those of each `header_injector`.
fn reply_headers(definition: &Definition, scope: Scope<'_>) -> Result<Vec<HeaderChange>, CompileError> {
    let mut changes = Vec::new();
    if let Some((name, version)) = definition.version() {
        if version.global_response_headers_disabled {
            return Ok(changes);
        }
        let path = |key: &str| format!("version_data.versions.{name}.{key}");
        changes.extend(HeaderChange::compile(
            (&path("global_response_headers_remove"), &version.global_response_headers_remove),
            (&path("global_response_headers"), &version.global_response_headers),
            scope,
        )?);
    }
    let processors = definition.response_processors.iter().enumerate();
    for (at, processor) in processors.filter(|(_, processor)| processor.name == "header_injector") {
        let path = |key: &str| format!("response_processors[{at}].options.{key}");
        changes.extend(HeaderChange::compile(
            (&path("remove_headers"), &processor.options.remove_headers),
            (&path("add_headers"), &processor.options.add_headers),
            scope,
        )?);
    }
    Ok(changes)
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
}

impl Shared {
    /// Knows no session, and has counted nothing; what happens is told to `events`.
    pub fn new(config: &Config, nodes: Nodes, events: Events) -> Self {
        Self {
            keys: Arc::new(Keys::new(&config.keys)),
            callers: Callers::default(),
            limiter: Arc::new(Limiter::new(config.limits.limiter, nodes)),
            events,
        }
    }
}

/// What sessions may do on the API.
fn limits(definition: &Definition, listen_path: &ListenPath, config: &Config, shared: &Shared) -> Limits {
    Limits {
        api_id: definition.api_id.as_str().into(),
        listen_path: listen_path.clone(),
        limiter: Arc::clone(&shared.limiter),
        rate: !definition.disable_rate_limit,
        quota: !definition.disable_quota,
        context: definition.enable_context_vars,
        headers: config.limits.headers,
    }
}

/// The limit on all callers together, which has a key of its own.
fn api_limit(definition: &Definition, config: &Config, shared: &Shared) -> Option<ApiLimit> {
    let limit = &definition.global_rate_limit;
    if limit.disabled || definition.disable_rate_limit {
        return None;
    }
    let key = shared.keys.key(&format!("apilimiter-{}{}", definition.org_id, definition.api_id));
    let rate = Rate::new(counters::rate("", &key.name), limit.rate, limit.per)?;
    Some(ApiLimit { rate, limiter: Arc::clone(&shared.limiter), headers: config.limits.headers })
}

/// The methods of auth in the order of the original. Where none is asked for, stored keys decide.
fn auth(definition: &Definition, hooks: &Hooks<'_>, config: &Config, shared: &Shared) -> Result<Auth, CompileError> {
    let keys = || Arc::clone(&shared.keys);
    let lifetimes = lifetimes(definition, config);
    let mut methods = Vec::new();
    if definition.use_basic_auth {
        methods.push(Method::Basic(BasicAuth::compile(definition, keys())?));
    }
    if definition.enable_signature_checking {
        methods.push(Method::Signature(SignatureAuth::compile(definition, keys())?));
    }
    if definition.enable_jwt {
        methods.push(Method::Jwt(JwtAuth::compile(definition, keys(), lifetimes)?));
    }
    if definition.custom_auth() {
        let extractor = IdExtractor::compile(definition)?;
        let hook = hooks.hook(HookType::CustomKeyCheck, "auth_check", &definition.custom_middleware.auth_check)?;
        let settings = &definition.custom_middleware.id_extractor.session_cache;
        let cache = || SessionCache::new(settings, &shared.callers);
        let extraction = extractor.map(|extractor| Extraction { extractor, cache: cache() });
        let org_id = definition.org_id.as_str().into();
        let source = Source::compile(definition, "coprocess")?;
        let custom = CustomAuth { hook, source, org_id, keys: keys(), lifetimes, extraction };
        methods.push(Method::Custom(Arc::new(custom)));
    }
    if definition.use_standard_auth || methods.is_empty() {
        methods.push(Method::Token(TokenAuth::compile(definition, keys())?));
    }
    Ok(Auth::new(methods, &definition.base_identity_provided_by))
}

/// What the hooks of a definition have in common.
struct Hooks<'a> {
    definition: &'a Definition,
    plugins: &'a Coprocess,
    spec: Arc<HashMap<String, String>>,
}

impl Hooks<'_> {
    fn steps(&self, kind: HookType, key: &str, list: &[definition::Hook]) -> Result<Vec<Step>, CompileError> {
        Ok(self.list(kind, key, list)?.into_iter().map(Step::Hook).collect())
    }

    fn list(&self, kind: HookType, key: &str, list: &[definition::Hook]) -> Result<Vec<Hook>, CompileError> {
        let enabled = list.iter().enumerate().filter(|(_, hook)| !hook.disabled);
        enabled.map(|(at, hook)| self.hook(kind, &format!("{key}[{at}]"), hook)).collect()
    }

    fn hook(&self, kind: HookType, key: &str, hook: &definition::Hook) -> Result<Hook, CompileError> {
        if !self.plugins.enabled {
            return Err(CompileError {
                path: format!("custom_middleware.{key}"),
                reason:
                    "coprocess_options.enable_coprocess is false in tyk.conf, and the API is not served without its \
                         hooks; set it to true or remove the hook"
                        .to_owned(),
            });
        }
        Ok(Hook {
            kind,
            name: hook.name.as_str().into(),
            raw_body_only: hook.raw_body_only,
            server: self.server(key, &hook.server)?,
            spec: Arc::clone(&self.spec),
        })
    }

    /// The server to call. A missing driver or default server is an answer of its own to every
    /// request; a name that does not exist is an error of this definition.
    fn server(&self, key: &str, name: &str) -> Result<Result<Arc<str>, String>, CompileError> {
        if let Err(why) = self.driver() {
            return Ok(Err(why));
        }
        if !name.is_empty() && name != DEFAULT_SERVER {
            let known = self.plugins.servers.contains_key(name);
            return known.then(|| Ok(name.into())).ok_or_else(|| CompileError {
                path: format!("custom_middleware.{key}.server"),
                reason: format!(
                    "no plugin server is named {name:?}; add it to coprocess_options.plugin_servers in tyk.conf"
                ),
            });
        }
        Ok(self.default_server().map(Arc::from))
    }

    fn driver(&self) -> Result<(), String> {
        match self.definition.custom_middleware.driver.as_str() {
            DRIVER => Ok(()),
            driver => Err(format!("custom_middleware.driver is {driver:?}; the one that exists is \"grpc\"")),
        }
    }

    /// The server of hooks that name none, or why it cannot be called.
    fn default_server(&self) -> Result<&'static str, String> {
        self.driver()?;
        match &self.plugins.default_server {
            DefaultServer::Usable => Ok(DEFAULT_SERVER),
            DefaultServer::Missing => Err("coprocess_options.coprocess_grpc_server is empty in tyk.conf".to_owned()),
            DefaultServer::Unusable(why) => {
                Err(format!("coprocess_options.coprocess_grpc_server cannot be used: {why}"))
            }
        }
    }
}

/// What every call of an API carries: its ids, its bundle's hash and its configuration data.
fn spec(definition: &Definition) -> HashMap<String, String> {
    let hash = HEXLOWER.encode(&Md5::digest(&definition.custom_middleware_bundle));
    let mut spec = HashMap::from([
        ("OrgID".to_owned(), definition.org_id.clone()),
        ("APIID".to_owned(), definition.api_id.clone()),
        ("bundle_hash".to_owned(), hash),
    ]);
    if let Some(data) =
        definition.config_data.as_ref().filter(|data| !data.is_empty() && !definition.config_data_disabled)
    {
        spec.insert("config_data".to_owned(), json::compact(&Value::Object(data.clone())));
    }
    spec
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_call_names_api_organisation_and_bundle() {
        let definition = Definition { api_id: "a".into(), org_id: "o".into(), ..Default::default() };
        let expected = [("APIID", "a"), ("OrgID", "o"), ("bundle_hash", "d41d8cd98f00b204e9800998ecf8427e")];
        assert_eq!(spec(&definition), expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
}
