//! What a hook made of a request.

use coprocess::{HookType, Object, ResponseObject, ReturnOverrides};

use crate::{Refusal, Response, SessionRequest};

/// What becomes of a request after a hook.
#[derive(Debug)]
#[must_use = "the outcome is what a test looks at"]
pub enum Outcome {
    /// It goes on, as it stands now; after [`auth`](crate::Plugin::auth) with the session that it
    /// was given.
    Passed(Box<SessionRequest>),
    /// The hook answered it: [`Request::respond`](crate::Request::respond).
    Answered(Response),
    /// The hook refused it, or failed: what the client is told. Why it failed is in the log.
    Refused(Refusal),
}

impl Outcome {
    pub(super) fn of(mut object: Object) -> Self {
        let overrides = object.request.as_mut().and_then(|request| request.return_overrides.take());
        match overrides {
            Some(overrides) if overrides.response_code > 0 => Self::ended(overrides),
            _ if object.hook_type() == HookType::CustomKeyCheck => Self::authenticated(object),
            _ => Self::Passed(Box::new(SessionRequest::new(object))),
        }
    }

    fn ended(overrides: ReturnOverrides) -> Self {
        let ReturnOverrides { response_code, response_error, response_body, headers, override_error } = overrides;
        if override_error {
            let raw_body = response_body.into();
            let fields = ResponseObject { status_code: response_code, headers, raw_body, ..Default::default() };
            return Self::Answered(Response::new(fields));
        }
        let refusal = Refusal::new(response_code.try_into().unwrap_or_default(), response_error);
        let mut headers: Vec<_> = headers.into_iter().collect();
        headers.sort_unstable();
        Self::Refused(headers.into_iter().fold(refusal, |refusal, (name, value)| refusal.header(name, value)))
    }

    fn authenticated(mut object: Object) -> Self {
        match (object.metadata.remove("token"), &mut object.session) {
            (Some(token), Some(session)) => {
                session.key_id = token;
                Self::Passed(Box::new(SessionRequest::new(object)))
            }
            _ => Self::Refused(Refusal::new(403, "Key not authorised")),
        }
    }

    /// The request that went on.
    ///
    /// # Panics
    ///
    /// If it did not.
    #[track_caller]
    pub fn passed(self) -> SessionRequest {
        match self {
            Self::Passed(request) => *request,
            other => panic!("the request did not pass: {other:?}"),
        }
    }

    /// The hook's own answer.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn answered(self) -> Response {
        match self {
            Self::Answered(response) => response,
            other => panic!("the hook did not answer: {other:?}"),
        }
    }

    /// The refusal.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn refused(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            other => panic!("the request was not refused: {other:?}"),
        }
    }
}
