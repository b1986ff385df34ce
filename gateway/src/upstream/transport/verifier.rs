//! Decides about an upstream's certificate where more, or less, is asked than usual.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use x509_parser::parse_x509_certificate;

use crate::config::Pin;
use crate::key_proof::key_proof_by;

/// The usual verification, or none, and then what else must be so.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) usual: Arc<WebPkiServerVerifier>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// Whether any certificate of any authority will do.
    pub(super) skip: bool,
    /// Whether the certificate's common name must be the host's.
    pub(super) common_name: bool,
    /// The public keys of which the certificate must have one. Those of its authorities do not
    /// count: a server may send along whatever certificates it likes.
    pub(super) pins: Option<Vec<Pin>>,
}

impl Verifier {
    fn check_common_name(&self, certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        if !self.common_name {
            return Ok(());
        }
        let (_, certificate) = parse_x509_certificate(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let host = name.to_str();
        // As in Go, the last one counts.
        let name = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).last();
        match name {
            Some(name) if name.eq_ignore_ascii_case(&host) => Ok(()),
            found => Err(Error::General(format!("its common name is {:?}, not {host:?}", found.unwrap_or_default()))),
        }
    }

    fn check_pins(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let Some(pins) = &self.pins else { return Ok(()) };
        let pin = Pin::of(&ParsedCertificate::try_from(certificate)?.subject_public_key_info());
        match pins.contains(&pin) {
            true => Ok(()),
            false => Err(Error::General("its public key is none of the pinned ones".to_owned())),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.skip {
            self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        self.check_common_name(end_entity, server_name)?;
        self.check_pins(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    key_proof_by!(algorithms);
}
