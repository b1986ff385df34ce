//! Calls to upstreams: limits, connections, and TLS where an API says nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::tls::{self, Certificate, Pin, Versions};
use super::written::Written;
use super::{ConfigError, Origins};
use crate::certificate::Shelf;
use crate::json::short;

/// Calls to upstreams.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// How long an upstream may take to answer.
    pub timeout: Duration,
    /// How many idle connections are kept per host.
    pub max_idle_per_host: Option<usize>,
    /// Whether each connection carries one request only.
    pub close_connections: bool,
    /// How old a connection may become before no request is sent over it any more.
    pub max_age: Option<Duration>,
    /// TLS, unless an API says otherwise.
    pub tls: Arc<UpstreamTls>,
    /// Whether upstreams are tested, and how.
    pub tests: UptimeTests,
}

/// TLS to upstreams.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// Whether certificates are taken as they come.
    pub skip_verify: bool,
    /// Whether a certificate's common name must be the host's.
    pub check_common_name: bool,
    /// The lowest version, as Go numbers it; 0 if not said.
    pub min_version: i64,
    /// The highest version; 0 if not said.
    pub max_version: i64,
    /// The cipher suites; all if empty.
    pub ciphers: Vec<String>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// What is shown to hosts that ask for a certificate.
    pub certificates: BTreeMap<String, Arc<Certificate>>,
    /// The public keys that hosts must have one of.
    pub pins: BTreeMap<String, Vec<Pin>>,
}

/// How upstreams are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UptimeTests {
    /// Whether none is.
    pub disabled: bool,
    /// After how many failures a host counts as down.
    pub failures: u32,
    /// How long after one test the next begins.
    pub pause: Duration,
}

const TLS_1_0: i64 = 769;

/// Makes the configuration of calls to upstreams.
pub(super) fn upstream(written: &mut Written, shelf: &Shelf, origins: &Origins<'_>) -> Result<Upstream, ConfigError> {
    let check = Check { origins };
    Ok(Upstream {
        timeout: check.timeout(written.proxy_default_timeout)?,
        max_idle_per_host: check.max_idle_per_host(written.max_idle_connections_per_host)?,
        close_connections: written.proxy_close_connections,
        max_age: check.max_age(written.max_conn_time)?,
        tls: Arc::new(check.tls(written, shelf)?),
        tests: check.tests(&written.uptime_tests)?,
    })
}

struct Check<'a> {
    origins: &'a Origins<'a>,
}

