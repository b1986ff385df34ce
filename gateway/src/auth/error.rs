//! Why a method of auth lets a caller not in.

use http::HeaderValue;
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
    /// The key is bound to certificates, and the client has shown none.
    #[error("the key is bound to certificates, and the client has shown none")]
    NoCertificate,
    /// No key belongs to the certificate, or the key belongs to another.
    #[error("the client's certificate is not that of the key")]
    OtherCertificate,
    /// The certificate has expired.
    #[error("the client's certificate has expired")]
    ExpiredCertificate,
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
    #[error(
        "the signature is to be checked with a certificate that is not stored: rsa_certificate_id of its key names it"
    )]
    NoCertificate,
}

impl From<AuthError> for Stop {
    fn from(error: AuthError) -> Self {
        Failure::Auth(error).into()
    }
}
