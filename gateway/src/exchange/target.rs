//! The target of a request: what stands between method and version, as hooks and upstreams see it.
//!
//! `http::Uri` drops fragments and re-spells nothing; plugins were promised the spelling of Go's
//! URL type, which keeps a legal escaped path byte for byte and re-encodes any other.

use std::borrow::Cow;

use http::Uri;
use http::uri::Authority;
use thiserror::Error;

/// An absolute path or absolute URL with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    path_at: usize,
    query_at: Option<usize>,
}

/// Why a text is no request target.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TargetError {
    /// There is nothing.
    #[error("the url is empty")]
    Empty,
    /// It is neither a path from the root nor an absolute URL.
    #[error("{0:?} is neither an absolute path nor an absolute URL")]
    Relative(String),
    /// A control character.
    #[error("{0:?} contains a control character")]
    Control(String),
    /// A percent sign that two hexadecimal digits do not follow.
    #[error("{0:?} contains an invalid percent escape")]
    Escape(String),
}

impl Target {
    /// Reads a target as the HTTP codec delivered it.
    pub fn from_uri(uri: &Uri) -> Result<Self, TargetError> {
        match (uri.scheme_str(), uri.path_and_query()) {
            (None, Some(origin_form)) => Self::parse(origin_form.as_str()),
            _ => Self::parse(&uri.to_string()),
        }
    }

    /// Parses a target: `/path?query`, `*?query` or `scheme://authority/path?query`; `#` starts no fragment.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err(TargetError::Control(text.to_owned()));
        }
        let (origin, rest) = split_origin(text).ok_or_else(|| TargetError::Relative(text.to_owned()))?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let path = spelling(path).ok_or_else(|| TargetError::Escape(text.to_owned()))?;
        Ok(Self::assemble(&origin, &path, query))
    }

    /// Parses what a plugin wrote, of which more is wanted than of a request line: `*` stands alone, and
    /// ports are numbers.
    pub fn written(text: &str) -> Result<Self, TargetError> {
        let target = Self::parse(text)?;
        let port = target.origin().and_then(|(_, authority)| port(authority)).unwrap_or_default();
        match text.starts_with("*?") || !port.bytes().all(|digit| digit.is_ascii_digit()) {
            true => Err(TargetError::Relative(text.to_owned())),
            false => Ok(target),
        }
    }

    /// The target at an upstream, of parts that are spelled legally.
    pub fn upstream(origin: &str, path: &str, query: Option<&str>) -> Self {
        Self::assemble(origin, path, query)
    }

    fn assemble(origin: &str, path: &str, query: Option<&str>) -> Self {
        let mut text = String::with_capacity(origin.len() + path.len() + query.map_or(0, |q| q.len() + 1));
        text.push_str(origin);
        text.push_str(path);
        let query_at = query.map(|query| {
            text.push('?');
            text.push_str(query);
            text.len() - query.len()
        });
        Self { text, path_at: origin.len(), query_at }
    }

    /// The whole target.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The escaped path; empty for an absolute URL without one.
    pub fn path(&self) -> &str {
        let end = self.query_at.map_or(self.text.len(), |at| at - 1);
        &self.text[self.path_at..end]
    }

    /// The path without escapes; bytes that are no UTF-8 are replaced.
    pub fn decoded_path(&self) -> Cow<'_, str> {
        let path = self.path();
        match unescape(path, false) {
            Some(Cow::Owned(bytes)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            _ => Cow::Borrowed(path),
        }
    }

    /// What follows the question mark, byte for byte.
    pub fn query(&self) -> Option<&str> {
        self.query_at.map(|at| &self.text[at..])
    }

    /// Path and query as a request line has them: never without a path.
    pub fn resource(&self) -> Cow<'_, str> {
        let resource = &self.text[self.path_at..];
        if resource.starts_with(['/', '*']) { Cow::Borrowed(resource) } else { Cow::Owned(format!("/{resource}")) }
    }

    /// Scheme and authority of an absolute URL.
    pub fn origin(&self) -> Option<(&str, &str)> {
        let origin = &self.text[..self.path_at];
        // Most have none, and a search for a text is not free.
        if origin.is_empty() { None } else { origin.split_once("://") }
    }

    /// Path and query, without an origin.
    pub fn relative(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// The same target with another query.
    #[must_use]
    pub fn with_query(&self, query: Option<&str>) -> Self {
        Self::assemble(&self.text[..self.path_at], self.path(), query)
    }

    /// The same target with another path, given without escapes.
    #[must_use]
    pub fn with_decoded_path(&self, path: &str) -> Self {
        Self::assemble(&self.text[..self.path_at], &escape(path.as_bytes()), self.query())
    }

    /// The escaped path with `prefix` (given without escapes) taken from its front, if it stands there.
    pub fn path_without(&self, prefix: &str) -> Cow<'_, str> {
        let path = self.path();
        if let Some(rest) = path.strip_prefix(prefix) {
            // The slash at the prefix's end can root what follows.
            let slash = usize::from(prefix.ends_with('/') && !rest.starts_with('/'));
            return rooted(Cow::Borrowed(&path[prefix.len() - slash..]));
        }
        match self.decoded_path().strip_prefix(prefix) {
            Some(rest) => rooted(Cow::Owned(escape(rest.as_bytes()))),
            None => Cow::Borrowed(path),
        }
    }
}

