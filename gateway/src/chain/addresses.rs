//! Lists of client addresses: who is kept out, and who alone is let in.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::CompileError;
use crate::definition::Definition;
use crate::error::Failure;
use crate::exchange::Exchange;

/// The lists of an API.
#[derive(Debug)]
pub(super) struct Addresses {
    /// Everybody, unless there are some.
    allowed: Vec<IpNet>,
    blocked: Vec<IpNet>,
}

/// That a client's address is kept out.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the API's lists of client addresses keep the client out")]
pub struct AddressRefused;

impl Addresses {
    /// The lists of a definition; nothing if none counts.
    pub(super) fn compile(definition: &Definition) -> Result<Option<Self>, CompileError> {
        let counts = |enabled: bool| enabled || !definition.ip_access_control_disabled;
        let list =
            |path, written: &[String], enabled| if counts(enabled) { nets(path, written) } else { Ok(Vec::new()) };
        let allowed = list("allowed_ips", &definition.allowed_ips, definition.enable_ip_whitelisting)?;
        let blocked = list("blacklisted_ips", &definition.blacklisted_ips, definition.enable_ip_blacklisting)?;
        Ok((!allowed.is_empty() || !blocked.is_empty()).then_some(Self { allowed, blocked }))
    }

    /// Lets a client pass, or not; one without a usable address does not pass.
    pub(super) fn check(&self, exchange: &Exchange) -> Result<(), Failure> {
        let address = exchange.client.address(&exchange.head.headers).parse().ok();
        let passes = address.is_some_and(|address| self.passes(address));
        passes.then_some(()).ok_or(Failure::Address(AddressRefused))
    }

    fn passes(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let listed = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        (self.allowed.is_empty() || listed(&self.allowed)) && !listed(&self.blocked)
    }
}

/// Networks, or single addresses.
fn nets(path: &str, written: &[String]) -> Result<Vec<IpNet>, CompileError> {
    let net = |(index, text): (usize, &String)| {
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map_err(|_| CompileError {
            path: format!("{path}[{index}]"),
            reason: format!("{text:?} is no address: write one as in 192.0.2.1, or a network as in 192.0.2.0/24"),
        })
    };
    written.iter().enumerate().map(net).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lists(allowed: &[&str], blocked: &[&str]) -> Definition {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Definition { allowed_ips: own(allowed), blacklisted_ips: own(blocked), ..Definition::default() }
    }

    fn passing(definition: &Definition, addresses: &[&str]) -> Vec<bool> {
        let lists = Addresses::compile(definition).unwrap().unwrap();
        addresses.iter().map(|address| lists.passes(address.parse().unwrap())).collect()
    }

    #[test]
    fn a_list_of_allowed_addresses_keeps_all_others_out() {
        let definition = lists(&["10.0.0.0/8", "::1"], &["10.9.9.9"]);
        let addresses = ["10.1.2.3", "10.9.9.9", "192.0.2.1", "::1", "::ffff:10.1.2.3"];
        assert_eq!(passing(&definition, &addresses), [true, false, false, true, true]);
    }

    #[test]
    fn a_list_of_blocked_addresses_lets_all_others_in() {
        assert_eq!(passing(&lists(&[], &["192.0.2.1"]), &["192.0.2.1", "192.0.2.2"]), [false, true]);
    }

    #[test]
    fn a_list_counts_unless_it_is_switched_off_twice() {
        let off = Definition { ip_access_control_disabled: true, ..lists(&["192.0.2.1"], &[]) };
        assert!(Addresses::compile(&off).unwrap().is_none());
        let on = Definition { enable_ip_whitelisting: true, ..off };
        assert_eq!(passing(&on, &["192.0.2.2"]), [false]);
        assert!(Addresses::compile(&lists(&["300.0.0.1"], &[])).is_err_and(|error| error.path == "allowed_ips[0]"));
    }
}
