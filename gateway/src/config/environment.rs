//! Environment variables laid over the configuration file.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ConfigError;
use super::keys::{KEYS, Key, Kind};
use crate::definition::duration;

const PREFIX: &str = "TYK_GW_";

/// Set to true, it leaves the configuration file out.
pub(super) const OMIT_FILE: &str = "TYK_GW_OMITCONFIGFILE";

/// What the environment said, beside the values that are in the document now.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// JSON path -> the variable that set it.
    pub(super) origins: BTreeMap<&'static str, String>,
    /// Sections of which some member was set.
    pub(super) sections: Vec<&'static Key>,
    /// Variables that name no key.
    pub(super) unknown: Vec<String>,
}

/// Lays every variable over the document.
pub(super) fn overlay(document: &mut Value, variables: &BTreeMap<String, String>) -> Result<Overlay, ConfigError> {
    let mut overlay = Overlay::default();
    for (variable, text) in variables {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if variable == OMIT_FILE {
            continue;
        }
        let named = KEYS.iter().find(|key| key.kind != Kind::Section && key.variable() == name);
        match named {
            Some(key) => {
                let value = value(key.kind, text).map_err(|expected| malformed(variable, text, expected))?;
                set(document, key.path, value);
                overlay.origins.insert(key.path, variable.clone());
            }
            None => note(&mut overlay, variable, name, text),
        }
    }
    log_settings(document, variables, &mut overlay);
    Ok(overlay)
}

/// Whether the file's values are left out.
pub(super) fn omits_file(variables: &BTreeMap<String, String>) -> Result<bool, ConfigError> {
    match variables.get(OMIT_FILE) {
        Some(text) => truth(text).ok_or_else(|| malformed(OMIT_FILE, text, TRUTH)),
        None => Ok(false),
    }
}

fn note(overlay: &mut Overlay, variable: &str, name: &str, text: &str) {
    let section = KEYS.iter().find(|key| {
        let rest = name.strip_prefix(&key.variable());
        key.kind == Kind::Section && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    });
    match section {
        Some(section) if !matches!(text, "" | "0" | "false") => overlay.sections.push(section),
        Some(_) => {}
        None => overlay.unknown.push(variable.to_owned()),
    }
}

/// The two variables that are older than the scheme; they win.
fn log_settings(document: &mut Value, variables: &BTreeMap<String, String>, overlay: &mut Overlay) {
    for (variable, path) in [("TYK_LOGLEVEL", "log_level"), ("TYK_LOGFORMAT", "log_format")] {
        if let Some(text) = variables.get(variable).filter(|text| !text.is_empty()) {
            set(document, path, Value::String(text.clone()));
            overlay.origins.insert(path, variable.to_owned());
        }
    }
}

const TRUTH: &str = "true or false";

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn value(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Text | Kind::Section => Ok(Value::String(text.to_owned())),
        Kind::Bool => truth(text).map(Value::Bool).ok_or(TRUTH),
        Kind::Int => text.parse::<i64>().map(Value::from).map_err(|_| "a whole number"),
        Kind::Duration => nanoseconds(text).map(Value::from).ok_or("a duration like 1m30s"),
        Kind::Float => text.parse::<f64>().map(Value::from).map_err(|_| "a number"),
        Kind::List => Ok(items(text).map(Value::from).collect()),
        Kind::Map => pairs(text).ok_or("pairs like key:value,key2:value2"),
        Kind::Json => serde_json::from_str(text).map_err(|_| "JSON"),
    }
}

fn nanoseconds(text: &str) -> Option<i64> {
    let counted = || i64::try_from(duration::parse(text)?.as_nanos()).ok();
    text.parse().ok().or_else(counted)
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|_| !text.trim().is_empty())
}

fn pairs(text: &str) -> Option<Value> {
    let pairs = items(text).map(|pair| {
        let (key, value) = pair.split_once(':')?;
        Some((key.to_owned(), Value::from(value)))
    });
    pairs.collect::<Option<Map<_, _>>>().map(Value::Object)
}

