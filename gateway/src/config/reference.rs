//! Values that stand elsewhere: `env://NAME` and `secrets://KEY` in the place of a text.

use std::collections::BTreeMap;

use serde_json::Value;

use super::keys::{self, Standing};
use crate::json::{join, short};

/// Where a reference leads nowhere, and what to do.
#[derive(Debug)]
pub(super) struct Dangling {
    pub(super) path: String,
    pub(super) value: String,
    pub(super) remedy: String,
}

const ELSEWHERE: [&str; 5] = ["consul://", "vault://", "kv://", "file://", "$kv{"];

/// Replaces every reference in an honoured key by the value that it names.
pub(super) fn resolve(document: &mut Value, variables: &BTreeMap<String, String>) -> Result<(), Dangling> {
    let secrets = match crate::json::find(document, "secrets").first() {
        Some(found) => found.value.clone(),
        None => Value::Null,
    };
    Resolver { variables, secrets }.walk("", document)
}

struct Resolver<'a> {
    variables: &'a BTreeMap<String, String>,
    secrets: Value,
}

impl Resolver<'_> {
    fn walk(&self, path: &str, value: &mut Value) -> Result<(), Dangling> {
        match value {
            Value::Object(members) => {
                members.iter_mut().try_for_each(|(key, value)| self.walk(&join(path, &key.to_ascii_lowercase()), value))
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.walk(path, item)),
            Value::String(text) => {
                let counts =
                    keys::covering(path).is_some_and(|key| key.standing == Standing::Honoured && key.path != "secrets");
                if counts
                    && let Some(found) = self.target(text).map_err(|remedy| Dangling {
                        path: path.to_owned(),
                        value: short(&Value::from(text.as_str())),
                        remedy,
                    })?
                {
                    *text = found;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn target(&self, text: &str) -> Result<Option<String>, String> {
        if let Some(name) = text.strip_prefix("env://") {
            return match self.variables.get(name) {
                Some(value) => Ok(Some(value.clone())),
                None => Err(format!("set the environment variable {name}")),
            };
        }
        if let Some(key) = text.strip_prefix("secrets://") {
            return match self.secrets.get(key).and_then(Value::as_str) {
                Some(value) => Ok(Some(value.to_owned())),
                None => Err(format!("add {key} to secrets")),
            };
        }
        if ELSEWHERE.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(
                "write the value itself, env://NAME or secrets://KEY: other stores are not supported yet".to_owned()
            );
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(mut document: Value) -> Result<Value, Dangling> {
        let variables = BTreeMap::from([("ADDRESS".to_owned(), "tcp://h:1".to_owned())]);
        resolve(&mut document, &variables).map(|()| document)
    }

    #[test]
    fn references_are_replaced_where_the_key_counts() {
        let document = resolved(json!({
            "secrets": {"apps": "/apps"},
            "app_path": "secrets://apps",
            "middleware_path": "vault://elsewhere",
            "coprocess_options": {"plugin_servers": {"a": {"endpoints": ["env://ADDRESS"]}}},
        }));
        let document = document.unwrap();
        assert_eq!(document["app_path"], "/apps");
        assert_eq!(document["middleware_path"], "vault://elsewhere");
        assert_eq!(document["coprocess_options"]["plugin_servers"]["a"]["endpoints"][0], "tcp://h:1");
    }

    #[test]
    fn a_reference_to_nothing_is_told_with_its_path() {
        let dangling = resolved(json!({"App_Path": "env://NOWHERE"})).unwrap_err();
        assert_eq!(dangling.path, "app_path");
        assert_eq!(dangling.remedy, "set the environment variable NOWHERE");
        assert!(resolved(json!({"app_path": "secrets://none"})).is_err());
        assert!(resolved(json!({"app_path": "consul://key"})).is_err());
    }
}
