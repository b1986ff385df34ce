//! What stands in the place of an upstream's errors.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, LAST_MODIFIED, TRAILER};

use crate::error::{Layers, Overrides, Pages};
use crate::exchange::{Head, Reply};

/// The rules of an API and of the gateway, and how their documents look.
pub(super) struct ErrorOverrides {
    rules: [Option<Arc<Overrides>>; 2],
    pages: Arc<Pages>,
}

impl ErrorOverrides {
    /// What the API's rules and then the gateway's say, if there are any.
    pub(super) fn of(
        api: Option<&Arc<Overrides>>,
        gateway: Option<&Arc<Overrides>>,
        pages: &Arc<Pages>,
    ) -> Option<Self> {
        let rules = [api.cloned(), gateway.cloned()];
        rules.iter().any(Option::is_some).then(|| Self { rules, pages: Arc::clone(pages) })
    }

    fn layers(&self) -> Layers<'_> {
        Layers(self.rules.each_ref().map(Option::as_ref))
    }

    /// Replaces a reply that a rule is for.
    pub(super) async fn run(&self, reply: &mut Reply, request: &Head) {
        if self.layers().concern(reply.status()) {
            // Rare and large: it must not make every request's future large.
            Box::pin(self.replace(reply, request)).await;
        }
    }

    async fn replace(&self, reply: &mut Reply, request: &Head) {
        let status = reply.status();
        // One that breaks off is the upstream's own.
        let Ok(body) = reply.body_mut().read(None).await.cloned() else { return };
        let Some(instead) = self.layers().of_reply(status, &body) else { return };
        let text = status.canonical_reason().unwrap_or_default();
        let headers = without_entity(std::mem::take(reply.headers_mut()));
        *reply = self.pages.instead(instead, (status, text), &request.headers, headers);
    }
}

/// The headers that do not tell of the body.
fn without_entity(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, TRAILER, ETAG, LAST_MODIFIED] {
        headers.remove(name);
    }
    headers
}
