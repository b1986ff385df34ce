//! Id extractors: what of a request tells its caller apart, so that the auth hook need not be
//! called while a session is fresh.

pub mod xpath;

use http::HeaderName;
use regex::Regex;
use thiserror::Error;

use self::xpath::XPath;
use crate::definition;
use crate::exchange::{Exchange, query};
use crate::pattern::re2;

/// Bodies beyond it are not read as forms.
const LARGEST_FORM: usize = 10 << 20;
const FORM: &str = "application/x-www-form-urlencoded";

/// Where a caller's identity stands in a request, and by which rule it is read.
#[derive(Debug)]
pub struct IdExtractor {
    source: Source,
    rule: Rule,
}

#[derive(Debug)]
enum Source {
    /// The first value; none under a name that no header can have.
    Header(Option<HeaderName>),
    /// All values of a form field, the body's before the query's.
    Form(String),
    Body,
}

#[derive(Debug)]
enum Rule {
    Value,
    /// One of all matches; none without a usable expression.
    Regex(Option<Regex>, usize),
    /// The first match's text; none without a usable expression.
    XPath(Option<XPath>),
}

/// Why a definition's extractor cannot be used, below `custom_middleware.id_extractor`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{path}: {reason}")]
pub struct ExtractorError {
    /// Where.
    pub path: &'static str,
    /// What is wrong and what to do.
    pub reason: String,
}

/// The request does not say who is calling.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ExtractError {
    /// The header or field is missing or empty.
    #[error("the id extractor found no value")]
    Missing,
    /// The rule found nothing, or its expression is none.
    #[error("the id extractor's expression found nothing")]
    NoMatch,
    /// The body could not be read.
    #[error("the id extractor could not read the body")]
    Body,
}

impl IdExtractor {
    /// The extractor of a definition, unless it has none.
    ///
    /// # Errors
    ///
    /// A source that the rule cannot read would give all callers one session; a negative match index.
    pub fn compile(written: &definition::IdExtractor) -> Result<Option<Self>, ExtractorError> {
        let config = &written.extractor_config;
        if written.disabled {
            return Ok(None);
        }
        let rule = match written.extract_with.as_str() {
            "value" => Rule::Value,
            "regex" => Rule::Regex(expression(&config.regex_expression), index(config.regex_match_index)?),
            "xpath" => Rule::XPath(XPath::compile(&config.xpath_expression).ok()),
            _ => return Ok(None),
        };
        let source = match (written.extract_from.as_str(), &rule) {
            ("header", _) => Source::Header(HeaderName::try_from(config.header_name.as_str()).ok()),
            ("form", _) => Source::Form(config.param_name.clone()),
            ("body", Rule::Regex(..) | Rule::XPath(_)) => Source::Body,
            (other, _) => {
                let reason = format!(
                    "{other:?} gives {:?} nothing to read, and so all callers one session: write \"header\" or \"form\", or \"body\" for \"regex\" and \"xpath\"",
                    written.extract_with
                );
                return Err(ExtractorError { path: "extract_from", reason });
            }
        };
        Ok(Some(Self { source, rule }))
    }

    /// Whether its expression is none, so that every request is refused.
    pub fn finds_nothing(&self) -> bool {
        matches!(self.rule, Rule::Regex(None, _) | Rule::XPath(None)) || matches!(self.source, Source::Header(None))
    }

    /// What tells the caller apart. Reads the body where it looks there; it stays readable.
    pub async fn extract(&self, exchange: &mut Exchange) -> Result<Vec<u8>, ExtractError> {
        let found = match &self.source {
            Source::Header(name) => header(exchange, name.as_ref())?,
            Source::Form(name) => form(exchange, name).await?,
            Source::Body => exchange.body.read(None).await.map_err(|_| ExtractError::Body)?.to_vec(),
        };
        self.rule.apply(found)
    }
}

impl Rule {
    fn apply(&self, found: Vec<u8>) -> Result<Vec<u8>, ExtractError> {
        match self {
            Self::Value => Ok(found),
            Self::Regex(expression, at) => {
                let text = String::from_utf8_lossy(&found);
                let found = expression.as_ref().and_then(|expression| expression.find_iter(&text).nth(*at));
                Ok(found.ok_or(ExtractError::NoMatch)?.as_str().as_bytes().to_vec())
            }
            Self::XPath(path) => {
                let found = path.as_ref().and_then(|path| path.find(&found).ok());
                found.map(String::into_bytes).ok_or(ExtractError::NoMatch)
            }
        }
    }
}

fn expression(written: &str) -> Option<Regex> {
    if written.is_empty() { None } else { re2::compile(written).ok() }
}

fn index(written: i64) -> Result<usize, ExtractorError> {
    usize::try_from(written).map_err(|_| ExtractorError {
        path: "extractor_config.regex_match_index",
        reason: format!("{written} is no match: count from 0"),
    })
}

