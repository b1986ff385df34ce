//! The parts of a definition that are about upstreams: connections and tests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How connections to upstreams are made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Transport {
    /// Whether certificates are taken as they come.
    pub ssl_insecure_skip_verify: bool,
    /// The cipher suites.
    pub ssl_ciphers: Vec<String>,
    /// The lowest version of TLS, as Go numbers it.
    pub ssl_min_version: i64,
    /// The highest version of TLS.
    pub ssl_max_version: i64,
    /// Whether a certificate's common name must be the host's.
    pub ssl_force_common_name_check: bool,
    /// The proxy on the way.
    pub proxy_url: String,
}

/// How the hosts of an API are tested.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct UptimeTests {
    /// Whether they are not.
    pub disabled: bool,
    /// What is asked.
    pub check_list: Vec<HostCheck>,
}

/// One question to a host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HostCheck {
    /// Where.
    pub url: String,
    /// `http`, `https`, `tcp` or `tls`; what the URL says if empty.
    pub protocol: String,
    /// How long an answer may take, in nanoseconds; ten seconds unless positive.
    pub timeout: i64,
    /// Whether the connection begins with a line about a client.
    pub enable_proxy_protocol: bool,
    /// What is said and heard over TCP.
    pub commands: Vec<CheckCommand>,
    /// The method; GET if empty.
    pub method: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// One line of a talk over TCP.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct CheckCommand {
    /// `send` or `expect`.
    pub name: String,
    /// The text.
    pub message: String,
}
