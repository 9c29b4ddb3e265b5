//! Evaluation: what an expression comes to over the tree, the caller and the query.
//!
//! What cannot be is a [`Failure`], which makes the rule false and which nothing in the expression can catch. Work is
//! counted, so that no expression and no data can hold up the server. Must not know: where rules stand, what follows
//! from their being true.

use super::Failure;
use super::code::{Arithmetic, Case, Code, Find, Op, Place, Plain, Relation, Sort, Truth, Way};
use super::query::{deep_child, query_member};
use super::trace::Trace;
use super::value::{Glance, Value};
use crate::query::Query;
use crate::tree::{Leaf, MOST_STRING_BYTES, Node, Priority};
use serde_json::{Map, Value as Claim};
use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;

/// One judgement may take so many steps: each part of an expression is one, whether or not it comes to that part, and so
/// are 16 bytes of text.
const MOST_STEPS: u64 = 20_000_000;
const BYTES_A_STEP: usize = 16;

/// What one judgement has cost so far, and what it has seen.
#[derive(Debug)]
pub(in super::super) struct Meter {
    left: Cell<u64>,
    saw_data: Cell<bool>,
}

impl Meter {
    pub(in super::super) fn new() -> Self {
        Self { left: Cell::new(MOST_STEPS), saw_data: Cell::new(false) }
    }

    /// Whether anything in the tree was looked at.
    pub(in super::super) fn saw_data(&self) -> bool {
        self.saw_data.get()
    }

    pub(in super::super) fn spend(&self, steps: u64) -> Result<(), Failure> {
        let left = self.left.get().checked_sub(steps).ok_or(Failure::Exhausted)?;
        self.left.set(left);
        Ok(())
    }

    #[inline]
    fn read(&self, bytes: usize) -> Result<(), Failure> {
        if bytes < BYTES_A_STEP { Ok(()) } else { self.spend((bytes / BYTES_A_STEP) as u64) }
    }
}

/// What an expression is evaluated over.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Facts<'e> {
    /// The members of `auth`; nothing if nobody is signed in.
    pub(in super::super) auth: Option<&'e Map<String, Claim>>,
    /// Milliseconds since the epoch.
    pub(in super::super) now: u64,
    /// What is asked for, if it is a query.
    pub(in super::super) query: Option<&'e Query>,
    /// The nodes from the root down to the rule's place, before a write. Never empty; those below the root are needed
    /// only if the expression [sees](super::Sees) them.
    pub(in super::super) before: &'e [&'e Node],
    /// The same after it.
    pub(in super::super) after: &'e [&'e Node],
    /// The keys that the wildcards above stand for, from the root down.
    pub(in super::super) wildcards: &'e [&'e str],
}

/// Whether an expression is true.
pub(super) fn holds(code: &Code, facts: Facts<'_>, meter: &Meter, trace: &impl Trace) -> Result<bool, Failure> {
    Evaluation { facts, meter, trace }.condition(code)
}

/// A place in a tree, from which one may go down and, where that was foreseen, up.
struct Spot<'e> {
    node: &'e Node,
    /// The nodes from the root down to where it began.
    trail: &'e [&'e Node],
    /// Those between there and the node itself, if they were to be remembered.
    below: Vec<&'e Node>,
}

struct Evaluation<'e, T> {
    facts: Facts<'e>,
    meter: &'e Meter,
    trace: &'e T,
}

impl<'e, T: Trace> Evaluation<'e, T> {
    fn condition(&self, code: &'e Code) -> Result<bool, Failure> {
        let Op::Truth(truth) = &code.op else { return self.value(code)?.into_bool() };
        let found = self.truth(truth);
        if T::LISTENS {
            self.trace.value(code.part, &found.map(Value::Bool));
        }
        found
    }

