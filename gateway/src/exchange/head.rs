//! Everything of a request before its body.

use http::header::{CACHE_CONTROL, COOKIE, HOST, PRAGMA, TE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, request};
use thiserror::Error;

use super::hops;
use super::target::{Target, TargetError};

/// The head as the chain sees and edits it.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method, as the client wrote it or a hook replaced it.
    pub method: Method,
    /// The current target; hooks may point it elsewhere.
    pub target: Target,
    /// The headers without `Host` and without framing.
    pub headers: HeaderMap,
    /// The host asked for; edits of a `Host` header never change it.
    pub host: Option<HeaderValue>,
    /// The target as the client sent it.
    pub uri: Uri,
    /// What hooks and header changes wrote that HTTP cannot carry.
    pub unsendable: Unsendable,
    /// Whether the upstream is not told the client's address.
    pub anonymous: bool,
    /// Of HTTP, as the client speaks it.
    pub version: Version,
    /// The names of what ends the body, if the client told them.
    pub trailer: Option<Box<HeaderValue>>,
}

/// A method or headers that no HTTP message can carry: later hooks see them, the proxy refuses them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsendable {
    /// A method that is no token.
    pub method: Option<String>,
    /// Headers with an illegal name or value, in the order they were set.
    pub headers: Vec<(String, String)>,
}

impl Unsendable {
    /// What it is, without values that may be secret.
    pub fn describe(&self) -> String {
        let method = self.method.iter().map(|method| format!("method {method:?}"));
        let headers = self.headers.iter().map(|(name, _)| format!("header {name:?} (illegal name or value)"));
        method.chain(headers).collect::<Vec<_>>().join(", ")
    }

    /// Whether the request can still be sent.
    pub fn is_empty(&self) -> bool {
        self.method.is_none() && self.headers.is_empty()
    }
}

/// Why a head is refused before any API sees it.
#[derive(Debug, Error)]
pub enum HeadError {
    /// The target cannot be read.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// HTTP/1.1 wants one, even beside an absolute target.
    #[error("an HTTP/1.1 request must name one host, and this one names {0}")]
    Hosts(usize),
    /// A client may not name where only rewrites and hooks send requests.
    #[error("a request for {0:?} does not belong here: only http and https do")]
    Scheme(String),
    /// A tunnel is no request to an API.
    #[error("CONNECT asks for a tunnel, and there are none here")]
    Tunnel,
    /// The upstream would take the body for what it is not.
    #[error("a body in the transfer coding {0:?} cannot be read: only chunked can")]
    Coding(String),
}

impl Head {
    /// A client's head as the HTTP codec parsed it.
    pub fn received(mut parts: request::Parts) -> Result<Self, HeadError> {
        // HTTP/2 writes the scheme beside the path, where it decides nothing.
        if let Some(scheme) = parts.uri.scheme_str().filter(|_| parts.version != Version::HTTP_2)
            && !["http", "https"].contains(&scheme)
        {
            return Err(HeadError::Scheme(scheme.to_owned()));
        }
        if parts.method == Method::CONNECT {
            return Err(HeadError::Tunnel);
        }
        let foreign = |coding: &&HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if let Some(coding) = parts.headers.get_all(TRANSFER_ENCODING).iter().find(foreign) {
            return Err(HeadError::Coding(String::from_utf8_lossy(coding.as_bytes()).into_owned()));
        }
        let before = parts.headers.len();
        let host = parts.headers.remove(HOST);
        match before - parts.headers.len() {
            hosts if hosts != 1 && parts.version == Version::HTTP_11 => Err(HeadError::Hosts(hosts)),
            _ => Self::with_host(parts, host),
        }
    }

    /// A head of parts that need not name a host; framing headers are left behind.
    pub fn new(mut parts: request::Parts) -> Result<Self, HeadError> {
        let host = parts.headers.remove(HOST);
        Self::with_host(parts, host)
    }

