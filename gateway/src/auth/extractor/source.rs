//! Where an extractor looks.

use std::borrow::Cow;

use http::HeaderName;

use super::{ExtractError, Flaw};
use crate::definition::ExtractorConfig;
use crate::exchange::{Head, form, query};

/// A place in a request.
#[derive(Debug)]
pub(super) enum Source {
    /// The first value of a header.
    Header(HeaderName),
    /// All values of a parameter of the body's form and then of the query, joined.
    Form(String),
    /// The whole body.
    Body,
}

impl Source {
    pub(super) fn compile(from: &str, config: &ExtractorConfig) -> Result<Self, Flaw> {
        match from {
            "header" => match HeaderName::try_from(&config.header_name) {
                Ok(name) => Ok(Self::Header(name)),
                Err(_) => Err(flaw("header_name", &config.header_name, "no header has this name")),
            },
            "form" if config.param_name.is_empty() => Err(flaw("param_name", "", "name the parameter to read")),
            "form" => Ok(Self::Form(config.param_name.clone())),
            _ => Ok(Self::Body),
        }
    }

    /// Whether a body of at least so many bytes has to be in memory.
    pub(super) fn reads_body(&self, head: &Head, length: u64) -> bool {
        match self {
            Self::Header(_) => false,
            Self::Form(_) => form::is_read(head, length),
            Self::Body => true,
        }
    }

    pub(super) fn find<'e>(&self, head: &'e Head, body: &'e [u8]) -> Result<Cow<'e, [u8]>, ExtractError> {
        match self {
            Self::Header(name) => {
                let value = head.headers.get(name).map(http::HeaderValue::as_bytes).filter(|value| !value.is_empty());
                value.map(Cow::Borrowed).ok_or(ExtractError::NoHeader)
            }
            Self::Form(name) => {
                let form = if form::is_read(head, body.len() as u64) { body } else { &[] };
                parameter(name.as_bytes(), form, head.target.query().unwrap_or_default())
                    .ok_or(ExtractError::NoParameter)
            }
            Self::Body => Ok(Cow::Borrowed(body)),
        }
    }
}

fn flaw(key: &'static str, value: &str, reason: &str) -> Flaw {
    Flaw { key, reason: format!("{value:?}: {reason}") }
}

/// All values of a name, joined.
fn parameter<'e>(name: &[u8], form: &'e [u8], query: &'e str) -> Option<Cow<'e, [u8]>> {
    match form::printable(form) {
        Cow::Borrowed(form) => join(values(name, form).chain(values(name, query))),
        Cow::Owned(form) => {
            join(values(name, &form).chain(values(name, query))).map(|all| Cow::Owned(all.into_owned()))
        }
    }
}

fn values<'e>(name: &[u8], pairs: &'e str) -> impl Iterator<Item = Cow<'e, [u8]>> {
    query::pairs(pairs).filter(move |(key, _)| key.as_ref() == name).map(|(_, value)| value)
}

fn join<'e>(values: impl Iterator<Item = Cow<'e, [u8]>>) -> Option<Cow<'e, [u8]>> {
    values.reduce(|mut all, value| {
        all.to_mut().extend_from_slice(&value);
        all
    })
}
