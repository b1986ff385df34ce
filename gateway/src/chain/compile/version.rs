//! Makes the plan of one version of a definition.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::hooks::Hooks;
use super::{CompileError, Shared, Step, rates};
use crate::auth::{Auth, Strip};
use crate::certificate::Welcome;
use crate::chain::addresses::Addresses;
use crate::chain::breaker::Breaker;
use crate::chain::cache::{Cache, Shelf};
use crate::chain::cors::Cors;
use crate::chain::endpoints::{Endpoints, Place};
use crate::chain::error_overrides::ErrorOverrides;
use crate::chain::monitor::{Kind, Monitor};
use crate::chain::plan::{Plan, Replies};
use crate::chain::report::Reports;
use crate::chain::rewrite::Rewrite;
use crate::chain::size::SizeLimits;
use crate::chain::timeouts::Timeouts;
use crate::chain::version_check::VersionCheck;
use crate::chain::{ApiLimit, HeaderChange, Limits, Organisation, breaker, expiry, rewrite, schema};
use crate::config::Config;
use crate::definition::{Definition, ExtendedPaths, HeaderTransform, VersionInfo};
use crate::error::Overrides;
use crate::exchange::{Memory, Scope, Template};
use crate::hook::HookType;
use crate::pattern::ListenPath;
use crate::pattern::endpoint::Matching;
use crate::session::Realm;
use crate::upstream::{Planner, Upstream};

/// What the versions of a definition have in common.
pub(super) struct Parts<'a> {
    pub(super) definition: &'a Definition,
    pub(super) listen_path: &'a ListenPath,
    pub(super) config: &'a Config,
    pub(super) scope: Scope<'a>,
    pub(super) hooks: Hooks<'a>,
    pub(super) auth: Option<Arc<Auth>>,
    pub(super) shared: &'a Shared,
    pub(super) reports: Option<Arc<Reports>>,
    pub(super) shelf: Option<Shelf<'a>>,
    pub(super) organisation: Option<Arc<Organisation>>,
    pub(super) certificates: Option<Arc<Welcome>>,
    pub(super) upstreams: Planner<'a>,
    pub(super) overrides: Option<&'a Arc<Overrides>>,
}

/// A version and where it stands.
struct Version<'a> {
    /// The JSON path.
    at: String,
    name: &'a str,
    info: &'a VersionInfo,
    matching: Matching,
}

