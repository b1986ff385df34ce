//! What stands in the place of error answers, as written.

use std::collections::BTreeMap;

use serde::Deserialize;

/// By status (`404`) or class (`4xx`); of a list the first that fits counts.
pub type ErrorOverrides = BTreeMap<String, Vec<ErrorOverride>>;

/// One rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorOverride {
    /// What the error must be; any, if it is absent.
    pub r#match: Option<ErrorMatch>,
    /// What the client gets.
    pub response: ErrorResponse,
}

/// What an error must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorMatch {
    /// What went wrong, in three letters.
    pub flag: String,
    /// What the text, or the upstream's body, must look like.
    pub message_pattern: String,
    /// A member of the upstream's body, as in `error.code`.
    pub body_field: String,
    /// What stands there.
    pub body_value: String,
}

/// What the client gets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorResponse {
    /// The status; as it was, if 0.
    pub status_code: u16,
    /// The body.
    pub body: String,
    /// A text for the usual document.
    pub message: String,
    /// The name of a template.
    pub template: String,
    /// Headers beside the document's own.
    pub headers: BTreeMap<String, String>,
}
