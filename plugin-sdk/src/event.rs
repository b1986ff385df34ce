//! Events: what the gateway tells after the fact.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Something that happened on an API, such as `AuthFailure` or `QuotaExceeded`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What happened: `AuthFailure`, `KeyExpired`, `RatelimitExceeded`...
    pub name: String,
    /// The facts, by name: `Path`, `Origin`, `Key` and others, as the event has them.
    pub meta: Map<String, Value>,
    /// When it happened, as the gateway writes times.
    pub timestamp: String,
    /// The handler's name in the API definition.
    pub handler: String,
    /// The API that it happened on.
    pub api_id: String,
    /// The API's organisation.
    pub org_id: String,
}

impl Event {
    /// What happened, for people: `Auth Failure`.
    pub fn message(&self) -> &str {
        self.text("Message").unwrap_or_default()
    }

    /// The path of the request, as it was when this happened.
    pub fn path(&self) -> Option<&str> {
        self.text("Path")
    }

    /// The client's address.
    pub fn client(&self) -> Option<&str> {
        self.text("Origin")
    }

    /// The key or credential that it is about: a secret. It may be empty.
    pub fn key(&self) -> Option<&str> {
        self.text("Key")
    }

    /// The request as HTTP/1.1 writes it, with its credentials; nothing if the event came from none.
    pub fn request(&self) -> Option<Vec<u8>> {
        let encoded = self.text("OriginatingRequest").filter(|text| !text.is_empty())?;
        STANDARD.decode(encoded).ok()
    }

    /// A fact as text; nothing if the event lacks it or it is not text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.meta.get(name)?.as_str()
    }

    pub(crate) fn parse(payload: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Payload>(payload).map(Self::from)
    }
}

#[derive(Deserialize)]
struct Payload {
    message: Message,
    #[serde(default)]
    handler_name: String,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    r#type: String,
    #[serde(default)]
    meta: Option<Map<String, Value>>,
    #[serde(default, rename = "TimeStamp")]
    timestamp: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(rename = "APIID")]
    api_id: String,
    #[serde(rename = "OrgID")]
    org_id: String,
}

impl From<Payload> for Event {
    fn from(Payload { message, handler_name, spec }: Payload) -> Self {
        Self {
            name: message.r#type,
            meta: message.meta.unwrap_or_default(),
            timestamp: message.timestamp,
            handler: handler_name,
            api_id: spec.api_id,
            org_id: spec.org_id,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_becomes_an_event() {
        let payload = r#"{"message":{"Type":"AuthFailure","Meta":{"Message":"Auth Failure",
            "OriginatingRequest":"R0VUIC9hIEhUVFAvMS4xDQoNCg==","Path":"/a","Origin":"10.0.0.1","Key":"k1"},
            "TimeStamp":"2026-11-22 17:09:16 +0000 UTC"},
            "handler_name":"audit","spec":{"APIID":"a1","OrgID":"o1"}}"#;

        let event = Event::parse(payload).unwrap();

        assert_eq!((event.name.as_str(), event.handler.as_str()), ("AuthFailure", "audit"));
        assert_eq!((event.api_id.as_str(), event.org_id.as_str()), ("a1", "o1"));
        assert_eq!((event.message(), event.path()), ("Auth Failure", Some("/a")));
        assert_eq!((event.client(), event.key()), (Some("10.0.0.1"), Some("k1")));
        assert_eq!(event.request().unwrap(), b"GET /a HTTP/1.1\r\n\r\n");
        assert_eq!(event.timestamp, "2026-11-22 17:09:16 +0000 UTC");
    }

    #[test]
    fn an_event_without_facts_is_an_event() {
        let event = Event::parse(r#"{"message":{"Type":"HostUp","Meta":null}}"#).unwrap();

        assert_eq!(event, Event { name: "HostUp".into(), ..Event::default() });
        assert_eq!((event.message(), event.key(), event.request()), ("", None, None));
    }

    #[test]
    fn what_is_not_an_event_is_an_error() {
        assert!(Event::parse("{}").is_err());
    }
}
