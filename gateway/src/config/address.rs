//! Where a plugin server listens: the target strings of gRPC, made addresses.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use thiserror::Error;

/// Where a plugin server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port of a literal IP address (IPv6 without brackets) or of a name.
    Tcp {
        /// The address or name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A TCP port on every address that a name has.
    Dns {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket in the file system.
    Unix(PathBuf),
    /// A Unix socket in Linux's abstract name space.
    UnixAbstract(String),
}

/// Why a text is not the address of a plugin server, and what would be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// There is no text.
    #[error("the address is empty: write tcp://HOST:PORT or unix:///PATH")]
    Empty,
    /// The scheme belongs to another protocol.
    #[error("plugin servers are not reached over {0:?}: write tcp://HOST:PORT, dns:///HOST:PORT or unix:///PATH")]
    Scheme(String),
    /// There is nothing where a DNS server stands before the host.
    #[error("a host is missing after {0:?}, which is where a DNS server stands: write dns:///HOST:PORT")]
    Resolver(String),
    /// A path follows the port.
    #[error("nothing may follow the port: write tcp://{0}")]
    Trailing(String),
    /// The port is missing.
    #[error("the port is missing: write tcp://{0}:PORT")]
    NoPort(String),
    /// The port is not one.
    #[error("{0:?} is not a port: write a number from 1 to 65535")]
    Port(String),
    /// The host is not one.
    #[error("{0:?} is not a host: write a name, an IPv4 address or an IPv6 address in brackets")]
    Host(String),
    /// The address is not of the family that its scheme promises.
    #[error("{host:?} is not an address of the kind {scheme} lists")]
    Family {
        /// The scheme.
        scheme: String,
        /// What was listed.
        host: String,
    },
    /// The path of a Unix socket is missing or relative where it must not be.
    #[error("the path of the socket is missing: write unix:///ABSOLUTE/PATH or unix:RELATIVE/PATH")]
    Path,
}

impl Address {
    /// Reads a target as gRPC clients know it; a list gives several addresses.
    pub fn parse_target(text: &str) -> Result<Vec<Self>, AddressError> {
        let text = text.trim();
        let Some((scheme, rest)) = split_scheme(text) else {
            return tcp(text).map(|address| vec![address]);
        };
        match scheme.as_str() {
            "tcp" => tcp(rest.strip_prefix("//").unwrap_or(rest)).map(|address| vec![address]),
            "passthrough" => tcp(endpoint(rest)?).map(|address| vec![address]),
            "dns" => dns(rest).map(|address| vec![address]),
            "unix" => unix(rest).map(|address| vec![address]),
            "unix-abstract" => unix_abstract(rest).map(|address| vec![address]),
            "ipv4" | "ipv6" => list(&scheme, rest),
            _ => Err(AddressError::Scheme(scheme)),
        }
    }

    /// The DNS server that a target names, which is not asked: the system's is.
    pub(super) fn resolver(text: &str) -> Option<&str> {
        let takes = |(scheme, _): &(String, _)| matches!(scheme.as_str(), "dns" | "passthrough");
        let (_, rest) = split_scheme(text.trim()).filter(takes)?;
        let (resolver, _) = rest.strip_prefix("//")?.split_once('/')?;
        Some(resolver).filter(|resolver| !resolver.is_empty())
    }

    /// What a call names as `:authority` unless configured otherwise.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port } | Self::Dns { host, port } => join(host, *port),
            Self::Unix(_) | Self::UnixAbstract(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{}", join(host, *port)),
            Self::Dns { host, port } => write!(f, "dns:///{}", join(host, *port)),
            Self::Unix(path) if path.is_absolute() => write!(f, "unix://{}", path.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::UnixAbstract(name) => write!(f, "unix-abstract:{name}"),
        }
    }
}

/// The scheme in lower case; a plain `host:port` has none.
fn split_scheme(text: &str) -> Option<(String, &str)> {
    const WITHOUT_SLASHES: [&str; 7] = ["dns", "unix", "unix-abstract", "passthrough", "ipv4", "ipv6", "xds"];
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let known = rest.starts_with("//") || WITHOUT_SLASHES.contains(&scheme.as_str());
    known.then_some((scheme, rest))
}

/// The end of `scheme://server/end` or `scheme:end`.
fn endpoint(rest: &str) -> Result<&str, AddressError> {
    let Some(rest) = rest.strip_prefix("//") else { return Ok(rest) };
    rest.split_once('/').map(|(_, end)| end).ok_or_else(|| AddressError::Resolver(rest.to_owned()))
}

fn dns(rest: &str) -> Result<Address, AddressError> {
    let (host, port) = host_and_port(endpoint(rest)?)?;
    Ok(Address::Dns { host, port })
}

fn tcp(text: &str) -> Result<Address, AddressError> {
    let (host, port) = host_and_port(text)?;
    Ok(Address::Tcp { host, port })
}

fn unix(rest: &str) -> Result<Address, AddressError> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(AddressError::Path),
        None => rest,
    };
    if path.is_empty() || path.ends_with('/') {
        return Err(AddressError::Path);
    }
    Ok(Address::Unix(PathBuf::from(path)))
}

fn unix_abstract(rest: &str) -> Result<Address, AddressError> {
    if rest.is_empty() || rest.starts_with("//") {
        return Err(AddressError::Path);
    }
    Ok(Address::UnixAbstract(rest.to_owned()))
}

fn list(scheme: &str, rest: &str) -> Result<Vec<Address>, AddressError> {
    rest.trim_start_matches('/').split(',').map(|item| listed(scheme, item.trim())).collect()
}

