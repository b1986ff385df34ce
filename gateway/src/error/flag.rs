//! What went wrong in three letters, as rules for errors name it.

use super::Failure;
use crate::auth::{AuthError, BasicError, JwtError, TokenError};
use crate::certificate::Unwelcome;
use crate::chain::SizeError;
use crate::session::Denied;
use crate::upstream::{Fault, UpstreamError};

impl Failure {
    /// The flag; refusals of plugins and most failures have none.
    pub fn flag(&self) -> Option<&'static str> {
        match self {
            Self::Auth(error) => of_auth(error),
            Self::NoIdentity(_) => Some("AMF"),
            Self::Unwelcome(unwelcome) => Some(of_certificate(unwelcome)),
            Self::CircuitOpen(_) => Some("CBO"),
            Self::Denied(denied) | Self::Uncounted { limit: denied, .. } => of_session(*denied),
            Self::BodyTooLarge | Self::Size(SizeError::TooLarge) => Some("BTL"),
            Self::Size(SizeError::Unknown) => Some("CLM"),
            Self::Schema(_) => Some("BIV"),
            Self::Upstream(error) => of_upstream(error),
            _ => None,
        }
    }
}

fn of_auth(error: &AuthError) -> Option<&'static str> {
    match error {
        AuthError::Token(TokenError::Missing)
        | AuthError::Basic(BasicError::Missing(_))
        | AuthError::Jwt(JwtError::Missing) => Some("AMF"),
        AuthError::Token(TokenError::NoCertificate) => Some("CRQ"),
        AuthError::Token(TokenError::OtherCertificate) => Some("CMM"),
        AuthError::Token(TokenError::ExpiredCertificate) => Some("TKE"),
        AuthError::Token(TokenError::Unknown) | AuthError::Basic(BasicError::Unauthorised(_)) => Some("AKI"),
        AuthError::Basic(BasicError::Words | BasicError::Encoding | BasicError::Colon) => Some("IHD"),
        AuthError::Jwt(JwtError::Expired) => Some("TKE"),
        AuthError::Jwt(JwtError::Method | JwtError::Untrusted(_)) => Some("TKI"),
        AuthError::Jwt(_) => Some("TCV"),
        AuthError::Basic(_) | AuthError::Signature(_) => None,
    }
}

fn of_certificate(unwelcome: &Unwelcome) -> &'static str {
    match unwelcome {
        Unwelcome::Nobody => "CRQ",
        Unwelcome::Stranger(_) => "CMM",
        Unwelcome::Expired => "TKE",
    }
}

fn of_session(denied: Denied) -> Option<&'static str> {
    match denied {
        Denied::Rate | Denied::ApiRate | Denied::OrgRate => Some("RLT"),
        Denied::Quota | Denied::OrgQuota => Some("QEX"),
        Denied::Expired => Some("TKE"),
        Denied::Inactive | Denied::Api | Denied::Path | Denied::OrgInactive => None,
    }
}

fn of_upstream(error: &UpstreamError) -> Option<&'static str> {
    match error {
        UpstreamError::Timeout(_) | UpstreamError::HardTimeout(_) => Some("URT"),
        UpstreamError::Lookup { .. } => Some("DNS"),
        UpstreamError::Broken { fault, .. } => Some(of_connection(*fault)),
        UpstreamError::Unsendable(_) | UpstreamError::Body(_) => None,
    }
}

fn of_connection(fault: Fault) -> &'static str {
    match fault {
        Fault::Connection => "UCF",
        Fault::Late => "UCT",
        Fault::Reset => "URR",
        Fault::NoRoute => "NRH",
        Fault::Pipe => "EPI",
        Fault::Aborted => "CAB",
        Fault::Protocol => "UPE",
        Fault::CertificateExpired => "TLE",
        Fault::CertificateName => "TLM",
        Fault::Certificate => "TLI",
        Fault::TlsProtocol => "TLP",
        Fault::TlsHandshake => "TLH",
        Fault::TlsAlert => "TLA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breakers_certificates_and_malformed_headers_have_flags() {
        assert_eq!(Failure::CircuitOpen(String::new()).flag(), Some("CBO"));
        let token = |error: TokenError| Failure::Auth(error.into()).flag();
        assert_eq!(token(TokenError::NoCertificate), Some("CRQ"));
        assert_eq!(token(TokenError::OtherCertificate), Some("CMM"));
        assert_eq!(token(TokenError::ExpiredCertificate), Some("TKE"));
        assert_eq!(Failure::Unwelcome(Unwelcome::Nobody).flag(), Some("CRQ"));
        for error in [BasicError::Words, BasicError::Encoding, BasicError::Colon] {
            assert_eq!(Failure::Auth(error.into()).flag(), Some("IHD"));
        }
    }
}
