//! Looks for the first node that a path leads to.

use super::tree::{Kind, Tree};
use super::way::Way;
use super::{Axis, Predicate, Step, Test};

/// The most steps of one search: nodes that are looked at, and pieces of text that are searched.
pub(super) const STEPS: u64 = 2_000_000;
/// Bytes of such a piece.
const PIECE: usize = 64;

/// The search was given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutOfSteps;

/// The first node that a path leads to, depth first.
pub(super) fn first(path: &[Step], tree: &Tree) -> Result<Option<u32>, OutOfSteps> {
    let mut found = None;
    Search { tree, left: STEPS }.any(path, Tree::ROOT, &mut |_, node| {
        found = Some(node);
        Ok(true)
    })?;
    Ok(found)
}

struct Search<'t> {
    tree: &'t Tree,
    left: u64,
}

/// Says whether a node is one that is looked for.
type Wanted<'w, 't> = &'w mut dyn FnMut(&mut Search<'t>, u32) -> Result<bool, OutOfSteps>;

impl<'t> Search<'t> {
    /// Whether a path leads from a node to a wanted one. The stack grows with the expression, not
    /// with the document.
    fn any(&mut self, path: &[Step], from: u32, wanted: Wanted<'_, 't>) -> Result<bool, OutOfSteps> {
        let Some((step, rest)) = path.split_first() else { return wanted(self, from) };
        let mut position = 0;
        let mut way = Way::new(self.tree, step.axis, from);
        while let Some(node) = way.next() {
            self.spend(1)?;
            if !way.is_on_axis(node) || !takes(self.tree, step, node) {
                continue;
            }
            position += 1;
            let fulfils = match &step.predicate {
                Some(predicate) => self.fulfils(predicate, node, position)?,
                None => true,
            };
            if fulfils && self.any(rest, node, wanted)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn fulfils(&mut self, predicate: &Predicate, node: u32, position: usize) -> Result<bool, OutOfSteps> {
        match predicate {
            Predicate::Position(wanted) => Ok(position == *wanted),
            Predicate::Exists(path) => self.leads_anywhere(path, node),
            Predicate::Not(path) => self.leads_anywhere(path, node).map(|somewhere| !somewhere),
            Predicate::Equals(path, text) => {
                self.any(path, node, &mut |search, found| Ok(search.tree.text(found) == text))
            }
            Predicate::Contains(path, text) => self.any(path, node, &mut |search, found| search.contains(found, text)),
            Predicate::All(parts) => self.one_is(false, parts, node, position).map(|broken| !broken),
            Predicate::Any(parts) => self.one_is(true, parts, node, position),
        }
    }

    fn leads_anywhere(&mut self, path: &[Step], from: u32) -> Result<bool, OutOfSteps> {
        self.any(path, from, &mut |_, _| Ok(true))
    }

    fn one_is(&mut self, so: bool, parts: &[Predicate], node: u32, position: usize) -> Result<bool, OutOfSteps> {
        for part in parts {
            if self.fulfils(part, node, position)? == so {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As in the original, comments and instructions contain nothing.
    fn contains(&mut self, node: u32, text: &str) -> Result<bool, OutOfSteps> {
        if matches!(self.tree.kind(node), Kind::Comment | Kind::Instruction) {
            return Ok(false);
        }
        let within = self.tree.text(node);
        self.spend((within.len() / PIECE) as u64)?;
        Ok(within.contains(text))
    }

    fn spend(&mut self, steps: u64) -> Result<(), OutOfSteps> {
        self.left = self.left.checked_sub(steps).ok_or(OutOfSteps)?;
        Ok(())
    }
}

/// Whether a step takes a node that its axis comes to.
fn takes(tree: &Tree, step: &Step, node: u32) -> bool {
    let kind = tree.kind(node);
    match &step.test {
        // Instructions have no part in it, but the original takes them by their target.
        Test::Name(name) => {
            matches!(kind, Kind::Element | Kind::Attribute | Kind::Instruction) && tree.name(node) == name
        }
        Test::AnyName if step.axis == Axis::Attribute => kind == Kind::Attribute,
        Test::AnyName => matches!(kind, Kind::Root | Kind::Element),
        Test::AnyNode => true,
        Test::Text => kind == Kind::Text,
        Test::Comment => kind == Kind::Comment,
        Test::Instruction(None) => kind == Kind::Instruction,
        Test::Instruction(Some(target)) => kind == Kind::Instruction && tree.name(node) == target,
    }
}