    fn text(&self, code: &'e Code) -> Result<Cow<'e, str>, Failure> {
        let text = match self.glance(code)? {
            Some(Glance::Text(text)) => Cow::Borrowed(text),
            Some(other) => Value::from(other).into_text()?,
            None => self.value(code)?.into_text()?,
        };
        self.meter.read(text.len())?;
        Ok(text)
    }

    /// Has `look` look at two values.
    #[inline]
    fn both<R>(
        &self,
        codes: &'e [Code; 2],
        look: impl FnOnce(Glance<'_>, Glance<'_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let [one, other] = codes;
        let look = |one: Glance<'_>, other: Glance<'_>| {
            self.meter.read(one.bytes().min(other.bytes()))?;
            look(one, other)
        };
        match (self.glance(one)?, self.glance(other)?) {
            (Some(one), Some(other)) => look(one, other),
            (Some(one), None) => look(one, Glance::from(&self.value(other)?)),
            (None, Some(other)) => look(Glance::from(&self.value(one)?), other),
            (None, None) => look(Glance::from(&self.value(one)?), Glance::from(&self.value(other)?)),
        }
    }

    /// The value, if nothing has to be made for it. Never if a trace listens, which wants to hear of every part.
    #[inline]
    fn glance(&self, code: &'e Code) -> Result<Option<Glance<'e>>, Failure> {
        if T::LISTENS {
            return Ok(None);
        }
        let glance = match &code.op {
            Op::Plain(plain) => self.plain(plain),
            Op::Auth => self.auth(),
            Op::Member(of, name) if matches!(of.op, Op::Auth) => self.auth().member(name),
            Op::Val(place) => Glance::of_leaf(self.node(place)?.as_leaf()),
            Op::Query(member) => match query_member(self.facts.query, *member) {
                Some(glance) => glance,
                None => return Ok(None),
            },
            Op::Truth(_)
            | Op::Member(..)
            | Op::Element(_)
            | Op::Priority(_)
            | Op::Length(_)
            | Op::Replace(_)
            | Op::Case(..)
            | Op::Negate(_)
            | Op::Arithmetic(..)
            | Op::Choice(_) => return Ok(None),
        };
        Ok(Some(glance))
    }

    #[inline]
    fn plain(&self, plain: &'e Plain) -> Glance<'e> {
        match plain {
            Plain::Null => Glance::Null,
            Plain::Bool(bool) => Glance::Bool(*bool),
            Plain::Number(number) => Glance::Number(*number),
            Plain::Text(text) => Glance::Text(text),
            #[expect(clippy::cast_precision_loss, reason = "exact for another 285,000 years")]
            Plain::Now => Glance::Number(self.facts.now as f64),
            Plain::Wildcard(place) => self.facts.wildcards.get(*place).map_or(Glance::Null, |key| Glance::Text(key)),
        }
    }

    #[inline]
    fn auth(&self) -> Glance<'e> {
        self.facts.auth.map_or(Glance::Null, Glance::Auth)
    }

    fn value(&self, code: &'e Code) -> Result<Value<'e>, Failure> {
        let found = self.operation(&code.op);
        self.trace.value(code.part, &found);
        found
    }

    fn operation(&self, op: &'e Op) -> Result<Value<'e>, Failure> {
        Ok(match op {
            Op::Plain(plain) => self.plain(plain).into(),
            Op::Truth(truth) => Value::Bool(self.truth(truth)?),
            Op::Auth => self.auth().into(),
            Op::Query(member) => query_member(self.facts.query, *member)
                .map_or_else(|| Value::Text(Cow::Owned(deep_child(self.facts.query).unwrap_or_default())), Value::from),
            Op::Member(of, name) => self.value(of)?.member(name),
            Op::Element(parts) => self.element(parts)?,
            Op::Val(place) => Value::of_leaf(self.node(place)?.as_leaf()),
            Op::Priority(place) => Value::of_leaf(self.node(place)?.priority().map(Priority::leaf)),
            #[expect(clippy::cast_precision_loss, reason = "texts are shorter than 2^53")]
            Op::Length(text) => Value::Number(self.text(text)?.encode_utf16().count() as f64),
            Op::Replace(texts) => Value::Text(self.replace(texts)?),
            Op::Case(case, text) => {
                let text = self.text(text)?;
                Value::Text(Cow::Owned(match case {
                    Case::Lower => text.to_lowercase(),
                    Case::Upper => text.to_uppercase(),
                }))
            }
            Op::Negate(of) => Value::Number(-self.value(of)?.into_number()?),
            Op::Arithmetic(arithmetic, parts) => self.arithmetic(*arithmetic, parts)?,
            Op::Choice(choice) => {
                let (condition, yes, no) = &**choice;
                self.value(if self.condition(condition)? { yes } else { no })?
            }
        })
    }

    fn truth(&self, truth: &'e Truth) -> Result<bool, Failure> {
        Ok(match truth {
            Truth::Not(of) => !self.condition(of)?,
            Truth::All(parts) => self.until(parts, false)?,
            Truth::Any(parts) => self.until(parts, true)?,
            Truth::Equal(parts) => self.equal(parts)?,
            Truth::Unequal(parts) => !self.equal(parts)?,
            Truth::Ordered(relation, parts) => self.ordered(*relation, parts)?,
            Truth::Exists(place) => !self.node(place)?.is_null(),
            Truth::Is(sort, place) => is(*sort, self.node(place)?.as_leaf()),
            Truth::HasChild(place, path) => {
                let node = self.node(place)?;
                !node.find(&self.text(path)?).is_null()
            }
            Truth::HasAnyChild(place) => !self.node(place)?.is_empty(),
            Truth::HasChildren(place, paths) => self.has_children(self.node(place)?, paths)?,
            Truth::Finds(find, texts) => {
                let [text, sought] = &**texts;
                let (text, sought) = (self.text(text)?, self.text(sought)?);
                match find {
                    Find::Anywhere => text.contains(&*sought),
                    Find::AtStart => text.starts_with(&*sought),
                    Find::AtEnd => text.ends_with(&*sought),
                }
            }
            Truth::Matches(matching) => {
                let (text, pattern) = &**matching;
                let text = self.text(text)?;
                // Looking for a pattern is slower than copying.
                self.meter.read(text.len() * BYTES_A_STEP)?;
                pattern.is_in(&text)
            }
        })
    }

    fn equal(&self, parts: &'e [Code; 2]) -> Result<bool, Failure> {
        self.both(parts, |one, other| Ok(one.equals(other)))
    }

    fn ordered(&self, relation: Relation, parts: &'e [Code; 2]) -> Result<bool, Failure> {
        self.both(parts, |one, other| Ok(one.order(other)?.is_some_and(|order| stands(order, relation))))
    }

    /// Evaluates one after the other until one is `decisive`.
    fn until(&self, parts: &'e [Code], decisive: bool) -> Result<bool, Failure> {
        for part in parts {
            if self.condition(part)? == decisive {
                return Ok(decisive);
            }
        }
        Ok(!decisive)
    }

    fn element(&self, parts: &'e [Code; 2]) -> Result<Value<'e>, Failure> {
        let [of, key] = parts;
        let (of, key) = (self.value(of)?, self.value(key)?);
        self.meter.read(of.bytes().min(key.bytes()))?;
        match key {
            Value::Text(name) => Ok(of.member(&name)),
            Value::Number(place) => Ok(of.element(place)),
            Value::Null | Value::Bool(_) | Value::Object(_) | Value::Auth(_) => Err(Failure::NotText),
        }
    }

    fn has_children(&self, node: &'e Node, paths: &'e [Code]) -> Result<bool, Failure> {
        let mut all = true;
        // All names are evaluated, whatever is there.
        for path in paths {
            all &= !node.find(&self.text(path)?).is_null();
        }
        Ok(all)
    }

    fn arithmetic(&self, arithmetic: Arithmetic, parts: &'e [Code; 2]) -> Result<Value<'e>, Failure> {
        let [left, right] = parts;
        let (left, right) = (self.value(left)?, self.value(right)?);
        if arithmetic == Arithmetic::Add {
            let bytes = left.bytes() + right.bytes();
            if bytes > MOST_STRING_BYTES {
                return Err(Failure::TooLong);
            }
            self.meter.read(bytes)?;
            return left.plus(right);
        }
        let (left, right) = (left.into_number()?, right.into_number()?);
        Ok(Value::Number(match arithmetic {
            Arithmetic::Add => left + right,
            Arithmetic::Subtract => left - right,
            Arithmetic::Multiply => left * right,
            // The service knows no infinity here.
            Arithmetic::Divide if right == 0.0 => f64::NAN,
            Arithmetic::Divide => left / right,
            Arithmetic::Remainder => left % right,
        }))
    }

    fn replace(&self, texts: &'e [Code; 3]) -> Result<Cow<'e, str>, Failure> {
        let [text, sought, with] = texts;
        let (text, sought, with) = (self.text(text)?, self.text(sought)?, self.text(with)?);
        let times = text.matches(&*sought).count();
        if times == 0 {
            return Ok(text);
        }
        if text.len().saturating_add(times.saturating_mul(with.len())) > MOST_STRING_BYTES {
            return Err(Failure::TooLong);
        }
        self.meter.read(text.len() + times * with.len())?;
        Ok(Cow::Owned(text.replace(&*sought, &with)))
    }

    /// The node at a place.
    fn node(&self, place: &'e Place) -> Result<&'e Node, Failure> {
        let Facts { before, after, .. } = self.facts;
        let node = match &place.way {
            Way::Root if !T::LISTENS => before.first(),
            Way::Data if !T::LISTENS => before.last(),
            Way::NewData if !T::LISTENS => after.last(),
            Way::Child { of, path, remembers: false } if !T::LISTENS => {
                let node = self.node(of)?;
                return Ok(node.find(&self.text(path)?));
            }
            // Whoever may go up again has to know the way, and a trace hears of every part of it.
            Way::Root | Way::Data | Way::NewData | Way::Child { .. } | Way::Parent(_) | Way::Choice(_) => {
                return self.spot(place).map(|spot| spot.node);
            }
        };
        self.meter.saw_data.set(true);
        node.copied().ok_or(Failure::NoParent)
    }

    fn spot(&self, place: &'e Place) -> Result<Spot<'e>, Failure> {
        self.meter.saw_data.set(true);
        let found = self.way(&place.way);
        self.trace.snapshot(place.part, found.as_ref().map(|spot| spot.node).map_err(|failure| *failure));
        found
    }

    #[inline]
    fn way(&self, way: &'e Way) -> Result<Spot<'e>, Failure> {
        let Facts { before, after, .. } = self.facts;
        match way {
            Way::Root => at_end(before.get(..1)),
            Way::Data => at_end(Some(before)),
            Way::NewData => at_end(Some(after)),
            Way::Child { of, path, remembers } => {
                let mut spot = self.spot(of)?;
                let path = self.text(path)?;
                if *remembers {
                    for key in path.split('/').filter(|key| !key.is_empty()) {
                        spot.below.push(spot.node);
                        spot.node = spot.node.child(key);
                    }
                } else {
                    spot.node = spot.node.find(&path);
                }
                Ok(spot)
            }
            Way::Parent(of) => {
                let mut spot = self.spot(of)?;
                if let Some(node) = spot.below.pop() {
                    spot.node = node;
                    return Ok(spot);
                }
                let (_, above) = spot.trail.split_last().ok_or(Failure::NoParent)?;
                at_end(Some(above))
            }
            Way::Choice(choice) => {
                let (condition, yes, no) = &**choice;
                self.spot(if self.condition(condition)? { yes } else { no })
            }
        }
    }
}

/// The place that a trail leads to.
fn at_end<'e>(trail: Option<&'e [&'e Node]>) -> Result<Spot<'e>, Failure> {
    let trail = trail.unwrap_or_default();
    let node = trail.last().ok_or(Failure::NoParent)?;
    Ok(Spot { node, trail, below: Vec::new() })
}

fn is(sort: Sort, leaf: Option<&Leaf>) -> bool {
    match leaf {
        None => false,
        Some(Leaf::Bool(_)) => sort == Sort::Bool,
        Some(Leaf::Int(_) | Leaf::Double(_)) => sort == Sort::Number,
        Some(Leaf::Text(_)) => sort == Sort::Text,
    }
}

fn stands(order: Ordering, relation: Relation) -> bool {
    match relation {
        Relation::Less => order.is_lt(),
        Relation::LessOrEqual => order.is_le(),
        Relation::Greater => order.is_gt(),
        Relation::GreaterOrEqual => order.is_ge(),
    }
}
