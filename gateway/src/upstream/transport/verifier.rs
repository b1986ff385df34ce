//! Decides about an upstream's certificate where more, or less, is asked than usual.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::parse_x509_certificate;

use crate::config::Pin;

/// The usual verification, or none, and then what else must be so.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) usual: Arc<WebPkiServerVerifier>,
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

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
