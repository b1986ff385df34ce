//! Why a method of auth lets a caller not in, and what the caller is told: one table.

use std::borrow::Cow;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};
use thiserror::Error;

use crate::error::{Failure, Stop};

/// A refusal by a method of auth.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AuthError {
    /// Of an auth token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Of a user name and password.
    #[error(transparent)]
    Basic(#[from] BasicError),
    /// Of a JWT.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// Of a signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// Why an auth token is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    /// There is none.
    #[error("the request carries no auth token")]
    Missing,
    /// Nobody has this key.
    #[error("the auth token is unknown, too short, or its policies cannot be applied")]
    Unknown,
}

/// Why a user name and password are refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BasicError {
    /// There are none.
    #[error("the request carries no basic credentials")]
    Missing(HeaderValue),
    /// The header has not two words.
    #[error("the basic credentials are not two words")]
    Words,
    /// The second word is not base64.
    #[error("the basic credentials are not base64 of a text")]
    Encoding,
    /// The decoded text has not one colon.
    #[error("the basic credentials are not divided by exactly one colon")]
    Colon,
    /// No such user, or another password.
    #[error("the user is unknown or the password wrong")]
    Unauthorised(HeaderValue),
    /// The body has no user name.
    #[error("body_user_regexp does not match the body")]
    NoUser,
    /// The expression for the user name has no group.
    #[error("body_user_regexp has no group")]
    NoUserGroup,
    /// The body has no password.
    #[error("body_password_regexp does not match the body")]
    NoPassword,
    /// The expression for the password has no group.
    #[error("body_password_regexp has no group")]
    NoPasswordGroup,
}

/// Why a JWT is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JwtError {
    /// There is none.
    #[error("the request carries no JWT")]
    Missing,
    /// It is signed in another way than `jwt_signing_method` says.
    #[error("the JWT's alg is not of the family of jwt_signing_method")]
    Method,
    /// It cannot be read, or nothing says that its signature is right.
    #[error("the JWT is not to be trusted: {0}")]
    Untrusted(&'static str),
    /// It has expired.
    #[error("the JWT has expired")]
    Expired,
    /// It was issued in the future.
    #[error("the JWT's iat is in the future")]
    IssuedLater,
    /// It will be valid in the future.
    #[error("the JWT's nbf is in the future")]
    NotYetValid,
    /// The claim that names its owner is empty.
    #[error("the JWT's claim {0:?} is empty")]
    EmptyIdentity(String),
    /// No claim names its owner.
    #[error("the JWT names no owner")]
    NoIdentity,
    /// It names no policy, and the API has none by default.
    #[error("the JWT names no policy, and jwt_default_policies is empty")]
    NoPolicyFound,
    /// It names neither policies nor scopes, and the API has no policies by default.
    #[error("the JWT names neither a policy nor a scope, and jwt_default_policies is empty")]
    NoScopeOrPolicy,
    /// None of its scopes stands for a policy.
    #[error("none of the JWT's scopes is in scope_to_policy")]
    NoPolicyInScope,
    /// The policies of a new session cannot be applied.
    #[error("the JWT's policies cannot be applied")]
    NoPolicy,
    /// Other policies of a known session cannot be applied.
    #[error("the JWT's new policies cannot be applied")]
    NotApplied,
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// Something about it is wrong.
    #[error("the signature is refused: {0}")]
    Refused(&'static str),
    /// The certificate to check it with is not there.
    #[error("the signature is made with a certificate, and there is no store of certificates yet")]
    NoCertificate,
}

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
            Self::Unknown => (StatusCode::FORBIDDEN, "Access to this API has been disallowed"),
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

impl From<AuthError> for Stop {
    fn from(error: AuthError) -> Self {
        Failure::Auth(error).into()
    }
}
