//! The port that an API has for itself or with others, beside the gateway's own.

use super::load::at;
use crate::chain::CompileError;
use crate::config::Config;
use crate::definition::Definition;

/// A port beside the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// Whether TLS is spoken there.
    pub secure: bool,
}

/// The port that a definition asks for; none is the gateway's own.
pub(super) fn of(definition: &Definition, config: &Config) -> Result<Option<Port>, CompileError> {
    let number = u16::try_from(definition.listen_port).map_err(|_| at("listen_port", "no port"))?;
    let secure = match definition.protocol.as_str() {
        "" => config.use_ssl,
        protocol => protocol == "https",
    };
    if secure && config.tls.is_none() {
        let reason = "there is no certificate for https: name one in http_server_options.certificates of tyk.conf";
        return Err(at("protocol", reason));
    }
    if number == 0 || number == config.listen.port() {
        return match secure && !config.use_ssl {
            true => {
                Err(at("protocol", "the gateway's own port speaks http: give the API a listen_port, or set use_ssl"))
            }
            false => Ok(None),
        };
    }
    if config.ports.control == Some(number) {
        return Err(at("listen_port", format!("{number} is the control API's (control_api_port): choose another")));
    }
    let protocol = match definition.protocol.as_str() {
        "" if secure => "https",
        "" => "http",
        protocol => protocol,
    };
    if !config.ports.allow(protocol, number) {
        let reason = format!(
            "{number} is not among ports_whitelist.{protocol} of tyk.conf: add it there, or set disable_ports_whitelist"
        );
        return Err(at("listen_port", reason));
    }
    Ok(Some(Port { number, secure }))
}
