//! The request as a hook sees it: what may be read at every place in the chain.

mod edit;
mod url;
mod views;

use bytes::Bytes;
use coprocess::{MiniRequestObject, Object, ReturnOverrides};
use serde::de::DeserializeOwned;

use crate::error::{ConfigError, HookResult, Refusal};
pub use views::{AuthRequest, SessionRequest};

/// The client's request as it stands at this hook.
///
/// Edits take effect when the hook returns `Ok(())`, and show at once in what the request says
/// about itself.
#[derive(Debug)]
pub struct Request {
    /// What was received, without its `request`: that is in `fields` until the end.
    object: Object,
    fields: MiniRequestObject,
    overrides: ReturnOverrides,
    takes_text: bool,
}

impl Request {
    pub(crate) fn new(mut object: Object) -> Self {
        let mut fields = object.request.take().unwrap_or_default();
        let none = || ReturnOverrides { response_code: -1, ..Default::default() };
        let overrides = fields.return_overrides.take().unwrap_or_else(none);
        // A hook that takes raw bodies only gets no text beside a body.
        let takes_text = !fields.body.is_empty() || fields.raw_body.is_empty();
        Self { object, fields, overrides, takes_text }
    }

    /// The object to return: the received one, with the edits and the hook's outcome in it.
    pub(crate) fn conclude(mut self, outcome: HookResult) -> Object {
        if let Err(refusal) = outcome {
            refusal.log(&self.object.hook_name);
            self.refuse(&refusal);
        }
        self.into_object()
    }

    pub(crate) fn into_object(self) -> Object {
        let Self { mut object, mut fields, overrides, .. } = self;
        fields.return_overrides = Some(overrides);
        object.request = Some(fields);
        object
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.overrides = ReturnOverrides {
            response_code: refusal.status().into(),
            response_error: refusal.message().to_owned(),
            headers: refusal.headers().iter().cloned().collect(),
            ..Default::default()
        };
    }

    /// The first value of a header, whatever the spelling of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = &self.fields.headers;
        let value = headers
            .get(name)
            .or_else(|| headers.iter().find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value)));
        value.map(String::as_str)
    }

    /// The first value of each header, in no particular order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of a query parameter, decoded.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.fields.params.get(name).map(String::as_str)
    }

    /// The first value of each query parameter, decoded, in no particular order.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The method, in the client's case.
    pub fn method(&self) -> &str {
        &self.fields.method
    }

    /// The path and query; in a response hook the whole URL that the upstream was asked for.
    ///
    /// The query is the one that the request came with, whatever was done to its parameters.
    pub fn url(&self) -> &str {
        &self.fields.url
    }

    /// The path with its escapes, the API's listen path included.
    pub fn path(&self) -> &str {
        url::path(&self.fields.url)
    }

    /// The query that the request came with, as it came.
    pub fn query(&self) -> &str {
        url::query(&self.fields.url)
    }

    /// The request target that the client sent, before all edits.
    pub fn original_target(&self) -> &str {
        &self.fields.request_uri
    }

    /// `https` if the client's connection is encrypted, else `http`.
    pub fn scheme(&self) -> &str {
        &self.fields.scheme
    }

    /// The whole body.
    pub fn body(&self) -> &Bytes {
        &self.fields.raw_body
    }

    /// The body as text; nothing if it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.fields.raw_body).ok()
    }

    /// The body read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.fields.raw_body)
    }

    /// The id of the API that was called.
    pub fn api_id(&self) -> &str {
        self.spec("APIID").unwrap_or_default()
    }

    /// The organisation of the API.
    pub fn org_id(&self) -> &str {
        self.spec("OrgID").unwrap_or_default()
    }

    /// The name that the API definition gives to this hook.
    pub fn hook_name(&self) -> &str {
        &self.object.hook_name
    }

    /// The definition's `config_data`, read into the plugin's own type; none is read as `{}`.
    ///
    /// ```
    /// # use outrigger_plugin::{HookResult, Request};
    /// #[derive(serde::Deserialize)]
    /// struct Config {
    ///     greeting: String,
    /// }
    ///
    /// fn greet(request: &mut Request) -> HookResult {
    ///     let config: Config = request.config()?;
    ///     request.set_header("X-Greeting", config.greeting);
    ///     Ok(())
    /// }
    /// ```
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let text = self.spec("config_data").unwrap_or("{}");
        let api_id = || self.api_id().to_owned();
        serde_json::from_str(text).map_err(|source| ConfigError { api_id: api_id(), source })
    }

    fn spec(&self, key: &str) -> Option<&str> {
        self.object.spec.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
