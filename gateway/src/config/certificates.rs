//! Whose certificates open which doors.

use super::written::Security;
use super::{ConfigError, Origins};
use crate::certificate::Welcome;
use crate::json::short;

/// Whose certificates open which doors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Every API that asks for certificates.
    pub apis: Welcome,
    /// The control API, if it asks for certificates.
    pub control: Option<Welcome>,
    /// Whether a key that belongs to a certificate may be presented without it.
    pub optional: bool,
}

pub(super) fn certificates(
    written: &Security,
    use_ssl: bool,
    origins: &Origins<'_>,
) -> Result<ClientCertificates, ConfigError> {
    let read = |key: &str, list: &[String]| {
        Welcome::read(list.iter().map(String::as_str)).map_err(|error| {
            let path = format!("security.certificates.{key}[{}]", error.at);
            origins.unusable(&path, short(&error.entry.into()), error.reason)
        })
    };
    const CONTROL: &str = "security.control_api_use_mutual_tls";
    let refuse = |remedy: &str| Err(origins.unusable(CONTROL, short(&true.into()), remedy.to_owned()));
    let control = read("control_api", &written.certificates.control_api)?;
    if written.control_api_use_mutual_tls && !use_ssl {
        return refuse("certificates are shown over TLS only: set http_server_options.use_ssl, or set this to false");
    }
    if written.control_api_use_mutual_tls && control.is_empty() {
        return refuse("nobody could use the control API: list certificates in security.certificates.control_api");
    }
    Ok(ClientCertificates {
        apis: read("apis", &written.certificates.apis)?,
        control: written.control_api_use_mutual_tls.then_some(control),
        optional: written.allow_unsafe_dynamic_mtls_token,
    })
}
