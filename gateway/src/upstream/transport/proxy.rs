//! A proxy between the gateway and its upstreams.

use std::net::IpAddr;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

/// An HTTP proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct ForwardProxy {
    pub(in crate::upstream) uri: Uri,
    /// `Proxy-Authorization`, if the proxy is to know us.
    pub(in crate::upstream) credentials: Option<HeaderValue>,
}

impl ForwardProxy {
    /// Reads the address of a proxy; what is wrong with it if it is none that we can use.
    pub(super) fn parse(url: &str, destination: &Uri) -> Result<Self, String> {
        const USABLE: &str = "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";
        let uri: Uri = url.parse().map_err(|error| format!("it is no URL ({error}): {USABLE}"))?;
        match uri.scheme_str() {
            Some("http") => {}
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
        match found.uri().scheme_str() {
            Some("http") => Ok(Some(Self { uri: found.uri().clone(), credentials: found.basic_auth().cloned() })),
            other => Err(format!("proxies of scheme {} are not supported", other.unwrap_or_default())),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_http_proxies_are_proxies() {
        let parse = |url| ForwardProxy::parse(url, &Uri::from_static("https://up.test:443/"));
        let proxy = parse("http://me:word@proxy.test:3128").unwrap();
        assert_eq!(proxy.uri.authority().unwrap(), "proxy.test:3128");
        assert_eq!(proxy.credentials.unwrap(), "Basic bWU6d29yZA==");
        for url in ["socks5://proxy.test:1080", "https://proxy.test", "proxy.test:3128", "http://", "not a url"] {
            assert!(parse(url).unwrap_err().contains("http://HOST:PORT"), "{url}");
        }
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for (host, is) in [("localhost", true), ("127.0.0.1", true), ("[::1]", true), ("10.0.0.1", false)] {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }
}