/// Puts a value at a path, whatever the file's spelling of the keys on the way.
fn set(document: &mut Value, path: &str, value: Value) {
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(members) = document else {
        return;
    };
    let (key, rest) = match path.split_once('.') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    let spelled = members.keys().find(|present| present.eq_ignore_ascii_case(key)).cloned();
    let member = members.entry(spelled.unwrap_or_else(|| key.to_owned())).or_insert(Value::Null);
    match rest {
        Some(rest) => set(member, rest, value),
        None => *member = value,
    }
}

fn malformed(variable: &str, text: &str, expected: &'static str) -> ConfigError {
    let secret = ["SECRET", "PASSWORD"].iter().any(|word| variable.contains(word));
    ConfigError::Variable {
        name: variable.to_owned(),
        value: if secret { "(not shown)".to_owned() } else { format!("{text:?}") },
        expected,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn laid(mut document: Value, pairs: &[(&str, &str)]) -> (Value, Overlay) {
        let overlay = overlay(&mut document, &variables(pairs)).unwrap();
        (document, overlay)
    }

    #[test]
    fn values_are_read_by_kind_and_replace_the_files() {
        let (document, overlay) = laid(
            json!({"Listen_Port": 1, "coprocess_options": {"enable_coprocess": false}}),
            &[
                ("TYK_GW_LISTENPORT", "8081"),
                ("TYK_GW_COPROCESSOPTIONS_ENABLECOPROCESS", "T"),
                ("TYK_GW_PROXYDEFAULTTIMEOUT", "1.5"),
                ("TYK_GW_LIVENESSCHECK_CHECKDURATION", "1m0.5s"),
                ("TYK_GW_SECRETS", "a:b,c:/d:e"),
                ("TYK_GW_HASHKEYFUNCTIONFALLBACK", "x,y"),
                ("PATH", "/bin"),
            ],
        );
        assert_eq!(
            document,
            json!({
                "Listen_Port": 8081,
                "coprocess_options": {"enable_coprocess": true},
                "proxy_default_timeout": 1.5,
                "liveness_check": {"check_duration": 60_500_000_000_i64},
                "secrets": {"a": "b", "c": "/d:e"},
                "hash_key_function_fallback": ["x", "y"],
            })
        );
        assert_eq!(overlay.origins["listen_port"], "TYK_GW_LISTENPORT");
    }

    #[test]
    fn a_malformed_value_names_variable_value_and_what_was_expected() {
        let refusal = |name, value| overlay(&mut json!({}), &variables(&[(name, value)])).unwrap_err().to_string();
        assert_eq!(
            refusal("TYK_GW_LISTENPORT", "http"),
            "environment variable TYK_GW_LISTENPORT is \"http\": expected a whole number"
        );
        assert!(refusal("TYK_GW_LIVENESSCHECK_CHECKDURATION", "soon").ends_with("expected a duration like 1m30s"));
        assert!(refusal("TYK_GW_HIDEGENERATORHEADER", "yes").ends_with("expected true or false"));
        assert!(!refusal("TYK_GW_SECRETS", "hunter2").contains("hunter2"));
    }

    #[test]
    fn members_of_sections_and_unknown_names_are_noted() {
        let (_, overlay) = laid(
            json!({}),
            &[("TYK_GW_NEWRELIC_ANY", "set"), ("TYK_GW_TRACER_ENABLED", "false"), ("TYK_GW_NOSUCHTHING", "1")],
        );
        assert_eq!(overlay.sections.iter().map(|key| key.path).collect::<Vec<_>>(), ["newrelic"]);
        assert_eq!(overlay.unknown, ["TYK_GW_NOSUCHTHING"]);
    }

    #[test]
    fn the_short_log_variables_win() {
        let (document, _) = laid(json!({}), &[("TYK_LOGLEVEL", "debug"), ("TYK_GW_LOGLEVEL", "warn")]);
        assert_eq!(document, json!({"log_level": "debug"}));
    }
}
