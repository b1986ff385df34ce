//! Replies that are kept for the requests to come: looked up before Post hooks, put away after
//! Response hooks.

mod answer;
mod answers;
mod key;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use http_body::Body as _;
use regex::Regex;

use self::answer::{Answer, Head as Kept};
pub use self::answers::Answers;
use self::answers::ApiAnswers;
use self::key::Key;
use super::CompileError;
use super::endpoints::{Endpoints, Place};
use crate::definition::{CacheOptions, CacheRule, Definition, ExtendedPaths};
use crate::error::Failure;
use crate::exchange::{Body, Copying, Exchange, Head, Reply};
use crate::pattern::re2;
use crate::store::{Store, StoreError};

/// The longest body that is kept, in bytes.
const LONGEST: usize = 1 << 20;
/// The longest time for which a reply is kept, in seconds: a year.
const LONGEST_LIFETIME: u64 = 365 * 24 * 60 * 60;
/// With this header, an upstream that decides has a reply kept.
const KEEP: HeaderName = HeaderName::from_static("x-tyk-cache-action-set");
/// With this one it says for how many seconds, unless the API names another.
const KEEP_FOR: HeaderName = HeaderName::from_static("x-tyk-cache-action-set-ttl");

/// The kept replies of one API, all its versions together.
pub(super) struct Shelf<'d> {
    answers: Arc<ApiAnswers>,
    definition: &'d Definition,
}

/// The cache of one version.
pub(super) struct Cache {
    answers: Arc<ApiAnswers>,
    version: String,
    /// Whether all safe requests are looked up.
    everything: bool,
    /// Safe requests for these paths are.
    paths: Option<Endpoints<()>>,
    /// Requests for these paths are, on terms of their own.
    rules: Option<Endpoints<Rule>>,
    terms: Terms,
    /// The header with the lifetime, where the upstream decides.
    decided_upstream: Option<HeaderName>,
    /// Headers of requests that replies depend on.
    headers: Vec<HeaderName>,
    /// Whether the upstream sees the host that the client asked for.
    host: bool,
}

/// Which replies are kept, and for how long.
#[derive(Debug)]
struct Terms {
    /// Seconds; none unless positive.
    lifetime: i64,
    /// Those below 500, if there are none.
    statuses: Vec<u16>,
}

/// Terms of a path.
#[derive(Debug)]
pub(super) struct Rule {
    /// Whether the rule names a method, which need not be a safe one then.
    names_method: bool,
    /// The part of the body that replies depend on, where that is not all of it.
    body: Option<Regex>,
    terms: Terms,
}

/// What comes of looking up a request.
pub(super) enum Found<'c> {
    /// The reply.
    Reply(Reply),
    /// None yet.
    Nothing(Slot<'c>),
    /// The cache is not for this request.
    Aside,
}

/// Where the reply is to be kept that a request gets.
pub(super) struct Slot<'c> {
    cache: &'c Cache,
    terms: &'c Terms,
    key: Key,
}

impl<'d> Shelf<'d> {
    /// The shelf of an API that wants one.
    pub(super) fn of(definition: &'d Definition, answers: &Answers) -> Option<Self> {
        let wanted = definition.cache_options.enable_cache;
        wanted.then(|| Self { answers: Arc::new(answers.of_api(&definition.api_id)), definition })
    }

    /// The cache of the version of this name, whose rules for single paths stand at this JSON path;
    /// nothing, if no request is for it.
    pub(super) fn compile(
        &self,
        version: &str,
        (at, written): (&str, &ExtendedPaths),
        (mut paths, mut rules): (Endpoints<()>, Endpoints<Rule>),
    ) -> Result<Option<Cache>, CompileError> {
        for (index, path) in written.cache.iter().enumerate() {
            let written = format!("{at}.cache[{index}]");
            paths.add(Place { written: &written, path, method: "", ignore_case: false }, ())?;
        }
        let (options, host) = (&self.definition.cache_options, self.definition.proxy.preserve_host_header);
        let terms = Terms { lifetime: options.cache_timeout, statuses: options.cache_response_codes.clone() };
        for (index, rule) in written.advance_cache_config.iter().enumerate().filter(|(_, rule)| !rule.disabled) {
            let written = format!("{at}.advance_cache_config[{index}]");
            let place = Place { written: &written, path: &rule.path, method: &rule.method, ignore_case: false };
            rules.add(place, Rule::compile(&written, rule, &terms)?)?;
        }
        let (paths, rules) = (paths.unless_empty(), rules.unless_empty());
        let everything = options.cache_all_safe_requests;
        let needed = everything || paths.is_some() || rules.is_some();
        let (answers, version) = (Arc::clone(&self.answers), version.to_owned());
        let (decided_upstream, headers) = (decided_upstream(options)?, headers(options)?);
        let cache = Cache { answers, version, everything, paths, rules, terms, decided_upstream, headers, host };
        Ok(needed.then_some(cache))
    }
}

/// The header with the lifetime, where the upstream decides.
fn decided_upstream(options: &CacheOptions) -> Result<Option<HeaderName>, CompileError> {
    let name = &options.cache_control_ttl_header;
    match (options.enable_upstream_cache_control, name.as_str()) {
        (false, _) => Ok(None),
        (true, "") => Ok(Some(KEEP_FOR)),
        (true, _) => header("cache_options.cache_control_ttl_header", name).map(Some),
    }
}