fn header(exchange: &Exchange, name: Option<&HeaderName>) -> Result<Vec<u8>, ExtractError> {
    let value = name.and_then(|name| exchange.head.headers.get(name)).filter(|value| !value.is_empty());
    Ok(value.ok_or(ExtractError::Missing)?.as_bytes().to_vec())
}

/// All values of a field in a row.
async fn form(exchange: &mut Exchange, name: &str) -> Result<Vec<u8>, ExtractError> {
    let mut found = Vec::new();
    if sends_form(exchange) {
        let body = exchange.body.read(None).await.map_err(|_| ExtractError::Body)?;
        if body.len() <= LARGEST_FORM {
            collect(&String::from_utf8_lossy(body), name, &mut found);
        }
    }
    collect(exchange.head.target.query().unwrap_or_default(), name, &mut found);
    if found.is_empty() { Err(ExtractError::Missing) } else { Ok(found) }
}

fn collect(text: &str, name: &str, into: &mut Vec<u8>) {
    for (_, value) in query::pairs(text).filter(|(key, _)| **key == *name.as_bytes()) {
        into.extend_from_slice(&value);
    }
}

fn sends_form(exchange: &Exchange) -> bool {
    let kind = exchange.head.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    matches!(exchange.head.method.as_str(), "POST" | "PUT" | "PATCH") && kind.eq_ignore_ascii_case(FORM)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::{HeaderValue, Request};
    use serde_json::{Value, json};

    use super::*;
    use crate::exchange::{Body, Head, Notes};

    fn compile(written: Value) -> Result<Option<IdExtractor>, ExtractorError> {
        IdExtractor::compile(&crate::json::shape(written).unwrap())
    }

    fn extract(written: Value, request: http::request::Builder, body: &'static str) -> Result<String, ExtractError> {
        let head = Head::new(request.body(()).unwrap().into_parts().0).unwrap();
        let client = HeaderValue::from_static("127.0.0.1");
        let mut exchange = Exchange { head, body: Body::whole(body), session: None, client, notes: Notes::start() };
        let extractor = compile(written).unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(extractor.extract(&mut exchange))?;
        assert_eq!(exchange.body.bytes().unwrap(), body, "the body is kept");
        Ok(String::from_utf8(found).unwrap())
    }

    #[test]
    fn each_rule_reads_its_sources() {
        let with = |with: &str, from: &str, config: Value| json!({"extract_with": with, "extract_from": from, "extractor_config": config});
        let get = || Request::get("/?t=q1&t=q2").header("x-id", "ab12-cd34");
        let post = || Request::post("/?t=q").header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let header = json!({"header_name": "X-Id"});
        let form = json!({"param_name": "t"});
        let digits = json!({"header_name": "X-Id", "regex_expression": "[0-9]+", "regex_match_index": 1});
        let path = json!({"xpath_expression": "//id"});
        for (written, request, body, found) in [
            (with("value", "header", header.clone()), get(), "", Ok("ab12-cd34")),
            (with("value", "header", json!({"header_name": "X-No"})), get(), "", Err(ExtractError::Missing)),
            (with("value", "form", form.clone()), get(), "", Ok("q1q2")),
            (with("value", "form", form.clone()), post(), "t=b1&t=b2", Ok("b1b2q")),
            (with("value", "form", json!({"param_name": "n"})), post(), "t=b", Err(ExtractError::Missing)),
            (with("regex", "header", digits.clone()), get(), "", Ok("34")),
            (with("regex", "body", digits), post(), "1 22 333", Ok("22")),
            (with("regex", "header", header), get(), "", Err(ExtractError::NoMatch)),
            (with("xpath", "body", path.clone()), post(), "<a><id>7</id></a>", Ok("7")),
            (with("xpath", "body", path), post(), "<a>", Err(ExtractError::NoMatch)),
        ] {
            assert_eq!(extract(written.clone(), request, body), found.map(str::to_owned), "{written}");
        }
    }

    #[test]
    fn a_source_that_would_give_all_callers_one_session_is_refused() {
        for (with, from) in [("value", "body"), ("value", "querystring"), ("regex", ""), ("xpath", "cookie")] {
            let refused = compile(json!({"extract_with": with, "extract_from": from})).unwrap_err();
            assert_eq!(refused.path, "extract_from", "{with} {from}");
        }
        let negative =
            json!({"extract_with": "regex", "extract_from": "header", "extractor_config": {"regex_match_index": -1}});
        assert_eq!(compile(negative).unwrap_err().path, "extractor_config.regex_match_index");
        assert!(compile(json!({"extract_with": "typo"})).unwrap().is_none());
        assert!(compile(json!({"extract_with": "value", "disabled": true})).unwrap().is_none());
    }
}
