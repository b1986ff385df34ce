//! What tells one kept reply from another: everything of a request that the reply may depend on.

use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};

use crate::exchange::Exchange;

/// A digest of it.
pub(super) type Key = [u8; 32];

/// The key of a request: version, method, target, caller and credentials, these headers, and what
/// `body` says of its body; its host too, if `host`.
pub(super) fn key(version: &str, exchange: &Exchange, host: bool, headers: &[HeaderName], body: &[u8]) -> Key {
    let Exchange { head, session, passage, .. } = exchange;
    let mut parts = Parts(Context::new(&SHA256));
    parts.add(version);
    parts.add(head.method_text());
    parts.add(head.host.as_ref().filter(|_| host).map_or(&b""[..], |host| host.as_bytes()));
    parts.add(head.target.as_str());
    let pending = passage.pending.as_deref();
    parts.add(pending.and_then(|pending| pending.method.as_deref()).unwrap_or_default());
    parts.add(pending.and_then(|pending| pending.target.as_ref()).map_or("", |target| target.as_str()));
    match session {
        Some(session) => parts.add(&*session.key.id),
        None => {
            parts.add(&exchange.client.peer);
            parts.add(&*exchange.client.address(&head.headers));
        }
    }
    parts.add(if session.is_some() { "key" } else { "address" });
    for name in [AUTHORIZATION, COOKIE].iter().chain(headers) {
        for value in head.headers.get_all(name) {
            parts.add(value);
        }
        parts.add(name.as_str());
    }
    parts.add(body);
    parts.digest()
}

struct Parts(Context);

impl Parts {
    /// The length before each part keeps parts apart.
    fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn digest(self) -> Key {
        let mut key = Key::default();
        key.copy_from_slice(self.0.finish().as_ref());
        key
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use http::{HeaderValue, Request};

    use super::*;
    use crate::exchange::{Body, Client, Head, Notes, Passage, Standing, Target};
    use crate::session::{self, Session, State};

    fn exchange() -> Exchange {
        let request = Request::get("/x").header("host", "h").header("x-kind", "a");
        let head = Head::new(request.body(()).unwrap().into_parts().0).unwrap();
        let client =
            Client { peer: HeaderValue::from_static("10.0.0.1"), depth: Some(0), tls: false, certificate: None };
        let (upgrade, session, standing, context) = (None, None, Standing::default(), None);
        let (passage, notes, body) = (Passage::default(), Notes::start(), Body::empty());
        Exchange { head, body, upgrade, session, standing, passage, client, context, notes }
    }

    fn key_of(change: impl FnOnce(&mut Exchange)) -> Key {
        let mut exchange = exchange();
        change(&mut exchange);
        key("v1", &exchange, false, &[HeaderName::from_static("x-kind")], b"")
    }

    fn session(exchange: &mut Exchange, id: &str) {
        let key = session::Key { id: id.into(), name: id.into() };
        exchange.session = Some(Arc::new(Session::new(State::default(), key)));
    }

    #[test]
    fn whatever_a_reply_may_depend_on_makes_another_key() {
        let header =
            |name, value| key_of(|exchange| drop(exchange.head.headers.insert(name, HeaderValue::from_static(value))));
        let pending = |target: Option<&str>, method: Option<&str>| {
            key_of(|exchange| {
                let pending = exchange.passage.pending.get_or_insert_default();
                pending.target = target.map(|target| Target::parse(target).unwrap());
                pending.method = method.map(str::to_owned);
            })
        };
        let keys = [
            key_of(|_| {}),
            key_of(|exchange| exchange.head.target = Target::parse("/x?a").unwrap()),
            key_of(|exchange| exchange.head.set_method("HEAD".to_owned())),
            key_of(|exchange| session(exchange, "a")),
            key_of(|exchange| session(exchange, "b")),
            key_of(|exchange| session(exchange, "10.0.0.1")),
            header("x-real-ip", "10.0.0.2"),
            header("authorization", "a"),
            header("cookie", "a"),
            key_of(|exchange| exchange.client.peer = HeaderValue::from_static("10.0.0.3")),
            header("x-kind", "b"),
            pending(Some("/y"), None),
            pending(None, Some("HEAD")),
            key("v2", &exchange(), false, &[HeaderName::from_static("x-kind")], b""),
            key("v1", &exchange(), false, &[HeaderName::from_static("x-kind")], b"body"),
            key("v1", &exchange(), true, &[HeaderName::from_static("x-kind")], b""),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert_eq!(header("x-other", "a"), keys[0]);
    }
}
