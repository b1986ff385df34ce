//! Makes the hooks of a definition.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use serde_json::Value;

use super::{CompileError, Step};
use crate::config::{Coprocess, DEFAULT_SERVER, DefaultServer};
use crate::definition::{self, Definition};
use crate::hook::{Hook, HookType};
use crate::json;

/// The one driver that there is.
const DRIVER: &str = "grpc";

/// What the hooks of a definition have in common.
pub(super) struct Hooks<'a> {
    definition: &'a Definition,
    plugins: &'a Coprocess,
    spec: Arc<HashMap<String, String>>,
}

impl<'a> Hooks<'a> {
    pub(super) fn new(definition: &'a Definition, plugins: &'a Coprocess) -> Self {
        Self { definition, plugins, spec: Arc::new(spec(definition)) }
    }

    /// The steps of a list that stands under this key.
    pub(super) fn steps(
        &self,
        kind: HookType,
        key: &str,
        list: &[definition::Hook],
    ) -> Result<Vec<Step>, CompileError> {
        Ok(self.list(kind, key, list)?.into_iter().map(Step::Hook).collect())
    }

    pub(super) fn list(&self, kind: HookType, key: &str, list: &[definition::Hook]) -> Result<Vec<Hook>, CompileError> {
        let enabled = list.iter().enumerate().filter(|(_, hook)| !hook.disabled);
        enabled.map(|(at, hook)| self.hook(kind, &format!("{key}[{at}]"), hook)).collect()
    }

    pub(super) fn hook(&self, kind: HookType, key: &str, hook: &definition::Hook) -> Result<Hook, CompileError> {
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
        if let Err(why) = self.driver() {
            return Ok(Err(why));
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
        Ok(self.default_server().map(Arc::from))
    }

    /// Why the server of hooks that name none cannot be called, if it cannot.
    pub(super) fn no_default_server(&self) -> Option<String> {
        if !self.plugins.enabled {
            return Some("coprocess_options.enable_coprocess is false in tyk.conf".to_owned());
        }
        self.default_server().err()
    }

    fn driver(&self) -> Result<(), String> {
        match self.definition.custom_middleware.driver.as_str() {
            DRIVER => Ok(()),
            driver => Err(format!("custom_middleware.driver is {driver:?}; the one that exists is \"grpc\"")),
        }
    }

    fn default_server(&self) -> Result<&'static str, String> {
        self.driver()?;
        match &self.plugins.default_server {
            DefaultServer::Usable => Ok(DEFAULT_SERVER),
            DefaultServer::Missing => Err("coprocess_options.coprocess_grpc_server is empty in tyk.conf".to_owned()),
            DefaultServer::Unusable(why) => {
                Err(format!("coprocess_options.coprocess_grpc_server cannot be used: {why}"))
            }
        }
    }
}

/// What every call of an API carries: its ids, its bundle's hash and its configuration data.
fn spec(definition: &Definition) -> HashMap<String, String> {
    let hash = HEXLOWER.encode(&Md5::digest(&definition.custom_middleware_bundle));
    let mut spec = HashMap::from([
        ("OrgID".to_owned(), definition.org_id.clone()),
        ("APIID".to_owned(), definition.api_id.clone()),
        ("bundle_hash".to_owned(), hash),
    ]);
    if let Some(data) =
        definition.config_data.as_ref().filter(|data| !data.is_empty() && !definition.config_data_disabled)
    {
        spec.insert("config_data".to_owned(), json::compact(&Value::Object(data.clone())));
    }
    spec
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_call_names_api_organisation_and_bundle() {
        let definition = Definition { api_id: "a".into(), org_id: "o".into(), ..Default::default() };
        let expected = [("APIID", "a"), ("OrgID", "o"), ("bundle_hash", "d41d8cd98f00b204e9800998ecf8427e")];
        assert_eq!(spec(&definition), expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
}
