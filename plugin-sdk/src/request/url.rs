//! A coprocess object's `url`: its path and query, found and replaced in the text.

use std::ops::Range;

/// The path in `url`, which is a path with or without query or an absolute URL.
pub(super) fn path(url: &str) -> &str {
    &url[path_range(url)]
}

/// The query in `url`, without its question mark; empty if there is none.
pub(super) fn query(url: &str) -> &str {
    url.split_once('?').map_or("", |(_, query)| query)
}

/// Gives `url` another path and leaves the rest alone.
pub(super) fn replace_path(url: &mut String, path: &str) {
    let range = path_range(url);
    url.replace_range(range, &escaped(path));
}

fn path_range(url: &str) -> Range<usize> {
    let end = url.find('?').unwrap_or(url.len());
    let authority = url[..end].find("://").filter(|_| !url.starts_with('/')).map(|at| at + 3);
    let start = authority.map_or(0, |at| url[at..end].find('/').map_or(end, |slash| at + slash));
    start..end
}

/// Makes `path` absolute and fit for a request line; escapes that it has already stay.
fn escaped(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut text = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        text.push('/');
    }
    for (at, &byte) in bytes.iter().enumerate() {
        if is_path(byte) || (byte == b'%' && is_escape(&bytes[at + 1..])) {
            text.push(byte.into());
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

fn is_escape(rest: &[u8]) -> bool {
    matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_path(url: &str, path: &str) -> String {
        let mut url = url.to_owned();
        replace_path(&mut url, path);
        url
    }

    #[test]
    fn path_and_query_are_found_in_relative_and_absolute_urls() {
        for (url, is_path, is_query) in [
            ("/a/b?x=1&y=2", "/a/b", "x=1&y=2"),
            ("/a", "/a", ""),
            ("http://host:80/a?x", "/a", "x"),
            ("http://host", "", ""),
            ("http://host?q=/", "", "q=/"),
            ("/a?next=http://b/c", "/a", "next=http://b/c"),
            ("/a://b", "/a://b", ""),
            ("http:///a", "/a", ""),
            ("", "", ""),
        ] {
            assert_eq!((path(url), query(url)), (is_path, is_query), "{url}");
        }
    }

    #[test]
    fn a_new_path_leaves_authority_and_query_alone() {
        assert_eq!(with_path("/a?x=1", "/b"), "/b?x=1");
        assert_eq!(with_path("http://host/a?x=1", "/b"), "http://host/b?x=1");
        assert_eq!(with_path("http://host?x=1", "/b"), "http://host/b?x=1");
    }

    #[test]
    fn a_new_path_is_absolute_and_cannot_smuggle_a_query_in() {
        assert_eq!(with_path("/a", "b"), "/b");
        assert_eq!(with_path("/a", ""), "/");
        assert_eq!(with_path("/a?x=1", "/b?y=2#z"), "/b%3Fy=2%23z?x=1");
    }

    #[test]
    fn a_new_path_is_escaped_once() {
        assert_eq!(with_path("/a", "/x y/ä/%2F/100%"), "/x%20y/%C3%A4/%2F/100%25");
    }
}
