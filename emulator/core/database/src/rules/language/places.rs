//! Snapshots: the nodes that an expression looks at, and the ways there.
//!
//! Must not know: what is asked of them.

use super::Failure;
use super::code::{Below, Keys, Op, Place, Start};
use super::evaluate::{Evaluation, Facts};
use super::made::Joined;
use super::trace::Trace;
use crate::tree::Node;

/// A place in a tree, from which one may go down and, where that was foreseen, up.
struct Spot<'e> {
    node: &'e Node,
    /// The nodes from the root down to where it began.
    trail: &'e [&'e Node],
    /// Those between there and the node itself, if they were to be remembered.
    below: Vec<&'e Node>,
}

impl<'e, T: Trace> Evaluation<'e, T> {
    /// The node at a place.
    #[inline(always)]
    pub(super) fn node(&self, place: &'e Place) -> Result<&'e Node, Failure> {
        if T::LISTENS || !place.steps.is_empty() {
            return self.far(place);
        }
        let node = match &place.start {
            Start::Root => self.facts.before.first(),
            Start::Data => self.facts.before.last(),
            Start::NewData => self.facts.after.last(),
            Start::Parent(_) | Start::Choice(_) => return self.far(place),
        };
        self.meter.see_data();
        node.copied().ok_or(Failure::NoParent)
    }

    /// The node at a place to which one has to go.
    #[inline(never)]
    fn far(&self, place: &'e Place) -> Result<&'e Node, Failure> {
        let Facts { before, after, .. } = *self.facts;
        let start = match &place.start {
            Start::Root => before.first(),
            Start::Data => before.last(),
            Start::NewData => after.last(),
            Start::Parent(_) | Start::Choice(_) => None,
        };
        match start {
            // Who may go up again has to know the way, and a trace hears of every part of it.
            Some(node) if !T::LISTENS && !place.remembers => self.down(node, place),
            Some(_) | None => self.spot(place).map(|spot| spot.node),
        }
    }

    #[inline]
    fn down(&self, mut node: &'e Node, place: &'e Place) -> Result<&'e Node, Failure> {
        self.meter.see_data();
        for step in &place.steps {
            node = self.below(node, &step.to)?;
        }
        Ok(node)
    }

    /// The node at a path below another one.
    pub(super) fn below(&self, node: &'e Node, path: &'e Below) -> Result<&'e Node, Failure> {
        match &path.keys {
            Keys::Literal(keys, bytes) if !T::LISTENS => {
                self.meter.read(*bytes)?;
                Ok(keys.iter().fold(node, |node, key| node.child(key)))
            }
            Keys::Wildcard(place) if !T::LISTENS => {
                let key = self.facts.wildcards.get(*place).ok_or(Failure::NotText)?;
                self.meter.read(key.len())?;
                Ok(node.child(key))
            }
            Keys::Joined if !T::LISTENS => self.below_joined(node, path),
            Keys::Literal(..) | Keys::Wildcard(_) | Keys::Joined | Keys::Computed => {
                Ok(node.find(self.text(&path.path)?))
            }
        }
    }

    #[inline(never)]
    fn below_joined(&self, node: &'e Node, path: &'e Below) -> Result<&'e Node, Failure> {
        let Op::Join(parts) = &path.path.op else { return Err(Failure::NotText) };
        let mut joined = Joined::default();
        self.join(parts, &mut joined)?;
        self.meter.read(joined.as_str().len())?;
        Ok(node.find(joined.as_str()))
    }

    #[inline(never)]
    fn spot(&self, place: &'e Place) -> Result<Spot<'e>, Failure> {
        self.meter.see_data();
        let told = |part, found: &Result<Spot<'e>, Failure>| {
            self.trace.snapshot(part, found.as_ref().map(|spot| spot.node).map_err(|failure| *failure));
        };
        let mut found = self.start(&place.start);
        told(place.start_part(), &found);
        for step in &place.steps {
            found = found.and_then(|spot| self.child(spot, &step.to, place.remembers));
            told(step.part, &found);
        }
        found
    }

    fn start(&self, start: &'e Start) -> Result<Spot<'e>, Failure> {
        let Facts { before, after, .. } = *self.facts;
        match start {
            Start::Root => at_end(before.get(..1)),
            Start::Data => at_end(Some(before)),
            Start::NewData => at_end(Some(after)),
            Start::Parent(of) => {
                let mut spot = self.spot(of)?;
                if let Some(node) = spot.below.pop() {
                    spot.node = node;
                    return Ok(spot);
                }
                let (_, above) = spot.trail.split_last().ok_or(Failure::NoParent)?;
                at_end(Some(above))
            }
            Start::Choice(choice) => {
                let (condition, yes, no) = &**choice;
                self.spot(if self.condition_of(condition)? { yes } else { no })
            }
        }
    }

    fn child(&self, mut spot: Spot<'e>, path: &'e Below, remembers: bool) -> Result<Spot<'e>, Failure> {
        if !remembers {
            spot.node = self.below(spot.node, path)?;
            return Ok(spot);
        }
        for key in self.text(&path.path)?.split('/').filter(|key| !key.is_empty()) {
            spot.below.push(spot.node);
            spot.node = spot.node.child(key);
        }
        Ok(spot)
    }
}

/// The place that a trail leads to.
fn at_end<'e>(trail: Option<&'e [&'e Node]>) -> Result<Spot<'e>, Failure> {
    let trail = trail.unwrap_or_default();
    let node = trail.last().ok_or(Failure::NoParent)?;
    Ok(Spot { node, trail, below: Vec::new() })
}
