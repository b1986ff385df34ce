//! The control API.

use std::time::Duration;

use super::written::Written;
use super::{ConfigError, Origins, Secret};
use crate::json::short;
use crate::session::key::Function;

/// What the control API asks for and does.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// What callers must know; without it nobody is let in unless the next says so.
    pub secret: Secret,
    /// Whether calls without a secret are let in where there is none.
    pub open: bool,
    /// Whether keys may be made that open every API.
    pub master_keys: bool,
    /// Whether the hashes of keys may be listed.
    pub hashes_listed: bool,
    /// How passwords are hashed; with bcrypt if not said.
    pub password_function: Option<Function>,
    /// The least time between two reloads.
    pub reload_interval: Duration,
    /// Whether definitions and policies are loaded anew when their files change.
    pub watch_files: bool,
}

pub(super) fn control(written: &mut Written, origins: &Origins<'_>) -> Result<Control, ConfigError> {
    let refuse = |path: &str, value: serde_json::Value, remedy: &str| {
        Err(origins.unusable(path, short(&value), remedy.to_owned()))
    };
    let password_function = match written.basic_auth_hash_key_function.as_str() {
        "" | "bcrypt" => None,
        name => match name.parse() {
            Ok(function) => Some(function),
            Err(error) => {
                let remedy = format!("{error}, or bcrypt");
                return refuse("basic_auth_hash_key_function", name.into(), &remedy);
            }
        },
    };
    let Ok(seconds) = u64::try_from(written.reload_interval) else {
        return refuse("reload_interval", written.reload_interval.into(), "write a number of seconds; 0 means 1");
    };
    Ok(Control {
        secret: Secret(std::mem::take(&mut written.secret)),
        open: written.allow_unauthenticated_control_api,
        master_keys: written.allow_master_keys,
        hashes_listed: written.enable_hashed_keys_listing,
        password_function,
        reload_interval: Duration::from_secs(seconds.max(1)),
        watch_files: written.watch_files,
    })
}
