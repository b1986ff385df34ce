//! What operators put in the place of error answers: `error_overrides`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use regex::Regex;

use super::member;
use crate::definition::{ErrorMatch, ErrorOverride, ErrorOverrides, ErrorResponse, Refusal};
use crate::pattern::re2;

/// What a rule is compared with at most of an upstream's body, in bytes.
const LOOKED_AT: usize = 4096;
/// Any error of the upstream's.
const UPSTREAM: &str = "URS";

/// Rules by status and by class.
#[derive(Debug)]
pub struct Overrides {
    exact: BTreeMap<u16, Vec<Rule>>,
    classes: BTreeMap<u16, Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    condition: Option<Condition>,
    response: Instead,
}

#[derive(Debug)]
struct Condition {
    flag: String,
    pattern: Option<Regex>,
    /// A member of the body, by the way to it, and what stands there.
    field: Option<(String, String)>,
}

/// What the client gets.
#[derive(Debug)]
pub struct Instead {
    /// In place of the error's.
    pub status: Option<StatusCode>,
    /// The document.
    pub document: Document,
    /// Beside the document's own.
    pub headers: HeaderMap,
}

/// What the client reads.
#[derive(Debug)]
pub enum Document {
    /// The usual document.
    Usual,
    /// The usual document with another text.
    Saying(String),
    /// This text, which has places for the message and the status.
    Text(String),
    /// The template of this name.
    Template(String),
}

/// The rules of an API before those of the gateway.
#[derive(Clone, Copy)]
pub struct Layers<'a>(pub [Option<&'a Arc<Overrides>>; 2]);

impl Overrides {
    /// The rules that stand at this JSON path; nothing if there are none.
    pub fn compile(at: &str, written: &ErrorOverrides) -> Result<Option<Arc<Self>>, Refusal> {
        let mut overrides = Self { exact: BTreeMap::new(), classes: BTreeMap::new() };
        for (key, rules) in written {
            let at = format!("{at}.{key}");
            let compiled = rules.iter().enumerate().map(|(index, rule)| Rule::compile(&format!("{at}[{index}]"), rule));
            let compiled = compiled.collect::<Result<Vec<_>, _>>()?;
            match (key.to_ascii_lowercase().as_str(), key.parse::<u16>()) {
                ("4xx", _) => overrides.classes.insert(4, compiled),
                ("5xx", _) => overrides.classes.insert(5, compiled),
                (_, Ok(status @ 400..=999)) => overrides.exact.insert(status, compiled),
                _ => return Err(refusal(at, format!("{key:?}: write a status of an error, \"4xx\" or \"5xx\""))),
            };
        }
        let any = overrides.exact.values().chain(overrides.classes.values()).any(|rules| !rules.is_empty());
        Ok(any.then(|| Arc::new(overrides)))
    }

    fn rules(&self, status: StatusCode) -> impl Iterator<Item = &Rule> {
        let code = status.as_u16();
        self.exact.get(&code).into_iter().chain(self.classes.get(&(code / 100))).flatten()
    }
}

impl<'a> Layers<'a> {
    fn rules(self, status: StatusCode) -> impl Iterator<Item = &'a Rule> {
        self.0.into_iter().flatten().flat_map(move |overrides| overrides.rules(status))
    }

    /// What stands in the place of an error of the gateway's own.
    pub fn of_error(self, status: StatusCode, flag: Option<&str>, message: &str) -> Option<&'a Instead> {
        let fits = |condition: &Condition| {
            flag.is_some_and(|flag| condition.flag == flag)
                || condition.pattern.as_ref().is_some_and(|pattern| pattern.is_match(message))
        };
        self.rules(status).find(|rule| rule.condition.as_ref().is_none_or(fits)).map(|rule| &rule.response)
    }

    /// Whether something may stand in the place of an upstream's answer.
    pub fn concern(self, status: StatusCode) -> bool {
        (status.is_client_error() || status.is_server_error()) && self.rules(status).next().is_some()
    }

    /// What stands in the place of an upstream's answer.
    pub fn of_reply(self, status: StatusCode, body: &[u8]) -> Option<&'a Instead> {
        let start = &body[..body.len().min(LOOKED_AT)];
        let text = String::from_utf8_lossy(start);
        let has = |(path, value): &(String, String)| member::find(start, path).is_some_and(|found| found == *value);
        let fits = |condition: &Condition| {
            (condition.flag == UPSTREAM && status.is_server_error())
                || condition.field.as_ref().is_some_and(has)
                || condition.pattern.as_ref().is_some_and(|pattern| pattern.is_match(&text))
        };
        self.rules(status).find(|rule| rule.condition.as_ref().is_none_or(fits)).map(|rule| &rule.response)
    }
}

