//! Id extractors: they read from a request what tells its caller from others, so that a session
//! made before is found again without asking the plugin.
//!
//! The session's id is made of the bytes that are found. With `api_scoped` these stand before them: a
//! NUL, the length of the API id in decimal, a colon and the API id. So two APIs never make the same
//! id, and no header can hold what another API makes its ids of.

mod regex;
mod source;
mod xpath;

use std::borrow::Cow;
use std::ops::Range;

use http_body::Body;
use thiserror::Error;

use self::regex::RegexRule;
use self::source::Source;
use self::xpath::XPath;
pub use self::xpath::{XPathError, XmlError};
use crate::definition::{self, Definition, Refusal};
use crate::exchange::{Exchange, Head, ReadError};

/// Finds what a session id is made of.
#[derive(Debug)]
pub struct IdExtractor {
    plan: Result<Plan, Flaw>,
    /// What stands before the found bytes if sessions are the API's own.
    scope: Option<Vec<u8>>,
}

/// What is done for each request.
#[derive(Debug)]
struct Plan {
    source: Source,
    rule: Rule,
}

/// What is taken of the text that a source gives.
#[derive(Debug)]
enum Rule {
    Value,
    Regex(RegexRule),
    XPath(XPath),
}

/// What lets an extractor fail for every request.
#[derive(Debug, Error)]
#[error("custom_middleware.id_extractor.extractor_config.{key}: {reason}")]
pub struct Flaw {
    key: &'static str,
    reason: String,
}

/// Why nothing was found in a request.
#[derive(Debug, Error)]
pub enum ExtractError {
    /// The extractor has a flaw.
    #[error("its configuration cannot be used, as the log said when the API was loaded")]
    Flawed,
    /// The header is missing or empty.
    #[error("the header is missing or empty")]
    NoHeader,
    /// The form has no such parameter.
    #[error("the form has no such parameter")]
    NoParameter,
    /// The regular expression has no match with the index asked for.
    #[error("the regular expression has too few matches")]
    NoMatch,
    /// The XPath expression found no text.
    #[error(transparent)]
    XPath(#[from] XPathError),
    /// All who send nothing would be one caller.
    #[error("what it found is empty")]
    Empty,
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] ReadError),
}

impl IdExtractor {
    /// The extractor that a definition asks for, if it asks for one.
    pub fn compile(definition: &Definition) -> Result<Option<Self>, Refusal> {
        let written = &definition.custom_middleware.id_extractor;
        let known = matches!(written.extract_with.as_str(), "value" | "regex" | "xpath");
        if !known || written.disabled || !definition.custom_auth() {
            return Ok(None);
        }
        check(written)?;
        let scope = format!("\0{}:{}", definition.api_id.len(), definition.api_id).into_bytes();
        Ok(Some(Self { plan: Plan::compile(written), scope: written.api_scoped.then_some(scope) }))
    }

    /// Why the extractor fails for every request, if it does: for the log.
    pub fn flaw(&self) -> Option<&Flaw> {
        self.plan.as_ref().err()
    }

    /// The bytes that the session's id is made of. A body that had to be read stays readable.
    pub async fn extract<'e>(&self, exchange: &'e mut Exchange) -> Result<Cow<'e, [u8]>, ExtractError> {
        let plan = self.plan.as_ref().map_err(|_| ExtractError::Flawed)?;
        if plan.source.reads_body(&exchange.head, exchange.body.size_hint().lower()) {
            exchange.body.read(None).await?;
        }
        let body = exchange.body.bytes().map_or(&[][..], AsRef::as_ref);
        Ok(self.scoped(plan.find(&exchange.head, body)?))
    }

    fn scoped<'e>(&self, found: Cow<'e, [u8]>) -> Cow<'e, [u8]> {
        match &self.scope {
            Some(scope) => Cow::Owned([scope, found.as_ref()].concat()),
            None => found,
        }
    }
}

/// Refuses what would take all callers for one.
fn check(written: &definition::IdExtractor) -> Result<(), Refusal> {
    let definition::IdExtractor { extract_from, extract_with, extractor_config, .. } = written;
    let sources: &[&str] = if extract_with == "value" { &["header", "form"] } else { &["header", "form", "body"] };
    if !sources.contains(&extract_from.as_str()) {
        return Err(refusal(
            "extract_from",
            format!(
                "{extract_from:?} gives {extract_with:?} nothing to extract, so all clients would share one session: \
                 write one of {}",
                sources.join(", ")
            ),
        ));
    }
    if extract_with == "regex" && extractor_config.regex_match_index < 0 {
        let index = extractor_config.regex_match_index;
        return Err(refusal("extractor_config.regex_match_index", format!("{index}: matches are counted from 0")));
    }
    Ok(())
}

fn refusal(key: &str, reason: String) -> Refusal {
    Refusal { path: format!("custom_middleware.id_extractor.{key}"), reason }
}

impl Plan {
    fn compile(written: &definition::IdExtractor) -> Result<Self, Flaw> {
        let definition::IdExtractor { extract_from, extract_with, extractor_config: config, .. } = written;
        Ok(Self { source: Source::compile(extract_from, config)?, rule: Rule::compile(extract_with, config)? })
    }

    fn find<'e>(&self, head: &'e Head, body: &'e [u8]) -> Result<Cow<'e, [u8]>, ExtractError> {
        let found = self.rule.apply(self.source.find(head, body)?)?;
        if found.is_empty() { Err(ExtractError::Empty) } else { Ok(found) }
    }
}

impl Rule {
    fn compile(with: &str, config: &definition::ExtractorConfig) -> Result<Self, Flaw> {
        match with {
            "regex" => RegexRule::compile(config).map(Self::Regex),
            "xpath" => XPath::compile(&config.xpath_expression)
                .map(Self::XPath)
                .map_err(|error| Flaw { key: "xpath_expression", reason: error.to_string() }),
            _ => Ok(Self::Value),
        }
    }

    fn apply<'e>(&self, text: Cow<'e, [u8]>) -> Result<Cow<'e, [u8]>, ExtractError> {
        match self {
            Self::Value => Ok(text),
            Self::Regex(rule) => rule.find(&text).map(|range| part(text, range)).ok_or(ExtractError::NoMatch),
            Self::XPath(path) => Ok(Cow::Owned(path.find(&text)?.into_bytes())),
        }
    }
}

fn part(text: Cow<'_, [u8]>, range: Range<usize>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or_default().to_vec()),
    }
}

#[cfg(test)]
mod tests;