fn listed(scheme: &str, item: &str) -> Result<Address, AddressError> {
    let (host, port) = host_and_port(item)?;
    let fits = match scheme {
        "ipv4" => host.parse::<Ipv4Addr>().is_ok(),
        _ => host.parse::<Ipv6Addr>().is_ok(),
    };
    if !fits {
        return Err(AddressError::Family { scheme: scheme.to_owned(), host });
    }
    Ok(Address::Tcp { host, port })
}

fn host_and_port(text: &str) -> Result<(String, u16), AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if let Some((before, _)) = text.split_once(['/', '?', '#']) {
        return Err(AddressError::Trailing(before.to_owned()));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Err(AddressError::NoPort(text.to_owned())),
    };
    let port = match port.parse() {
        Ok(port @ 1..) if port.to_string() == text[host.len() + 1..] => port,
        _ => return Err(AddressError::Port(port.to_owned())),
    };
    Ok((host_name(host)?, port))
}

fn host_name(text: &str) -> Result<String, AddressError> {
    if text.is_empty() {
        return Ok("localhost".to_owned());
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(_) => Ok(inner.to_owned()),
            Err(_) => Err(AddressError::Host(text.to_owned())),
        };
    }
    if text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        return Ok(text.to_owned());
    }
    Err(AddressError::Host(text.to_owned()))
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        let all = Address::parse_target(text).unwrap();
        assert_eq!(all.len(), 1, "{text}");
        all[0].to_string()
    }

    fn refused(text: &str) -> AddressError {
        Address::parse_target(text).unwrap_err()
    }

    #[test]
    fn hosts_with_ports_work_with_and_without_a_scheme() {
        for (text, shown) in [
            ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("TCP://host:1", "tcp://host:1"),
            ("tcp://[::1]:5555", "tcp://[::1]:5555"),
            ("localhost:5555", "tcp://localhost:5555"),
            ("127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("[::1]:5555", "tcp://[::1]:5555"),
            (":5555", "tcp://localhost:5555"),
            ("my_host:5555", "tcp://my_host:5555"),
            ("passthrough:///h:1", "tcp://h:1"),
            ("passthrough:h:1", "tcp://h:1"),
            ("dns:///h.example.com:5555", "dns:///h.example.com:5555"),
            ("dns:h:5555", "dns:///h:5555"),
            ("dns://10.0.0.1:53/h:5555", "dns:///h:5555"),
        ] {
            assert_eq!(one(text), shown, "{text}");
        }
    }

    #[test]
    fn unix_sockets_are_absolute_relative_or_abstract() {
        for (text, shown) in [
            ("unix:///run/p.sock", "unix:///run/p.sock"),
            ("unix:/run/p.sock", "unix:///run/p.sock"),
            ("unix:run/p.sock", "unix:run/p.sock"),
            ("unix-abstract:p", "unix-abstract:p"),
        ] {
            assert_eq!(one(text), shown, "{text}");
        }
        assert_eq!(refused("unix://run/p.sock"), AddressError::Path);
        assert_eq!(refused("unix:"), AddressError::Path);
    }

    #[test]
    fn a_list_gives_every_address() {
        let all = Address::parse_target("ipv4:127.0.0.1:1,127.0.0.2:2").unwrap();
        assert_eq!(all.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tcp://127.0.0.1:1", "tcp://127.0.0.2:2"]);
        assert_eq!(one("ipv6:[::1]:7"), "tcp://[::1]:7");
        assert!(matches!(refused("ipv4:name:1"), AddressError::Family { .. }));
        assert!(matches!(refused("ipv6:127.0.0.1:1"), AddressError::Family { .. }));
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_a_remedy() {
        assert_eq!(refused(""), AddressError::Empty);
        assert_eq!(refused("tcp://"), AddressError::Empty);
        assert_eq!(refused("http://host:5555"), AddressError::Scheme("http".into()));
        assert_eq!(refused("xds:///x"), AddressError::Scheme("xds".into()));
        assert_eq!(refused("://invalid"), AddressError::Scheme(String::new()));
        assert_eq!(refused("dns://h:1"), AddressError::Resolver("h:1".into()));
        assert_eq!(refused("tcp://host:5555/"), AddressError::Trailing("host:5555".into()));
        assert_eq!(refused("tcp://host"), AddressError::NoPort("host".into()));
        assert_eq!(refused("[::1]"), AddressError::NoPort("[::1]".into()));
        assert_eq!(refused("host:0"), AddressError::Port("0".into()));
        assert_eq!(refused("host:+5"), AddressError::Port("+5".into()));
        assert_eq!(refused("host:70000"), AddressError::Port("70000".into()));
        assert_eq!(refused("::1:5555"), AddressError::Host("::1".into()));
        assert_eq!(refused("user@host:1"), AddressError::Host("user@host".into()));
        assert!(refused("http://h:1").to_string().contains("tcp://HOST:PORT"));
    }

    #[test]
    fn a_dns_server_that_is_named_is_known() {
        assert_eq!(Address::resolver("dns://10.0.0.1/h:1"), Some("10.0.0.1"));
        for text in ["dns:///h:1", "dns:h:1", "tcp://h:1/x", "unix:///a/b", "h:1"] {
            assert_eq!(Address::resolver(text), None, "{text}");
        }
    }

    #[test]
    fn the_authority_is_the_endpoint_or_localhost_for_sockets() {
        let authority = |text| Address::parse_target(text).unwrap()[0].authority();
        assert_eq!(authority("tcp://[::1]:5555"), "[::1]:5555");
        assert_eq!(authority("dns:///name:80"), "name:80");
        assert_eq!(authority("unix:///run/p.sock"), "localhost");
        assert_eq!(authority("unix-abstract:p"), "localhost");
    }
}