fn headers(options: &CacheOptions) -> Result<Vec<HeaderName>, CompileError> {
    let names = options.cache_by_headers.iter().enumerate();
    names.map(|(index, name)| header(&format!("cache_options.cache_by_headers[{index}]"), name)).collect()
}

fn header(path: &str, name: &str) -> Result<HeaderName, CompileError> {
    let refuse = |_| CompileError { path: path.to_owned(), reason: format!("{name:?} is no name of a header") };
    HeaderName::try_from(name).map_err(refuse)
}

impl Rule {
    /// What the rule leaves out is as in the API's own terms.
    fn compile(at: &str, rule: &CacheRule, terms: &Terms) -> Result<Self, CompileError> {
        let pattern = Some(&rule.cache_key_regex).filter(|pattern| !pattern.is_empty());
        let body = pattern
            .map(|pattern| re2::compile(pattern))
            .transpose()
            .map_err(|error| CompileError { path: format!("{at}.cache_key_regex"), reason: error.to_string() })?;
        let lifetime = if rule.timeout > 0 { rule.timeout } else { terms.lifetime };
        let own = &rule.cache_response_codes;
        let statuses = if own.is_empty() { terms.statuses.clone() } else { own.clone() };
        Ok(Self { names_method: !rule.method.is_empty(), body, terms: Terms { lifetime, statuses } })
    }

    /// What replies depend on: what the expression finds in the body, or else all of it.
    fn part<'b>(&self, body: &'b [u8]) -> &'b [u8] {
        let found = self.body.as_ref().zip(std::str::from_utf8(body).ok());
        found.and_then(|(pattern, body)| pattern.find(body)).map_or(body, |found| found.as_str().as_bytes())
    }
}

impl Cache {
    /// Looks for a reply to this request.
    pub(super) async fn look_up(&self, exchange: &mut Exchange, store: &Store) -> Result<Found<'_>, Failure> {
        if exchange.upgrade.is_some() || answer::is_particular(&exchange.head.headers) {
            return Ok(Found::Aside);
        }
        let safe = is_safe(exchange);
        let rule = self.rules.as_ref().and_then(|rules| rules.find(exchange));
        let rule = rule.filter(|rule| safe || rule.names_method);
        let listed = || self.paths.as_ref().is_some_and(|paths| paths.find(exchange).is_some());
        if rule.is_none() && !(safe && (self.everything || listed())) {
            return Ok(Found::Aside);
        }
        let body = match rule {
            Some(_) => exchange.body.read(None).await?.clone(),
            None => Bytes::new(),
        };
        let part = rule.map_or(&[][..], |rule| rule.part(&body));
        let key = key::key(&self.version, exchange, self.host, &self.headers, part);
        let answer = self.answers.get(&key, store).await;
        let reply = answer.and_then(|answer| answer.reply_to(&exchange.head.headers));
        let terms = rule.map_or(&self.terms, |rule| &rule.terms);
        Ok(reply.map_or(Found::Nothing(Slot { cache: self, terms, key }), Found::Reply))
    }

    /// Forgets all replies of the API.
    pub(super) async fn forget(&self, store: &Store) -> Result<(), StoreError> {
        self.answers.forget(store).await
    }
}

/// Whether a request changes nothing, neither as it came nor as the upstream will see it.
fn is_safe(exchange: &Exchange) -> bool {
    const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
    let pending = exchange.passage.pending.as_deref().and_then(|pending| pending.method.as_deref());
    SAFE.contains(&exchange.head.method_text()) && pending.is_none_or(|method| SAFE.contains(&method))
}

impl Slot<'_> {
    /// Keeps a reply, if it is one to be kept; one that streams is copied on its way to the client.
    pub(super) fn keep(self, reply: &mut Reply, request: &Head, store: &Store) {
        let Some(lifetime) = self.lifetime(reply) else { return };
        let Some(head) = Kept::of(reply, &request.headers) else { return };
        if reply.body().size_hint().lower() > LONGEST as u64 {
            return;
        }
        let (answers, store, key) = (Arc::clone(&self.cache.answers), store.clone(), self.key);
        let put = move |body: Bytes| answers.put(key, Answer::new(head, body), lifetime, &store);
        match reply.body().bytes() {
            // A copy: what is held whole counts as that until it is dropped.
            Some(bytes) => put(Bytes::copy_from_slice(bytes)),
            None if reply.body().is_end_stream() => put(Bytes::new()),
            None => {
                let body = std::mem::replace(reply.body_mut(), Body::empty());
                *reply.body_mut() = Body::Copying(Box::new(Copying::new(body, LONGEST, put)));
            }
        }
    }

    /// For how long a reply is kept, if it is.
    fn lifetime(&self, reply: &Reply) -> Option<Duration> {
        let Terms { lifetime, statuses } = self.terms;
        let status = reply.status().as_u16();
        let wanted = if statuses.is_empty() { status < 500 } else { statuses.contains(&status) };
        let own = match &self.cache.decided_upstream {
            None => None,
            Some(_) if reply.headers().get(KEEP).is_none_or(|keep| keep != "1") => return None,
            Some(name) => reply.headers().get(name).and_then(|seconds| seconds.to_str().ok()?.parse().ok()),
        };
        let seconds = u64::try_from(own.unwrap_or(*lifetime)).ok().filter(|seconds| wanted && *seconds > 0)?;
        Some(Duration::from_secs(seconds.min(LONGEST_LIFETIME)))
    }
}
