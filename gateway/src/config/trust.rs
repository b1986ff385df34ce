//! Whose word about a client's address counts.

use ipnet::IpNet;
use std::net::IpAddr;

use super::written::HttpServerOptions;
use super::{ConfigError, Origins};
use crate::json::short;

/// Whose word about a client's address counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The proxies before the gateway; everybody, as in the original, unless some are named.
    proxies: Option<Vec<IpNet>>,
    /// Which entry of `X-Forwarded-For` counts: the first for 0, otherwise so many from the right.
    pub depth: usize,
}

impl Trust {
    /// Whether headers of this peer tell its client's address.
    pub fn believes(&self, peer: IpAddr) -> bool {
        self.proxies.as_ref().is_none_or(|proxies| proxies.iter().any(|network| network.contains(&peer)))
    }
}

pub(super) fn trust(written: &HttpServerOptions, origins: &Origins<'_>) -> Result<Trust, ConfigError> {
    const DEPTH: &str = "http_server_options.xff_depth";
    let refuse = |path: &str, value: serde_json::Value, remedy: &str| {
        Err(origins.unusable(path, short(&value), remedy.to_owned()))
    };
    let Ok(depth) = usize::try_from(written.xff_depth) else {
        return refuse(DEPTH, written.xff_depth.into(), "write 0 for the first address, or its place from the right");
    };
    let mut proxies = Vec::new();
    for (at, text) in written.trusted_proxies.iter().enumerate() {
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => proxies.push(network),
            Err(_) => {
                let path = format!("http_server_options.trusted_proxies[{at}]");
                return refuse(&path, text.as_str().into(), "write an address, or a network as in 10.0.0.0/8");
            }
        }
    }
    Ok(Trust { proxies: Some(proxies).filter(|proxies| !proxies.is_empty()), depth })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(proxies: &[&str]) -> Result<Trust, String> {
        let trusted_proxies = proxies.iter().map(|text| (*text).to_owned()).collect();
        let written = HttpServerOptions { trusted_proxies, ..Default::default() };
        trust(&written, &Origins { file: None, variables: &BTreeMap::new() }).map_err(|error| error.to_string())
    }

    #[test]
    fn everybody_is_believed_unless_proxies_are_named() {
        let (near, far) = ("10.1.2.3".parse().unwrap(), "192.0.2.1".parse().unwrap());
        assert!(read(&[]).unwrap().believes(far));
        let trust = read(&["10.0.0.0/8", "::1"]).unwrap();
        assert!(trust.believes(near) && trust.believes("::1".parse().unwrap()) && !trust.believes(far));
        let refusal = read(&["::1", "10.0.0.0/99"]).unwrap_err();
        assert!(refusal.contains("http_server_options.trusted_proxies[1]"), "{refusal}");
    }
}
