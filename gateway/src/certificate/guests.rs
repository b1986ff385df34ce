//! Whose certificates `tyk.conf` welcomes, as they were when they were last looked up.

use super::{NoCertificate, Shelf, Welcome};
use crate::config::ClientCertificates;

/// Who is welcome whatever definitions say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Guests {
    /// On every API that asks for certificates.
    pub apis: Welcome,
    /// On the control API, if it asks for certificates.
    pub control: Welcome,
}

impl Guests {
    /// Looks everybody up, and tells of those who are not there any more: they are not welcome.
    pub fn read(config: &ClientCertificates, shelf: &Shelf) -> (Self, Vec<String>) {
        let read = |key: &str, list: &[String]| {
            let (welcome, missing) = Welcome::read_usable(list.iter().map(String::as_str), shelf);
            let told = |missing: NoCertificate| format!("security.certificates.{key}[{}]: {missing}", missing.at);
            (welcome, missing.into_iter().map(told).collect::<Vec<_>>())
        };
        let (apis, gone) = read("apis", &config.apis);
        let (control, gone_operators) = read("control_api", config.control.as_deref().unwrap_or_default());
        (Self { apis, control }, [gone, gone_operators].concat())
    }
}
