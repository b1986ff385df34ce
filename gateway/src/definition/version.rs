//! Which version of an API is in force, and the rules that versions may not bring.

use std::sync::LazyLock;

use serde_json::Value;
use thiserror::Error;

use super::checks::Findings;
use super::versions::{ExtendedPaths, VersionData, VersionInfo};
use super::{Definition, Refusal};
use crate::json::{find, is_set, short};

const VERSIONS: &str = "version_data.versions";
const PATHS: &str = "these rules for single paths are not supported yet: remove the entry or set its \"disabled\"";

/// Lists of rules per path that are built.
const BUILT: [&str; 16] = [
    "ignored",
    "white_list",
    "black_list",
    "internal",
    "mock_response",
    "transform_headers",
    "transform_response_headers",
    "hard_timeouts",
    "url_rewrites",
    "method_transforms",
    "size_limits",
    "validate_json",
    "rate_limit",
    "circuit_breakers",
    "cache",
    "advance_cache_config",
];

/// Lists of rules per path that decide nothing, with what they are reported as.
const HARMLESS: [(&str, &str); 2] = [
    ("track_endpoints", "version_data.versions.*.extended_paths.track_endpoints"),
    ("do_not_track_endpoints", "version_data.versions.*.extended_paths.do_not_track_endpoints"),
];

static NONE: LazyLock<ExtendedPaths> = LazyLock::new(ExtendedPaths::default);

/// Why no version of an unversioned API is in force: nobody gets in.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoVersion {
    /// Several could be.
    #[error("more than one of version_data.versions is the default: keep one entry")]
    Ambiguous,
    /// None is.
    #[error("none of version_data.versions is the default: keep one entry, or name one \"Default\"")]
    NoDefault,
}

/// Checks the versions that requests can get.
pub(super) fn check(definition: &Definition, document: &Value, findings: &mut Findings) {
    let data = &definition.version_data;
    if data.not_versioned || definition.definition.enabled {
        let in_force = in_force(data).ok().flatten();
        return in_force.into_iter().for_each(|version| check_rules(version, document, findings));
    }
    for (name, info) in &data.versions {
        check_rules((name, info), document, findings);
    }
}

/// The one version of an unversioned API.
pub(super) fn in_force(data: &VersionData) -> Result<Option<(&str, &VersionInfo)>, NoVersion> {
    let mut versions = data.versions.iter().map(|(name, info)| (name.as_str(), info));
    if data.versions.len() <= 1 {
        return Ok(versions.next());
    }
    let mut defaults = versions.filter(|(name, _)| matches!(*name, "Default" | "default" | ""));
    match (defaults.next(), defaults.next()) {
        (Some(version), None) => Ok(Some(version)),
        (None, _) => Err(NoVersion::NoDefault),
        (Some(_), Some(_)) => Err(NoVersion::Ambiguous),
    }
}

fn check_rules((name, info): (&str, &VersionInfo), document: &Value, findings: &mut Findings) {
    // Names of versions may hold dots, so the way to one is not a path.
    let versions = find(document, VERSIONS);
    let below = format!("{VERSIONS}.{name}.");
    for version in versions.iter().filter_map(|versions| versions.value.get(name)) {
        if info.use_extended_paths {
            for list in find(version, "extended_paths.*") {
                check_list(&list.path, list.value, &below, findings);
            }
        }
    }
}

fn check_list(path: &str, list: &Value, below: &str, findings: &mut Findings) {
    let key = path.rsplit('.').next().unwrap_or(path);
    if BUILT.iter().any(|built| key.eq_ignore_ascii_case(built)) {
        return;
    }
    let entries = find(list, "*").into_iter().filter(|entry| {
        is_set(entry.value) && !find(entry.value, "disabled").iter().any(|switch| is_set(switch.value))
    });
    let harmless = HARMLESS.iter().find(|(name, _)| key.eq_ignore_ascii_case(name));
    for entry in entries {
        match harmless {
            Some((_, reported)) if findings.ignored.contains(reported) => {}
            Some((_, reported)) => findings.ignored.push(reported),
            None => findings.refusals.push(Refusal {
                path: format!("{below}{path}{}", entry.path),
                reason: format!("{}: {PATHS}", short(entry.value)),
            }),
        }
    }
}

impl VersionInfo {
    /// The rules for single paths that count.
    pub fn extended(&self) -> &ExtendedPaths {
        if self.use_extended_paths { &self.extended_paths } else { &NONE }
    }
}
