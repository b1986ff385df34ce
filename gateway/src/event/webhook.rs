//! Webhooks: a request of the gateway's own that tells of an event.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Event;
use super::template::{Template, TemplateError};
use crate::definition::Refusal;
use crate::exchange::Body;
use crate::json::{self, ReadError};

/// What receivers know webhooks by.
const AGENT: HeaderValue = HeaderValue::from_static("Tyk-Hookshot");
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Where and how to tell.
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) target: Uri,
    method: Method,
    headers: HeaderMap,
    template: Template,
    /// For how long the same is not told again; for ever if zero.
    pub(super) quiet: Duration,
}

/// What tells one request from another.
pub(super) type Fingerprint = [u8; 16];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    method: String,
    target_path: String,
    template_path: String,
    header_map: BTreeMap<String, String>,
    event_timeout: u64,
}

impl Webhook {
    /// Reads `handler_meta`, which stands at this path; `ours` is the template of who names none.
    pub(super) fn compile(
        meta: &Map<String, Value>,
        path: &str,
        ours: fn() -> Result<Template, TemplateError>,
    ) -> Result<Self, Refusal> {
        let written: Written = json::shape(Value::Object(meta.clone())).map_err(|error| misshapen(path, error))?;
        let template = match written.template_path.as_str() {
            "" => ours(),
            file => Template::read(Path::new(file)),
        };
        let template = template.map_err(|error| refusal(path, "template_path", error.to_string()))?;
        let mut headers = headers(&written.header_map, path)?;
        if template.json && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.entry(USER_AGENT).or_insert(AGENT);
        Ok(Self {
            target: target(&written.target_path, path)?,
            method: method(&written.method),
            headers,
            template,
            quiet: Duration::from_secs(written.event_timeout),
        })
    }

    /// Whether it tells the request as it came.
    pub(super) fn tells_request(&self) -> bool {
        self.template.tells_request()
    }

    /// The request that tells of the event, and what tells it from others.
    pub(super) fn request(&self, event: &Event) -> (Request<Body>, Fingerprint) {
        let body = self.template.render(event);
        let fingerprint = self.fingerprint(&body);
        let mut request = Request::new(Body::whole(body));
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        (request, fingerprint)
    }

    fn fingerprint(&self, body: &str) -> Fingerprint {
        let mut digest = Md5::new();
        digest.update(format!("{} {}\n", self.method, self.target));
        for (name, value) in &self.headers {
            digest.update(name);
            digest.update(value);
        }
        digest.update(body);
        digest.finalize().into()
    }
}

fn refusal(path: &str, key: &str, reason: String) -> Refusal {
    Refusal { path: format!("{path}.{key}"), reason }
}

fn misshapen(path: &str, error: ReadError) -> Refusal {
    match error {
        ReadError::Shape { path: below, message } => refusal(path, &below, message),
        ReadError::Syntax { message, .. } => Refusal { path: path.to_owned(), reason: message },
    }
}

/// Any case will do; what cannot be used is GET.
fn method(written: &str) -> Method {
    METHODS.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(written)).unwrap_or(Method::GET)
}

fn target(written: &str, path: &str) -> Result<Uri, Refusal> {
    let web = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some();
    written.parse().ok().filter(web).ok_or_else(|| {
        refusal(
            path,
            "target_path",
            format!("{written:?} cannot be called: write http://HOST/PATH or https://HOST/PATH"),
        )
    })
}

fn headers(written: &BTreeMap<String, String>, path: &str) -> Result<HeaderMap, Refusal> {
    let read = |(name, value): (&String, &String)| {
        let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        header.ok_or_else(|| {
            refusal(path, &format!("header_map.{name}"), "HTTP cannot carry this header: correct it".to_owned())
        })
    };
    written.iter().map(read).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;
    use crate::event::{Name, Subject};

    fn compile(meta: Value) -> Result<Webhook, Refusal> {
        Webhook::compile(meta.as_object().unwrap(), "meta", Template::ours)
    }

    fn event(key: &str) -> Event {
        let (path, client, key) = ("/a".into(), "10.0.0.1".into(), key.into());
        let subject = Subject::Request { wire: Vec::new(), path, client, key, reason: None };
        Event { name: Name::AuthFailure, message: "Auth Failure", subject, at: UNIX_EPOCH }
    }

    #[test]
    fn a_webhook_says_who_it_is_and_what_it_sends() {
        let meta = json!({"method": "post", "target_path": "http://h/x", "header_map": {"X-A": "1"}});
        let (request, _) = compile(meta).unwrap().request(&event("k"));
        assert_eq!(request.method(), Method::POST);
        let headers = ["user-agent", "content-type", "x-a"].map(|name| request.headers()[name].to_str().unwrap());
        assert_eq!(headers, ["Tyk-Hookshot", "application/json", "1"]);
        let (unknown, _) = compile(json!({"method": "BREW", "target_path": "http://h/"})).unwrap().request(&event("k"));
        assert_eq!(unknown.method(), Method::GET);
    }

    #[test]
    fn the_same_request_has_the_same_fingerprint() {
        let webhook = |target: &str| compile(json!({"target_path": target})).unwrap();
        let of = |target: &str, key: &str| webhook(target).request(&event(key)).1;
        assert_eq!(of("http://h/", "k"), of("http://h/", "k"));
        assert_ne!(of("http://h/", "k"), of("http://h/", "other"));
        assert_ne!(of("http://h/", "k"), of("http://other/", "k"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let path = |meta| compile(meta).unwrap_err().path;
        assert_eq!(path(json!({"target_path": "/x"})), "meta.target_path");
        assert_eq!(path(json!({"target_path": "http://h/", "header_map": {"a b": "1"}})), "meta.header_map.a b");
        assert_eq!(path(json!({"target_path": "http://h/", "template_path": "/nowhere"})), "meta.template_path");
        assert_eq!(path(json!({"target_path": 5})), "meta.target_path");
    }
}
