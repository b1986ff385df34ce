//! What callers are told whom a method of auth does not let in.

use std::borrow::Cow;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};

use crate::auth::{AuthError, BasicError, JwtError, SignatureError, TokenError};

const DISALLOWED: &str = "Access to this API has been disallowed";
const MISSING: &str = "Authorization field missing";

impl AuthError {
    /// What the client is told.
    pub fn answer(&self) -> (StatusCode, Cow<'static, str>) {
        match self {
            Self::Token(error) => borrowed(error.answer()),
            Self::Basic(error) => borrowed(error.answer()),
            Self::Jwt(error) => error.answer(),
            Self::Signature(error) => borrowed(error.answer()),
        }
    }

    /// Headers that go with it.
    pub fn headers(&self) -> HeaderMap {
        match self {
            Self::Basic(BasicError::Missing(challenge) | BasicError::Unauthorised(challenge)) => {
                HeaderMap::from_iter([(WWW_AUTHENTICATE, challenge.clone())])
            }
            _ => HeaderMap::new(),
        }
    }
}

impl TokenError {
    fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::Missing => (StatusCode::UNAUTHORIZED, MISSING),
            Self::Unknown => (StatusCode::FORBIDDEN, DISALLOWED),
            Self::NoCertificate => (StatusCode::UNAUTHORIZED, "Client certificate required"),
            Self::OtherCertificate => (StatusCode::UNAUTHORIZED, DISALLOWED),
            Self::ExpiredCertificate => (StatusCode::FORBIDDEN, "Certificate has expired"),
        }
    }
}

impl BasicError {
    fn answer(&self) -> (StatusCode, &'static str) {
        let text = match self {
            Self::Missing(_) => return (StatusCode::UNAUTHORIZED, MISSING),
            Self::Unauthorised(_) => return (StatusCode::UNAUTHORIZED, "User not authorised"),
            Self::Words => "Attempted access with malformed header, header not in basic auth format",
            Self::Encoding => "Attempted access with malformed header, auth data not encoded correctly",
            Self::Colon => "Attempted access with malformed header, values not in basic auth format",
            Self::NoUser => "Body do not contain username",
            Self::NoUserGroup => "username should be inside regexp match group",
            Self::NoPassword => "Body do not contain password",
            Self::NoPasswordGroup => "password should be inside regexp match group",
        };
        (StatusCode::BAD_REQUEST, text)
    }
}

impl JwtError {
    fn answer(&self) -> (StatusCode, Cow<'static, str>) {
        let (status, text) = match self {
            Self::Missing => (StatusCode::BAD_REQUEST, MISSING),
            Self::Method => (StatusCode::FORBIDDEN, "Key not authorized: Unexpected signing method"),
            Self::Untrusted(_) => (StatusCode::FORBIDDEN, "Key not authorized"),
            Self::Expired => (StatusCode::UNAUTHORIZED, "Key not authorized: token has expired"),
            Self::IssuedLater => (StatusCode::UNAUTHORIZED, "Key not authorized: token used before issued"),
            Self::NotYetValid => (StatusCode::UNAUTHORIZED, "Key not authorized: token is not valid yet"),
            Self::EmptyIdentity(claim) if claim == "sub" => {
                (StatusCode::FORBIDDEN, "found an empty user ID in sub claim")
            }
            Self::EmptyIdentity(claim) => {
                return (
                    StatusCode::FORBIDDEN,
                    format!("found an empty user ID in predefined base claim {claim}").into(),
                );
            }
            Self::NoIdentity => (StatusCode::FORBIDDEN, "no suitable claims for user ID were found"),
            Self::NoPolicyFound => (StatusCode::FORBIDDEN, "key not authorized: no matching policy found"),
            Self::NoScopeOrPolicy => (StatusCode::FORBIDDEN, "key not authorized: no scope or policy in token"),
            Self::NoPolicyInScope => {
                (StatusCode::FORBIDDEN, "key not authorized: no matching policy found in scope claim")
            }
            Self::NoPolicy => (StatusCode::FORBIDDEN, "key not authorized: no matching policy"),
            Self::NotApplied => (StatusCode::FORBIDDEN, "key not authorized: could not apply new policy"),
        };
        (status, Cow::Borrowed(text))
    }
}

impl SignatureError {
    fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::Refused(_) => (StatusCode::BAD_REQUEST, "Authorization field missing, malformed or invalid"),
            Self::NoCertificate => (StatusCode::INTERNAL_SERVER_ERROR, "Certificate not found"),
        }
    }
}

fn borrowed((status, text): (StatusCode, &'static str)) -> (StatusCode, Cow<'static, str>) {
    (status, Cow::Borrowed(text))
}
