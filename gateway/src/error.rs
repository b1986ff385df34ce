//! One table: what went wrong, and what the client is told about it.

mod auth;
mod event;
mod flag;
mod member;
mod overrides;
mod page;
mod wordings;

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use thiserror::Error;

pub use overrides::{Layers, Overrides};
pub use page::{Pages, TemplateError};
pub use wordings::Wordings;

use crate::auth::AuthError;
use crate::auth::extractor::ExtractError;
use crate::certificate::Unwelcome;
use crate::chain::{AddressRefused, LoopError, RewriteError, SchemaError, SizeError, VersionError};
use crate::dispatch::DispatchError;
use crate::exchange::{ReadError, Reply};
use crate::hook::{EditError, HookType, ObjectError};
use crate::session::Denied;
use crate::store::StoreError;
use crate::upstream::UpstreamError;

/// About how many bytes a map needs for a header beside its text.
const HEADER: usize = 100;

/// Why a chain ended before its last step.
#[derive(Debug)]
pub enum Stop {
    /// A plugin answers in the upstream's place; the reply goes out as it is.
    Answer(Box<Reply>),
    /// A plugin refuses; the gateway writes the error document.
    Refusal(Box<Refusal>),
    /// Something failed.
    Failure(Failure),
}

/// A plugin's refusal.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// From 400 to 999.
    pub status: StatusCode,
    /// What the error document says.
    pub text: String,
    /// Headers beside the document's own.
    pub headers: HeaderMap,
    /// What the plugin calls the caller, if it made a session.
    pub token: String,
}

impl Refusal {
    /// About how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER);
        size_of::<Self>() + self.text.len() + self.token.len() + headers.sum::<usize>()
    }
}

