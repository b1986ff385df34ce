//! Headers that belong to one connection, and not to the message.

use http::header::{CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client::OF_THE_CLIENT;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether a header belongs to one connection and not to the message.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// Removes hop-by-hop headers and those that `Connection` names; of `TE` only `trailers` stays.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none: one walk over the names is cheaper than a look-up for each.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    let named: Vec<HeaderName> = headers.get_all(CONNECTION).iter().flat_map(names).collect();
    let trailers = headers.get_all(TE).iter().flat_map(names).any(|coding| coding == "trailers");
    for name in named {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, TRAILERS);
    }
}

fn names(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    value.to_str().unwrap_or_default().split(',').filter_map(|name| HeaderName::try_from(name.trim()).ok())
}

/// Ends what a client's `Connection` names where it begins: later, what hooks and header changes set
/// under these names would go as well.
pub(super) fn end_named(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let options = headers.get_all(CONNECTION).iter().flat_map(names);
    let of_protocol = |option: &HeaderName| option == "close" || is_hop_by_hop(option);
    let (kept, named): (Vec<_>, Vec<_>) = options.partition(of_protocol);
    if named.is_empty() {
        return;
    }
    for name in named.iter().filter(|name| !OF_THE_CLIENT.contains(name)) {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
    for option in kept {
        headers.append(CONNECTION, option.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn connection_takes_what_it_names_with_it() {
        let mut headers =
            map(&[("connection", "X-Drop, close"), ("x-drop", "1"), ("keep-alive", "5"), ("x-stay", "1")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("x-stay", "1")]));
    }

    #[test]
    fn only_te_trailers_is_passed_on() {
        let left = |te: &'static str| {
            let mut headers = map(&[("te", te)]);
            strip_hop_by_hop(&mut headers);
            headers.remove(TE)
        };
        assert_eq!([left("trailers"), left("gzip, Trailers")], [Some(TRAILERS), Some(TRAILERS)]);
        assert_eq!(left("gzip"), None);
    }
}
