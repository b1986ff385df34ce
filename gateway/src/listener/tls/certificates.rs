//! Which certificate a client is shown.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate::covers;
use crate::config::{Certificate, Files};
use crate::listener::Gateway;

/// The certificates as they are now.
#[derive(Debug)]
pub(super) struct Certificates {
    all: Vec<Entry>,
    /// The one for clients that name no server, or one that nobody is.
    default: usize,
}

#[derive(Debug)]
struct Entry {
    domain: Option<String>,
    key: ArcSwap<CertifiedKey>,
}

impl Certificates {
    pub(super) fn new(certificates: &[Certificate], server_name: Option<&str>) -> Self {
        let entry = |certificate: &Certificate| Entry {
            domain: certificate.files.as_ref().and_then(|files: &Files| files.domain.clone()),
            key: ArcSwap::new(Arc::clone(&certificate.key)),
        };
        let mut certificates = Self { all: certificates.iter().map(entry).collect(), default: 0 };
        certificates.default = server_name.and_then(|name| certificates.named(name)).unwrap_or_default();
        certificates
    }

    /// Puts a new certificate in the place of an old one.
    pub(super) fn replace(&self, at: usize, key: CertifiedKey) {
        if let Some(entry) = self.all.get(at) {
            entry.key.store(Arc::new(key));
        }
    }

    /// What is shown to clients that ask for this server, or for none.
    fn find(&self, server: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let at = server.and_then(|name| self.named(name)).unwrap_or(self.default);
        self.all.get(at).map(|entry| entry.key.load_full())
    }

    /// The operator's word about names comes before that of the certificates.
    fn named(&self, name: &str) -> Option<usize> {
        let position = |is: &dyn Fn(&Entry) -> bool| self.all.iter().position(is);
        position(&|entry| entry.is_called(name)).or_else(|| position(&|entry| covers(&entry.key.load(), name)))
    }
}

/// Chooses for each client: what an API has for the name that it asks for comes first.
pub(super) struct Choice {
    pub(super) own: Arc<Certificates>,
    pub(super) gateway: Arc<Gateway>,
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let of_api = name.and_then(|name| self.gateway.registry.load().certificate(name));
        of_api.or_else(|| self.own.find(name))
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.own.fmt(f)
    }
}

impl Entry {
    fn is_called(&self, name: &str) -> bool {
        let Some(domain) = &self.domain else { return false };
        match (domain.strip_prefix("*."), name.split_once('.')) {
            (Some(parent), Some((_, rest))) => parent.eq_ignore_ascii_case(rest),
            _ => domain.eq_ignore_ascii_case(name),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use rustls::crypto::aws_lc_rs::default_provider;

    use super::*;

    fn entry(domain: Option<&str>, name: &str) -> Entry {
        let made = generate_simple_self_signed([name.to_owned()]).unwrap();
        let (chain, key) = (vec![made.cert.der().clone()], made.signing_key.serialize_der().try_into().unwrap());
        let key = CertifiedKey::from_der(chain, key, &default_provider()).unwrap();
        Entry { domain: domain.map(str::to_owned), key: ArcSwap::from_pointee(key) }
    }

    #[test]
    fn names_of_the_operator_come_before_those_of_the_certificates() {
        let all = vec![
            entry(None, "*.one.test"),
            entry(Some("a.one.test"), "unused.test"),
            entry(Some("*.two.test"), "unused.test"),
        ];
        let certificates = Certificates { all, default: 0 };
        for (name, at) in [
            ("b.one.test", Some(0)),
            ("a.one.test", Some(1)),
            ("A.two.test", Some(2)),
            ("a.b.two.test", None),
            ("two.test", None),
            ("", None),
        ] {
            assert_eq!(certificates.named(name), at, "{name}");
        }
    }
}
