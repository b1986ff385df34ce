//! How keys are named, how long sessions are stored, and where policies are.

use std::path::PathBuf;

use serde_json::Value;

use super::validate::given;
use super::written::{self, Written};
use super::{ConfigError, Origins, Problem};
use crate::json::short;
use crate::session::key::{Function, Hashing};
use crate::session::lifetime::Lifetimes;

/// How keys are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// How key ids are made and hidden.
    pub hashing: Hashing,
    /// Shorter tokens are never looked up.
    pub shortest: usize,
    /// Whether sessions are remembered in this process.
    pub remember: bool,
}

/// Where policies are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PolicySource {
    /// Nowhere.
    #[default]
    None,
    /// One in each file of this folder.
    Folder(PathBuf),
    /// All in this file.
    Record(PathBuf),
}

/// The shortest token, unless the operator says otherwise.
const SHORTEST: usize = 3;

/// A function that there is not is murmur64, as in the original: keys that exist were named so.
pub(super) fn keys(written: &Written, origins: &Origins<'_>, problems: &mut Vec<Problem>) -> Keys {
    let mut function = |path: &str, name: &str| match name {
        "" => None,
        name => Some(name.parse().unwrap_or_else(|error| {
            let remedy = format!("{error}; murmur64 counts");
            problems.push(origins.problem(path, short(&name.into()), remedy));
            Function::Murmur64
        })),
    };
    let hashing = Hashing {
        hash_keys: written.hash_keys,
        function: function("hash_key_function", &written.hash_key_function),
        fallback: written
            .hash_key_function_fallback
            .iter()
            .map(|name| function("hash_key_function_fallback", name))
            .collect(),
        exact: written.disable_key_actions_by_username,
    };
    let shortest = usize::try_from(written.min_token_length).ok().filter(|length| *length > 0).unwrap_or(SHORTEST);
    Keys { hashing, shortest, remember: !written.local_session_cache.disable_cached_session_state }
}

pub(super) fn lifetimes(written: &Written) -> Lifetimes {
    Lifetimes {
        forced: written.force_global_session_lifetime.then_some(written.global_session_lifetime),
        api: 0,
        respects_expiry: written.session_lifetime_respects_key_expiration,
    }
}

pub(super) fn policies(written: written::Policies, origins: &Origins<'_>) -> Result<PolicySource, ConfigError> {
    if !matches!(written.policy_source.as_str(), "" | "file") {
        let remedy = "policies come from files only: set it to \"file\", with policy_path or policy_record_name";
        return Err(refuse(origins, "policies.policy_source", written.policy_source, remedy));
    }
    let folder = given(written.policy_path).map(|path| PolicySource::Folder(path.into()));
    let record = || given(written.policy_record_name).map(|path| PolicySource::Record(path.into()));
    Ok(folder.or_else(record).unwrap_or_default())
}

fn refuse(origins: &Origins<'_>, path: &str, value: impl Into<Value>, remedy: &str) -> ConfigError {
    origins.unusable(path, short(&value.into()), remedy.to_owned())
}
