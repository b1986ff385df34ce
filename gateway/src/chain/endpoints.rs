//! Rules for single paths: the first whose path and method fit a request counts.

use regex::Regex;

use super::CompileError;
use crate::exchange::Exchange;
use crate::pattern::ListenPath;
use crate::pattern::endpoint::{self, Matching};

/// Rules of one kind.
#[derive(Debug)]
pub(super) struct Endpoints<T> {
    listen_path: ListenPath,
    matching: Matching,
    rules: Vec<Rule<T>>,
}

#[derive(Debug)]
struct Rule<T> {
    path: Regex,
    /// Any if empty.
    method: String,
    value: T,
}

/// Where a rule holds, and where it is written.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The JSON path of the rule.
    pub(super) written: &'a str,
    /// The path of requests.
    pub(super) path: &'a str,
    /// Their method; any if empty.
    pub(super) method: &'a str,
    /// Whether the path matches in any case.
    pub(super) ignore_case: bool,
}

impl<T> Endpoints<T> {
    /// No rules yet.
    pub(super) fn new(listen_path: &ListenPath, matching: Matching) -> Self {
        Self { listen_path: listen_path.clone(), matching, rules: Vec::new() }
    }

    /// One rule more, after the others.
    pub(super) fn add(&mut self, place: Place<'_>, value: T) -> Result<(), CompileError> {
        let matching = Matching { ignore_case: self.matching.ignore_case || place.ignore_case, ..self.matching };
        let path = endpoint::compile(place.path, matching).map_err(|error| CompileError {
            path: format!("{}.path", place.written),
            reason: format!("{error}: write an expression in the syntax of RE2"),
        })?;
        self.rules.push(Rule { path, method: place.method.to_ascii_uppercase(), value });
        Ok(())
    }

    /// Nothing, where there are no rules.
    pub(super) fn unless_empty(self) -> Option<Self> {
        (!self.rules.is_empty()).then_some(self)
    }

    /// All values.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.rules.iter().map(|rule| &rule.value)
    }

    /// The rule for a request as it stands now.
    pub(super) fn find(&self, exchange: &Exchange) -> Option<&T> {
        self.all(exchange).next()
    }

    /// The rules for a request as it stands now.
    pub(super) fn all<'r, 'e>(&'r self, exchange: &'e Exchange) -> impl Iterator<Item = &'r T> + use<'r, 'e, T> {
        let (target, method) = (&exchange.head.target, exchange.head.method.as_str());
        let whole = target.decoded_path();
        let below = self.listen_path.below(target);
        let unversioned = exchange.passage.version_in_path.map(|at| without_version(&below, at));
        let fits = move |path: &Regex| {
            unversioned.as_deref().is_some_and(|unversioned| path.is_match(unversioned))
                || path.is_match(&below)
                || path.is_match(&whole)
        };
        let rules = self.rules.iter().filter(move |rule| rule.method.is_empty() || rule.method == method);
        rules.filter(move |rule| fits(&rule.path)).map(|rule| &rule.value)
    }
}

/// The path behind its first segment.
pub(super) fn behind_first(path: &str) -> &str {
    let rest = path.strip_prefix('/').unwrap_or(path);
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// The path without the segment that begins there.
fn without_version(path: &str, at: usize) -> String {
    let (before, rest) = path.split_at_checked(at).unwrap_or(("", path));
    format!("{before}{}", behind_first(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_the_version_begins_with_a_slash() {
        for (path, rest) in [("/v1/a/b", "/a/b"), ("/v1", "/"), ("/v1/", "/"), ("/", "/")] {
            assert_eq!(behind_first(path), rest);
        }
        assert_eq!([without_version("/v1/a", 0), without_version("/shop/v1/a", 5)], ["/a", "/shop/a"]);
        assert_eq!(without_version("/v1/a", 9), "/a");
    }
}
