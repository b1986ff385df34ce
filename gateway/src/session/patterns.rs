//! The path patterns of sessions, each compiled once however many sessions have it.

use std::sync::LazyLock;

use moka::sync::Cache;
use regex::Regex;

use crate::pattern::endpoint::{self, Matching};
use crate::pattern::re2;

/// Patterns that are remembered; sessions keep those they have, whatever becomes of them here.
const PATTERNS: u64 = 4096;

static COMPILED: LazyLock<Cache<String, Option<Regex>>> = LazyLock::new(|| Cache::new(PATTERNS));
static PATHS: LazyLock<Cache<(String, Matching), Option<Regex>>> = LazyLock::new(|| Cache::new(PATTERNS));

/// The compiled pattern; none if it is no regular expression.
pub(super) fn compiled(pattern: &str) -> Option<Regex> {
    COMPILED.get_with_by_ref(pattern, || re2::compile(pattern).ok())
}

/// The compiled path of an endpoint; none if it is no regular expression.
pub(super) fn endpoint(path: &str, matching: Matching) -> Option<Regex> {
    PATHS.get_with((path.to_owned(), matching), || endpoint::compile(path, matching).ok())
}
