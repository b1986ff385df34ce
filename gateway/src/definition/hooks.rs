//! The hooks of an API as written, and how the auth hook is spared calls.

use serde::Deserialize;

/// The hooks of an API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CustomMiddleware {
    /// What runs them.
    pub driver: String,
    /// Before anything that knows the caller.
    pub pre: Vec<Hook>,
    /// The one that decides who is calling.
    pub auth_check: Hook,
    /// Once the caller is known.
    pub post_key_auth: Vec<Hook>,
    /// Before the upstream.
    pub post: Vec<Hook>,
    /// After the upstream.
    pub response: Vec<Hook>,
    /// How the auth hook is spared calls.
    pub id_extractor: IdExtractor,
}

/// One configured call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// What the plugin server knows it by.
    pub name: String,
    /// Whether it is left out.
    pub disabled: bool,
    /// Whether the body travels as bytes only.
    pub raw_body_only: bool,
    /// The file of a plugin that runs elsewhere.
    pub path: String,
    /// The plugin server to call; the one named `default` if empty.
    pub server: String,
}

/// How a session id is read from a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IdExtractor {
    /// Whether it is left out.
    pub disabled: bool,
    /// Where to look.
    pub extract_from: String,
    /// By which rule.
    pub extract_with: String,
    /// The rule's particulars.
    pub extractor_config: ExtractorConfig,
    /// Whether ids are this API's own: without it, APIs of one organisation share sessions.
    pub api_scoped: bool,
    /// What else is remembered of callers.
    pub session_cache: SessionCache,
}

/// What is remembered of callers beyond sessions whose deadline lies ahead; nothing unless positive.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SessionCache {
    /// Seconds for which the plugin's refusals are remembered.
    pub remember_refusals_seconds: u32,
    /// Seconds ahead of its deadline that a session in use is made anew.
    pub refresh_ahead_seconds: u32,
    /// Seconds after its deadline that a session counts while the plugin server is away.
    pub serve_stale_seconds: u32,
}

/// The particulars of an id extractor.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExtractorConfig {
    /// The header.
    pub header_name: String,
    /// The form field.
    pub param_name: String,
    /// An expression in the syntax of RE2.
    pub regex_expression: String,
    /// Which of all its matches.
    pub regex_match_index: i64,
    /// A path.
    pub xpath_expression: String,
}
