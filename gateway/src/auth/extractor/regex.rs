//! Takes one of a regular expression's matches.

use std::ops::Range;

use ::regex::Regex;

use super::Flaw;
use crate::definition::ExtractorConfig;
use crate::pattern::re2;

/// A regular expression, and which of its matches counts: the whole match, never a group of it.
#[derive(Debug)]
pub(super) struct RegexRule {
    pattern: Regex,
    index: usize,
}

impl RegexRule {
    pub(super) fn compile(config: &ExtractorConfig) -> Result<Self, Flaw> {
        let flaw = |reason: String| Flaw { key: "regex_expression", reason };
        if config.regex_expression.is_empty() {
            return Err(flaw("it is empty: write an expression that matches the id".to_owned()));
        }
        let pattern = re2::compile(&config.regex_expression).map_err(|error| flaw(error.to_string()))?;
        // An index out of range is one that no text has.
        Ok(Self { pattern, index: usize::try_from(config.regex_match_index).unwrap_or(usize::MAX) })
    }

    /// Where the match is.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<Range<usize>> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.find_in(text),
            Err(_) => {
                let (text, replaced) = replaced(bytes);
                let found = self.find_in(&text)?;
                Some(before(found.start, &replaced)..before(found.end, &replaced))
            }
        }
    }

    fn find_in(&self, text: &str) -> Option<Range<usize>> {
        self.pattern.find_iter(text).nth(self.index).map(|found| found.range())
    }
}

/// Bytes as Go's matcher sees them, each that is not UTF-8 as U+FFFD, and where those stand.
fn replaced(bytes: &[u8]) -> (String, Vec<usize>) {
    let (mut text, mut replaced) = (String::with_capacity(bytes.len()), Vec::new());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for _ in chunk.invalid() {
            replaced.push(text.len());
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (text, replaced)
}

/// The place in the bytes that a place in the text had before bytes were replaced.
fn before(at: usize, replaced: &[usize]) -> usize {
    let longer = char::REPLACEMENT_CHARACTER.len_utf8() - 1;
    at - longer * replaced.partition_point(|start| *start < at)
}
