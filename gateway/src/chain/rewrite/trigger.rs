//! What a request must look like for another target than the rule's own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderName;
use regex::Regex;

use super::pieces::{Groups, Pieces};
use super::{CompileError, Exchange, Scope, Template};
use crate::definition::{RewriteTrigger, TriggerMatch};
use crate::exchange::query;
use crate::pattern::re2;

/// Conditions and their target.
#[derive(Debug)]
pub(super) struct Trigger {
    /// Whether one condition is enough.
    any: bool,
    conditions: Vec<Condition>,
    pub(super) to: Pieces,
}

/// One thing that a request must look like.
#[derive(Debug)]
struct Condition {
    source: Source,
    /// What its matches are named by.
    name: String,
    pattern: Regex,
    reverse: bool,
}

/// Where values stand.
#[derive(Debug)]
enum Source {
    Header(HeaderName),
    Parameter,
    PathParts,
    /// Metadata of the session, or a variable of the request.
    Variable(Template),
    Body,
}

impl Trigger {
    /// A trigger that stands at this JSON path.
    pub(super) fn compile(at: &str, trigger: &RewriteTrigger, scope: Scope<'_>) -> Result<Self, CompileError> {
        let any = match trigger.on.as_str() {
            "any" => true,
            "all" => false,
            other => {
                let reason = format!("{other:?}: write \"any\" or \"all\"");
                return Err(CompileError { path: format!("{at}.on"), reason });
            }
        };
        let to = Pieces::compile(&format!("{at}.rewrite_to"), &trigger.rewrite_to, scope)?;
        Ok(Self { any, conditions: conditions(&format!("{at}.options"), trigger)?, to })
    }

    /// Whether the body must have been read.
    pub(super) fn reads_body(&self) -> bool {
        self.conditions.iter().any(|condition| matches!(condition.source, Source::Body))
    }

    /// The texts with variables.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let variables = self.conditions.iter().filter_map(|condition| match &condition.source {
            Source::Variable(template) => Some(template),
            _ => None,
        });
        variables.chain(self.to.templates())
    }

    /// What was found in a request, if it is as the trigger wants it.
    pub(super) fn found_in(&self, exchange: &Exchange) -> Option<Groups> {
        let mut groups = Groups::new();
        let mut fits = self.conditions.iter().map(|condition| condition.fits(exchange, &mut groups));
        let fits = if self.any { fits.any(|fits| fits) } else { !self.conditions.is_empty() && fits.all(|fits| fits) };
        fits.then_some(groups)
    }
}

fn conditions(at: &str, trigger: &RewriteTrigger) -> Result<Vec<Condition>, CompileError> {
    let options = &trigger.options;
    let refuse = |path: String, reason: String| CompileError { path, reason };
    let header = |path: &str, name: &str| {
        HeaderName::try_from(name).map(Source::Header).map_err(|error| refuse(path.to_owned(), error.to_string()))
    };
    // Both count here, whatever the definition says of variables elsewhere.
    let scope = Scope { context: true, secrets: None };
    let variable = |kind: &str, path: &str, name: &str| {
        let template = Template::parse(&format!("${kind}.{name}"), scope);
        template.map(Source::Variable).map_err(|error| refuse(path.to_owned(), error.to_string()))
    };
    let mut all = Vec::new();
    let mut add = |list: &str,
                   matches: &BTreeMap<String, TriggerMatch>,
                   source: &dyn Fn(&str, &str) -> Result<Source, CompileError>| {
        for (name, wanted) in matches {
            let path = format!("{at}.{list}.{name}");
            all.push(Condition::compile(&path, name, wanted, source(&path, name)?)?);
        }
        Ok::<_, CompileError>(())
    };
    add("header_matches", &options.header_matches, &header)?;
    add("query_val_matches", &options.query_val_matches, &|_, _| Ok(Source::Parameter))?;
    add("path_part_matches", &options.path_part_matches, &|_, _| Ok(Source::PathParts))?;
    add("session_meta_matches", &options.session_meta_matches, &|path, name| variable("tyk_meta", path, name))?;
    add("request_context_matches", &options.request_context_matches, &|path, name| {
        variable("tyk_context", path, name)
    })?;
    if !options.payload_matches.match_rx.is_empty() {
        let path = format!("{at}.payload_matches");
        all.push(Condition::compile(&path, "payload", &options.payload_matches, Source::Body)?);
    }
    Ok(all)
}

impl Condition {
    fn compile(at: &str, name: &str, wanted: &TriggerMatch, source: Source) -> Result<Self, CompileError> {
        let pattern = re2::compile(&wanted.match_rx);
        let pattern =
            pattern.map_err(|error| CompileError { path: format!("{at}.match_rx"), reason: error.to_string() })?;
        Ok(Self { source, name: name.to_owned(), pattern, reverse: wanted.reverse })
    }

    /// Whether some value matches, or none if it must not; notes the matches.
    fn fits(&self, exchange: &Exchange, groups: &mut Groups) -> bool {
        let mut matches = Vec::new();
        for value in self.values(exchange) {
            let texts = |found: regex::Captures<'_>| {
                found.iter().map(|group| group.map_or_else(String::new, |group| group.as_str().to_owned())).collect()
            };
            matches.extend(self.pattern.captures_iter(&value).map(texts));
        }
        let found = !matches.is_empty();
        if found && !self.reverse {
            groups.insert(self.name.clone(), matches);
        }
        found != self.reverse
    }

    fn values<'a>(&self, exchange: &'a Exchange) -> Vec<Cow<'a, str>> {
        let head = &exchange.head;
        match &self.source {
            Source::Header(name) => {
                head.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
            }
            Source::Parameter => query::pairs(head.target.query().unwrap_or_default())
                .filter(|(name, _)| **name == *self.name.as_bytes())
                .map(|(_, value)| Cow::Owned(String::from_utf8_lossy(&value).into_owned()))
                .collect(),
            Source::PathParts => {
                let path = head.target.decoded_path();
                path.split('/').map(|part| Cow::Owned(part.to_owned())).collect()
            }
            Source::Variable(template) => vec![Cow::Owned(template.expand(exchange))],
            Source::Body => exchange.body.bytes().map(|body| String::from_utf8_lossy(body)).into_iter().collect(),
        }
    }
}
