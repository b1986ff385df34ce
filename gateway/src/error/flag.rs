//! What went wrong in three letters, as rules for errors name it.

use super::Failure;
use crate::auth::{AuthError, BasicError, JwtError, TokenError};
use crate::chain::SizeError;
use crate::session::Denied;
use crate::upstream::UpstreamError;

impl Failure {
    /// The flag; refusals of plugins and most failures have none.
    pub fn flag(&self) -> Option<&'static str> {
        match self {
            Self::Auth(error) => of_auth(error),
            Self::NoIdentity(_) => Some("AMF"),
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
        AuthError::Token(_) | AuthError::Basic(BasicError::Unauthorised(_)) => Some("AKI"),
        AuthError::Jwt(JwtError::Expired) => Some("TKE"),
        AuthError::Jwt(JwtError::Method | JwtError::Untrusted(_)) => Some("TKI"),
        AuthError::Jwt(_) => Some("TCV"),
        AuthError::Basic(_) | AuthError::Signature(_) => None,
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
        UpstreamError::Broken { .. } => Some("UCF"),
        _ => None,
    }
}
