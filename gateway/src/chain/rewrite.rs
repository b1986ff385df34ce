//! Other targets and methods for some paths. They are pending until the end of the chain: Post hooks
//! see them as done, and may change them.

mod pieces;
mod trigger;

use regex::Regex;
use thiserror::Error;

use self::pieces::{Found, Pieces};
use self::trigger::Trigger;
use super::CompileError;
use super::endpoints::{Endpoints, Place};
use crate::definition::{ExtendedPaths, UrlRewrite};
use crate::error::Failure;
use crate::exchange::{Exchange, Scope, Target, Template};
use crate::pattern::re2;

/// Another target for some requests.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// Matched against path and query, the listen path included.
    pattern: Regex,
    triggers: Vec<Trigger>,
    to: Pieces,
}

/// Another method.
#[derive(Debug)]
pub(super) struct MethodChange {
    /// None if no request can have it.
    to: Option<&'static str>,
}

/// Why a request is not changed as its API wants.
#[derive(Debug, Error)]
pub enum RewriteError {
    /// The new target is none.
    #[error("url_rewrites make a target that cannot be used: {0}")]
    Target(#[from] crate::exchange::TargetError),
    /// The new method is none.
    #[error("method_transforms name a method that does not exist")]
    Method,
}

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

/// The rewrites that stand at this JSON path.
pub(super) fn compile(
    at: &str,
    paths: &ExtendedPaths,
    mut rules: Endpoints<Rewrite>,
    scope: Scope<'_>,
) -> Result<Option<Endpoints<Rewrite>>, CompileError> {
    for (index, rewrite) in paths.url_rewrites.iter().enumerate().filter(|(_, rewrite)| !rewrite.disabled) {
        let written = format!("{at}.url_rewrites[{index}]");
        let place = Place { written: &written, path: &rewrite.path, method: &rewrite.method, ignore_case: false };
        rules.add(place, Rewrite::compile(&written, rewrite, scope)?)?;
    }
    Ok(rules.unless_empty())
}

/// The changes of methods that stand at this JSON path.
pub(super) fn compile_methods(
    at: &str,
    paths: &ExtendedPaths,
    mut rules: Endpoints<MethodChange>,
) -> Result<Option<Endpoints<MethodChange>>, CompileError> {
    for (index, change) in paths.method_transforms.iter().enumerate().filter(|(_, change)| !change.disabled) {
        let written = format!("{at}.method_transforms[{index}]");
        let place = Place { written: &written, path: &change.path, method: &change.method, ignore_case: false };
        let to = METHODS.into_iter().find(|method| method.eq_ignore_ascii_case(&change.to_method));
        rules.add(place, MethodChange { to })?;
    }
    Ok(rules.unless_empty())
}

/// Rewrites a request that a rule is for.
pub(super) async fn run(rules: &Endpoints<Rewrite>, exchange: &mut Exchange) -> Result<(), Failure> {
    let Some(rewrite) = rules.find(exchange) else { return Ok(()) };
    if rewrite.triggers.iter().any(Trigger::reads_body) {
        exchange.body.read(None).await.map_err(Failure::from)?;
    }
    if let Some(target) = rewrite.target(exchange)? {
        exchange.passage.pending.get_or_insert_default().target = Some(target);
    }
    Ok(())
}

/// Changes the method of a request that a rule is for.
pub(super) fn change_method(rules: &Endpoints<MethodChange>, exchange: &mut Exchange) -> Result<(), Failure> {
    let Some(change) = rules.find(exchange) else { return Ok(()) };
    let to = change.to.ok_or(RewriteError::Method)?;
    exchange.passage.pending.get_or_insert_default().method = Some(to.to_owned());
    Ok(())
}

impl Rewrite {
    fn compile(at: &str, rewrite: &UrlRewrite, scope: Scope<'_>) -> Result<Self, CompileError> {
        let pattern = re2::compile(&rewrite.match_pattern)
            .map_err(|error| CompileError { path: format!("{at}.match_pattern"), reason: error.to_string() })?;
        let trigger = |(index, trigger)| Trigger::compile(&format!("{at}.triggers[{index}]"), trigger, scope);
        Ok(Self {
            pattern,
            triggers: rewrite.triggers.iter().enumerate().map(trigger).collect::<Result<_, _>>()?,
            to: Pieces::compile(&format!("{at}.rewrite_to"), &rewrite.rewrite_to, scope)?,
        })
    }

    /// The texts with variables.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.to.templates().chain(self.triggers.iter().flat_map(Trigger::templates))
    }

    /// The new target, if the old one is as the rule says: that of the first trigger that fits, or else the rule's.
    fn target(&self, exchange: &Exchange) -> Result<Option<Target>, RewriteError> {
        let Some(groups) = self.pattern.captures(exchange.head.target.as_str()) else { return Ok(None) };
        let mut fitting = self
            .triggers
            .iter()
            .enumerate()
            .filter_map(|(at, trigger)| Some((at, &trigger.to, trigger.found_in(exchange)?)));
        let (to, found) = match fitting.next() {
            Some((at, to, groups)) => (to, Some((at, groups))),
            None => (&self.to, None),
        };
        let found = Found { groups: &groups, trigger: found.as_ref().map(|(at, groups)| (*at, groups)) };
        Ok(Some(Target::parse(&to.expand(exchange, &found))?))
    }
}
