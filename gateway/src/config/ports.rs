//! Ports beside the gateway's own.

use std::collections::BTreeMap;

use super::written::{PortList, Written};
use super::{ConfigError, Origins};
use crate::json::short;

/// Ports beside the gateway's own.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// Where the control API is, and nothing else, if it is not on the gateway's own port.
    pub control: Option<u16>,
    /// The ports that APIs may have, by protocol; any if there is no list.
    listed: Option<BTreeMap<String, PortList>>,
}

impl Ports {
    /// Whether an API may have this port.
    pub fn allow(&self, protocol: &str, port: u16) -> bool {
        let port = i64::from(port);
        let holds = |list: &PortList| {
            list.ports.contains(&port) || list.ranges.iter().any(|range| (range.from..=range.to).contains(&port))
        };
        self.listed.as_ref().is_none_or(|listed| listed.get(protocol).is_some_and(holds))
    }
}

pub(super) fn ports(written: &mut Written, main: u16, origins: &Origins<'_>) -> Result<Ports, ConfigError> {
    let refuse = |remedy: &str| {
        Err(origins.unusable("control_api_port", short(&written.control_api_port.into()), remedy.to_owned()))
    };
    let control = match u16::try_from(written.control_api_port) {
        Ok(0) => None,
        Ok(port) if port == main => return refuse("it is the gateway's own: write 0 for that, or another port"),
        Ok(port) => Some(port),
        Err(_) => return refuse("write a port from 1 to 65535, or 0 for the gateway's own"),
    };
    let listed = std::mem::take(&mut written.ports_whitelist);
    Ok(Ports { control, listed: (!written.disable_ports_whitelist).then_some(listed) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: serde_json::Value) -> Result<Ports, ConfigError> {
        let mut written = serde_json::from_value(document).unwrap();
        ports(&mut written, 8080, &Origins { file: None, variables: &BTreeMap::new() })
    }

    #[test]
    fn ports_are_allowed_one_by_one_or_in_ranges_or_all() {
        let list = json!({"http": {"ranges": [{"from": 8000, "to": 8010}], "ports": [9000]}});
        let ports = read(json!({"ports_whitelist": list})).unwrap();
        let allowed = |protocol: &str, port| ports.allow(protocol, port);
        assert!(allowed("http", 8000) && allowed("http", 8010) && allowed("http", 9000));
        assert!(!allowed("http", 8011) && !allowed("https", 9000));
        assert!(!read(json!({})).unwrap().allow("http", 9000));
        assert!(read(json!({"disable_ports_whitelist": true})).unwrap().allow("http", 1));
        for refused in [70000, 8080] {
            assert!(read(json!({"control_api_port": refused})).is_err(), "{refused}");
        }
    }
}