impl Rule {
    fn compile(at: &str, ErrorOverride { r#match, response }: &ErrorOverride) -> Result<Self, Refusal> {
        let condition = r#match.as_ref().map(|written| Condition::compile(&format!("{at}.match"), written));
        Ok(Self { condition: condition.transpose()?, response: Instead::compile(&format!("{at}.response"), response)? })
    }
}

impl Condition {
    fn compile(at: &str, written: &ErrorMatch) -> Result<Self, Refusal> {
        let pattern = (!written.message_pattern.is_empty()).then(|| re2::compile(&written.message_pattern));
        let unusable = |error: re2::Re2Error| refusal(format!("{at}.message_pattern"), error.to_string());
        let field = (!written.body_field.is_empty()).then(|| (written.body_field.clone(), written.body_value.clone()));
        Ok(Self { flag: written.flag.clone(), pattern: pattern.transpose().map_err(unusable)?, field })
    }
}

impl Instead {
    fn compile(at: &str, written: &ErrorResponse) -> Result<Self, Refusal> {
        let status = match written.status_code {
            0 => None,
            code @ 200..=999 => StatusCode::from_u16(code).ok(),
            code => return Err(refusal(format!("{at}.status_code"), format!("{code} is no status: write 200 to 999"))),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &written.headers {
            let known = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let unusable =
                || refusal(format!("{at}.headers.{name}"), format!("{value:?} cannot be sent as this header"));
            let (name, value) = known.ok_or_else(unusable)?;
            headers.insert(name, value);
        }
        Ok(Self { status, document: Document::compile(at, written)?, headers })
    }
}

impl Document {
    /// A body counts before a template, and that before a message.
    fn compile(at: &str, written: &ErrorResponse) -> Result<Self, Refusal> {
        if !written.body.is_empty() {
            let rest = written.body.replace("{{.Message}}", "").replace("{{.StatusCode}}", "");
            if rest.contains("{{.") {
                let reason = "a body may use {{.Message}} and {{.StatusCode}} alone";
                return Err(refusal(format!("{at}.body"), reason.to_owned()));
            }
            return Ok(Self::Text(written.body.clone()));
        }
        Ok(match (written.template.as_str(), written.message.as_str()) {
            ("", "") => Self::Usual,
            ("", message) => Self::Saying(message.to_owned()),
            (template, _) => Self::Template(template.to_owned()),
        })
    }
}

fn refusal(path: String, reason: String) -> Refusal {
    Refusal { path, reason }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn compile(written: Value) -> Result<Option<Arc<Overrides>>, Refusal> {
        Overrides::compile("o", &serde_json::from_value(written).unwrap())
    }

    fn saying(text: &str) -> Value {
        json!({"response": {"message": text}})
    }

    fn said(instead: Option<&Instead>) -> Option<&str> {
        match &instead?.document {
            Document::Saying(text) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn the_status_counts_before_its_class_and_the_api_before_the_gateway() {
        let api = compile(json!({"4xx": [saying("class")], "404": [saying("exact")]})).unwrap();
        let gateway = compile(json!({"4xx": [saying("gateway")], "500": [saying("gateway")]})).unwrap();
        let layers = Layers([api.as_ref(), gateway.as_ref()]);
        let of = |status| said(layers.of_error(StatusCode::from_u16(status).unwrap(), None, ""));
        assert_eq!([of(404), of(403), of(500), of(502)], [Some("exact"), Some("class"), Some("gateway"), None]);
        assert!(compile(json!({})).unwrap().is_none());
    }

    #[test]
    fn a_flag_or_a_text_picks_the_rule() {
        let rule = |condition: Value, text: &str| json!({"match": condition, "response": {"message": text}});
        let rules = compile(json!({"4xx": [
            rule(json!({"flag": "RLT"}), "rate"), rule(json!({"message_pattern": "^Key"}), "key"),
        ]}))
        .unwrap();
        let layers = Layers([rules.as_ref(), None]);
        let of = |flag, text| said(layers.of_error(StatusCode::FORBIDDEN, flag, text));
        assert_eq!([of(Some("RLT"), "x"), of(None, "Key expired"), of(None, "x")], [Some("rate"), Some("key"), None]);
    }

    #[test]
    fn an_upstreams_answer_is_known_by_its_body() {
        let rules = compile(json!({"5xx": [
            {"match": {"body_field": "error.codes.0", "body_value": "7"}, "response": {"message": "seven"}},
            {"match": {"flag": "URS"}, "response": {"message": "any"}},
        ], "404": [{"match": {"message_pattern": "gone"}, "response": {"message": "gone"}}]}))
        .unwrap();
        let layers = Layers([rules.as_ref(), None]);
        let of = |status, body: &str| said(layers.of_reply(StatusCode::from_u16(status).unwrap(), body.as_bytes()));
        assert_eq!(of(500, r#"{"error": {"codes": [7]}}"#), Some("seven"));
        let long = |member: &str| format!(r#"{{{member}"x": "{}""#, "y".repeat(2 * LOOKED_AT));
        assert_eq!(of(500, &long(r#""error": {"codes": [7]}, "#)), Some("seven"), "it stands before the end");
        assert_eq!([of(500, "no json"), of(404, "it is gone"), of(404, "x")], [Some("any"), Some("gone"), None]);
        assert!(!layers.concern(StatusCode::OK) && layers.concern(StatusCode::NOT_FOUND));
    }

    #[test]
    fn what_cannot_be_is_refused_where_it_stands() {
        for (written, path) in [
            (json!({"200": []}), "o.200"),
            (json!({"404": [{"match": {"message_pattern": "("}}]}), "o.404[0].match.message_pattern"),
            (json!({"404": [{"response": {"status_code": 42}}]}), "o.404[0].response.status_code"),
            (json!({"404": [{"response": {"body": "{{.Other}}"}}]}), "o.404[0].response.body"),
            (json!({"404": [{"response": {"headers": {"a b": "c"}}}]}), "o.404[0].response.headers.a b"),
        ] {
            assert_eq!(compile(written).unwrap_err().path, path);
        }
    }
}
