//! Listen paths and host names as definitions write them: literal, or with `{name}` and `{name:regex}`.

pub mod endpoint;
pub mod re2;

use std::borrow::Cow;

use regex::Regex;
use thiserror::Error;

use crate::exchange::{Target, unescape};

/// A listen path.
#[derive(Clone, Debug)]
pub struct ListenPath {
    text: String,
    pattern: Option<Regex>,
}

/// A host name, compared without case.
#[derive(Clone, Debug)]
pub enum Host {
    /// A plain name.
    Name(String),
    /// A name with variables.
    Pattern(Regex),
}

/// Why a template cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// The braces do not pair.
    #[error("{0:?} has unbalanced braces")]
    Braces(String),
    /// What stands in the braces is no regular expression.
    #[error("{template:?}: {reason}")]
    Regex {
        /// The whole template.
        template: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ListenPath {
    /// Reads a normalised listen path.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let pattern = if text.contains(['{', '}']) { Some(compile(text, "^", "", "[^/]+")?) } else { None };
        Ok(Self { text: text.to_owned(), pattern })
    }

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has variables.
    pub fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// Whether a path (without escapes) starts with it. `strict`: a plain path without a slash at
    /// its end matches only itself or what a slash follows.
    pub fn matches(&self, path: &str, strict: bool) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.is_match(path),
            None => path
                .strip_prefix(&self.text)
                .is_some_and(|rest| !strict || self.text.ends_with('/') || rest.is_empty() || rest.starts_with('/')),
        }
    }

    /// The target's escaped path with the listen path taken from its front, if it stands there.
    pub fn strip<'a>(&self, target: &'a Target) -> Cow<'a, str> {
        let Some(pattern) = &self.pattern else { return target.path_without(&self.text) };
        let found = pattern.find(&target.decoded_path()).map(|found| found.as_str().to_owned());
        found.map_or(Cow::Borrowed(target.path()), |prefix| target.path_without(&prefix))
    }

    /// The path (without escapes) below the listen path.
    pub fn below<'a>(&self, target: &'a Target) -> Cow<'a, str> {
        let path = self.strip(target);
        match unescape(&path, false) {
            Some(Cow::Owned(bytes)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            _ => path,
        }
    }
}

impl Host {
    /// Reads a host name or template.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.to_ascii_lowercase();
        if text.contains(['{', '}']) {
            return compile(&text, "(?i)^", "$", "[^.]+").map(Self::Pattern);
        }
        Ok(Self::Name(text))
    }

    /// Whether a host, without its port, is meant.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => name.eq_ignore_ascii_case(host),
            Self::Pattern(pattern) => pattern.is_match(host),
        }
    }
}

fn compile(template: &str, start: &str, end: &str, variable: &str) -> Result<Regex, PatternError> {
    let mut pattern = start.to_owned();
    let mut rest = template;
    while let Some(open) = rest.find(['{', '}']) {
        pattern.push_str(&regex::escape(&rest[..open]));
        let close = closing(&rest[open..]).ok_or_else(|| PatternError::Braces(template.to_owned()))?;
        let inner = &rest[open + 1..open + close];
        let expression = inner.split_once(':').map_or(variable, |(_, expression)| expression);
        pattern.push_str(&format!("(?:{expression})"));
        rest = &rest[open + close + 1..];
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push_str(end);
    Regex::new(&pattern)
        .map_err(|error| PatternError::Regex { template: template.to_owned(), reason: error.to_string() })
}

/// Where the brace closes that opens the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in text.bytes().enumerate() {
        depth += match byte {
            b'{' => 1,
            b'}' => -1,
            _ => 0,
        };
        if depth <= 0 {
            return (byte == b'}' && depth == 0).then_some(at);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(text: &str) -> ListenPath {
        ListenPath::parse(text).unwrap()
    }

    #[test]
    fn a_listen_path_is_a_raw_prefix_unless_routes_are_strict() {
        assert!(path("/foo/").matches("/foo/x", false) && !path("/foo/").matches("/foo", false));
        assert!(path("/foo").matches("/foobar", false) && !path("/foo").matches("/foobar", true));
        assert!(path("/foo").matches("/foo", true) && path("/foo").matches("/foo/x", true));
    }

    #[test]
    fn variables_match_a_segment_or_their_expression() {
        let tenant = path("/{tenant}/v{n:[0-9]{1,2}}/");
        assert!(tenant.matches("/a/v12/x", false) && !tenant.matches("/a/vx/", false));
        assert_eq!(tenant.strip(&Target::parse("/a/v1/x%2Fy").unwrap()), "/x%2Fy");
        assert_eq!(tenant.strip(&Target::parse("/elsewhere").unwrap()), "/elsewhere");
    }

    #[test]
    fn hosts_ignore_case() {
        assert!(Host::parse("API.test").unwrap().matches("api.TEST"));
        let any = Host::parse("{sub}.api.test").unwrap();
        assert!(any.matches("a.api.test") && !any.matches("a.b.api.test") && !any.matches("api.test"));
    }

    #[test]
    fn a_broken_template_is_refused() {
        assert_eq!(ListenPath::parse("/{a/").unwrap_err(), PatternError::Braces("/{a/".into()));
        assert!(ListenPath::parse("/a}/").is_err() && ListenPath::parse("/{a:(}/").is_err());
    }
}
