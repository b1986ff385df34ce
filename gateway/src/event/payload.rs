//! An event as a plugin server gets it: JSON, members in a fixed order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::{Event, HostReport, Origin, Subject, time};
use crate::json;

#[derive(Serialize)]
struct Payload<'a> {
    message: Message<'a>,
    handler_name: &'a str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'a> {
    r#type: &'static str,
    meta: Meta<'a>,
    #[serde(rename = "TimeStamp")]
    timestamp: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Meta<'a> {
    message: &'static str,
    originating_request: String,
    #[serde(flatten)]
    subject: Facts<'a>,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "PascalCase")]
enum Facts<'a> {
    Request {
        path: &'a str,
        origin: &'a str,
        key: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
    Key {
        org: &'a str,
        key: &'a str,
    },
    Circuit {
        path: &'a str,
        #[serde(rename = "APIID")]
        api_id: &'a str,
        circuit_event: u8,
    },
    #[serde(rename_all = "snake_case")]
    Quota {
        org_id: &'a str,
        key: &'a str,
        trigger_limit: i64,
        usage_percentage: i64,
    },
    Host {
        host_info: &'a HostReport,
    },
}

#[derive(Serialize)]
struct Spec<'a> {
    #[serde(rename = "APIID")]
    api_id: &'a str,
    #[serde(rename = "OrgID")]
    org_id: &'a str,
}

/// The text that tells this handler of the event.
pub(super) fn payload(event: &Event, handler: &str, origin: &Origin) -> Result<String, serde_json::Error> {
    let payload = Payload {
        message: Message { r#type: event.name.as_str(), meta: meta(event), timestamp: time::text(event.at) },
        handler_name: handler,
        spec: Spec { api_id: &origin.api_id, org_id: &origin.org_id },
    };
    Ok(json::go_escaped(serde_json::to_string(&payload)?))
}

fn meta(event: &Event) -> Meta<'_> {
    let subject = match &event.subject {
        Subject::Request { path, client, key, reason, .. } => {
            Facts::Request { path, origin: client, key, reason: *reason }
        }
        Subject::Key { org_id, key } => Facts::Key { org: org_id, key },
        Subject::Circuit { path, api_id, event, .. } => Facts::Circuit { path, api_id, circuit_event: *event },
        Subject::Quota { org_id, key, limit, usage } => {
            Facts::Quota { org_id, key, trigger_limit: *limit, usage_percentage: *usage }
        }
        Subject::Host(host_info) => Facts::Host { host_info },
    };
    Meta { message: event.message, originating_request: originating_request(event), subject }
}

/// The request in base64; empty where there was none.
pub(super) fn originating_request(event: &Event) -> String {
    match &event.subject {
        Subject::Request { wire, .. } | Subject::Circuit { wire, .. } => STANDARD.encode(wire),
        Subject::Key { .. } | Subject::Quota { .. } | Subject::Host(_) => String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::definition::HostCheck;
    use crate::event::Name;

    fn origin() -> Origin {
        Origin { api_id: "a1".into(), org_id: "o&1".into() }
    }

    /// The text, its time taken out: that depends on the machine's zone.
    fn text(subject: Subject) -> String {
        let at = UNIX_EPOCH + Duration::from_secs(1);
        let event = Event { name: Name::AuthFailure, message: "Auth Failure", subject, at };
        payload(&event, "h", &origin()).unwrap().replace(&time::text(at), "T")
    }

    #[test]
    fn members_stand_in_their_order_and_markup_is_escaped() {
        let subject = Subject::Request {
            wire: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            path: "/x/<a>".into(),
            client: "127.0.0.1".into(),
            key: "\"k\"\u{2028}".into(),
            reason: None,
        };
        assert_eq!(
            text(subject),
            concat!(
                r#"{"message":{"Type":"AuthFailure","Meta":{"Message":"Auth Failure","#,
                r#""OriginatingRequest":"R0VUIC8gSFRUUC8xLjENCg0K","Path":"/x/\u003ca\u003e","#,
                r#""Origin":"127.0.0.1","Key":"\"k\"\u2028"},"TimeStamp":"T"},"#,
                r#""handler_name":"h","spec":{"APIID":"a1","OrgID":"o\u00261"}}"#
            )
        );
    }

    #[test]
    fn a_quota_tells_how_much_of_it_is_used() {
        let told = text(Subject::Quota { org_id: "o".into(), key: "k".into(), limit: 80, usage: 85 });
        assert!(told.contains(r#""org_id":"o","key":"k","trigger_limit":80,"usage_percentage":85}"#), "{told}");
    }

    #[test]
    fn a_host_is_told_with_its_test_and_the_outcome() {
        let check = HostCheck { url: "http://h/".to_owned(), ..HostCheck::default() };
        let report = HostReport::new(&check, "a1", "h:80", Some(500), Duration::from_micros(1500));
        let told = text(Subject::Host(Box::new(report)));
        let info = concat!(
            r#""HostInfo":{"CheckURL":"http://h/","Protocol":"","Timeout":0,"EnableProxyProtocol":false,"Commands":null,"#,
            r#""Method":"","Headers":null,"Body":"","MetaData":{"api_id":"a1","host_name":"h:80","target_url":"http://h/"},"#,
            r#""ResponseCode":500,"Latency":1.5,"IsTCPError":false}}"#
        );
        assert!(told.contains(info), "{told}");
    }

    #[test]
    fn a_request_that_its_version_keeps_out_says_why() {
        let (path, client, key) = ("/x".into(), "127.0.0.1".into(), String::new());
        let told = text(Subject::Request { wire: Vec::new(), path, client, key, reason: Some("forbidden") });
        assert!(told.contains(r#""Key":"","Reason":"forbidden"}"#), "{told}");
    }

    #[test]
    fn a_circuit_is_told_by_path_and_api() {
        let (path, api_id) = ("/x".into(), "a1".into());
        let told = text(Subject::Circuit { wire: Vec::new(), path, api_id, event: 1 });
        let meta = r#""OriginatingRequest":"","Path":"/x","APIID":"a1","CircuitEvent":1}"#;
        assert!(told.contains(meta), "{told}");
    }

    #[test]
    fn an_event_without_a_request_names_organisation_and_key() {
        let told = text(Subject::Key { org_id: "o".into(), key: "k".into() });
        let meta = r#""Meta":{"Message":"Auth Failure","OriginatingRequest":"","Org":"o","Key":"k"}"#;
        assert!(told.contains(meta), "{told}");
    }
}