    fn with_host(parts: request::Parts, host: Option<HeaderValue>) -> Result<Self, HeadError> {
        let request::Parts { method, mut uri, version, mut headers, .. } = parts;
        let host = uri.authority().and_then(|authority| named_host(authority.as_str())).or(host);
        if version == Version::HTTP_2 {
            uri = origin_form(uri)?;
            join_cookies(&mut headers);
        }
        let target = Target::from_uri(&uri)?;
        hops::end_named(&mut headers);
        headers.remove(TRANSFER_ENCODING);
        let trailer = headers.remove(TRAILER).map(Box::new);
        honour_pragma(&mut headers);
        let (unsendable, anonymous) = (Unsendable::default(), false);
        Ok(Self { method, target, headers, host, uri, unsendable, anonymous, version, trailer })
    }

    /// The method as hooks see it.
    pub fn method_text(&self) -> &str {
        self.unsendable.method.as_deref().unwrap_or(self.method.as_str())
    }

    /// No method means GET; one that is no token is kept for hooks to see and for the proxy to refuse.
    pub fn set_method(&mut self, method: String) {
        if method == self.method_text() {
            return;
        }
        self.unsendable.method = None;
        match Method::from_bytes(method.as_bytes()) {
            Ok(known) => self.method = known,
            Err(_) if method.is_empty() => self.method = Method::GET,
            Err(_) => self.unsendable.method = Some(method),
        }
    }

    /// Takes a header out, in any spelling, and even if it cannot be sent.
    pub fn remove(&mut self, name: &str) {
        self.headers.remove(name);
        self.unsendable.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Whether what ends a reply reaches the client: over HTTP/1.1 it has to say so.
    pub fn takes_trailers(&self) -> bool {
        self.version == Version::HTTP_2 || self.headers.get(TE).is_some_and(|te| te == "trailers")
    }

    /// The host without its port, for routing.
    pub fn host_name(&self) -> &str {
        let host = self.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        }
    }
}

/// The path that an HTTP/2 client asked for: scheme and host came beside it, not in it. One that asks
/// for none, or for a tunnel, breaks the rules.
fn origin_form(uri: Uri) -> Result<Uri, TargetError> {
    match uri.path_and_query() {
        Some(path) if !uri.path().is_empty() => Ok(Uri::from(path.clone())),
        _ => Err(TargetError::Empty),
    }
}

/// HTTP/2 clients may send each cookie on its own; HTTP/1.1 knows one header of all.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// An old client's `Pragma: no-cache` means `Cache-Control: no-cache`, for hooks and upstream alike.
fn honour_pragma(headers: &mut HeaderMap) {
    if headers.get(PRAGMA).is_some_and(|pragma| pragma == "no-cache") && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
}

/// A header name in canonical MIME form: `x-api-key` becomes `X-Api-Key`.
pub fn canonical(name: &HeaderName) -> String {
    let mut upper = true;
    let spell = |c: char| {
        let spelled = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        spelled
    };
    name.as_str().chars().map(spell).collect()
}

