//! What kind of failure it is that an upstream does not answer.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError};

/// A kind of failure of a connection to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no connection.
    Connection,
    /// There is none in time.
    Late,
    /// It was reset.
    Reset,
    /// No way leads to the host.
    NoRoute,
    /// It was closed while the request was written.
    Pipe,
    /// It was aborted.
    Aborted,
    /// What came over it is no answer.
    Protocol,
    /// The certificate has expired, or is not valid yet.
    CertificateExpired,
    /// The certificate is for another name.
    CertificateName,
    /// The certificate is not to be trusted.
    Certificate,
    /// TLS of no version that both speak, or no TLS.
    TlsProtocol,
    /// The handshake failed.
    TlsHandshake,
    /// The upstream ended TLS with another alert.
    TlsAlert,
}

impl Fault {
    /// The kind of what the system or TLS said of a socket; some other kind unless they said something.
    pub(super) fn of(error: Option<&io::Error>, otherwise: Self) -> Self {
        let Some(error) = error else { return otherwise };
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Connection,
            ErrorKind::TimedOut => Self::Late,
            ErrorKind::ConnectionReset => Self::Reset,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Self::NoRoute,
            ErrorKind::BrokenPipe => Self::Pipe,
            ErrorKind::ConnectionAborted => Self::Aborted,
            _ => error.get_ref().and_then(|inner| inner.downcast_ref()).map_or(otherwise, Self::of_tls),
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
            | rustls::Error::PeerIncompatible(_)
            | rustls::Error::InvalidMessage(_) => Self::TlsProtocol,
            rustls::Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::InternalError
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateRequired,
            ) => Self::TlsHandshake,
            rustls::Error::AlertReceived(_) => Self::TlsAlert,
            _ => Self::TlsHandshake,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::CertificateName
            }
            _ => Self::Certificate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_from_what_the_system_or_tls_said() {
        let of = |error: io::Error| Fault::of(Some(&error), Fault::Protocol);
        assert_eq!(of(ErrorKind::ConnectionRefused.into()), Fault::Connection);
        assert_eq!(of(ErrorKind::TimedOut.into()), Fault::Late);
        assert_eq!(of(ErrorKind::UnexpectedEof.into()), Fault::Protocol);
        let tls = |error: rustls::Error| of(io::Error::new(ErrorKind::InvalidData, error));
        assert_eq!(tls(CertificateError::Expired.into()), Fault::CertificateExpired);
        assert_eq!(tls(CertificateError::UnknownIssuer.into()), Fault::Certificate);
        assert_eq!(tls(rustls::Error::AlertReceived(AlertDescription::UnknownCA)), Fault::TlsAlert);
        assert_eq!(Fault::of(None, Fault::Connection), Fault::Connection);
    }
}
