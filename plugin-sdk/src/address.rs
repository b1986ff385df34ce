//! Where a plugin server listens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::server::ServerError;

/// Where a plugin server listens: `host:port`, `tcp://host:port` or `unix:/path`.
///
/// It is shown as a gateway wants it in `coprocess_grpc_server`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A host and a port; port 0 lets the system choose one.
    Tcp(String),
    /// A socket file, as an absolute path.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let address = match text.split_once(':') {
            Some(("unix", path)) => unix(path).map(Self::Unix),
            Some(("tcp", rest)) if rest.starts_with("//") => host_and_port(&rest[2..]),
            _ => host_and_port(text),
        };
        address.ok_or_else(|| ServerError::Address { text: text.to_owned() })
    }
}

fn unix(path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix("//").unwrap_or(path);
    std::path::absolute(Path::new(path)).ok()
}

fn host_and_port(text: &str) -> Option<Address> {
    let (_, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    Some(Address::Tcp(text.to_owned()))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_a_gateway_wants_it() {
        for (written, shown) in [
            ("127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("tcp://localhost:0", "tcp://localhost:0"),
            ("[::1]:5555", "tcp://[::1]:5555"),
            ("tcp:5555", "tcp://tcp:5555"),
            ("unix:/run/p.sock", "unix:///run/p.sock"),
            ("unix:///run/p.sock", "unix:///run/p.sock"),
        ] {
            assert_eq!(written.parse::<Address>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_relative_socket_path_becomes_absolute() {
        let address: Address = "unix:p.sock".parse().unwrap();

        assert!(matches!(address, Address::Unix(path) if path.is_absolute()));
    }

    #[test]
    fn what_is_no_address_says_so() {
        for text in ["", "localhost", "localhost:http", "unix:", "http://localhost:80/"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("use host:port"), "{text}: {error}");
        }
    }
}