impl Parts<'_> {
    /// The plan of a version; a definition may have none.
    pub(super) fn plan(&self, version: Option<(&str, &VersionInfo)>) -> Result<Plan, CompileError> {
        let none = VersionInfo::default();
        let (name, info) = version.unwrap_or(("", &none));
        let paths = self.config.http.paths;
        let matching = Matching { ignore_case: paths.ignore_case || info.ignore_endpoint_case, ..paths };
        let version = Version { at: format!("version_data.versions.{name}"), name, info, matching };
        let (request, replies) = self.steps(&version)?;
        Ok(Plan {
            realm: self.realm(),
            version_check: self.version_check(&version)?.map(Box::new),
            request,
            cache: self.cache(&version)?.map(Box::new),
            post: self.hooks.list(HookType::Post, "post", &self.definition.custom_middleware.post)?,
            upstream: self.upstream(&version)?,
            timeouts: Timeouts::compile((&version.at, version.info), self.listen_path, version.matching)?.map(Box::new),
            breakers: self.breakers(&version)?.map(Box::new),
            replies,
            response: self.hooks.list(HookType::Response, "response", &self.definition.custom_middleware.response)?,
            error_overrides: ErrorOverrides::of(
                self.overrides,
                self.config.error_overrides.as_ref(),
                &self.shared.pages,
            )
            .map(Box::new),
            headers: self.config.limits.headers,
        })
    }

    /// The order of the chain, up to the upstream; and what replies go through.
    fn steps(&self, version: &Version<'_>) -> Result<(Vec<Step>, Replies), CompileError> {
        let (definition, middleware) = (self.definition, &self.definition.custom_middleware);
        let headers = self.request_headers(version)?;
        let path_headers = self.path_headers(version, "transform_headers", |paths| &paths.transform_headers)?;
        let rewrites = self.rewrites(version)?;
        let replies = self.replies(version)?;

        let mut steps: Vec<_> =
            Cors::compile(&definition.cors)?.map(|cors| Step::Cors(Box::new(cors))).into_iter().collect();
        steps.extend(self.hooks.steps(HookType::Pre, "pre", &middleware.pre)?);
        steps.extend(Addresses::compile(definition)?.map(|lists| Step::Addresses(Box::new(lists))));
        steps.extend(self.certificates.clone().map(Step::Certificates));
        steps.extend(self.organisation.clone().map(Step::Organisation));
        let sizes = SizeLimits::compile((&version.at, version.info), self.listen_path, version.matching)?;
        steps.extend(sizes.map(|sizes| Step::Sizes(Box::new(sizes))));
        let changes = headers.iter().chain(path_headers.iter().flat_map(Endpoints::values)).chain(replies.changes());
        let templates = changes.flat_map(HeaderChange::templates);
        let rewritten = rewrites.iter().flat_map(Endpoints::values).flat_map(Rewrite::templates);
        steps.extend(self.remember(templates.chain(rewritten)));
        if let Some(auth) = &self.auth {
            steps.push(Step::Auth(Arc::clone(auth)));
            steps.extend(self.known_caller(version)?);
        }
        steps.extend(self.api_limit(version)?.map(|limit| Step::ApiLimit(Box::new(limit))));
        let schemas = schema::compile(&version.paths_at(), version.info.extended(), self.rules(version))?;
        steps.extend(schemas.map(|rules| Step::Schema(Box::new(rules))));
        steps.extend(headers.map(Step::Headers));
        steps.extend(path_headers.map(|rules| Step::PathHeaders(Box::new(rules))));
        steps.extend(rewrites.map(|rules| Step::Rewrite(Box::new(rules))));
        let methods = rewrite::compile_methods(&version.paths_at(), version.info.extended(), self.rules(version))?;
        steps.extend(methods.map(|rules| Step::Method(Box::new(rules))));
        Ok((steps, replies))
    }

    /// What follows once the caller is known.
    fn known_caller(&self, version: &Version<'_>) -> Result<Vec<Step>, CompileError> {
        let (definition, limits) = (self.definition, Arc::new(self.limits(version)));
        let hooks = &definition.custom_middleware.post_key_auth;
        let hooks = self.hooks.steps(HookType::PostKeyAuth, "post_key_auth", hooks)?;
        let note = (!hooks.is_empty()).then(|| Step::NoteQuota(Arc::clone(&limits)));
        let mut steps: Vec<_> = note.into_iter().chain(hooks).collect();
        if definition.strip_auth_data {
            steps.push(Step::Strip(Strip::compile(definition)?));
        }
        steps.push(Step::Limits(limits));
        Ok(steps)
    }

    fn realm(&self) -> Realm {
        Realm { api_id: self.definition.api_id.as_str().into(), paths: self.config.http.paths }
    }

    /// What sessions may do on the version.
    fn limits(&self, version: &Version<'_>) -> Limits {
        let Self { definition, config, shared, .. } = self;
        Limits {
            realm: self.realm(),
            version: definition.is_versioned().then(|| version.name.into()),
            listen_path: self.listen_path.clone(),
            limiter: Arc::clone(&shared.limiter),
            rate: !definition.disable_rate_limit,
            quota: !definition.disable_quota,
            context: definition.enable_context_vars,
            monitor: Monitor::of(Kind::Keys, config.monitor.as_ref(), &shared.events),
            reports: self.reports.clone(),
        }
    }

    fn version_check(&self, version: &Version<'_>) -> Result<Option<VersionCheck>, CompileError> {
        let mut check = VersionCheck::new(self.expires(version)?, self.listen_path, version.matching);
        check.add(&version.at, version.info)?;
        Ok(Some(check).filter(VersionCheck::is_needed))
    }

    /// When the version ends, in unix seconds: an unversioned API has a date of its own.
    fn expires(&self, version: &Version<'_>) -> Result<Option<i64>, CompileError> {
        if !self.definition.is_versioned() {
            return expiry::parse("expiration", &self.definition.expiration);
        }
        expiry::parse(&format!("{}.expires", version.at), &version.info.expires)
    }

    fn upstream(&self, version: &Version<'_>) -> Result<Upstream, CompileError> {
        let (instead, path) = (version.info.override_target.as_str(), version.at("override_target"));
        let instead = (!instead.is_empty()).then_some((instead, path.as_str()));
        let rewritten = version.info.extended().url_rewrites.iter().any(|rewrite| !rewrite.disabled);
        Ok(self.upstreams.upstream(self.listen_path, instead, rewritten)?)
    }

    /// Sessions may name their counters by anything in the request, so it is remembered for them too.
    fn remember<'t>(&self, templates: impl Iterator<Item = &'t Template>) -> Option<Step> {
        let protected = self.auth.is_some() && self.definition.enable_context_vars;
        let (mut wanted, mut memory) = (protected, Memory { forms: protected, claims: false });
        for template in templates {
            wanted |= template.has_context();
            memory.forms |= template.reads_form();
            memory.claims |= template.reads_claims();
        }
        wanted.then_some(Step::Remember(memory))
    }

    fn request_headers(&self, version: &Version<'_>) -> Result<Option<HeaderChange>, CompileError> {
        if version.info.global_headers_disabled {
            return Ok(None);
        }
        HeaderChange::compile(
            (&version.at("global_headers_remove"), &version.info.global_headers_remove),
            (&version.at("global_headers"), &version.info.global_headers),
            self.scope,
        )
    }

    fn path_headers(
        &self,
        version: &Version<'_>,
        key: &str,
        list: impl Fn(&ExtendedPaths) -> &Vec<HeaderTransform>,
    ) -> Result<Option<Endpoints<HeaderChange>>, CompileError> {
        let mut rules = self.rules(version);
        let enabled = list(version.info.extended()).iter().enumerate().filter(|(_, change)| !change.disabled);
        for (index, change) in enabled {
            let written = format!("{}.{key}[{index}]", version.paths_at());
            let at = |key: &str| format!("{written}.{key}");
            let (remove, set) =
                ((&*at("delete_headers"), &*change.delete_headers), (&*at("add_headers"), &change.add_headers));
            let Some(headers) = HeaderChange::compile(remove, set, self.scope)? else { continue };
            let place = Place { written: &written, path: &change.path, method: &change.method, ignore_case: false };
            rules.add(place, headers)?;
        }
        Ok(rules.unless_empty())
    }

    fn api_limit(&self, version: &Version<'_>) -> Result<Option<ApiLimit>, CompileError> {
        let at = version.paths_at();
        let paths = (&*at, version.info.extended());
        rates::compile(self.definition, paths, self.rules(version), self.shared)
    }

    fn breakers(&self, version: &Version<'_>) -> Result<Option<Endpoints<Arc<Breaker>>>, CompileError> {
        let (at, rules) = (version.paths_at(), self.rules(version));
        breaker::compile(&at, version.info.extended(), rules, &self.definition.api_id, self.reports.as_ref())
    }

    fn cache(&self, version: &Version<'_>) -> Result<Option<Cache>, CompileError> {
        let Some(shelf) = &self.shelf else { return Ok(None) };
        let (at, rules) = (version.paths_at(), (self.rules(version), self.rules(version)));
        shelf.compile(version.name, (&at, version.info.extended()), rules)
    }

    fn rewrites(&self, version: &Version<'_>) -> Result<Option<Endpoints<Rewrite>>, CompileError> {
        rewrite::compile(&version.paths_at(), version.info.extended(), self.rules(version), self.scope)
    }

    fn replies(&self, version: &Version<'_>) -> Result<Replies, CompileError> {
        let expires = self.expires(version)?.and_then(expiry::header);
        let name = self.config.version_header.clone().zip(HeaderValue::from_str(version.name).ok());
        let path_headers =
            self.path_headers(version, "transform_response_headers", |paths| &paths.transform_response_headers)?;
        let name: Option<(HeaderName, HeaderValue)> = name;
        Ok(Replies { headers: self.reply_headers(version)?, path_headers, expires, version: name })
    }

    /// The headers of the version, and then those of each `header_injector`.
    fn reply_headers(&self, version: &Version<'_>) -> Result<Vec<HeaderChange>, CompileError> {
        let mut changes = Vec::new();
        if !version.info.global_response_headers_disabled {
            changes.extend(HeaderChange::compile(
                (&version.at("global_response_headers_remove"), &version.info.global_response_headers_remove),
                (&version.at("global_response_headers"), &version.info.global_response_headers),
                self.scope,
            )?);
        }
        let processors = self.definition.response_processors.iter().enumerate();
        for (at, processor) in processors.filter(|(_, processor)| processor.name == "header_injector") {
            let path = |key: &str| format!("response_processors[{at}].options.{key}");
            changes.extend(HeaderChange::compile(
                (&path("remove_headers"), &processor.options.remove_headers),
                (&path("add_headers"), &processor.options.add_headers),
                self.scope,
            )?);
        }
        Ok(changes)
    }

    fn rules<T>(&self, version: &Version<'_>) -> Endpoints<T> {
        Endpoints::new(self.listen_path, version.matching)
    }
}

impl Version<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.at)
    }

    fn paths_at(&self) -> String {
        self.at("extended_paths")
    }
}
