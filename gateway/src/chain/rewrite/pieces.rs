//! The text of a new target: `$1` is the first group of the rule's pattern,
//! `$tyk_context.trigger-0-NAME-0` the first match that the first trigger found in NAME, and
//! `$tyk_context.trigger-0-NAME-0-1` the match's first group; other variables as everywhere.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::CompileError;
use crate::exchange::{Exchange, Scope, Template};

/// What a trigger found, by name: for each match the whole and its groups.
pub(super) type Groups = BTreeMap<String, Vec<Vec<String>>>;

#[expect(clippy::expect_used, reason = "the expression is a constant")]
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$(\d+)|\$tyk_context\.trigger-(\d+)-([A-Za-z0-9_.-]+?)-(\d+)(?:-(\d+))?\b")
        .expect("it is an expression")
});

/// A text, taken apart.
#[derive(Debug)]
pub(super) struct Pieces(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(Template),
    Group(usize),
    Trigger { number: usize, name: String, at: usize, group: usize },
}

/// What was found in a request.
pub(super) struct Found<'a> {
    /// By the rule's pattern.
    pub(super) groups: &'a Captures<'a>,
    /// By the trigger of this number.
    pub(super) trigger: Option<(usize, &'a Groups)>,
}

impl Pieces {
    /// Takes a text apart that stands at this JSON path.
    pub(super) fn compile(at: &str, text: &str, scope: Scope<'_>) -> Result<Self, CompileError> {
        let template = |text: &str| {
            let template = Template::parse(text, scope);
            template.map_err(|error| CompileError { path: at.to_owned(), reason: error.to_string() })
        };
        let (mut pieces, mut end) = (Vec::new(), 0);
        for found in REFERENCE.captures_iter(text) {
            let Some(whole) = found.get(0) else { continue };
            pieces.push(Piece::Text(template(&text[end..whole.start()])?));
            pieces.push(Piece::of(&found));
            end = whole.end();
        }
        pieces.push(Piece::Text(template(&text[end..])?));
        Ok(Self(pieces))
    }

    /// The texts with variables.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(template) => Some(template),
            Piece::Group(_) | Piece::Trigger { .. } => None,
        })
    }

    /// The text for a request; what was not found is empty.
    pub(super) fn expand(&self, exchange: &Exchange, found: &Found<'_>) -> String {
        self.0.iter().fold(String::new(), |mut text, piece| {
            match piece {
                Piece::Text(template) => text.push_str(&template.expand(exchange)),
                Piece::Group(group) => text.push_str(found.groups.get(*group).map_or("", |group| group.as_str())),
                Piece::Trigger { number, name, at, group } => {
                    text.push_str(found.by_trigger(*number, name, *at, *group));
                }
            }
            text
        })
    }
}

impl Piece {
    fn of(reference: &Captures<'_>) -> Self {
        let number = |at| reference.get(at).and_then(|number| number.as_str().parse().ok());
        match (number(1), number(2), reference.get(3), number(4)) {
            (_, Some(trigger), Some(name), Some(at)) => {
                Self::Trigger { number: trigger, name: name.as_str().to_owned(), at, group: number(5).unwrap_or(0) }
            }
            (group, ..) => Self::Group(group.unwrap_or(usize::MAX)),
        }
    }
}

impl Found<'_> {
    fn by_trigger(&self, number: usize, name: &str, at: usize, group: usize) -> &str {
        let matches = self.trigger.filter(|(found, _)| *found == number).and_then(|(_, groups)| groups.get(name));
        matches.and_then(|matches| matches.get(at)?.get(group)).map_or("", String::as_str)
    }
}
