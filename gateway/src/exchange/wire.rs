//! A request as HTTP/1.1 would write it now, for who is told of it.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, USER_AGENT};
use http::{HeaderName, HeaderValue};

use super::Head;
use super::head::canonical;

const HOST: &str = "Host";

/// Request line, host, headers in the order of their names, and the body, if it is known.
pub fn wire(head: &Head, body: Option<&Bytes>) -> Vec<u8> {
    let mut out = format!("{} {} HTTP/1.1\r\n", head.method_text(), head.target.relative()).into_bytes();
    if let Some(host) = &head.host {
        line(&mut out, HOST, host.as_bytes());
    }
    for value in head.headers.get_all(USER_AGENT) {
        line(&mut out, "User-Agent", value.as_bytes());
    }
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        line(&mut out, "Content-Length", body.len().to_string().as_bytes());
    }
    for (name, value) in sorted(head) {
        line(&mut out, &name, value.as_bytes());
    }
    for (name, value) in &head.unsendable.headers {
        line(&mut out, name, value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.map(Bytes::as_ref).unwrap_or_default());
    out
}

fn sorted(head: &Head) -> Vec<(String, &HeaderValue)> {
    let told = |name: &HeaderName| *name == USER_AGENT || *name == CONTENT_LENGTH;
    let headers = head.headers.iter().filter(|(name, _)| !told(name));
    let mut sorted: Vec<_> = headers.map(|(name, value)| (canonical(name), value)).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    sorted
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(request: http::request::Builder, body: Option<&'static str>) -> String {
        let head = Head::new(request.body(()).unwrap().into_parts().0).unwrap();
        String::from_utf8(wire(&head, body.map(Bytes::from).as_ref())).unwrap()
    }

    #[test]
    fn host_and_agent_come_first_and_the_rest_by_name() {
        let request = http::Request::post("/x?a=b").header("x-b", "2").header("host", "h").header("accept", "*/*");
        let request = request.header("user-agent", "tests").header("content-length", "99").header("x-b", "1");
        assert_eq!(
            text(request, Some("body")),
            "POST /x?a=b HTTP/1.1\r\nHost: h\r\nUser-Agent: tests\r\nContent-Length: 4\r\nAccept: */*\r\n\
             X-B: 2\r\nX-B: 1\r\n\r\nbody"
        );
    }

    #[test]
    fn an_absolute_target_is_told_by_its_path_and_no_body_has_no_length() {
        assert_eq!(text(http::Request::get("http://h.test/x?"), None), "GET /x? HTTP/1.1\r\nHost: h.test\r\n\r\n");
    }
}
