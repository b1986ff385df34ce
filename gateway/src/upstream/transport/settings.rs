//! What an API and the gateway's configuration say about connections to one host.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;

use super::ForwardProxy;
use crate::certificate::Shelf;
use crate::config::{Certificate, Pin, UpstreamTls, Versions, tls_provider};
use crate::definition::{Definition, Refusal, Transport};

/// What connections to one host are like.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::upstream) struct Settings {
    pub(in crate::upstream) speech: Speech,
    pub(super) tls: Option<TlsSettings>,
    pub(in crate::upstream) proxy: Option<ForwardProxy>,
}

/// What is spoken on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Speech {
    Http1,
    /// What the upstream chooses.
    Http1Or2,
    Http2,
}

/// TLS on them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TlsSettings {
    pub(super) skip_verify: bool,
    pub(super) check_common_name: bool,
    pub(super) versions: Versions,
    pub(super) ciphers: Vec<String>,
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) pins: Option<Vec<Pin>>,
}

impl Settings {
    /// A socket, and nothing more.
    pub(super) fn plain() -> Self {
        Self { speech: Speech::Http1, tls: None, proxy: None }
    }

    /// TLS by the system's roots.
    pub(super) fn verifying() -> Self {
        Self { tls: Some(TlsSettings::verifying()), ..Self::plain() }
    }

    /// The same without HTTP/2.
    pub(in crate::upstream) fn over_http1(self) -> Self {
        Self { speech: Speech::Http1, ..self }
    }
}

impl TlsSettings {
    /// By the system's roots.
    pub(super) fn verifying() -> Self {
        let (versions, ciphers) = (Versions::Both, Vec::new());
        let (skip_verify, check_common_name, certificate, pins) = (false, false, None, None);
        Self { skip_verify, check_common_name, versions, ciphers, certificate, pins }
    }
}

/// What a definition chooses, its certificates loaded, for whatever host.
#[derive(Debug)]
pub(in crate::upstream) struct Choices {
    proxy_url: String,
    config: Arc<UpstreamTls>,
    tls: TlsSettings,
    certificates: BTreeMap<String, Arc<Certificate>>,
    pins: BTreeMap<String, Vec<Pin>>,
}

const TLS_1_0: i64 = 769;
const TLS_1_2: i64 = 771;
const TLS_1_3: i64 = 772;

impl Choices {
    pub(in crate::upstream) fn read(
        definition: &Definition,
        config: &Arc<UpstreamTls>,
        shelf: &Shelf,
    ) -> Result<Self, Refusal> {
        let written = &definition.proxy.transport;
        let versions = versions(written, config)?;
        let ciphers = if written.ssl_ciphers.is_empty() { &config.ciphers } else { &written.ssl_ciphers };
        tls_provider(ciphers, versions).map_err(|error| {
            let at = error.at.map(|at| format!("[{at}]")).unwrap_or_default();
            refusal(format!("proxy.transport.ssl_ciphers{at}"), format!("{}: {}", error.value, error.remedy))
        })?;
        let tls = TlsSettings {
            skip_verify: written.ssl_insecure_skip_verify || config.skip_verify,
            check_common_name: written.ssl_force_common_name_check || config.check_common_name,
            versions,
            ciphers: ciphers.clone(),
            certificate: None,
            pins: None,
        };
        let (proxy_url, config) = (written.proxy_url.clone(), Arc::clone(config));
        let (certificates, pins) = (certificates(definition, shelf)?, pins(definition, shelf)?);
        Ok(Self { proxy_url, config, tls, certificates, pins })
    }

