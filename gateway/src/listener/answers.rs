//! What the client gets for what came of its request.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, LAST_MODIFIED, TRAILER};
use http::{HeaderMap, StatusCode};

use crate::error::{Layers, Pages};
use crate::exchange::{Exchange, Reply};

/// The documents of errors, and what stands in their place.
pub(super) struct Answers<'a> {
    pub(super) pages: &'a Pages,
    pub(super) overrides: Layers<'a>,
    pub(super) exchange: &'a Exchange,
}

impl Answers<'_> {
    /// An error of the gateway's own.
    pub(super) fn error(&self, status: StatusCode, text: &str, flag: Option<&str>, headers: HeaderMap) -> Reply {
        let request = &self.exchange.head.headers;
        match self.overrides.of_error(status, flag, text) {
            Some(instead) => self.pages.instead(instead, (status, text), request, headers),
            None => self.pages.page(status, text, request, headers),
        }
    }

    /// The upstream's answer, unless something stands in its place.
    pub(super) async fn of_upstream(&self, reply: Reply) -> Reply {
        if self.exchange.notes.upstream.is_none() || !self.overrides.concern(reply.status()) {
            return reply;
        }
        // Rare and large: it must not make every request's future large.
        Box::pin(self.in_place_of(reply)).await
    }

    async fn in_place_of(&self, mut reply: Reply) -> Reply {
        let status = reply.status();
        // One that breaks off is the upstream's own.
        let Ok(body) = reply.body_mut().read(None).await.cloned() else { return reply };
        let Some(instead) = self.overrides.of_reply(status, &body) else { return reply };
        let text = status.canonical_reason().unwrap_or_default();
        let headers = without_entity(std::mem::take(reply.headers_mut()));
        self.pages.instead(instead, (status, text), &self.exchange.head.headers, headers)
    }
}

/// The headers that do not tell of the body.
fn without_entity(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, TRAILER, ETAG, LAST_MODIFIED] {
        headers.remove(name);
    }
    headers
}