fn rooted(path: Cow<'_, str>) -> Cow<'_, str> {
    if path.starts_with('/') { path } else { Cow::Owned(format!("/{path}")) }
}

/// Splits `scheme://authority`, its scheme in lower case, from the path; `None` for a relative reference.
fn split_origin(text: &str) -> Option<(Cow<'_, str>, &str)> {
    if text.starts_with('/') || text == "*" || text.starts_with("*?") {
        return Some((Cow::Borrowed(""), text));
    }
    let (scheme, rest) = text.split_once("://")?;
    let legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !legal {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !authority.is_empty() && Authority::try_from(authority).is_err() {
        return None;
    }
    let origin = &text[..text.len() - path.len()];
    if scheme.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some((Cow::Owned(format!("{}://{authority}", scheme.to_ascii_lowercase())), path));
    }
    Some((Cow::Borrowed(origin), path))
}

fn port(authority: &str) -> Option<&str> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // Colons in brackets belong to an address.
    host.rsplit_once(']').map_or(host, |(_, rest)| rest).rsplit_once(':').map(|(_, port)| port)
}

/// The path as it is if it is legally escaped, else decoded and escaped anew; `None` for a bad escape.
fn spelling(path: &str) -> Option<Cow<'_, str>> {
    let decoded = unescape(path, false)?;
    if path.bytes().all(legal_in_path) {
        return Some(Cow::Borrowed(path));
    }
    Some(Cow::Owned(escape(&decoded)))
}

fn legal_in_path(byte: u8) -> bool {
    kept_in_path(byte) || matches!(byte, b'%' | b'!' | b'\'' | b'(' | b')' | b'*' | b',' | b';' | b'[' | b']')
}

fn kept_in_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b'/' | b':' | b'=' | b'@')
}

fn escape(path: &[u8]) -> String {
    if path == b"*" {
        return "*".to_owned();
    }
    let mut out = String::with_capacity(path.len() + 8);
    for &byte in path {
        if kept_in_path(byte) {
            out.push(char::from(byte));
        } else {
            push_escaped(&mut out, byte);
        }
    }
    out
}

pub(super) fn push_escaped(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

/// Resolves percent escapes, and `+` as a space if asked; `None` for a bad escape.
pub(crate) fn unescape(text: &str, plus_is_space: bool) -> Option<Cow<'_, [u8]>> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|&b| b == b'%' || (plus_is_space && b == b'+')) {
        return Some(Cow::Borrowed(bytes));
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'%' => (hex_digit(*rest.next()?)? << 4) | hex_digit(*rest.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    Some(Cow::Owned(out))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(target: &str) -> String {
        Target::parse(target).unwrap().as_str().to_owned()
    }

    #[test]
    fn a_legal_escaped_path_and_the_query_keep_their_bytes() {
        let target = Target::parse("/k/a%2Fb(1)?z=1&a=%zz").unwrap();
        assert_eq!((target.path(), target.query()), ("/k/a%2Fb(1)", Some("z=1&a=%zz")));
        assert_eq!(target.decoded_path(), "/k/a/b(1)");
        assert_eq!(text("/x?"), "/x?");
    }

    #[test]
    fn an_illegal_byte_makes_the_whole_path_spelled_anew() {
        assert_eq!(text("/a#b"), "/a%23b");
        assert_eq!(text("/a b%2Fc"), "/a%20b/c");
        assert_eq!(text("/ü"), "/%C3%BC");
    }

    #[test]
    fn an_absolute_target_has_an_origin() {
        let target = Target::parse("HTTP://abs.test/k/x?q=1").unwrap();
        assert_eq!(target.as_str(), "http://abs.test/k/x?q=1");
        assert_eq!(target.origin(), Some(("http", "abs.test")));
        assert_eq!((target.path(), target.query()), ("/k/x", Some("q=1")));
        assert_eq!(Target::parse("/x").unwrap().origin(), None);
    }

    #[test]
    fn the_server_itself_may_be_asked_with_a_query() {
        let changed = Target::parse("*").unwrap().with_query(Some("a=1"));
        assert_eq!(Target::parse(changed.as_str()), Ok(changed));
    }

    #[test]
    fn what_is_no_target_is_refused() {
        assert_eq!(Target::parse(""), Err(TargetError::Empty));
        assert_eq!(Target::parse("foo"), Err(TargetError::Relative("foo".into())));
        assert_eq!(Target::parse("http://[::"), Err(TargetError::Relative("http://[::".into())));
        assert_eq!(Target::parse("?x=1"), Err(TargetError::Relative("?x=1".into())));
        assert_eq!(Target::parse("/%zz"), Err(TargetError::Escape("/%zz".into())));
        assert_eq!(Target::parse("/%1"), Err(TargetError::Escape("/%1".into())));
        assert_eq!(Target::parse("/a\nb"), Err(TargetError::Control("/a\nb".into())));
        assert!(Target::parse("*").is_ok() && Target::parse("*x").is_err());
    }

    #[test]
    fn a_plugin_is_taken_at_its_word_more_strictly_than_a_request_line() {
        for text in ["*", "/a:b", "http://h:80/x", "http://h:/", "http://[::1]:80/", "http://[::1]/", "http://u:p@h/"] {
            assert!(Target::written(text).is_ok(), "{text}");
        }
        for text in ["*?a=1", "http://h:port/", "http://[::1]:x/", "foo"] {
            assert!(Target::written(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_taken_from_the_front_only_where_it_stands() {
        let strip = |target: &str, prefix: &str| Target::parse(target).unwrap().path_without(prefix).into_owned();
        assert_eq!(strip("/k/a%2Fb", "/k/"), "/a%2Fb");
        assert_eq!(strip("/elsewhere", "/k/"), "/elsewhere");
        assert_eq!(strip("/%6B/a%2Fb", "/k/"), "/a/b");
        assert_eq!(strip("/k", "/k"), "/");
    }
}
