//! Makes a chain of a definition.

use std::collections::HashMap;
use std::sync::Arc;

use md5::{Digest, Md5};
use serde_json::Value;
use thiserror::Error;

use super::{Chain, Limits, Step};
use crate::auth::CustomAuth;
use crate::config::{Coprocess, DEFAULT_SERVER, DefaultServer};
use crate::definition::{self, Definition};
use crate::hook::{Hook, HookType};
use crate::pattern::ListenPath;
use crate::session::limits::Limiter;
use crate::upstream::Upstream;

/// The one driver that there is.
const DRIVER: &str = "grpc";

/// Why a definition cannot be served, with the JSON path of the reason.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{path}: {reason}")]
pub struct CompileError {
    /// Where in the definition.
    pub path: String,
    /// What is wrong and what to do.
    pub reason: String,
}

/// Makes the chain of a definition that passed its own checks.
pub fn compile(
    definition: &Definition,
    listen_path: &ListenPath,
    plugins: &Coprocess,
    limiter: &Arc<Limiter>,
) -> Result<Chain, CompileError> {
    let upstream = Upstream::compile(&definition.proxy, listen_path);
    let upstream = upstream.map_err(|reason| CompileError {
        path: "proxy.target_url".to_owned(),
        reason: format!("{:?} cannot be used: {reason}", definition.proxy.target_url),
    })?;
    let hooks = Hooks { definition, plugins, spec: Arc::new(spec(definition)) };
    let middleware = &definition.custom_middleware;
    let mut request = hooks.steps(HookType::Pre, "pre", &middleware.pre)?;
    if !definition.use_keyless {
        let org_id = definition.org_id.as_str().into();
        let hook = hooks.hook(HookType::CustomKeyCheck, "auth_check", &middleware.auth_check)?;
        request.push(Step::CustomAuth(CustomAuth { hook, org_id }));
        request.extend(hooks.steps(HookType::PostKeyAuth, "post_key_auth", &middleware.post_key_auth)?);
        request.push(Step::Limits(Limits {
            api_id: definition.api_id.as_str().into(),
            rate: (!definition.disable_rate_limit).then(|| Arc::clone(limiter)),
            quota: !definition.disable_quota,
        }));
    }
    request.extend(hooks.steps(HookType::Post, "post", &middleware.post)?);
    let response = hooks.list(HookType::Response, "response", &middleware.response)?;
    Ok(Chain { request, upstream, response })
}

/// What the hooks of a definition have in common.
struct Hooks<'a> {
    definition: &'a Definition,
    plugins: &'a Coprocess,
    spec: Arc<HashMap<String, String>>,
}

impl Hooks<'_> {
    fn steps(&self, kind: HookType, key: &str, list: &[definition::Hook]) -> Result<Vec<Step>, CompileError> {
        Ok(self.list(kind, key, list)?.into_iter().map(Step::Hook).collect())
    }

    fn list(&self, kind: HookType, key: &str, list: &[definition::Hook]) -> Result<Vec<Hook>, CompileError> {
        let enabled = list.iter().enumerate().filter(|(_, hook)| !hook.disabled);
        enabled.map(|(at, hook)| self.hook(kind, &format!("{key}[{at}]"), hook)).collect()
    }

    fn hook(&self, kind: HookType, key: &str, hook: &definition::Hook) -> Result<Hook, CompileError> {
        if !self.plugins.enabled {
            return Err(CompileError {
                path: format!("custom_middleware.{key}"),
                reason:
                    "coprocess_options.enable_coprocess is false in tyk.conf, and the API is not served without its \
                         hooks; set it to true or remove the hook"
                        .to_owned(),
            });
        }
        Ok(Hook {
            kind,
            name: hook.name.as_str().into(),
            raw_body_only: hook.raw_body_only,
            server: self.server(key, &hook.server)?,
            spec: Arc::clone(&self.spec),
        })
    }

    /// The server to call. A missing driver or default server is an answer of its own to every
    /// request; a name that does not exist is an error of this definition.
    fn server(&self, key: &str, name: &str) -> Result<Result<Arc<str>, String>, CompileError> {
        let driver = &self.definition.custom_middleware.driver;
        if driver != DRIVER {
            return Ok(Err(format!("custom_middleware.driver is {driver:?}; the one that exists is \"grpc\"")));
        }
        if !name.is_empty() && name != DEFAULT_SERVER {
            let known = self.plugins.servers.contains_key(name);
            return known.then(|| Ok(name.into())).ok_or_else(|| CompileError {
                path: format!("custom_middleware.{key}.server"),
                reason: format!(
                    "no plugin server is named {name:?}; add it to coprocess_options.plugin_servers in tyk.conf"
                ),
            });
        }
        Ok(match &self.plugins.default_server {
            DefaultServer::Usable => Ok(DEFAULT_SERVER.into()),
            DefaultServer::Missing => Err("coprocess_options.coprocess_grpc_server is empty in tyk.conf".to_owned()),
            DefaultServer::Unusable(why) => {
                Err(format!("coprocess_options.coprocess_grpc_server cannot be used: {why}"))
            }
        })
    }
}

/// What every call of an API carries: its ids, its bundle's hash and its configuration data.
fn spec(definition: &Definition) -> HashMap<String, String> {
    let hash: String =
        Md5::digest(&definition.custom_middleware_bundle).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut spec = HashMap::from([
        ("OrgID".to_owned(), definition.org_id.clone()),
        ("APIID".to_owned(), definition.api_id.clone()),
        ("bundle_hash".to_owned(), hash),
    ]);
    if let Some(data) =
        definition.config_data.as_ref().filter(|data| !data.is_empty() && !definition.config_data_disabled)
    {
        spec.insert("config_data".to_owned(), go_json(&Value::Object(data.clone())));
    }
    spec
}

/// Compact JSON as Go writes it: sorted keys, numbers as 64-bit floats, `<`, `>`, `&` and the
/// line separators escaped.
fn go_json(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{}:{}", go_string(key), go_json(value))).collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(go_json).collect::<Vec<_>>().join(",")),
        Value::String(text) => go_string(text),
        Value::Number(number) => go_number(number.as_f64().unwrap_or_default()),
        Value::Bool(_) | Value::Null => value.to_string(),
    }
}

fn go_string(text: &str) -> String {
    let mut out = Value::from(text).to_string();
    for (c, escape) in
        [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
    {
        if out.contains(c) {
            out = out.replace(c, escape);
        }
    }
    out
}

/// Plain digits between 1e-6 and 1e21, an exponent of at least two digits beyond.
fn go_number(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent:0>2}"),
        // Go drops the zero of e-09.
        _ => text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn config_data_is_written_as_go_writes_it() {
        let value: Value = serde_json::from_str(
            r#"{"b":10,"a":"<&>\u2028","n":12345678901234567890,"l":[1,null,true,0.1],"e":1e21,"s":1e-9,"z":-0.5}"#,
        )
        .unwrap();
        assert_eq!(
            go_json(&value),
            r#"{"a":"\u003c\u0026\u003e\u2028","b":10,"e":1e+21,"l":[1,null,true,0.1],"n":12345678901234567000,"s":1e-9,"z":-0.5}"#
        );
    }

    #[test]
    fn every_call_names_api_organisation_and_bundle() {
        let definition = Definition { api_id: "a".into(), org_id: "o".into(), ..Default::default() };
        let expected = [("APIID", "a"), ("OrgID", "o"), ("bundle_hash", "d41d8cd98f00b204e9800998ecf8427e")];
        assert_eq!(spec(&definition), expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
}