impl Check<'_> {
    fn refuse<T>(&self, key: &str, value: impl Into<Value>, remedy: &str) -> Result<T, ConfigError> {
        Err(self.origins.unusable(key, short(&value.into()), remedy.to_owned()))
    }

    fn timeout(&self, seconds: f64) -> Result<Duration, ConfigError> {
        match Duration::try_from_secs_f64(seconds) {
            Ok(Duration::ZERO) => Ok(Duration::from_secs(30)),
            Ok(timeout) => Ok(timeout),
            Err(_) => self.refuse("proxy_default_timeout", seconds, "write a number of seconds; 0 means 30"),
        }
    }

    fn max_idle_per_host(&self, limit: i64) -> Result<Option<usize>, ConfigError> {
        match usize::try_from(limit) {
            Ok(limit) => Ok(Some(limit).filter(|limit| *limit > 0)),
            Err(_) => self.refuse("max_idle_connections_per_host", limit, "write 0 or more"),
        }
    }

    fn max_age(&self, seconds: i64) -> Result<Option<Duration>, ConfigError> {
        match u64::try_from(seconds) {
            Ok(seconds) => Ok(Some(Duration::from_secs(seconds)).filter(|age| !age.is_zero())),
            Err(_) => self.refuse("max_conn_time", seconds, "write a number of seconds; 0 means for ever"),
        }
    }

    fn tls(&self, written: &mut Written, shelf: &Shelf) -> Result<UpstreamTls, ConfigError> {
        let (min_version, max_version) = (written.proxy_ssl_min_version, written.proxy_ssl_max_version);
        let versions = self.versions(min_version, max_version)?;
        let ciphers = std::mem::take(&mut written.proxy_ssl_ciphers);
        if let Err(error) = tls::provider(&ciphers, versions) {
            let key = error.at.map_or("proxy_ssl_ciphers".to_owned(), |at| format!("proxy_ssl_ciphers[{at}]"));
            return self.refuse(&key, error.value, &error.remedy);
        }
        Ok(UpstreamTls {
            skip_verify: written.proxy_ssl_insecure_skip_verify,
            check_common_name: written.ssl_force_common_name_check,
            min_version,
            max_version,
            ciphers,
            http2: written.proxy_enable_http2,
            certificates: self.certificates(&written.security.certificates.upstream, shelf)?,
            pins: self.pins(&written.security.pinned_public_keys, shelf)?,
        })
    }

    /// No version below TLS 1.2 is ever spoken, so a lower bound below it is one at it.
    fn versions(&self, min: i64, max: i64) -> Result<Versions, ConfigError> {
        const REMEDY: &str = "write 771 for TLS 1.2 or 772 for TLS 1.3";
        if min != 0 && !(TLS_1_0..=tls::TLS_1_3).contains(&min) {
            return self.refuse("proxy_ssl_min_version", min, REMEDY);
        }
        if ![0, tls::TLS_1_2, tls::TLS_1_3].contains(&max) {
            return self.refuse("proxy_ssl_max_version", max, REMEDY);
        }
        let above = "it is above proxy_ssl_max_version: lower it or raise that";
        Versions::between(min, max).map_or_else(|| self.refuse("proxy_ssl_min_version", min, above), Ok)
    }

    fn certificates(
        &self,
        written: &BTreeMap<String, String>,
        shelf: &Shelf,
    ) -> Result<BTreeMap<String, Arc<Certificate>>, ConfigError> {
        let load = |(host, name): (&String, &String)| {
            let path = format!("security.certificates.upstream.{host}");
            match Certificate::named(&path, name, shelf) {
                Ok(found) => Some(Ok((host.to_ascii_lowercase(), Arc::new(found?)))),
                Err(error) => Some(self.refuse(&path, name.as_str(), &error.reason)),
            }
        };
        written.iter().filter(|(_, name)| !name.is_empty()).filter_map(load).collect()
    }

    fn pins(
        &self,
        written: &BTreeMap<String, String>,
        shelf: &Shelf,
    ) -> Result<BTreeMap<String, Vec<Pin>>, ConfigError> {
        let read = |(host, keys): (&String, &String)| match Pin::list(keys, shelf) {
            Ok(pins) => Ok((host.to_ascii_lowercase(), pins)),
            Err(error) => {
                self.refuse(&format!("security.pinned_public_keys.{host}"), keys.as_str(), &error.to_string())
            }
        };
        written.iter().map(read).collect()
    }

    fn tests(&self, written: &super::written::UptimeTests) -> Result<UptimeTests, ConfigError> {
        let config = &written.config;
        let failures = match u32::try_from(config.failure_trigger_sample_size) {
            Ok(0) => 3,
            Ok(failures) => failures,
            Err(_) => {
                let (key, size) =
                    ("uptime_tests.config.failure_trigger_sample_size", config.failure_trigger_sample_size);
                return self.refuse(key, size, "write a number of failures; 0 means 3");
            }
        };
        let pause = match u64::try_from(config.time_wait) {
            Ok(0) => Duration::from_secs(10),
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                return self.refuse(
                    "uptime_tests.config.time_wait",
                    config.time_wait,
                    "write a number of seconds; 0 means 10",
                );
            }
        };
        Ok(UptimeTests { disabled: written.disable, failures, pause })
    }
}
