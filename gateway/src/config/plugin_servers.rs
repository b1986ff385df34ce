//! The plugin servers: the one that every Tyk configuration may name, and ours with names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::validate::given;
use super::written::CoprocessOptions;
use super::{
    Address, AddressError, ConfigError, Coprocess, DEFAULT_SERVER, DefaultServer, Origins, PluginServer, Problem,
};
use crate::json::short;

const SERVER: &str = "coprocess_options.coprocess_grpc_server";
const SERVERS: &str = "coprocess_options.plugin_servers";

/// What gRPC libraries take when nothing is configured.
const MAX_RECEIVE: usize = 4 * 1024 * 1024;
const MAX_SEND: usize = i32::MAX as usize;

/// Makes the plugin servers; an unusable default one is a problem, not an error.
pub(super) fn coprocess(
    written: CoprocessOptions,
    origins: &Origins<'_>,
) -> Result<(Coprocess, Vec<Problem>), ConfigError> {
    let (mut servers, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, server) in written.plugin_servers {
        servers.insert(name.clone(), named(&name, server, origins, &mut problems)?);
    }
    let target = written.coprocess_grpc_server.trim();
    let default_server = match (servers.contains_key(DEFAULT_SERVER), target) {
        (true, "") => DefaultServer::Usable,
        (false, "") => DefaultServer::Missing,
        (true, target) => {
            let remedy = format!("{SERVERS}.{DEFAULT_SERVER} names the same server: remove one of the two");
            return Err(origins.unusable(SERVER, short(&target.into()), remedy));
        }
        (false, target) => match Address::parse_target(target) {
            Ok(endpoints) => {
                problems.extend(resolver(SERVER, target, origins));
                let server = PluginServer {
                    endpoints,
                    authority: given(written.grpc_authority),
                    round_robin: written.grpc_round_robin_load_balancing,
                };
                servers.insert(DEFAULT_SERVER.to_owned(), server);
                DefaultServer::Usable
            }
            Err(error) => {
                problems.push(origins.problem(SERVER, short(&target.into()), error.to_string()));
                DefaultServer::Unusable(error.to_string())
            }
        },
    };
    let coprocess = Coprocess {
        enabled: written.enable_coprocess,
        servers,
        default_server,
        max_receive: size(written.grpc_recv_max_size).unwrap_or(MAX_RECEIVE),
        max_send: size(written.grpc_send_max_size).unwrap_or(MAX_SEND),
    };
    Ok((coprocess, problems))
}

fn size(written: i64) -> Option<usize> {
    usize::try_from(written).ok().filter(|size| *size > 0)
}

/// A server of our own section: several endpoints share the calls.
fn named(
    name: &str,
    written: BTreeMap<String, Value>,
    origins: &Origins<'_>,
    problems: &mut Vec<Problem>,
) -> Result<PluginServer, ConfigError> {
    let at = format!("{SERVERS}.{name}");
    let mut endpoints = Vec::new();
    for (key, value) in written {
        let path = format!("{at}.{key}");
        if !key.eq_ignore_ascii_case("endpoints") {
            let remedy = "this setting is not supported yet: remove it; a plugin server has endpoints only";
            return Err(origins.unusable(&path, short(&value), remedy.to_owned()));
        }
        for (path, text) in texts(path, value, origins)? {
            problems.extend(resolver(&path, &text, origins));
            let addresses = Address::parse_target(&text)
                .map_err(|error: AddressError| origins.unusable(&path, short(&text.into()), error.to_string()))?;
            endpoints.extend(addresses);
        }
    }
    if endpoints.is_empty() {
        let remedy = "name at least one address, like \"tcp://127.0.0.1:5555\" or \"unix:///run/plugin.sock\"";
        return Err(origins.unusable(&format!("{at}.endpoints"), "empty".to_owned(), remedy.to_owned()));
    }
    Ok(PluginServer { endpoints, authority: None, round_robin: true })
}

/// What is said of a target that names a DNS server.
fn resolver(path: &str, target: &str, origins: &Origins<'_>) -> Option<Problem> {
    let resolver = Address::resolver(target)?;
    let remedy = format!("the DNS server {resolver} is not asked, the system's is: write dns:///HOST:PORT");
    Some(origins.problem(path, short(&target.into()), remedy))
}

/// One address or a list of them.
fn texts(path: String, value: Value, origins: &Origins<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let items = match value {
        Value::Array(items) => {
            items.into_iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
        }
        one => vec![(path, one)],
    };
    items
        .into_iter()
        .map(|(path, item)| match item {
            Value::String(text) => Ok((path, text)),
            other => Err(origins.unusable(&path, short(&other), "write an address as text".to_owned())),
        })
        .collect()
}
