//! Connections that go on in another protocol, WebSocket for one: from then on bytes are passed both
//! ways, and nobody looks at them.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// A client's wish to go on in another protocol.
#[derive(Debug)]
pub struct Upgrade {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Upgrade {
    /// The wish of a request that has one.
    pub fn wished<B>(request: &mut Request<B>) -> Option<Box<Self>> {
        // HTTP/1.0 knows no such wish.
        let protocol = wished(request.headers()).filter(|_| request.version() != Version::HTTP_10)?.clone();
        Some(Box::new(Self { protocol, client: hyper::upgrade::on(request) }))
    }

    /// Tells the upstream of it.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
    }

    /// Whether a switch of protocols is to one of those wished for.
    pub fn agrees(&self, reply: &HeaderMap) -> bool {
        let named = reply.get(UPGRADE).and_then(|name| name.to_str().ok());
        let mut wished = self.protocol.to_str().into_iter().flat_map(|list| list.split(','));
        named.is_some_and(|named| wished.any(|wished| wished.trim().eq_ignore_ascii_case(named.trim())))
    }

    /// Passes bytes both ways once both sides have gone over, until one of them ends.
    pub fn join(self, upstream: OnUpgrade) {
        tokio::spawn(async move {
            let sides = tokio::try_join!(self.client, upstream);
            let passed = match sides {
                Ok((client, upstream)) => {
                    copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(upstream)).await.map(drop)
                }
                Err(error) => Err(std::io::Error::other(error)),
            };
            if let Err(error) = passed {
                tracing::debug!(%error, "an upgraded connection ended");
            }
        });
    }
}

fn wished(headers: &HeaderMap) -> Option<&HeaderValue> {
    let names_it = |value: &HeaderValue| {
        value.to_str().is_ok_and(|list| list.split(',').any(|name| name.trim().eq_ignore_ascii_case("upgrade")))
    };
    let protocol = headers.get(UPGRADE).filter(|_| headers.get_all(CONNECTION).iter().any(names_it));
    protocol.filter(|protocol| !names_http(protocol))
}

/// Requests in another version of HTTP would go past every check.
fn names_http(protocols: &HeaderValue) -> bool {
    let is_http = |protocol: &str| {
        let name = protocol.trim().to_ascii_lowercase();
        ["h2", "http", "tls"].iter().any(|http| name.starts_with(http))
    };
    // What is no text may be one to the upstream.
    protocols.to_str().map_or(true, |protocols| protocols.split(',').any(is_http))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_needs_both_headers_and_connection_may_name_more() {
        let wished = |headers: &[(&'static str, &str)]| {
            let headers: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            super::wished(&headers).cloned()
        };
        let websocket = ("upgrade", "websocket");
        for connection in ["Upgrade", "upgrade", "keep-alive, Upgrade", " UPGRADE ,x"] {
            assert_eq!(wished(&[websocket, ("connection", connection)]).unwrap(), "websocket", "{connection}");
        }
        for protocol in ["h2c", "websocket, H2C", "HTTP/2.0", "TLS/1.0", "h2c,\u{80}"] {
            assert_eq!(wished(&[("upgrade", protocol), ("connection", "upgrade")]), None, "{protocol}");
        }
        for headers in [&[websocket][..], &[("connection", "upgrade")], &[websocket, ("connection", "close")]] {
            assert_eq!(wished(headers), None, "{headers:?}");
        }
    }
}
