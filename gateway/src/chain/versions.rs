//! Which version of an API a request is for.

use std::collections::BTreeMap;

use http::HeaderName;
use regex::Regex;
use thiserror::Error;

use super::endpoints::behind_first;
use super::{CompileError, Plan};
use crate::definition::{Definition, NoVersion, VersionInfo, Versioning};
use crate::exchange::{Exchange, Target, query};
use crate::pattern::{ListenPath, re2};

/// The versions of an API.
pub(super) enum Versions {
    /// All requests are for the same.
    One(Choice),
    /// Nobody knows which one requests are for.
    Closed(VersionError),
    /// Requests name theirs.
    Named(Box<Named>),
}

/// Why a request is for no version, or its version does not let it through.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VersionError {
    /// It names none, and there is no default.
    #[error("the request names no version of the API, and there is no default")]
    Missing,
    /// There is none of that name.
    #[error("the API has no such version")]
    Unknown,
    /// Versions are APIs of their own, and there is none of that name.
    #[error("no API is that version")]
    NoApi,
    /// Two versions are the one for all.
    #[error("the definition does not say which version is in force")]
    Ambiguous,
    /// No version is the one for all.
    #[error("no version of the definition is in force")]
    NoDefault,
    /// The version has ended.
    #[error("the API has expired")]
    Expired,
    /// The version's lists of paths keep the request out.
    #[error("the version's lists of paths keep the request out")]
    Forbidden,
}

/// Versions that requests name.
pub(super) struct Named {
    place: Place,
    strip: bool,
    listen_path: ListenPath,
    /// Whether APIs that are versions see the path without this one's listen path.
    strip_listen_path: bool,
    choices: BTreeMap<String, Choice>,
    default: Option<String>,
    /// Whether a version that there is not is the default one.
    lenient: bool,
    unknown: VersionError,
}

/// A segment of a path.
struct Segment {
    /// What it looks like.
    pattern: Option<Regex>,
    /// A slash and the API's name (`slug`), which may stand before it.
    name: Option<String>,
}

/// What a version is.
pub(super) enum Choice {
    Plan(Box<Plan>),
    /// Another API, by its id.
    Api(String),
}

/// Where requests name their version.
enum Place {
    Header(HeaderName),
    Parameter(String),
    /// The first segment below the listen path, or below the API's name there.
    Path(Segment),
}

impl Versions {
    /// The versions of a definition; `plan` makes the one of a version.
    pub(super) fn compile(
        definition: &Definition,
        listen_path: &ListenPath,
        plan: impl Fn(Option<(&str, &VersionInfo)>) -> Result<Plan, CompileError>,
    ) -> Result<Self, CompileError> {
        let (versioning, data) = (&definition.definition, &definition.version_data);
        if versioning.enabled {
            let own = plan(definition.version().ok().flatten())?;
            let strip = definition.proxy.strip_listen_path;
            return family(definition, listen_path, own)
                .map(|family| Self::Named(Box::new(Named { strip_listen_path: strip, ..family })));
        }
        if !definition.is_versioned() {
            return match definition.version() {
                Ok(version) => Ok(Self::One(Choice::Plan(Box::new(plan(version)?)))),
                Err(NoVersion::Ambiguous) => Ok(Self::Closed(VersionError::Ambiguous)),
                Err(NoVersion::NoDefault) => Ok(Self::Closed(VersionError::NoDefault)),
            };
        }
        let choice =
            |(name, info): (&String, _)| Ok((name.clone(), Choice::Plan(Box::new(plan(Some((name.as_str(), info)))?))));
        Ok(Self::Named(Box::new(Named {
            choices: data.versions.iter().map(choice).collect::<Result<_, CompileError>>()?,
            default: Some(data.default_version.clone()).filter(|name| !name.is_empty()),
            unknown: VersionError::Unknown,
            ..Named::new(definition, listen_path)?
        })))
    }

    /// All plans.
    pub(super) fn plans(&self) -> impl Iterator<Item = &Plan> {
        let (one, named) = match self {
            Self::One(choice) => (Some(choice), None),
            Self::Named(named) => (None, Some(named.choices.values())),
            Self::Closed(_) => (None, None),
        };
        one.into_iter().chain(named.into_iter().flatten()).filter_map(|choice| match choice {
            Choice::Plan(plan) => Some(&**plan),
            Choice::Api(_) => None,
        })
    }

    /// The version for a request.
    pub(super) fn of(&self, exchange: &mut Exchange) -> Result<&Choice, VersionError> {
        match self {
            Self::One(choice) => Ok(choice),
            Self::Closed(error) => Err(*error),
            Self::Named(named) => named.of(exchange),
        }
    }
}

/// Versions that are APIs of their own, beside the one that knows them.
fn family(definition: &Definition, listen_path: &ListenPath, own: Plan) -> Result<Named, CompileError> {
    let versioning = &definition.definition;
    let others = versioning.versions.iter().map(|(name, id)| (name.clone(), Choice::Api(id.clone())));
    let mut choices: BTreeMap<_, _> = others.collect();
    choices.insert(versioning.name.clone(), Choice::Plan(Box::new(own)));
    let default = if versioning.default == "self" { &versioning.name } else { &versioning.default };
    let default = Some(default.clone()).filter(|name| !name.is_empty());
    Ok(Named { choices, default, unknown: VersionError::NoApi, ..Named::new(definition, listen_path)? })
}

