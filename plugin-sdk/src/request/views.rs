//! Requests with what only some hooks have: the key to let a caller in, or its session.

use std::ops::{Deref, DerefMut};

use coprocess::{Object, ResponseObject};
use tracing::warn;

use super::Request;
use crate::error::HookResult;
use crate::session::{Session, SessionView};

/// The request in the auth hook: a [`Request`] whose caller may be let in.
#[derive(Debug)]
pub struct AuthRequest(Request);

impl AuthRequest {
    pub(crate) fn new(object: Object) -> Self {
        Self(Request::new(object))
    }

    pub(crate) fn conclude(self, outcome: HookResult) -> Object {
        self.0.conclude(outcome)
    }

    /// Lets the caller in with this session; without it, the gateway answers 403.
    ///
    /// A session without a token refuses with 403: it would be nobody's.
    ///
    /// ```
    /// # use outrigger_plugin::{AuthRequest, HookResult, Session};
    /// fn let_in(request: &mut AuthRequest) -> HookResult {
    ///     match request.header("X-Api-Key") {
    ///         Some(key) => request.allow(Session::new(key)),
    ///         None => request.reject(401, "a key is needed"),
    ///     }
    /// }
    /// ```
    pub fn allow(&mut self, session: Session) -> HookResult {
        let Session { token, state } = session;
        if token.is_empty() {
            warn!(hook = self.hook_name(), "session without a token");
            return self.reject(403, "Forbidden");
        }
        self.0.object.metadata.insert("token".to_owned(), token);
        self.0.object.session = Some(state);
        Ok(())
    }
}

impl Deref for AuthRequest {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.0
    }
}

impl DerefMut for AuthRequest {
    fn deref_mut(&mut self) -> &mut Request {
        &mut self.0
    }
}

/// The request once the gateway knows the caller: a [`Request`] with its session for reading.
#[derive(Debug)]
pub struct SessionRequest(Request);

impl SessionRequest {
    pub(crate) fn new(object: Object) -> Self {
        Self(Request::new(object))
    }

    pub(crate) fn conclude(self, outcome: HookResult) -> Object {
        self.0.conclude(outcome)
    }

    pub(crate) fn take_response(&mut self) -> Option<ResponseObject> {
        self.0.object.response.take()
    }

    pub(crate) fn into_answered(self, response: ResponseObject) -> Object {
        Object { response: Some(response), ..self.0.into_object() }
    }

    /// Who is calling; nothing if the API or this path of it asks nobody.
    pub fn session(&self) -> Option<SessionView<'_>> {
        self.0.object.session.as_ref().map(SessionView)
    }
}

impl Deref for SessionRequest {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.0
    }
}

impl DerefMut for SessionRequest {
    fn deref_mut(&mut self) -> &mut Request {
        &mut self.0
    }
}
