//! JSON read as Go's decoder reads it, because the files were written for that one.
//!
//! Keys of structs match in any case, keys of maps keep theirs; `null` is the zero value;
//! integers take no fraction. Struct fields are therefore named in lower case.

mod reader;
mod write;

use std::fmt::Write;

use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use self::reader::Reader;
pub(crate) use self::write::{compact, go_escaped};

/// Why a JSON text was not read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The text is not JSON.
    #[error("line {line}, column {column}: {message}")]
    Syntax { line: usize, column: usize, message: String },
    /// A value has another type than its key asks for.
    #[error("{path}: {message}")]
    Shape { path: String, message: String },
}

/// Reads a text into a typed value, and hands back the whole document beside it.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<(T, Value), ReadError> {
    let document = parse(text)?;
    let typed = shape(document.clone())?;
    Ok((typed, document))
}

/// Reads a text without asking what is in it.
pub(crate) fn parse(text: &str) -> Result<Value, ReadError> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let said = error.to_string();
        let message = said.split(" at line ").next().unwrap_or_default().to_owned();
        ReadError::Syntax { line, column, message }
    })
}

/// Gives a document its types.
pub(crate) fn shape<T: DeserializeOwned>(document: Value) -> Result<T, ReadError> {
    serde_path_to_error::deserialize(Reader(document)).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => "the document".to_owned(),
            path => path,
        };
        ReadError::Shape { path, message: error.into_inner().to_string() }
    })
}

/// A value somewhere in a document.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// Its JSON path, keys spelled as asked for.
    pub(crate) path: String,
    /// The value.
    pub(crate) value: &'a Value,
}

/// Every value at a dotted path; `*` stands for any key or index, keys match in any case.
pub(crate) fn find<'a>(document: &'a Value, path: &str) -> Vec<Found<'a>> {
    let start = Found { path: String::new(), value: document };
    path.split('.').fold(vec![start], |found, segment| found.iter().flat_map(|at| step(at, segment)).collect())
}

fn step<'a>(at: &Found<'a>, segment: &str) -> Vec<Found<'a>> {
    match at.value {
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| segment == "*" || key.eq_ignore_ascii_case(segment))
            .map(|(key, value)| Found { path: join(&at.path, if segment == "*" { key } else { segment }), value })
            .collect(),
        Value::Array(items) if segment == "*" => items
            .iter()
            .enumerate()
            .map(|(index, value)| Found { path: format!("{}[{index}]", at.path), value })
            .collect(),
        _ => Vec::new(),
    }
}

/// A JSON path one key longer; a key that is empty stands in quotes, so that the path says something.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = if key.is_empty() { "\"\"" } else { key };
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Whether a value says more than the zero value that an absent key has.
pub(crate) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => members.values().any(is_set),
    }
}

/// Whether some value at the path is set.
pub(crate) fn is_set_at(document: &Value, path: &str) -> bool {
    find(document, path).iter().any(|found| is_set(found.value))
}

/// A value as a message shows it: compact, and cut when long.
pub(crate) fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    let mut cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        let _ = write!(cut, "...");
    }
    cut
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Outer {
        name: String,
        count: i64,
        ratio: f64,
        on: bool,
        inner: Inner,
        list: Vec<Inner>,
        map: BTreeMap<String, Inner>,
        free: Option<serde_json::Map<String, Value>>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Inner {
        port: u16,
    }

    fn outer(text: &str) -> Outer {
        read(text).unwrap().0
    }

    fn refusal(text: &str) -> String {
        read::<Outer>(text).unwrap_err().to_string()
    }

    #[test]
    fn a_path_names_every_key() {
        assert_eq!([join("", "a"), join("a", "b"), join("", ""), join("a", "")], ["a", "a.b", "\"\"", "a.\"\""]);
    }

    #[test]
    fn struct_keys_match_in_any_case_and_map_keys_keep_theirs() {
        let read = outer(r#"{"NAME": "a", "Inner": {"pOrT": 7}, "map": {"Key": {"PORT": 8}}}"#);
        assert_eq!(read.name, "a");
        assert_eq!(read.inner.port, 7);
        assert_eq!(read.map["Key"].port, 8);
    }

    #[test]
    fn null_is_the_zero_value_wherever_it_stands() {
        let read =
            outer(r#"{"name": null, "count": null, "inner": null, "list": [null], "map": {"a": null}, "free": null}"#);
        let expected = Outer {
            list: vec![Inner::default()],
            map: BTreeMap::from([("a".into(), Inner::default())]),
            ..Outer::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn unknown_keys_are_passed_over_and_free_form_values_stay_as_written() {
        let read = outer(r#"{"other": [1], "free": {"B": null, "a": [1, {"C": 1.5}]}, "ratio": 2}"#);
        assert_eq!(Value::Object(read.free.unwrap()), json!({"B": null, "a": [1, {"C": 1.5}]}));
        assert!((read.ratio - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_wrong_type_names_its_path_what_was_expected_and_what_is_there() {
        assert_eq!(refusal(r#"{"name": 5}"#), "name: expected text, found 5");
        assert_eq!(refusal(r#"{"count": 1.0}"#), "count: expected a whole number, found 1.0");
        assert_eq!(refusal(r#"{"on": "yes"}"#), r#"on: expected true or false, found "yes""#);
        assert_eq!(
            refusal(r#"{"list": [{"port": 1}, {"Port": []}]}"#),
            "list[1].port: expected a whole number, found []"
        );
        assert_eq!(refusal(r#"{"map": {"Key": 1}}"#), "map.Key: expected an object, found 1");
        assert_eq!(
            refusal(r#"{"inner": {"port": 70000}}"#),
            "inner.port: expected a whole number of type u16, found 70000"
        );
        assert!(refusal(&format!(r#"{{"count": "{}"}}"#, "x".repeat(500))).len() < 120);
    }

    #[test]
    fn one_key_in_two_spellings_is_refused_rather_than_guessed_at() {
        assert_eq!(refusal(r#"{"On": true, "on": false}"#), "the document: the key on stands twice, in two spellings");
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        let Err(ReadError::Syntax { line, column, message }) = parse("{\n  \"a\": }") else {
            unreachable!("the text is not JSON")
        };
        assert_eq!((line, column, message.as_str()), (2, 8, "expected value"));
    }

    #[test]
    fn a_path_with_stars_finds_every_value_and_says_where() {
        let document = json!({"A": {"x": [{"on": true}, {"ON": false}]}});
        let paths: Vec<_> = find(&document, "a.*.*.on").into_iter().map(|found| found.path).collect();
        assert_eq!(paths, ["a.x[0].on", "a.x[1].on"]);
        assert!(is_set_at(&document, "a.x.*.on"));
        assert!(!is_set_at(&document, "a.y"));
    }

    #[test]
    fn zero_values_all_the_way_down_are_not_set() {
        assert!(!is_set(&json!({"a": {"b": [], "c": 0, "d": ""}, "e": null, "f": 0.0})));
        assert!(is_set(&json!({"a": {"b": [0]}})));
    }
}
