//! Joins a target's path and query with a request's.

use std::borrow::Cow;

/// The target's path, one slash, the request's path. A request for the root gets the target's path
/// without its slash, or untouched if `keep_slash`.
pub(super) fn join<'a>(base: &'a str, path: &'a str, keep_slash: bool) -> Cow<'a, str> {
    if keep_slash && (path.is_empty() || path == "/") {
        return Cow::Borrowed(base);
    }
    let (base, rest) = (base.trim_end_matches('/'), path.trim_start_matches('/'));
    match (base, rest) {
        (base, "") => Cow::Borrowed(base),
        ("", rest) if path.len() == rest.len() + 1 => Cow::Borrowed(path),
        (base, rest) => Cow::Owned(format!("{base}/{rest}")),
    }
}

/// Both queries as they are, the target's first.
pub(super) fn queries<'a>(base: Option<&'a str>, query: Option<&'a str>) -> Option<Cow<'a, str>> {
    match (base.filter(|query| !query.is_empty()), query) {
        (Some(base), Some(query)) if !query.is_empty() => Some(Cow::Owned(format!("{base}&{query}"))),
        (Some(only), _) | (None, Some(only)) => Some(Cow::Borrowed(only)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_by_one_slash() {
        assert_eq!(join("/", "/x", false), "/x");
        assert_eq!(join("", "/x", false), "/x");
        assert_eq!(join("/base//", "//x/", false), "/base/x/");
        assert_eq!(join("/base/", "/", false), "/base");
        assert_eq!(join("/base/", "/", true), "/base/");
        assert_eq!(join("/base", "", true), "/base");
    }

    #[test]
    fn the_targets_query_comes_first() {
        assert_eq!(queries(Some("t=1"), Some("r=2")).as_deref(), Some("t=1&r=2"));
        assert_eq!(queries(Some("t=1"), None).as_deref(), Some("t=1"));
        assert_eq!(queries(None, Some("")).as_deref(), Some(""));
        assert_eq!(queries(None, None), None);
    }
}
