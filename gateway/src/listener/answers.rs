//! What the client gets when its request failed.

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
}