/// What can go wrong with a request.
#[derive(Debug, Error)]
pub enum Failure {
    /// The request is for no version, or its version keeps it out.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The client's address is kept out.
    #[error(transparent)]
    Address(#[from] AddressRefused),
    /// The body is too long for the API, or of unknown length.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// The body is not what its path wants.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The request cannot be changed as its API wants.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    /// The request cannot be sent to another API.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// A hook call had no usable answer.
    #[error("hook {name:?} ({kind}): {cause}")]
    Hook {
        /// The hook's name.
        name: String,
        /// Where it stands.
        kind: HookType,
        /// What happened.
        #[source]
        cause: HookFailure,
    },
    /// The hook's driver or plugin server is not there.
    #[error("hook {name:?} ({kind}) cannot be called: {reason}")]
    NoDriver {
        /// The hook's name.
        name: String,
        /// Where it stands.
        kind: HookType,
        /// What is missing, and what to do.
        reason: String,
    },
    /// The auth hook gave no session, no token, or policies that do not exist.
    #[error("the auth hook let nobody in: {0}")]
    NoSession(Cow<'static, str>),
    /// The request does not say who is calling.
    #[error(transparent)]
    NoIdentity(#[from] ExtractError),
    /// A method of auth does not let the caller in.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The client's certificate does not let it in.
    #[error(transparent)]
    Unwelcome(Unwelcome),
    /// The store could not count the request, which is refused as if it were over this limit.
    #[error("the request could not be counted: {cause}")]
    Uncounted {
        /// What it counts as.
        limit: Denied,
        /// What happened.
        cause: StoreError,
    },
    /// The store could not count the request in its window.
    #[error("the request could not be counted: {0}")]
    NoWindow(StoreError),
    /// No auth step left a session.
    #[error("no auth step left a session")]
    SessionMissing,
    /// The session does not let the caller in.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The body is longer than the configured limit.
    #[error("the request body is longer than http_server_options.max_request_body_size")]
    BodyTooLarge,
    /// The body was to be held in memory, and there is no more for bodies.
    #[error(transparent)]
    NoRoom(ReadError),
    /// Too many calls to the path failed, and the upstream is spared more.
    #[error("the circuit breaker of path {0:?} is open")]
    CircuitOpen(String),
    /// The proxy could not get an answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Why a hook call had no usable answer.
#[derive(Debug, Error)]
pub enum HookFailure {
    /// The request's or reply's body could not be read.
    #[error(transparent)]
    Body(#[from] ReadError),
    /// The object cannot be made.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The call failed.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// The returned object lacks a part that must be there.
    #[error("the plugin returned an object without {0}; return the object that came")]
    Malformed(&'static str),
    /// The returned object cannot be applied.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl Failure {
    /// What the client is told; the rest goes to the log.
    pub fn answer(&self) -> (StatusCode, Cow<'static, str>) {
        let (status, text) = match self {
            Self::NoRoom(_)
            | Self::Hook { cause: HookFailure::Body(ReadError::NoRoom), .. }
            | Self::NoIdentity(ExtractError::Body(ReadError::NoRoom)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Too many bodies are in memory, please try again later")
            }
            Self::Hook {
                kind: HookType::CustomKeyCheck,
                cause: HookFailure::Dispatch(_) | HookFailure::Malformed(_) | HookFailure::Object(_),
                ..
            } => (StatusCode::FORBIDDEN, "Key not authorised"),
            Self::Hook { .. } | Self::NoDriver { kind: HookType::Response, .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Middleware error")
            }
            Self::NoDriver { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Self::Auth(error) => return error.answer(),
            Self::Loop(LoopError::TooDeep(most)) => {
                let text = format!("Loop level too deep. Found more than {most} loops in single request");
                return (StatusCode::INTERNAL_SERVER_ERROR, text.into());
            }
            Self::Loop(LoopError::Unknown(_)) => (StatusCode::INTERNAL_SERVER_ERROR, "Can't detect loop target"),
            Self::Version(error) => error.answer(),
            Self::Address(_) => (StatusCode::FORBIDDEN, "access from this IP has been disallowed"),
            Self::Schema(error) => return (error.status, error.text.clone().into()),
            Self::Size(SizeError::Unknown) => {
                (StatusCode::LENGTH_REQUIRED, "Content length is required for this request")
            }
            Self::Size(SizeError::TooLarge) => (StatusCode::BAD_REQUEST, "Request is too large"),
            Self::Rewrite(RewriteError::Method) => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::Rewrite(RewriteError::Target(_)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "There was a problem proxying the request")
            }
            Self::Unwelcome(unwelcome) => return (StatusCode::FORBIDDEN, unwelcome.to_string().into()),
            Self::NoIdentity(_) => (StatusCode::BAD_REQUEST, "Authorization field missing"),
            // A limit that cannot be checked is one that is used up.
            Self::Uncounted { limit, .. } => denied(*limit),
            Self::NoWindow(_) => (StatusCode::INTERNAL_SERVER_ERROR, "There was a problem proxying the request"),
            Self::NoSession(_) => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::SessionMissing => (
                StatusCode::BAD_REQUEST,
                "Session state is missing or unset! Please make sure that auth headers are properly applied",
            ),
            Self::Denied(reason) => denied(*reason),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Self::CircuitOpen(_) => (StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable."),
            Self::Upstream(error) => upstream(error),
        };
        (status, Cow::Borrowed(text))
    }

    /// Headers that go with the answer.
    pub fn headers(&self) -> HeaderMap {
        match self {
            Self::Auth(error) => error.headers(),
            _ => HeaderMap::new(),
        }
    }

    /// Whether an operator should hear of it, rather than only the client.
    pub fn is_fault(&self) -> bool {
        match self {
            // The client broke its body off, and can as often as it likes.
            Self::Upstream(UpstreamError::Body(_)) => false,
            Self::Hook { kind, cause: HookFailure::Body(ReadError::Broken(_)), .. } => *kind == HookType::Response,
            Self::Hook { .. }
            | Self::NoDriver { .. }
            | Self::NoRoom(_)
            | Self::Uncounted { .. }
            | Self::NoWindow(_)
            | Self::Upstream(_)
            | Self::Rewrite(_)
            | Self::Loop(_) => true,
            _ => false,
        }
    }
}

impl VersionError {
    /// What the client is told.
    pub fn answer(self) -> (StatusCode, &'static str) {
        const UNKNOWN: &str = "This API version does not seem to exist";
        match self {
            Self::Missing => (StatusCode::FORBIDDEN, "Version information not found"),
            Self::Unknown => (StatusCode::FORBIDDEN, UNKNOWN),
            Self::NoApi => (StatusCode::NOT_FOUND, UNKNOWN),
            Self::Ambiguous => (StatusCode::FORBIDDEN, "Ambiguous default API version for this non-versioned API"),
            Self::NoDefault => (StatusCode::FORBIDDEN, "No default API version for this non-versioned API found"),
            Self::Expired => {
                (StatusCode::FORBIDDEN, "API has expired, please check documentation or contact administrator")
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "Requested endpoint is forbidden"),
        }
    }
}

fn denied(reason: Denied) -> (StatusCode, &'static str) {
    match reason {
        Denied::Inactive => (StatusCode::FORBIDDEN, "Key is inactive, please renew"),
        Denied::Expired => (StatusCode::UNAUTHORIZED, "Key has expired, please renew"),
        Denied::Api => (StatusCode::FORBIDDEN, "Access to this API has been disallowed"),
        Denied::Path => (StatusCode::FORBIDDEN, "Access to this resource has been disallowed"),
        Denied::Rate => (StatusCode::TOO_MANY_REQUESTS, "Rate Limit Exceeded"),
        Denied::Quota => (StatusCode::FORBIDDEN, "Quota exceeded"),
        Denied::ApiRate => (StatusCode::TOO_MANY_REQUESTS, "API Rate Limit Exceeded"),
        Denied::OrgInactive => {
            (StatusCode::FORBIDDEN, "this organisation access has been disabled, please contact your API administrator")
        }
        Denied::OrgRate => (
            StatusCode::FORBIDDEN,
            "This organisation rate limit has been exceeded, please contact your API administrator",
        ),
        Denied::OrgQuota => {
            (StatusCode::FORBIDDEN, "This organisation quota has been exceeded, please contact your API administrator")
        }
    }
}

/// What the client is told of an upstream.
fn upstream(error: &UpstreamError) -> (StatusCode, &'static str) {
    match error {
        UpstreamError::Timeout(_) | UpstreamError::HardTimeout(_) => {
            (StatusCode::GATEWAY_TIMEOUT, "Upstream service reached hard timeout.")
        }
        UpstreamError::Lookup { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "Upstream host lookup failed"),
        UpstreamError::Body(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "There was a problem with reading Body of the Request.")
        }
        UpstreamError::Unsendable(_) | UpstreamError::Broken { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "There was a problem proxying the request")
        }
    }
}

impl Stop {
    /// Whether a plugin server was to be called and could not be reached, or went away.
    pub fn is_unreachable_plugin(&self) -> bool {
        matches!(self, Self::Failure(Failure::Hook { cause: HookFailure::Dispatch(error), .. }) if error.is_unreachable())
    }
}

impl From<VersionError> for Stop {
    fn from(error: VersionError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoRoom => Self::NoRoom(error),
            ReadError::Broken(_) | ReadError::TooLarge => Self::Upstream(UpstreamError::Body(error.to_string())),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}
