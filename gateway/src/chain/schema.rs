//! What the bodies of requests for some paths must be: JSON that a schema describes.

use std::fmt::Write as _;

use http::StatusCode;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use thiserror::Error;

use super::CompileError;
use super::endpoints::{Endpoints, Place};
use crate::definition::{ExtendedPaths, ValidateJson};
use crate::error::Failure;
use crate::exchange::Exchange;

/// How many faults of a body a client is told of.
const TOLD: usize = 10;

/// A schema, and the status of what it refuses.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator,
    status: StatusCode,
}

/// A body that is not what it must be.
#[derive(Debug, Error)]
#[error("the request's body is not what validate_json wants: {text}")]
pub struct SchemaError {
    /// The status that the definition gives it.
    pub status: StatusCode,
    /// What is wrong, without the body's own values.
    pub text: String,
}

/// The schemas that stand at this JSON path.
pub(super) fn compile(
    at: &str,
    paths: &ExtendedPaths,
    mut rules: Endpoints<Schema>,
) -> Result<Option<Endpoints<Schema>>, CompileError> {
    for (index, rule) in paths.validate_json.iter().enumerate().filter(|(_, rule)| !rule.disabled) {
        let written = format!("{at}.validate_json[{index}]");
        let place = Place { written: &written, path: &rule.path, method: &rule.method, ignore_case: false };
        rules.add(place, Schema::compile(&written, rule)?)?;
    }
    Ok(rules.unless_empty())
}

/// Lets a request pass whose body is as its path wants it.
pub(super) async fn check(rules: &Endpoints<Schema>, exchange: &mut Exchange) -> Result<(), Failure> {
    let Some(schema) = rules.find(exchange) else { return Ok(()) };
    let body = exchange.body.read(None).await?;
    Ok(schema.check(body)?)
}

impl Schema {
    fn compile(at: &str, rule: &ValidateJson) -> Result<Self, CompileError> {
        let refuse = |key: &str, reason: String| CompileError { path: format!("{at}.{key}"), reason };
        let schema = rule.schema.clone().ok_or_else(|| refuse("schema", "write a JSON Schema".to_owned()))?;
        let validator = validator(&Value::Object(schema)).map_err(|error| {
            let place = error.instance_path().as_str();
            refuse("schema", format!("this is no JSON Schema that can be used: {error} (at {place:?} of it)"))
        })?;
        let code = rule.error_response_code;
        let status = if code == 0 { Ok(StatusCode::UNPROCESSABLE_ENTITY) } else { StatusCode::from_u16(code) };
        let status = status.ok().filter(|status| status.as_u16() >= 400).ok_or_else(|| {
            refuse("error_response_code", format!("{code} is no status of a refusal: write 400 to 999, or 0 for 422"))
        })?;
        Ok(Self { validator, status })
    }

    fn check(&self, body: &[u8]) -> Result<(), SchemaError> {
        let refuse = |text| SchemaError { status: self.status, text };
        let body: Value =
            serde_json::from_slice(body).map_err(|error| refuse(format!("the body is no JSON: {error}")))?;
        if self.validator.is_valid(&body) {
            return Ok(());
        }
        Err(refuse(faults(self.validator.iter_errors(&body))))
    }
}

/// A schema that does not name its draft is one of draft 7 or, if it cannot be that, of draft 4.
/// Patterns match in linear time, or the schema is refused; nothing is fetched.
fn validator(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    let options = || jsonschema::options().with_pattern_options(PatternOptions::regex());
    if schema.get("$schema").is_some() {
        return options().build(schema);
    }
    let newer = options().with_draft(Draft::Draft7).build(schema);
    newer.or_else(|error| options().with_draft(Draft::Draft4).build(schema).map_err(|_| error))
}

/// `/address/zip: value is not of type "string"; ...`
fn faults<'a>(errors: impl Iterator<Item = ValidationError<'a>>) -> String {
    let mut out = String::new();
    for error in errors.take(TOLD) {
        let semicolon = if out.is_empty() { "" } else { "; " };
        let place = error.instance_path().as_str();
        let colon = if place.is_empty() { "" } else { ": " };
        // Writing to a string cannot fail.
        let _ = write!(out, "{semicolon}{place}{colon}{}", error.masked());
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(schema: Value, code: u16) -> Result<Schema, String> {
        let schema = schema.as_object().cloned();
        let rule = ValidateJson { schema, error_response_code: code, ..ValidateJson::default() };
        Schema::compile("rules[0]", &rule).map_err(|error| error.to_string())
    }

    fn said(schema: Value, body: &str) -> Option<String> {
        rule(schema, 0).unwrap().check(body.as_bytes()).err().map(|error| error.text)
    }

    #[test]
    fn a_body_is_told_what_is_wrong_with_it_but_not_what_it_holds() {
        let schema = json!({"type": "object", "required": ["name"], "properties": {"zip": {"type": "string"}}});
        assert_eq!(said(schema.clone(), r#"{"name": "n", "zip": "1"}"#), None);
        let told = said(schema.clone(), r#"{"zip": 4711}"#).unwrap();
        assert!(told.contains("\"name\" is a required property") && told.contains("/zip: "), "{told}");
        assert!(!told.contains("4711"), "{told}");
        for broken in ["", "{", "name"] {
            let told = said(schema.clone(), broken).unwrap();
            assert!(told.starts_with("the body is no JSON: "), "{told}");
        }
    }

    #[test]
    fn schemas_of_both_drafts_count_without_saying_which_they_are() {
        let newer = json!({"const": 1});
        assert_eq!(said(newer.clone(), "1"), None);
        assert!(said(newer, "2").is_some());
        let older = json!({"minimum": 1, "exclusiveMinimum": true});
        assert_eq!(said(older.clone(), "2"), None);
        assert!(said(older, "1").is_some());
    }

    #[test]
    fn the_status_is_the_definitions_or_422() {
        let status = |code| rule(json!({"type": "object"}), code).unwrap().check(b"1").unwrap_err().status.as_u16();
        assert_eq!([status(0), status(400), status(451)], [422, 400, 451]);
    }

    #[test]
    fn what_is_no_schema_is_refused_at_load() {
        for (schema, code, place) in [
            (json!(null), 0, "rules[0].schema: "),
            (json!({"type": "no such type"}), 0, "rules[0].schema: "),
            (json!({"$ref": "http://127.0.0.1:9/schema.json"}), 0, "rules[0].schema: "),
            (json!({"properties": {"a": {"pattern": "("}}}), 0, "rules[0].schema: "),
            (json!({}), 200, "rules[0].error_response_code: "),
        ] {
            let refused = rule(schema.clone(), code).unwrap_err();
            assert!(refused.starts_with(place), "{schema}: {refused}");
        }
    }
}
