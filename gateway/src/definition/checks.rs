//! Everything that a definition asks for in vain, all at once.

use serde_json::Value;

use super::{Definition, Hook, Refusal, rules, version};
use crate::json::{join, short};

/// What may make the session.
const IDENTITIES: [&str; 6] = ["", "auth_token", "custom_auth", "hmac_key", "basic_auth_user", "jwt_claim"];

/// What a check of a definition brings up.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) refusals: Vec<Refusal>,
    pub(super) ignored: Vec<&'static str>,
}

impl Findings {
    fn refuse(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.refusals.push(Refusal { path: path.into(), reason: reason.into() });
    }

    fn apply(&mut self, rules: &[rules::Rule], document: &Value) {
        self.refusals.extend(rules.iter().flat_map(|rule| rule.broken_in(document, "")));
    }
}

/// Checks a definition and the document that it was read from.
pub(super) fn check(definition: &Definition, document: &Value) -> Findings {
    let mut findings = Findings { ignored: rules::ignored_in(document), ..Findings::default() };
    if let Err(refusal) = definition.listen_path() {
        findings.refusals.push(refusal);
    }
    check_target(definition, &mut findings);
    check_references("", document, &mut findings);
    if !definition.use_keyless {
        findings.apply(rules::PROTECTED, document);
        check_auth(definition, &mut findings);
    }
    findings.apply(rules::EVERYONE, document);
    check_processors(definition, &mut findings);
    check_native_plugins(&definition.custom_middleware.response, &mut findings);
    findings.refusals.extend(definition.event_handlers.nameless());
    version::check(definition, document, &mut findings);
    findings
}

/// The schemes of upstreams.
const SCHEMES: [&str; 5] = ["http", "https", "h2c", "ws", "wss"];

fn check_target(definition: &Definition, findings: &mut Findings) {
    let target = &definition.proxy.target_url;
    if !is_upstream(target, true) {
        findings.refuse(
            "proxy.target_url",
            format!(
                "{target:?} is not an upstream that can be called: write http://HOST:PORT/, https://HOST:PORT/ or h2c://HOST:PORT/"
            ),
        );
    }
    for (index, target) in definition.targets().iter().enumerate() {
        if !is_upstream(target, false) {
            findings.refuse(
                format!("proxy.target_list[{index}]"),
                format!("{target:?} is not an upstream that can be called: write http://HOST:PORT/, or remove it"),
            );
        }
    }
    check_tests(definition, findings);
    let protocol = &definition.protocol;
    if !matches!(protocol.as_str(), "" | "http" | "https" | "h2c") {
        findings.refuse("protocol", format!("{protocol:?} is not supported: write http, https or h2c, or remove it"));
    }
    if u16::try_from(definition.listen_port).is_err() {
        findings.refuse("listen_port", format!("{} is no port: write one from 1 to 65535", definition.listen_port));
    }
}

fn is_upstream(target: &str, whole: bool) -> bool {
    let (scheme, rest) = match target.split_once("://") {
        Some(parts) => parts,
        None if whole => return false,
        None => ("http", target),
    };
    SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && !rest.is_empty()
        && !rest.starts_with(['/', '?', '#'])
}

fn check_tests(definition: &Definition, findings: &mut Findings) {
    if definition.uptime_tests.disabled {
        return;
    }
    for (index, check) in definition.uptime_tests.check_list.iter().enumerate() {
        let at = |key: &str| format!("uptime_tests.check_list[{index}].{key}");
        if check.enable_proxy_protocol {
            findings.refuse(at("enable_proxy_protocol"), "the PROXY protocol is not supported yet: set it to false");
        }
        for (nth, command) in check.commands.iter().enumerate() {
            if !matches!(command.name.as_str(), "send" | "expect") {
                findings.refuse(
                    at(&format!("commands[{nth}].name")),
                    format!("{:?} is no command: write send or expect", command.name),
                );
            }
        }
    }
}

/// Values of stores that we have no access to would be taken for the values themselves.
fn check_references(path: &str, value: &Value, findings: &mut Findings) {
    const STORES: [&str; 5] = ["consul://", "vault://", "file://", "kv://", "$kv{"];
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                check_references(&join(path, key), value, findings);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_references(&format!("{path}[{index}]"), item, findings);
            }
        }
        Value::String(text) if STORES.iter().any(|store| text.contains(store)) => findings.refuse(
            path,
            format!("{}: this store is not supported yet: use env://NAME or secrets://KEY", short(value)),
        ),
        _ => {}
    }
}

fn check_auth(definition: &Definition, findings: &mut Findings) {
    if definition.custom_auth() {
        check_custom_auth(definition, findings);
    }
    let identity = &definition.base_identity_provided_by;
    if !IDENTITIES.contains(&identity.as_str()) {
        findings.refuse(
            "base_identity_provided_by",
            format!(
                "{identity:?} is not supported, so nobody would have a session: remove it, or name a method that is on"
            ),
        );
    }
}

fn check_custom_auth(definition: &Definition, findings: &mut Findings) {
    const NOBODY: &str = "custom auth without a hook lets nobody in";
    let hook = &definition.custom_middleware.auth_check;
    if hook.disabled {
        findings.refuse("custom_middleware.auth_check.disabled", format!("{NOBODY}: set it to false"));
    }
    let engine = &definition.auth_provider.storage_engine;
    if matches!(engine.as_str(), "ldap" | "rpc") {
        findings.refuse("auth_provider.storage_engine", format!("{engine:?} is not supported yet: remove it"));
    }
}

/// Headers are changed and response hooks run without one.
fn check_processors(definition: &Definition, findings: &mut Findings) {
    for (index, processor) in definition.response_processors.iter().enumerate() {
        if !matches!(processor.name.as_str(), "header_injector" | "custom_mw_res_hook") {
            let path = format!("response_processors[{index}].name");
            findings.refuse(
                path,
                format!("{:?} is not supported yet: remove it; response hooks need none", processor.name),
            );
        }
    }
}

fn check_native_plugins(hooks: &[Hook], findings: &mut Findings) {
    for (index, hook) in hooks.iter().enumerate() {
        if !hook.disabled && hook.path.ends_with(".so") {
            findings.refuse(
                format!("custom_middleware.response[{index}].path"),
                format!(
                    "{:?}: plugins in Go do not run in this gateway: remove the hook or serve it from a plugin server",
                    hook.path
                ),
            );
        }
    }
}
