//! What others are told of when a request is stopped.

use super::{Failure, Stop};
use crate::auth::{AuthError, BasicError, JwtError, SignatureError, TokenError};
use crate::event::Name;
use crate::session::Denied;

impl Stop {
    /// The event, and the same for people; most failures are none.
    pub fn event(&self) -> Option<(Name, &'static str)> {
        match self {
            Self::Refusal(_) => Some(auth_failure()),
            Self::Answer(_) => None,
            Self::Failure(failure) => failure.event(),
        }
    }
}

impl Failure {
    fn event(&self) -> Option<(Name, &'static str)> {
        match self {
            Self::NoSession(_) => Some(auth_failure()),
            Self::Auth(error) => is_told(error).then(auth_failure),
            Self::Denied(denied) => of_session(*denied),
            Self::Address(_) => Some(auth_failure()),
            Self::Version(_) => Some((Name::VersionFailure, "Attempted access to disallowed version / path.")),
            Self::Size(_) | Self::Schema(_) | Self::Rewrite(_) | Self::Loop(_) => None,
            Self::Unwelcome(_)
            | Self::NoRoom(_)
            | Self::Hook { .. }
            | Self::NoDriver { .. }
            | Self::NoIdentity(_)
            | Self::Uncounted { .. }
            | Self::NoWindow(_)
            | Self::SessionMissing
            | Self::BodyTooLarge
            | Self::CircuitOpen(_)
            | Self::Upstream(_) => None,
        }
    }
}

fn auth_failure() -> (Name, &'static str) {
    (Name::AuthFailure, "Auth Failure")
}

/// Whether others are told; of credentials that are missing only where it is JWTs or signatures.
fn is_told(error: &AuthError) -> bool {
    match error {
        AuthError::Token(error) => matches!(error, TokenError::Unknown | TokenError::OtherCertificate),
        AuthError::Basic(error) => matches!(error, BasicError::Unauthorised(_)),
        AuthError::Jwt(error) => !matches!(error, JwtError::Expired | JwtError::IssuedLater | JwtError::NotYetValid),
        AuthError::Signature(error) => matches!(error, SignatureError::Refused(_)),
    }
}

fn of_session(denied: Denied) -> Option<(Name, &'static str)> {
    match denied {
        Denied::Inactive => Some((Name::KeyExpired, "Attempted access from inactive key.")),
        Denied::Expired => Some((Name::KeyExpired, "Attempted access from expired key.")),
        Denied::Rate => Some((Name::RateLimitExceeded, "Rate Limit Exceeded")),
        Denied::ApiRate => Some((Name::RateLimitExceeded, "API Rate Limit Exceeded")),
        Denied::Quota => Some((Name::QuotaExceeded, "Key Quota Limit Exceeded")),
        Denied::OrgRate => Some((Name::OrgRateLimitExceeded, "Organisation rate limit has been exceeded")),
        Denied::OrgQuota => Some((Name::OrgQuotaExceeded, "Organisation quota has been exceeded")),
        Denied::Api | Denied::Path | Denied::OrgInactive => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::extractor::ExtractError;

    fn of(failure: impl Into<Failure>) -> Option<(&'static str, &'static str)> {
        Stop::from(failure.into()).event().map(|(name, message)| (name.as_str(), message))
    }

    #[test]
    fn refused_credentials_are_told_and_missing_ones_only_of_jwts_and_signatures() {
        let told = Some(("AuthFailure", "Auth Failure"));
        let realm = http::HeaderValue::from_static("Basic realm=\"a\"");
        assert_eq!(of(AuthError::from(TokenError::Unknown)), told);
        assert_eq!(of(AuthError::from(TokenError::Missing)), None);
        assert_eq!(of(AuthError::from(BasicError::Unauthorised(realm.clone()))), told);
        assert_eq!(of(AuthError::from(BasicError::Missing(realm))), None);
        assert_eq!([of(AuthError::from(JwtError::Missing)), of(AuthError::from(JwtError::Method))], [told; 2]);
        assert_eq!(of(AuthError::from(JwtError::Expired)), None);
        assert_eq!(of(AuthError::from(SignatureError::Refused("it is wrong"))), told);
        assert_eq!(of(AuthError::from(SignatureError::NoCertificate)), None);
        assert_eq!(of(Failure::NoSession("".into())), told);
        assert_eq!(of(ExtractError::NoHeader), None);
    }

    #[test]
    fn what_a_session_may_not_do_is_told_where_the_original_tells_it() {
        let expired = |message| Some(("KeyExpired", message));
        assert_eq!(of(Denied::Inactive), expired("Attempted access from inactive key."));
        assert_eq!(of(Denied::Expired), expired("Attempted access from expired key."));
        assert_eq!(of(Denied::Rate), Some(("RatelimitExceeded", "Rate Limit Exceeded")));
        assert_eq!(of(Denied::ApiRate), Some(("RatelimitExceeded", "API Rate Limit Exceeded")));
        assert_eq!(of(Denied::Quota), Some(("QuotaExceeded", "Key Quota Limit Exceeded")));
        assert_eq!(of(Denied::OrgRate).map(|(name, _)| name), Some("OrgRateLimitExceeded"));
        assert_eq!(of(Denied::OrgQuota).map(|(name, _)| name), Some("OrgQuotaExceeded"));
        assert_eq!([Denied::Api, Denied::Path, Denied::OrgInactive].map(of), [None; 3]);
    }

    #[test]
    fn a_store_that_does_not_answer_is_no_event() {
        let cause = crate::store::StoreError { place: String::new(), reason: String::new() };
        assert_eq!(of(Failure::Uncounted { limit: Denied::Rate, cause }), None);
    }
}