impl Named {
    /// No version yet.
    fn new(definition: &Definition, listen_path: &ListenPath) -> Result<Self, CompileError> {
        let versioning = &definition.definition;
        Ok(Self {
            place: Place::compile(versioning, &definition.slug)?,
            strip: versioning.strip_path || versioning.strip_versioning_data,
            listen_path: listen_path.clone(),
            strip_listen_path: false,
            choices: BTreeMap::new(),
            default: None,
            lenient: versioning.fallback_to_default,
            unknown: VersionError::Unknown,
        })
    }

    fn of(&self, exchange: &mut Exchange) -> Result<&Choice, VersionError> {
        let named = self.place.read(exchange, &self.listen_path);
        let choice = match named.as_deref().map(|name| self.choices.get(name)) {
            Some(Some(choice)) => {
                self.note(exchange);
                choice
            }
            Some(None) if !self.lenient => return Err(self.unknown),
            Some(None) | None => {
                exchange.passage.version_implied = true;
                self.choices.get(self.default.as_ref().ok_or(VersionError::Missing)?).ok_or(self.unknown)?
            }
        };
        if let (Choice::Api(_), true) = (choice, self.strip_listen_path) {
            let target = &exchange.head.target;
            exchange.head.target = Target::upstream("", &self.listen_path.strip(target), target.query());
        }
        Ok(choice)
    }

    /// Takes the version out of the request, or notes where it stays.
    fn note(&self, exchange: &mut Exchange) {
        let head = &mut exchange.head;
        match &self.place {
            Place::Path(segment) if self.strip => {
                let below = self.listen_path.below(&head.target);
                let (name, rest) = below.split_at(segment.at(&below));
                let whole = head.target.decoded_path();
                let front = whole.strip_suffix(&*below).unwrap_or_default();
                let path = format!("{}{name}{}", front.trim_end_matches('/'), behind_first(rest));
                head.target = head.target.with_decoded_path(&path);
            }
            Place::Path(segment) => {
                exchange.passage.version_in_path = Some(segment.at(&self.listen_path.below(&head.target)));
            }
            Place::Header(name) if self.strip => head.remove(name.as_str()),
            Place::Parameter(name) if self.strip => head.target = without(&head.target, name),
            Place::Header(_) | Place::Parameter(_) => {}
        }
    }
}

/// A target without a query parameter.
fn without(target: &Target, name: &str) -> Target {
    let mut values = query::values(target.query().unwrap_or_default());
    if values.remove(name.as_bytes()).is_none() {
        return target.clone();
    }
    let encoded = query::encode(&values);
    target.with_query(Some(encoded.as_str()).filter(|query| !query.is_empty()))
}

impl Place {
    fn compile(versioning: &Versioning, slug: &str) -> Result<Self, CompileError> {
        let name = (!slug.is_empty()).then(|| format!("/{slug}"));
        let Versioning { location, key, url_versioning_pattern: pattern, .. } = versioning;
        let refuse = |path: &str, reason: String| CompileError { path: format!("definition.{path}"), reason };
        match location.as_str() {
            "header" => HeaderName::try_from(key)
                .map(Self::Header)
                .map_err(|_| refuse("key", format!("{key:?} is no name of a header"))),
            "url-param" if !key.is_empty() => Ok(Self::Parameter(key.clone())),
            "url-param" => Err(refuse("key", "name the query parameter".to_owned())),
            "url" if pattern.is_empty() => Ok(Self::Path(Segment { pattern: None, name })),
            "url" => re2::compile(pattern)
                .map(|pattern| Self::Path(Segment { pattern: Some(pattern), name }))
                .map_err(|error| refuse("url_versioning_pattern", error.to_string())),
            _ => Err(refuse("location", format!("{location:?}: write \"header\", \"url-param\" or \"url\""))),
        }
    }

    /// The version that a request names.
    fn read(&self, exchange: &Exchange, listen_path: &ListenPath) -> Option<String> {
        let head = &exchange.head;
        let found = match self {
            Self::Header(name) => head.headers.get(name)?.to_str().ok()?.to_owned(),
            Self::Parameter(name) => {
                let mut pairs = query::pairs(head.target.query()?);
                let (_, value) = pairs.find(|(found, _)| **found == *name.as_bytes())?;
                String::from_utf8(value.into_owned()).ok()?
            }
            Self::Path(segment) => segment.read(&listen_path.below(&head.target))?.to_owned(),
        };
        Some(found).filter(|version| !version.is_empty())
    }
}

impl Segment {
    /// Where it begins in a path below the listen path.
    fn at(&self, below: &str) -> usize {
        let Some(name) = &self.name else { return 0 };
        let stands = below.strip_prefix(&**name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if stands { name.len() } else { 0 }
    }

    fn read<'p>(&self, below: &'p str) -> Option<&'p str> {
        let first = below[self.at(below)..].trim_start_matches('/').split('/').next()?;
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(first)).then_some(first)
    }
}
