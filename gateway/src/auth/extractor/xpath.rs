//! XPath as far as id extractors know it: a path of steps, and one predicate at each.
//!
//! Every axis but `namespace` (`child::`, `@`, `..`, `//` and so on); names, `*`, `node()`, `text()`,
//! `comment()`, `processing-instruction('target')`; predicates `[2]`, `[path]`, `[path='text']`,
//! `[contains(path,'text')]` and `[not(path)]`, joined by `and`, `or` and parentheses. Names are local
//! names: prefixes and namespaces do not count.
//!
//! Documents are XML as Go's decoder takes it: text, comments and several elements may stand at the
//! top, and prefixes need no declaration. The answer is the text of the first match.
//!
//! A document has at most 10 MiB, 200,000 nodes and 1,000 levels, and a search takes at most
//! 2,000,000 steps; an expression has at most 128 parts. Beyond that nothing is found.

mod eval;
mod parse;
mod read;
mod tree;
mod way;

use thiserror::Error;

use self::parse::SyntaxError;
pub use self::read::XmlError;

/// A compiled expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct XPath {
    steps: Vec<Step>,
}

/// Why an expression found no text.
#[derive(Debug, Error)]
pub enum XPathError {
    /// The document cannot be read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Nothing in the document is meant.
    #[error("the XPath expression matches nothing")]
    NoMatch,
    /// The search was given up.
    #[error("the XPath expression takes more than {} steps in this document", eval::STEPS)]
    TooMuchWork,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    axis: Axis,
    test: Test,
    predicate: Option<Predicate>,
}

/// Where a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Parent,
    Preceding,
    PrecedingSibling,
    Itself,
}

/// What a step takes of the nodes it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Name(String),
    AnyName,
    AnyNode,
    Text,
    Comment,
    Instruction(Option<String>),
}

/// What a node must fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Predicate {
    /// To be the one with this number, from 1, that the step took.
    Position(usize),
    Exists(Vec<Step>),
    Equals(Vec<Step>, String),
    Contains(Vec<Step>, String),
    Not(Vec<Step>),
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
}

impl XPath {
    /// Compiles an expression.
    pub(super) fn compile(expression: &str) -> Result<Self, SyntaxError> {
        parse::parse(expression).map(|steps| Self { steps })
    }

    /// The text of the first match in a document.
    pub(super) fn find(&self, document: &[u8]) -> Result<String, XPathError> {
        let tree = read::read(document)?;
        let found = eval::first(&self.steps, &tree).map_err(|eval::OutOfSteps| XPathError::TooMuchWork)?;
        found.map(|node| tree.text(node).to_owned()).ok_or(XPathError::NoMatch)
    }
}

#[cfg(test)]
mod tests;
