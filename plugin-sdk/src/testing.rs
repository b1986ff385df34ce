//! Hooks in unit tests, without a gateway and without a socket.
//!
//! Make a request with [`request`], call a hook with it and look at the [`Outcome`]: it is read
//! from what the plugin server would send to the gateway.
//!
//! ```
//! use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session, testing};
//!
//! struct Door;
//!
//! impl Plugin for Door {
//!     async fn auth(&self, request: &mut AuthRequest) -> HookResult {
//!         match request.header("X-Api-Key") {
//!             Some("s3cret") => request.allow(Session::new("s3cret").alias("jane")),
//!             _ => request.reject(401, "a key is needed"),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let jane = testing::request("GET", "/orders").header("X-Api-Key", "s3cret").auth(&Door).await;
//! assert_eq!(jane.passed().session().unwrap().alias(), "jane");
//!
//! let nobody = testing::request("GET", "/orders").auth(&Door).await;
//! assert_eq!(nobody.refused().status(), 401);
//! # }
//! ```
//!
//! A test of an event handler calls [`Plugin::on_event`] itself, with an [`event`].

mod outcome;
mod query;

use bytes::Bytes;
use coprocess::{HookType, MiniRequestObject, Object, ResponseObject, ReturnOverrides};

use crate::header::canonical;
use crate::hooks::call;
use crate::{Event, Plugin, Response, Session};
pub use outcome::Outcome;

/// A request to call a hook with: its method, and its path with or without a query.
pub fn request(method: &str, target: &str) -> Call {
    let fields = MiniRequestObject {
        method: method.to_owned(),
        url: target.to_owned(),
        request_uri: target.to_owned(),
        scheme: "http".to_owned(),
        params: query::params(target),
        return_overrides: Some(ReturnOverrides { response_code: -1, ..Default::default() }),
        ..Default::default()
    };
    let spec = [("APIID", "test"), ("OrgID", "test"), ("config_data", "{}")];
    let spec = spec.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Call { fields, object: Object { hook_name: "Test".to_owned(), spec, ..Default::default() } }
}

/// An answer of an upstream to call a response hook with; more of it by [`Response::set_header`]
/// and [`Response::set_body`].
pub fn response(status: u16) -> Response {
    Response::new(ResponseObject { status_code: status.into(), ..Default::default() })
}

/// An event to call [`Plugin::on_event`] with, and its facts by name.
pub fn event(name: &str, facts: &[(&str, &str)]) -> Event {
    let meta = facts.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    let id = || "test".to_owned();
    Event { name: name.to_owned(), meta, handler: "Test".to_owned(), api_id: id(), org_id: id(), ..Event::default() }
}

/// A request on its way to a hook.
#[derive(Clone, Debug)]
#[must_use = "no hook has been called yet"]
pub struct Call {
    fields: MiniRequestObject,
    object: Object,
}

impl Call {
    /// Gives the request a header, in place of one of the same name.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.headers.insert(canonical(name), value.into());
        self
    }

    /// Gives the request a body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.fields.raw_body = body.into();
        self.fields.body = std::str::from_utf8(&self.fields.raw_body).unwrap_or_default().to_owned();
        self
    }

    /// Gives the API this `config_data`, as JSON.
    pub fn config(mut self, json: impl ToString) -> Self {
        self.object.spec.insert("config_data".to_owned(), json.to_string());
        self
    }

    /// Makes the caller known, for hooks that run after authentication.
    pub fn session(mut self, session: Session) -> Self {
        let Session { token, mut state } = session;
        state.key_id = token;
        self.object.session = Some(state);
        self
    }

    /// Calls [`Plugin::pre`].
    pub async fn pre(self, plugin: &impl Plugin) -> Outcome {
        self.hook(plugin, HookType::Pre).await
    }

    /// Calls [`Plugin::auth`]; a hook that lets nobody in refuses with 403, as the gateway does.
    pub async fn auth(self, plugin: &impl Plugin) -> Outcome {
        self.hook(plugin, HookType::CustomKeyCheck).await
    }

    /// Calls [`Plugin::post_key_auth`].
    pub async fn post_key_auth(self, plugin: &impl Plugin) -> Outcome {
        self.hook(plugin, HookType::PostKeyAuth).await
    }

    /// Calls [`Plugin::post`].
    pub async fn post(self, plugin: &impl Plugin) -> Outcome {
        self.hook(plugin, HookType::Post).await
    }

    /// Calls [`Plugin::response`] with the upstream's answer to this request; gives what the client
    /// gets.
    pub async fn response(mut self, plugin: &impl Plugin, answer: Response) -> Response {
        self.object.response = Some(answer.conclude("Test", Ok(())));
        let returned = call(plugin, self.object(HookType::Response)).await;
        Response::new(returned.response.unwrap_or_default())
    }

    async fn hook(self, plugin: &impl Plugin, hook: HookType) -> Outcome {
        Outcome::of(call(plugin, self.object(hook)).await)
    }

    fn object(self, hook: HookType) -> Object {
        Object { hook_type: hook.into(), request: Some(self.fields), ..self.object }
    }
}

#[cfg(test)]
mod tests;
