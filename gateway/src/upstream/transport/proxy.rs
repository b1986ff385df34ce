//! A proxy between the gateway and its upstreams.

use std::net::IpAddr;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::config::Secret;

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct ForwardProxy {
    /// Its host and port.
    pub(in crate::upstream) uri: Uri,
    pub(in crate::upstream) manner: Manner,
}

/// What a proxy speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Manner {
    /// HTTP, over TLS or not.
    Http {
        tls: bool,
        /// `Proxy-Authorization`, if the proxy is to know us.
        credentials: Option<HeaderValue>,
    },
    /// SOCKS 5; names are for the proxy to look up.
    Socks {
        /// User and password, if the proxy is to know us.
        credentials: Option<Secret<(String, String)>>,
    },
}

impl ForwardProxy {
    /// Reads the address of a proxy; what is wrong with it if it is none that we can use.
    pub(super) fn parse(url: &str, destination: &Uri) -> Result<Self, String> {
        const USABLE: &str = "write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT, and \
                              USER:PASSWORD@ before HOST if the proxy asks for it";
        let uri: Uri = url.parse().map_err(|error| format!("it is no URL ({error}): {USABLE}"))?;
        match uri.scheme_str() {
            Some("http" | "https" | "socks5" | "socks5h") => {}
            Some(other) => return Err(format!("proxies of scheme {other} are not supported: {USABLE}")),
            None => return Err(format!("it has no scheme: {USABLE}")),
        }
        let all = Matcher::builder().all(url).build();
        Self::of(&all, destination)?.ok_or_else(|| format!("it names no proxy: {USABLE}"))
    }

    /// The one that the environment names for a destination. As in Go, this machine is reached without.
    pub(super) fn of_environment(destination: &Uri) -> Result<Option<Self>, String> {
        if is_loopback(destination.host().unwrap_or_default()) {
            return Ok(None);
        }
        Self::of(&Matcher::from_env(), destination).map_err(|error| format!("HTTP_PROXY or HTTPS_PROXY: {error}"))
    }

    fn of(matcher: &Matcher, destination: &Uri) -> Result<Option<Self>, String> {
        let Some(found) = matcher.intercept(destination) else { return Ok(None) };
        let http = |tls| Manner::Http { tls, credentials: found.basic_auth().cloned() };
        let (manner, port) = match found.uri().scheme_str().unwrap_or_default() {
            "http" => (http(false), 80),
            "https" => (http(true), 443),
            "socks5" | "socks5h" => (Manner::Socks { credentials: socks_credentials(&found)? }, 1080),
            other => return Err(format!("proxies of scheme {other} are not supported")),
        };
        Ok(Some(Self { uri: with_port(found.uri(), port).map_err(|error| error.to_string())?, manner }))
    }

    /// Whether it understands no HTTP, and hands on what comes.
    pub(in crate::upstream) fn is_socks(&self) -> bool {
        matches!(self.manner, Manner::Socks { .. })
    }

    /// Whether TLS is spoken with itself.
    pub(super) fn speaks_tls(&self) -> bool {
        matches!(self.manner, Manner::Http { tls: true, .. })
    }

    /// `Proxy-Authorization`, if it speaks HTTP and is to know us.
    pub(in crate::upstream) fn authorization(&self) -> Option<&HeaderValue> {
        match &self.manner {
            Manner::Http { credentials, .. } => credentials.as_ref(),
            Manner::Socks { .. } => None,
        }
    }
}

/// The protocol has one byte for the length of each.
fn socks_credentials(found: &Intercept) -> Result<Option<Secret<(String, String)>>, String> {
    let Some((user, password)) = found.raw_auth() else { return Ok(None) };
    if user.len().max(password.len()) > usize::from(u8::MAX) {
        return Err("user and password of a SOCKS proxy may have 255 bytes each: shorten them".to_owned());
    }
    Ok(Some(Secret((user.to_owned(), password.to_owned()))))
}

fn with_port(uri: &Uri, usual: u16) -> Result<Uri, http::Error> {
    let authority = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(usual));
    Uri::builder().scheme("http").authority(authority).path_and_query("/").build()
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<ForwardProxy, String> {
        ForwardProxy::parse(url, &Uri::from_static("https://up.test:443/"))
    }

    #[test]
    fn proxies_have_a_manner_a_port_and_maybe_credentials() {
        let http = parse("http://me:word@proxy.test:3128").unwrap();
        assert_eq!(http.authorization().unwrap(), "Basic bWU6d29yZA==");
        assert_eq!(http.uri.authority().unwrap(), "proxy.test:3128");
        let https = parse("https://proxy.test").unwrap();
        assert!(https.speaks_tls() && !https.is_socks() && https.authorization().is_none());
        let socks = parse("socks5h://me:w%3Ard@proxy.test").unwrap();
        let credentials = Some(Secret(("me".to_owned(), "w:rd".to_owned())));
        assert_eq!(socks.manner, Manner::Socks { credentials });
        assert!(!format!("{socks:?}").contains("w:rd"));
        for (proxy, authority) in [(https, "proxy.test:443"), (socks, "proxy.test:1080")] {
            assert_eq!(proxy.uri.authority().unwrap(), authority);
        }
        assert_eq!(parse("http://[::1]").unwrap().uri.authority().unwrap(), "[::1]:80");
    }

    #[test]
    fn other_proxies_are_none() {
        for url in ["socks4://proxy.test:1080", "ftp://proxy.test", "proxy.test:3128", "http://", "not a url"] {
            assert!(parse(url).unwrap_err().contains("http://HOST:PORT"), "{url}");
        }
        assert!(parse(&format!("socks5://{}@proxy.test", "u".repeat(256))).unwrap_err().contains("255"));
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for (host, is) in [("localhost", true), ("127.0.0.1", true), ("[::1]", true), ("10.0.0.1", false)] {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }
}