    /// The settings for a host that the definition names at `path`.
    pub(in crate::upstream) fn of(&self, scheme: &str, authority: &Authority, path: &str) -> Result<Settings, Refusal> {
        let tls = matches!(scheme, "https" | "wss").then(|| self.tls(authority));
        let speech = match scheme {
            "h2c" => Speech::Http2,
            "https" if self.config.http2 => Speech::Http1Or2,
            _ => Speech::Http1,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let destination = Uri::builder().scheme(scheme).authority(authority.clone()).path_and_query("/").build();
        let destination = destination.map_err(|error| refusal(path, error.to_string()))?;
        let proxy = match self.proxy_url.as_str() {
            "" if speech == Speech::Http2 => None,
            "" => ForwardProxy::of_environment(&destination).map_err(|reason| refusal(path, reason))?,
            // What it says may hold a password, so the reason does without it.
            url => Some(
                ForwardProxy::parse(url, &destination)
                    .map_err(|reason| refusal("proxy.transport.proxy_url", reason))?,
            ),
        };
        Ok(Settings { speech, tls, proxy })
    }

    fn tls(&self, authority: &Authority) -> TlsSettings {
        let certificate = find(&self.certificates, authority).or_else(|| find(&self.config.certificates, authority));
        let pins = find(&self.pins, authority).or_else(|| find(&self.config.pins, authority));
        TlsSettings { certificate: certificate.cloned(), pins: pins.cloned(), ..self.tls.clone() }
    }
}

fn refusal(path: impl Into<String>, reason: impl Into<String>) -> Refusal {
    Refusal { path: path.into(), reason: reason.into() }
}

/// An upper bound below TLS 1.2 means TLS 1.2: nothing older is spoken.
fn versions(written: &Transport, config: &UpstreamTls) -> Result<Versions, Refusal> {
    const REMEDY: &str = "write 771 for TLS 1.2 or 772 for TLS 1.3";
    for (key, version) in [("ssl_min_version", written.ssl_min_version), ("ssl_max_version", written.ssl_max_version)] {
        if version != 0 && !(TLS_1_0..=TLS_1_3).contains(&version) {
            return Err(refusal(format!("proxy.transport.{key}"), format!("{version}: {REMEDY}")));
        }
    }
    let or = |own: i64, general: i64| if own == 0 { general } else { own };
    let min = or(written.ssl_min_version, config.min_version);
    let max =
        or(written.ssl_max_version.max(if written.ssl_max_version == 0 { 0 } else { TLS_1_2 }), config.max_version);
    Versions::between(min, max).ok_or_else(|| {
        refusal("proxy.transport.ssl_min_version", format!("{min} is above the highest version, {max}: lower it"))
    })
}

fn certificates(definition: &Definition, shelf: &Shelf) -> Result<BTreeMap<String, Arc<Certificate>>, Refusal> {
    if definition.upstream_certificates_disabled {
        return Ok(BTreeMap::new());
    }
    let load = |(host, name): (&String, &String)| {
        let path = format!("upstream_certificates.{host}");
        match Certificate::named(&path, name, shelf) {
            Ok(found) => Some(Ok((host.to_ascii_lowercase(), Arc::new(found?)))),
            Err(error) => Some(Err(refusal(path, format!("{name:?}: {}", error.reason)))),
        }
    };
    definition.upstream_certificates.iter().filter(|(_, name)| !name.is_empty()).filter_map(load).collect()
}

fn pins(definition: &Definition, shelf: &Shelf) -> Result<BTreeMap<String, Vec<Pin>>, Refusal> {
    if definition.certificate_pinning_disabled {
        return Ok(BTreeMap::new());
    }
    let read = |(host, keys): (&String, &String)| match Pin::list(keys, shelf) {
        Ok(pins) => Ok((host.to_ascii_lowercase(), pins)),
        Err(error) => Err(refusal(format!("pinned_public_keys.{host}"), error.to_string())),
    };
    definition.pinned_public_keys.iter().map(read).collect()
}

/// What is said of a host: of the host with its port, of the host, of `*.` and its domain, of `*`.
fn find<'a, T>(said: &'a BTreeMap<String, T>, authority: &Authority) -> Option<&'a T> {
    let (full, host) = (authority.as_str().to_ascii_lowercase(), authority.host().to_ascii_lowercase());
    let domain = |name: &str| name.split_once('.').map(|(_, domain)| format!("*.{domain}"));
    let names = [Some(full.clone()), Some(host.clone()), domain(&full), domain(&host), Some("*".to_owned())];
    names.into_iter().flatten().find_map(|name| said.get(&name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_host_counts_before_what_is_said_of_many() {
        let said: BTreeMap<_, _> = [("*", 1), ("*.shop.test", 2), ("a.shop.test", 3), ("a.shop.test:8443", 4)]
            .map(|(k, v)| (k.to_owned(), v))
            .into();
        for (authority, found) in [
            ("other.test", 1),
            ("B.Shop.test:8443", 2),
            ("a.shop.test", 3),
            ("a.shop.test:443", 3),
            ("a.shop.test:8443", 4),
            ("[::1]:8443", 1),
        ] {
            assert_eq!(find(&said, &authority.parse().unwrap()), Some(&found), "{authority}");
        }
    }
}
