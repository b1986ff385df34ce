//! Where a request comes from, as the proxies before this gateway tell it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

/// The address in `X-Real-IP`, or else the first in `X-Forwarded-For`, or else the peer's.
pub fn address<'a>(headers: &'a HeaderMap, peer: &'a HeaderValue) -> &'a str {
    let real = text(headers.get("x-real-ip")).filter(|address| address.parse::<IpAddr>().is_ok());
    let forwarded = || text(headers.get("x-forwarded-for"))?.split(',').next().map(str::trim);
    real.or_else(forwarded).or_else(|| text(Some(peer))).unwrap_or_default()
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_to_the_client_counts() {
        let peer = HeaderValue::from_static("127.0.0.1");
        let address = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            super::address(&headers.collect(), &peer).to_owned()
        };
        let forwarded = ("x-forwarded-for", "10.0.0.1, 10.0.0.2");
        assert_eq!(address(&[]), "127.0.0.1");
        assert_eq!(address(&[forwarded]), "10.0.0.1");
        assert_eq!(address(&[forwarded, ("x-real-ip", "10.0.0.3")]), "10.0.0.3");
        assert_eq!(address(&[forwarded, ("x-real-ip", "nobody")]), "10.0.0.1");
    }
}
