//! Paths of single endpoints as definitions write them: expressions in the syntax of RE2, in which
//! `{name}` and `*` stand for a segment and for the rest.

use regex::Regex;

use super::re2::{self, Re2Error};

/// How paths of endpoints match, beyond what each says itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Matching {
    /// They stand at the beginning.
    pub prefix: bool,
    /// They stand at the end.
    pub suffix: bool,
    /// Their case does not count.
    pub ignore_case: bool,
}

/// The expression of a path.
pub fn compile(path: &str, matching: Matching) -> Result<Regex, Re2Error> {
    let start = if matching.prefix && path.starts_with('/') { "^" } else { "" };
    let end = if matching.suffix { "$" } else { "" };
    let case = if matching.ignore_case { "(?i)" } else { "" };
    re2::compile(&format!("{case}{start}{}{end}", segments(path)))
}

/// Puts expressions in the place of names in braces and of stars.
fn segments(path: &str) -> String {
    let mut expression = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        expression.push_str(before);
        rest = match after.split_once('}') {
            // A number in braces repeats what stands before.
            Some((name, after)) if is_name(name) => {
                expression.push_str("([^/]+)");
                after
            }
            _ => {
                expression.push('{');
                after
            }
        };
    }
    expression.push_str(rest);
    expression.replace("/*/", "/[^/]+/").replace("/*", "/.*")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && !text.starts_with(|c: char| c.is_ascii_digit() || c == ',')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn matches(path: &str, matching: Matching, candidates: &[&str]) -> Vec<bool> {
        let pattern = compile(path, matching).unwrap();
        candidates.iter().map(|candidate| pattern.is_match(candidate)).collect()
    }

    #[test]
    fn a_path_matches_anywhere_unless_told_otherwise() {
        let candidates = ["/a", "/x/a", "/ab", "/A"];
        let plain = Matching::default();
        assert_eq!(matches("/a", plain, &candidates), [true, true, true, false]);
        assert_eq!(matches("/a", Matching { prefix: true, ..plain }, &candidates), [true, false, true, false]);
        assert_eq!(matches("/a", Matching { suffix: true, ..plain }, &candidates), [true, true, false, false]);
        assert_eq!(matches("/a", Matching { ignore_case: true, ..plain }, &candidates), [true; 4]);
    }

    #[test]
    fn names_and_stars_stand_for_segments() {
        let strict = Matching { prefix: true, suffix: true, ignore_case: false };
        assert_eq!(matches("/u/{id}/x", strict, &["/u/1/x", "/u/x", "/u/1/2/x"]), [true, false, false]);
        assert_eq!(matches("/u/*/x", strict, &["/u/1/x", "/u/1/2/x"]), [true, false]);
        assert_eq!(matches("/u/*", strict, &["/u/", "/u/1/2", "/u"]), [true, true, false]);
        assert_eq!(matches("/a{2}", strict, &["/aa", "/a2"]), [true, false]);
        assert!(compile("/(", strict).is_err());
    }
}
