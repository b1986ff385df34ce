//! Whose request it is, as far as addresses tell.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::certificate::Shown;

/// What proxies in front tell of the client, in the order in which it counts.
pub const OF_THE_CLIENT: [HeaderName; 2] =
    [HeaderName::from_static("x-real-ip"), HeaderName::from_static("x-forwarded-for")];

/// The other end of the connection, and whether its word about whom it speaks for counts.
#[derive(Clone, Debug)]
pub struct Client {
    /// The other end's address.
    pub peer: HeaderValue,
    /// Which entry of `X-Forwarded-For` counts, from the right (0 for the first of all), if any does.
    pub depth: Option<usize>,
    /// Whether the connection is one over TLS.
    pub tls: bool,
    /// The certificate that it has shown, and has the key of.
    pub certificate: Option<Arc<Shown>>,
}

impl Client {
    /// The address that the request comes from: what a proxy says that is believed, or else the peer's.
    pub fn address<'a>(&'a self, headers: &'a HeaderMap) -> Cow<'a, str> {
        let peer = || Cow::from(self.peer.to_str().unwrap_or_default());
        let Some(depth) = self.depth else { return peer() };
        let [real_ip, forwarded_for] = OF_THE_CLIENT;
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if let Some(real) = text(real_ip).filter(|real| real.parse::<IpAddr>().is_ok()) {
            return real.into();
        }
        match text(forwarded_for).filter(|list| !list.is_empty()) {
            Some(list) if depth == 0 => list.split(',').next().unwrap_or_default().trim().into(),
            // A list that is too short names nobody.
            Some(list) => list.rsplit(',').nth(depth - 1).unwrap_or_default().trim().into(),
            None => peer(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(depth: Option<usize>, headers: &[(&'static str, &'static str)]) -> String {
        let headers =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        let client = Client { peer: HeaderValue::from_static("10.0.0.9"), depth, tls: false, certificate: None };
        client.address(&headers.collect()).into_owned()
    }

    #[test]
    fn a_real_ip_comes_before_a_list_and_both_before_the_peer() {
        let (real, list) = (("x-real-ip", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2, 192.0.2.3"));
        assert_eq!(address(Some(0), &[real, list]), "192.0.2.1");
        assert_eq!(address(Some(0), &[("x-real-ip", "nobody"), list]), "192.0.2.2");
        assert_eq!([1, 2, 3].map(|depth| address(Some(depth), &[list])), ["192.0.2.3", "192.0.2.2", ""]);
        assert_eq!(address(Some(0), &[]), "10.0.0.9");
        assert_eq!(address(None, &[real, list]), "10.0.0.9");
    }
}
