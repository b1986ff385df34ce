//! Reads an expression.

use thiserror::Error;

use super::{Axis, Predicate, Step, Test};

/// The most parts of an expression: steps and conditions. So deep may reading and searching recurse.
const PARTS: usize = 128;

/// Why an expression cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{expression:?} is no XPath expression that id extractors know: {reason} at byte {at}")]
pub(in super::super) struct SyntaxError {
    /// The expression.
    expression: String,
    /// What is wrong with it.
    reason: &'static str,
    /// Where, from 0.
    at: usize,
}

/// The steps of a path from the top of a document.
pub(super) fn parse(expression: &str) -> Result<Vec<Step>, SyntaxError> {
    let mut parser = Parser { rest: expression, parts: 0 };
    parser.whole().map_err(|reason| SyntaxError {
        expression: expression.to_owned(),
        reason,
        at: expression.len() - parser.rest.len(),
    })
}

type Parsed<T> = Result<T, &'static str>;

struct Parser<'a> {
    rest: &'a str,
    parts: usize,
}

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Parsed<Vec<Step>> {
        // The document alone means its first element.
        if self.rest.trim() == "/" {
            return Ok(vec![Step { axis: Axis::Child, test: Test::AnyName, predicate: None }]);
        }
        let path = self.path()?;
        if self.rest.is_empty() { Ok(path) } else { Err("nothing more is expected") }
    }

    /// Steps. A slash in front changes nothing: a path starts where it stands, in predicates too.
    fn path(&mut self) -> Parsed<Vec<Step>> {
        let mut steps = Vec::new();
        self.slashes(&mut steps);
        loop {
            steps.push(self.step()?);
            if !self.slashes(&mut steps) {
                return Ok(steps);
            }
        }
    }

    /// Whether slashes come next; more than one lead to everything below.
    fn slashes(&mut self, steps: &mut Vec<Step>) -> bool {
        self.space();
        let after = self.rest.trim_start_matches('/');
        let count = self.rest.len() - after.len();
        self.rest = after;
        if count > 1 {
            steps.push(Step { axis: Axis::DescendantOrSelf, test: Test::AnyNode, predicate: None });
        }
        self.space();
        count > 0
    }

    fn step(&mut self) -> Parsed<Step> {
        self.count()?;
        let (axis, test) = self.axis_and_test()?;
        let predicate = self.predicate()?;
        Ok(Step { axis, test, predicate })
    }

    fn axis_and_test(&mut self) -> Parsed<(Axis, Test)> {
        if self.eat("@") {
            return Ok((Axis::Attribute, self.test(Axis::Attribute)?));
        }
        if self.eat("*") {
            return Ok((Axis::Child, Test::AnyName));
        }
        match self.name()? {
            "." => Ok((Axis::Itself, Test::AnyNode)),
            ".." => Ok((Axis::Parent, Test::AnyNode)),
            name if self.eat("::") => {
                let axis = axis(name).ok_or("an axis with another name is expected")?;
                Ok((axis, self.test(axis)?))
            }
            name => Ok((Axis::Child, self.named_test(name, Axis::Child)?)),
        }
    }

    fn test(&mut self, axis: Axis) -> Parsed<Test> {
        self.space();
        if self.eat("*") {
            return Ok(Test::AnyName);
        }
        let name = self.name()?;
        self.named_test(name, axis)
    }

    fn named_test(&mut self, name: &str, axis: Axis) -> Parsed<Test> {
        if !self.eat("(") {
            return Ok(Test::Name(name.to_owned()));
        }
        self.space();
        let test = match name {
            _ if axis == Axis::Attribute => return Err("an attribute is meant by its name only"),
            "node" => Test::AnyNode,
            "text" => Test::Text,
            "comment" => Test::Comment,
            "processing-instruction" => Test::Instruction(self.literal()?),
            _ => return Err("node(), text(), comment() or processing-instruction() is expected"),
        };
        self.expect(")", "a closing parenthesis is expected")?;
        Ok(test)
    }

    fn predicate(&mut self) -> Parsed<Option<Predicate>> {
        self.space();
        if !self.eat("[") {
            return Ok(None);
        }
        let predicate = self.either()?;
        self.expect("]", "a closing bracket is expected")?;
        self.space();
        if self.rest.starts_with('[') {
            Err("a step takes one predicate: join them with and")
        } else {
            Ok(Some(predicate))
        }
    }

    fn either(&mut self) -> Parsed<Predicate> {
        self.joined("or", Self::both, Predicate::Any)
    }

    fn both(&mut self) -> Parsed<Predicate> {
        self.joined("and", Self::condition, Predicate::All)
    }

    fn joined(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Parsed<Predicate>,
        join: fn(Vec<Predicate>) -> Predicate,
    ) -> Parsed<Predicate> {
        let mut parts = vec![part(self)?];
        while self.word(word) {
            parts.push(part(self)?);
        }
        Ok(match <[Predicate; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => join(parts),
        })
    }

    fn condition(&mut self) -> Parsed<Predicate> {
        self.count()?;
        self.space();
        if self.eat("(") {
            return self.parenthesised();
        }
        if self.call("not") {
            return self.not();
        }
        if self.call("contains") {
            return self.contains();
        }
        if let Some(position) = self.position()? {
            return Ok(Predicate::Position(position));
        }
        let path = self.path()?;
        Ok(if self.eat("=") { Predicate::Equals(path, self.text()?) } else { Predicate::Exists(path) })
    }

    fn parenthesised(&mut self) -> Parsed<Predicate> {
        let inner = self.either()?;
        self.expect(")", "a closing parenthesis is expected")?;
        Ok(inner)
    }

    fn not(&mut self) -> Parsed<Predicate> {
        let path = self.path()?;
        self.expect(")", "a closing parenthesis after a path is expected")?;
        Ok(Predicate::Not(path))
    }

    fn contains(&mut self) -> Parsed<Predicate> {
        let path = self.path()?;
        self.expect(",", "a comma is expected")?;
        let text = self.text()?;
        self.expect(")", "a closing parenthesis is expected")?;
        Ok(Predicate::Contains(path, text))
    }

    fn position(&mut self) -> Parsed<Option<usize>> {
        let digits = self.name_length();
        if digits == 0 || !self.rest.bytes().take(digits).all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        // No document has as many nodes as a number that does not fit.
        match self.name()?.parse().unwrap_or(usize::MAX) {
            0 => Err("positions begin at 1"),
            position => Ok(Some(position)),
        }
    }

    fn text(&mut self) -> Parsed<String> {
        self.space();
        self.literal()?.ok_or("a quoted text is expected")
    }

    /// A text in either kind of quotes, if one comes next.
    fn literal(&mut self) -> Parsed<Option<String>> {
        let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) else { return Ok(None) };
        let (text, rest) = self.rest[1..].split_once(quote).ok_or("a text is not closed")?;
        self.rest = rest;
        Ok(Some(text.to_owned()))
    }

    fn name(&mut self) -> Parsed<&'a str> {
        let (name, rest) = self.rest.split_at(self.name_length());
        if name.is_empty() {
            return Err("a step is expected");
        }
        if rest.starts_with(':') && !rest.starts_with("::") {
            return Err("prefixes do not count: write the name without it");
        }
        self.rest = rest;
        self.space();
        Ok(name)
    }

    fn name_length(&self) -> usize {
        self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len())
    }

    /// Takes a function's name with its parenthesis.
    fn call(&mut self, name: &str) -> bool {
        let inside = self.rest.strip_prefix(name).and_then(|rest| rest.trim_start().strip_prefix('('));
        self.rest = inside.unwrap_or(self.rest);
        inside.is_some()
    }

    /// Takes a word that stands alone.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let after = self.rest.strip_prefix(word).filter(|rest| !rest.starts_with(is_name));
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn expect(&mut self, token: &str, otherwise: &'static str) -> Parsed<()> {
        self.space();
        if self.eat(token) { Ok(()) } else { Err(otherwise) }
    }

    fn eat(&mut self, token: &str) -> bool {
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn count(&mut self) -> Parsed<()> {
        self.parts += 1;
        if self.parts > PARTS { Err("the expression has too many parts") } else { Ok(()) }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn axis(name: &str) -> Option<Axis> {
    Some(match name {
        "ancestor" => Axis::Ancestor,
        "ancestor-or-self" => Axis::AncestorOrSelf,
        "attribute" => Axis::Attribute,
        "child" => Axis::Child,
        "descendant" => Axis::Descendant,
        "descendant-or-self" => Axis::DescendantOrSelf,
        "following" => Axis::Following,
        "following-sibling" => Axis::FollowingSibling,
        "parent" => Axis::Parent,
        "preceding" => Axis::Preceding,
        "preceding-sibling" => Axis::PrecedingSibling,
        "self" => Axis::Itself,
        _ => return None,
    })
}
