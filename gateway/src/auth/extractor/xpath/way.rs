//! The nodes along an axis, in its order: away from where it starts.

use std::ops::Range;

use super::Axis;
use super::tree::{Kind, Tree};

/// A walk along an axis. It may come to nodes that are not on the axis, so that all work is counted.
pub(super) struct Way<'t> {
    tree: &'t Tree,
    axis: Axis,
    from: u32,
    moves: Moves,
}

enum Moves {
    /// From sibling to sibling.
    Across(Range<u32>),
    /// To every node.
    Through(Range<u32>),
    /// To every node, the last first.
    Back(Range<u32>),
    /// To every node while it is an attribute.
    Attributes(Range<u32>),
    /// From sibling to the sibling before it.
    Before(Option<u32>),
    /// From parent to parent.
    Up(Option<u32>),
    /// To one node.
    Once(Option<u32>),
}

impl<'t> Way<'t> {
    pub(super) fn new(tree: &'t Tree, axis: Axis, from: u32) -> Self {
        let inside = tree.inside(from);
        let moves = match axis {
            Axis::Child => Moves::Across(inside),
            Axis::Descendant => Moves::Through(inside),
            Axis::DescendantOrSelf => Moves::Through(from..inside.end),
            Axis::Attribute => Moves::Attributes(inside),
            Axis::Following => Moves::Through(inside.end..tree.len()),
            Axis::FollowingSibling => Moves::Across(inside.end..siblings_end(tree, from)),
            Axis::Preceding => Moves::Back(Tree::ROOT..from),
            // The original's axis begins with the node itself, and positions on it count that.
            Axis::PrecedingSibling => Moves::Before(Some(from)),
            Axis::Parent => Moves::Once(tree.parent(from)),
            Axis::Itself => Moves::Once(Some(from)),
            Axis::Ancestor => Moves::Up(tree.parent(from)),
            Axis::AncestorOrSelf => Moves::Up(Some(from)),
        };
        Self { tree, axis, from, moves }
    }

    /// Whether a node that the walk came to is on its axis.
    pub(super) fn is_on_axis(&self, node: u32) -> bool {
        match self.axis {
            Axis::Attribute | Axis::Itself | Axis::AncestorOrSelf => true,
            _ if self.tree.kind(node) == Kind::Attribute => false,
            Axis::Preceding => !self.tree.inside(node).contains(&self.from),
            _ => true,
        }
    }
}

impl Iterator for Way<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let tree = self.tree;
        match &mut self.moves {
            Moves::Through(range) => range.next(),
            Moves::Back(range) => range.next_back(),
            Moves::Across(range) => {
                let node = range.next()?;
                range.start = tree.inside(node).end;
                Some(node)
            }
            Moves::Attributes(range) => range.next().filter(|node| tree.kind(*node) == Kind::Attribute),
            Moves::Before(next) => {
                let node = next.take()?;
                *next = tree.before(node);
                Some(node)
            }
            Moves::Up(next) => {
                let node = next.take()?;
                *next = tree.parent(node);
                Some(node)
            }
            Moves::Once(node) => node.take(),
        }
    }
}

/// Where the siblings after a node end; an attribute has none.
fn siblings_end(tree: &Tree, node: u32) -> u32 {
    match tree.parent(node) {
        Some(parent) if tree.kind(node) != Kind::Attribute => tree.inside(parent).end,
        _ => tree.inside(node).end,
    }
}
