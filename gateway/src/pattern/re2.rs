//! Regular expressions as Go reads them (RE2), run by the `regex` crate.
//!
//! Both take linear time and agree on most of the syntax. Where they differ, the expression is
//! written anew: `\d`, `\w`, `\s` and `\b` are ASCII, `\s` has no vertical tab, `\Q..\E` quotes,
//! octal escapes count, and `&&`, `--`, `~~` or `[` in a class are plain characters. What Go
//! refuses is refused here, too: doubled repetitions, more than 1000 of them, the flag `x`.
//! `\B` alone is refused although Go knows it: the crate has no form of it for ASCII words.

mod translate;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// Bytes that a compiled expression may take.
const SIZE: usize = 8 << 20;
/// Bytes of working memory that one run of an expression may keep.
const CACHE: usize = 2 << 20;

/// Why an expression cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{pattern:?} is no regular expression of RE2: {reason}")]
pub struct Re2Error {
    /// The expression.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Compiles an expression.
pub fn compile(pattern: &str) -> Result<Regex, Re2Error> {
    let refused = |reason| Re2Error { pattern: pattern.to_owned(), reason };
    let translated = translate::translate(pattern).map_err(|fault| refused(fault.to_string()))?;
    RegexBuilder::new(&translated)
        .size_limit(SIZE)
        .dfa_size_limit(CACHE)
        .build()
        .map_err(|error| refused(reason(&error)))
}

/// The last line of a message that draws the expression above it.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn all<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
        compile(pattern).unwrap().find_iter(text).map(|found| found.as_str()).collect()
    }

    #[test]
    fn expressions_match_what_they_match_in_go() {
        for (pattern, text, expected) in [
            (r"\d+", "١٢ 34", &["34"][..]),
            (r"\w+", "naïve", &["na", "ve"]),
            (r"\W", "aé", &["é"]),
            (r"\s", "\u{b}\u{a0} ", &[" "]),
            (r"\S", "\u{b} ", &["\u{b}"]),
            (r"\bve\b", "naïve", &["ve"]),
            (r"[\d\s]+", "a1 ٣", &["1 "]),
            (r"[^\D]", "a1", &["1"]),
            (r"\Qa.b*\E+", "a.b** aXb", &["a.b**"]),
            (r"\Q+", "a+", &["+"]),
            (r"\101\x42\x{43}\07", "ABC\u{7}", &["ABC\u{7}"]),
            (r"[a&&b]+", "a&b", &["a&b"]),
            (r"[+--c]+", "+,-.c", &["+,-", "c"]),
            (r"[a~~b]+", "a~b", &["a~b"]),
            (r"[[a]+", "[a", &["[a"]),
            (r"[]a]+", "]a", &["]a"]),
            (r"[^]a]", "]ab", &["b"]),
            (r"[a-]+", "a-b", &["a-"]),
            (r"[\d-z]+", "1-zy", &["1-z"]),
            (r"[[:alpha:]_]+", "aé_", &["a", "_"]),
            (r"[[:^alpha:]]", "a1", &["1"]),
            (r"[[:word]+", "w:[", &["w:["]),
            (r"\p{Greek}\pN", "α1", &["α1"]),
            (r"[\p{^Greek}]\P{^Greek}", "aα", &["aα"]),
            (r"a{,2}", "aa a{,2}", &["a{,2}"]),
            (r"a{01}", "a a{01}", &["a{01}"]),
            (r"a{ 1 }", "a a{ 1 }", &["a{ 1 }"]),
            (r"{a}", "{a}", &["{a}"]),
            (r"\<a\>", "<a>", &["<a>"]),
            (r"\_\#\ ", "_# ", &["_# "]),
            (r"(?P<x>a)(?<y>b)(?i:C)(?s-m:.)", "abc\n", &["abc\n"]),
            (r"a # b", "a # b", &["a # b"]),
            (r"a+?", "aa", &["a", "a"]),
            (r"(?U)a+", "aa", &["a", "a"]),
            (r"a*", "baaac", &["", "aaa", ""]),
            (r"a$", "a\n", &[]),
            (r"(?i)K", "\u{212a}", &["\u{212a}"]),
            ("", "", &[""]),
        ] {
            assert_eq!(all(pattern, text), expected, "{pattern}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            r"\C",
            r"\Z",
            r"\G",
            r"\E",
            r"\u0041",
            r"\q",
            r"\8",
            r"\1",
            r"\x",
            r"\x4",
            r"\x{}",
            r"\x{110000}",
            r"\xg0",
            r"\x+41",
            r"\x{+41}",
            r"\",
            r"(?x)a b",
            r"(?u)a",
            r"(?R)a",
            r"(?=a)",
            r"(?!a)",
            r"(?<=a)",
            r"(?",
            r"a**",
            r"a+*",
            r"a{2}{3}",
            r"a???",
            r"a{1001}",
            r"a{2,1}",
            r"a{1,1001}",
            r"a{99999999999}",
            r"*",
            r"a|*",
            r"(a",
            r"a)",
            r"[a",
            r"[",
            r"[]",
            r"[b-a]",
            r"[a--c]",
            r"[a-\d]",
            r"[[:nope:]]",
            r"[\Qa\E]",
            r"[\b]",
            r"\p{Nope}",
            r"\p",
            r"\p{",
            r"[\p]",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn an_error_names_the_expression_in_one_line() {
        let error = compile("(a").unwrap_err().to_string();
        assert_eq!(error, r#""(a" is no regular expression of RE2: unclosed group"#);
        assert!(compile(r"\B").unwrap_err().reason.contains(r"\B"));
    }

    #[test]
    fn an_expression_cannot_eat_memory() {
        assert!(compile(r"((\pL{1000}){1000}){1000}").is_err());
        assert!(compile(&"(".repeat(10_000)).is_err());
        assert!(compile(r"[^/]{1,1000}").is_ok());
    }
}
