//! Whose certificates open which doors, and which of them are to be looked up in the store.

use super::written::{Security, Written};
use super::{ConfigError, Origins, Secret};
use crate::certificate::{Shelf, Welcome, is_id};
use crate::json::short;

/// Whose certificates open which doors, by id or PEM file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Every API that asks for certificates.
    pub apis: Vec<String>,
    /// The control API, if it asks for certificates.
    pub control: Option<Vec<String>>,
    /// Whether a key that belongs to a certificate may be presented without it.
    pub optional: bool,
    /// What private keys are encrypted with in the store.
    pub password: Secret,
}

impl ClientCertificates {
    /// All that is named.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.apis.iter().chain(self.control.iter().flatten()).map(String::as_str)
    }
}

/// Everything in the store that the configuration names.
pub(super) fn ids(written: &Written) -> Vec<String> {
    let Security { certificates, pinned_public_keys, .. } = &written.security;
    let lists = [&written.http_server_options.ssl_certificates, &certificates.apis, &certificates.control_api];
    let lists = lists.into_iter().flatten().map(String::as_str);
    let pins = pinned_public_keys.values().flat_map(|keys| keys.split(',').map(str::trim));
    let named = lists.chain(certificates.upstream.values().map(String::as_str)).chain(pins);
    named.filter(|name| is_id(name)).map(str::to_owned).collect()
}

pub(super) fn certificates(
    written: &mut Written,
    shelf: &Shelf,
    origins: &Origins<'_>,
) -> Result<ClientCertificates, ConfigError> {
    const CONTROL: &str = "security.control_api_use_mutual_tls";
    let refuse = |remedy: &str| Err(origins.unusable(CONTROL, short(&true.into()), remedy.to_owned()));
    let (use_ssl, security) = (written.http_server_options.use_ssl, &mut written.security);
    let (apis, control) = (&security.certificates.apis, &security.certificates.control_api);
    check("apis", apis, shelf, origins)?;
    check("control_api", control, shelf, origins)?;
    if security.control_api_use_mutual_tls && !use_ssl {
        return refuse("certificates are shown over TLS only: set http_server_options.use_ssl, or set this to false");
    }
    if security.control_api_use_mutual_tls && control.is_empty() {
        return refuse("nobody could use the control API: list certificates in security.certificates.control_api");
    }
    let control = std::mem::take(&mut security.certificates.control_api);
    let own = std::mem::take(&mut security.private_certificate_encoding_secret);
    Ok(ClientCertificates {
        apis: std::mem::take(&mut security.certificates.apis),
        control: security.control_api_use_mutual_tls.then_some(control),
        optional: security.allow_unsafe_dynamic_mtls_token,
        password: Secret(if own.is_empty() { written.secret.clone() } else { own }),
    })
}

fn check(key: &str, list: &[String], shelf: &Shelf, origins: &Origins<'_>) -> Result<(), ConfigError> {
    let read = Welcome::read(list.iter().map(String::as_str), shelf);
    read.map(drop).map_err(|error| {
        let path = format!("security.certificates.{key}[{}]", error.at);
        origins.unusable(&path, short(&error.entry.into()), error.reason)
    })
}
