//! Goes through everything that is set and asks the table of keys what it counts for.

use serde_json::Value;

use super::keys::{self, Key, Standing};
use crate::json::{is_set, join, short};

/// What is set without being honoured.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Path, value and reason of each key that must not be set.
    pub(super) refused: Vec<(String, String, &'static str)>,
    /// Path and consequence of each key without effect.
    pub(super) unsupported: Vec<(&'static str, &'static str)>,
    /// Paths that the table does not know.
    pub(super) unknown: Vec<String>,
}

/// Surveys a document, and the sections of which the environment set members.
pub(super) fn survey(document: &Value, sections: &[&'static Key]) -> Survey {
    let mut survey = Survey::default();
    survey.walk("", document);
    for section in sections {
        survey.count(section, section.path, &Value::Null);
    }
    survey
}

impl Survey {
    fn walk(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    self.walk(&join(path, &key.to_ascii_lowercase()), value);
                }
            }
            value if !is_set(value) => {}
            value => match keys::covering(path) {
                Some(key) => self.count(key, path, value),
                None => self.unknown.push(path.to_owned()),
            },
        }
    }

    fn count(&mut self, key: &'static Key, path: &str, value: &Value) {
        match key.standing {
            Standing::Honoured => {}
            Standing::Refused(why) => self.refused.push((path.to_owned(), short(value), why)),
            Standing::Unsupported(consequence) => {
                let entry = (key.path, consequence);
                if !self.unsupported.contains(&entry) {
                    self.unsupported.push(entry);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_set_is_told_apart_by_the_table() {
        let survey = survey(
            &json!({
                "Listen_Port": 8080,
                "enable_config_inspection": true,
                "hash_key_function": "",
                "storage": {"type": "embedded"},
                "opentelemetry": {"a": 1, "b": 2},
                "management_node": true,
                "slave_options": {"use_rpc": false},
                "no_such_key": {"a": 1, "b": 0},
            }),
            &[],
        );
        let paths: Vec<_> = survey.unsupported.iter().map(|(path, _)| *path).collect();
        assert_eq!(paths, ["enable_config_inspection", "opentelemetry"]);
        assert_eq!(survey.refused[0].0, "management_node");
        assert_eq!(survey.refused.len(), 1);
        assert_eq!(survey.unknown, ["no_such_key.a"]);
    }
}