/// The host and port of an authority; who a user claims to be is nobody's matter.
fn named_host(authority: &str) -> Option<HeaderValue> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    HeaderValue::from_str(host).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn head(request: request::Builder) -> Head {
        Head::new(request.body(()).unwrap().into_parts().0).unwrap()
    }

    #[test]
    fn names_are_spelled_as_mime_has_them() {
        for (name, spelled) in [("x-foo", "X-Foo"), ("etag", "Etag"), ("x_under_score", "X_under_score")] {
            assert_eq!(canonical(&HeaderName::from_static(name)), spelled);
        }
    }

    #[test]
    fn the_host_of_an_absolute_target_wins_and_its_port_does_not_route() {
        let absolute = head(http::Request::get("http://abs.test:81/x").header("host", "other.test"));
        assert_eq!(
            (absolute.host.as_ref().unwrap().as_bytes(), absolute.host_name()),
            (&b"abs.test:81"[..], "abs.test")
        );
        let userinfo = head(http::Request::get("http://me:word@abs.test/x"));
        assert_eq!(userinfo.host.as_ref().unwrap(), "abs.test");
        let plain = head(http::Request::get("/x").header("host", "[::1]:8080"));
        assert_eq!(plain.host_name(), "[::1]");
    }

    #[test]
    fn only_http_and_https_can_be_asked_for() {
        let head = |target: &str, version| {
            let request = http::Request::get(target).version(version).header("host", "h").body(()).unwrap();
            Head::received(request.into_parts().0)
        };
        for target in ["tyk://int/pub/x", "TYK://int/", "ftp://h/"] {
            assert!(matches!(head(target, Version::HTTP_11), Err(HeadError::Scheme(_))), "{target}");
            assert_eq!(head(target, Version::HTTP_2).unwrap().target.origin(), None, "{target}");
        }
        assert!(head("http://h/x", Version::HTTP_11).is_ok() && head("https://h/x", Version::HTTP_11).is_ok());
    }

    #[test]
    fn what_connection_names_ends_here_but_not_what_proxies_tell() {
        let left = |connection: &str| {
            let request = http::Request::get("/x").header("host", "h").header("connection", connection);
            let request = request.header("x-caller", "me").header("x-real-ip", "10.0.0.1").body(()).unwrap();
            let headers = Head::received(request.into_parts().0).unwrap().headers;
            let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
            [text("connection"), text("x-caller"), text("x-real-ip")]
        };
        let [me, ip] = ["me", "10.0.0.1"].map(|text| Some(text.to_owned()));
        assert_eq!(left("Close, X-Caller, X-Real-IP"), [Some("close".to_owned()), None, ip.clone()]);
        assert_eq!(left("x-caller"), [None, None, ip.clone()]);
        assert_eq!(left("Keep-Alive, Upgrade"), [Some("Keep-Alive, Upgrade".to_owned()), me, ip]);
    }

    #[test]
    fn only_http11_must_name_one_host() {
        let hosts = |target: &str, version, hosts: &[&str]| {
            let request = hosts.iter().fold(http::Request::get(target), |request, host| request.header("host", *host));
            Head::received(request.version(version).body(()).unwrap().into_parts().0).map(|head| head.host)
        };
        for (target, named) in [("/x", &[][..]), ("http://h.test/x", &[]), ("/x", &["a", "a"])] {
            let refused = hosts(target, Version::HTTP_11, named);
            assert!(matches!(refused, Err(HeadError::Hosts(count)) if count == named.len()), "{target} {named:?}");
        }
        assert!(hosts("/x", Version::HTTP_10, &[]).is_ok() && hosts("/x", Version::HTTP_11, &[""]).is_ok());
        assert_eq!(hosts("http://h.test/x", Version::HTTP_2, &[]).unwrap().unwrap(), "h.test");
    }

    #[test]
    fn an_http2_head_looks_like_one_of_http1() {
        let request = http::Request::get("http://h2.test/x?y").version(Version::HTTP_2);
        let head = head(request.header("cookie", "a=1").header("cookie", "b=2"));
        assert_eq!(
            (head.host_name(), head.uri.to_string(), head.target.as_str()),
            ("h2.test", "/x?y".to_owned(), "/x?y")
        );
        assert_eq!(head.headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn an_http2_head_without_a_path_is_none() {
        for request in [http::Request::connect("h2.test:80"), http::Request::builder().uri(Uri::default())] {
            let mut parts = request.version(Version::HTTP_2).body(()).unwrap().into_parts().0;
            if parts.method != Method::CONNECT {
                parts.uri = Uri::from_parts(http::uri::Parts::default()).unwrap();
            }
            assert!(matches!(Head::new(parts), Err(HeadError::Target(TargetError::Empty))));
        }
    }

    #[test]
    fn pragma_becomes_cache_control_unless_there_is_one() {
        let old = head(http::Request::get("/").header("pragma", "no-cache"));
        assert_eq!(old.headers[CACHE_CONTROL], "no-cache");
        let both = head(http::Request::get("/").header("pragma", "no-cache").header("cache-control", "max-age=1"));
        assert_eq!(both.headers[CACHE_CONTROL], "max-age=1");
    }
}
