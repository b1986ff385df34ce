//! Which version of an API is in force, and the rules that it may not bring.

use serde_json::Value;

use super::checks::Findings;
use super::{Definition, Refusal, rules};
use crate::json::{find, is_set, short};

const VERSIONS: &str = "version_data.versions";
const PATHS: &str = "rules per path are not supported yet: remove the entry or set its \"disabled\"";

/// Lists of rules per path that decide nothing, with what they are reported as.
const HARMLESS: [(&str, &str); 4] = [
    ("cache", "version_data.versions.*.extended_paths.cache"),
    ("advance_cache_config", "version_data.versions.*.extended_paths.advance_cache_config"),
    ("track_endpoints", "version_data.versions.*.extended_paths.track_endpoints"),
    ("do_not_track_endpoints", "version_data.versions.*.extended_paths.do_not_track_endpoints"),
];

/// Checks the version that all requests get; of several, one must plainly be it.
pub(super) fn check(definition: &Definition, document: &Value, findings: &mut Findings) {
    match in_force(definition) {
        Ok(None) => {}
        Ok(Some(name)) => check_rules(definition, document, name, findings),
        Err(refusal) => findings.refusals.push(refusal),
    }
}

pub(super) fn in_force(definition: &Definition) -> Result<Option<&str>, Refusal> {
    let data = &definition.version_data;
    let refuse =
        |path: &str, reason: &str| Err(Refusal { path: format!("version_data.{path}"), reason: reason.to_owned() });
    let mut names = data.versions.keys().map(String::as_str);
    if data.versions.is_empty() {
        return Ok(None);
    }
    if !data.not_versioned {
        return refuse("not_versioned", "versions are not supported yet: set it to true, with one entry in versions");
    }
    if data.versions.len() == 1 {
        return Ok(names.next());
    }
    let mut defaults = names.filter(|name| matches!(*name, "Default" | "default" | ""));
    match (defaults.next(), defaults.next()) {
        (Some(name), None) => Ok(Some(name)),
        (None, _) => refuse("versions", "none of them is the default: keep one entry"),
        (Some(_), Some(_)) => refuse("versions", "more than one of them is the default: keep one entry"),
    }
}

fn check_rules(definition: &Definition, document: &Value, name: &str, findings: &mut Findings) {
    // Names of versions may hold dots, so the way to one is not a path.
    let versions = find(document, VERSIONS);
    let info = &definition.version_data.versions[name];
    let below = format!("{VERSIONS}.{name}.");
    if ends(&info.expires) {
        let reason = format!("{:?}: expiry of versions is not supported yet: empty it", info.expires);
        findings.refusals.push(Refusal { path: format!("{below}expires"), reason });
    }
    for version in versions.iter().filter_map(|versions| versions.value.get(name)) {
        findings.refusals.extend(rules::VERSION.iter().flat_map(|rule| rule.broken_in(version, &below)));
        let lists = if info.use_extended_paths { "extended_paths" } else { "paths" };
        for list in find(version, &format!("{lists}.*")) {
            check_list(&list.path, list.value, &below, findings);
        }
    }
}

fn check_list(path: &str, list: &Value, below: &str, findings: &mut Findings) {
    let entries = find(list, "*").into_iter().filter(|entry| {
        is_set(entry.value) && !find(entry.value, "disabled").iter().any(|switch| is_set(switch.value))
    });
    let key = path.rsplit('.').next().unwrap_or(path);
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

/// Whether a date will be reached: samples that everybody copies end in the year 3000.
fn ends(expires: &str) -> bool {
    let far = expires.get(..4).and_then(|year| year.parse().ok()).is_some_and(|year: u16| year >= 2500);
    !matches!(expires, "" | "-1") && !far
}
