//! How long the bodies of requests may be, by what they say of themselves.

use http::Method;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use thiserror::Error;

use super::CompileError;
use super::endpoints::{Endpoints, Place};
use crate::definition::VersionInfo;
use crate::error::Failure;
use crate::exchange::Exchange;
use crate::pattern::ListenPath;
use crate::pattern::endpoint::Matching;

/// The limits of a version.
#[derive(Debug)]
pub(super) struct SizeLimits {
    /// Bytes, for all paths.
    global: Option<u64>,
    /// Bytes, for some.
    paths: Endpoints<u64>,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SizeError {
    /// It does not say how long it is.
    #[error("the request does not say how long its body is, and the API limits that")]
    Unknown,
    /// It is too long.
    #[error("the request's body is longer than the API allows")]
    TooLarge,
}

impl SizeLimits {
    /// The limits of a version that stands at this JSON path; nothing if there are none.
    pub(super) fn compile(
        (at, version): (&str, &VersionInfo),
        listen_path: &ListenPath,
        matching: Matching,
    ) -> Result<Option<Self>, CompileError> {
        let global = u64::try_from(version.global_size_limit).ok().filter(|limit| *limit > 0);
        let global = global.filter(|_| !version.global_size_limit_disabled);
        let mut paths = Endpoints::new(listen_path, matching);
        for (index, limit) in version.extended().size_limits.iter().enumerate().filter(|(_, limit)| !limit.disabled) {
            let written = format!("{at}.extended_paths.size_limits[{index}]");
            let place = Place { written: &written, path: &limit.path, method: &limit.method, ignore_case: false };
            paths.add(place, limit.size_limit)?;
        }
        let needed = global.is_some() || paths.values().next().is_some();
        Ok(needed.then_some(Self { global, paths }))
    }

    /// Lets a request pass whose body is known to be short enough.
    pub(super) fn check(&self, exchange: &Exchange) -> Result<(), Failure> {
        let Some(limit) = self.global.into_iter().chain(self.paths.find(exchange).copied()).min() else {
            return Ok(());
        };
        match exchange.body.size_hint().exact() {
            Some(length) if length > limit => Err(SizeError::TooLarge.into()),
            Some(0) if !says_length(exchange) && takes_body(&exchange.head.method) => Err(SizeError::Unknown.into()),
            Some(_) => Ok(()),
            None => Err(SizeError::Unknown.into()),
        }
    }
}

fn says_length(exchange: &Exchange) -> bool {
    exchange.head.headers.contains_key(CONTENT_LENGTH)
}

/// Whether a request of this method has a body, be it an empty one.
fn takes_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}
