//! A document as a flat list of nodes in the order of the document.

use std::ops::Range;

/// A document.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// The texts of all text nodes in order, so that the text of an element is a part of it.
    pub(super) text: String,
    /// Names, and the texts of attributes, comments and instructions.
    pub(super) aside: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Root,
    Element,
    Attribute,
    Text,
    Comment,
    Instruction,
}

pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) name: Span,
    pub(super) text: Span,
    pub(super) parent: Option<u32>,
    /// The sibling before it.
    pub(super) before: Option<u32>,
    /// The node after the last one inside it.
    pub(super) end: u32,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Tree {
    /// The node that is the document.
    pub(super) const ROOT: u32 = 0;

    pub(super) fn len(&self) -> u32 {
        self.node(Self::ROOT).end
    }

    pub(super) fn kind(&self, node: u32) -> Kind {
        self.node(node).kind
    }

    /// The local name; an instruction's is its target.
    pub(super) fn name(&self, node: u32) -> &str {
        slice(&self.aside, self.node(node).name)
    }

    /// The text: an element's is that of all text nodes inside it.
    pub(super) fn text(&self, node: u32) -> &str {
        let inside = matches!(self.kind(node), Kind::Root | Kind::Element | Kind::Text);
        slice(if inside { &self.text } else { &self.aside }, self.node(node).text)
    }

    pub(super) fn parent(&self, node: u32) -> Option<u32> {
        self.node(node).parent
    }

    pub(super) fn before(&self, node: u32) -> Option<u32> {
        self.node(node).before
    }

    /// The nodes inside a node, its attributes first.
    pub(super) fn inside(&self, node: u32) -> Range<u32> {
        node + 1..self.node(node).end
    }

    /// Every node number comes from this tree, so it is there.
    fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.start as usize..span.end as usize).unwrap_or_default()
}
