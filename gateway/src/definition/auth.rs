//! The methods of auth as written.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where a method of auth finds what it checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    /// The scheme's name.
    pub name: String,
    /// The header; `Authorization` if empty.
    pub auth_header_name: String,
    /// Whether no header is read.
    pub disable_header: bool,
    /// Whether a query parameter is read.
    pub use_param: bool,
    /// The query parameter; named like the header if empty.
    pub param_name: String,
    /// Whether a cookie is read.
    pub use_cookie: bool,
    /// The cookie; named like the header if empty.
    pub cookie_name: String,
    /// Whether a key may be known by the client's certificate.
    pub use_certificate: bool,
}

/// How passwords are found and remembered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BasicAuth {
    /// Whether each password is hashed anew.
    pub disable_caching: bool,
    /// Seconds for which a right password is remembered.
    pub cache_ttl: i64,
    /// Whether a body may carry what no header does.
    pub extract_from_body: bool,
    /// Finds the user name in the body.
    pub body_user_regexp: String,
    /// Finds the password in the body.
    pub body_password_regexp: String,
}

/// A published set of keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct JwksUri {
    /// Where it is.
    pub url: String,
    /// Seconds for which it counts.
    pub cache_timeout: i64,
}

/// The policies that scopes stand for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Scopes {
    /// Those in JWTs.
    pub jwt: ScopeClaim,
}

/// The scopes of a token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ScopeClaim {
    /// The claim that lists them.
    pub scope_claim_name: String,
    /// The policy of each.
    pub scope_to_policy: BTreeMap<String, String>,
}

/// A source of keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Provider {
    /// What kind it is.
    pub storage_engine: String,
}
