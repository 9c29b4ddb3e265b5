//! Evaluation: what an expression comes to over the tree, the caller and the query.
//!
//! What cannot be is a [`Failure`], which makes the rule false and which nothing in the expression can catch. Work is
//! counted, so that no expression and no data can hold up the server. Must not know: where rules stand, what follows
//! from their being true.

use super::Failure;
use super::code::{Arithmetic, Case, Code, Find, Op, Place, QueryMember, Relation, Sort, Way};
use super::trace::Trace;
use super::value::Value;
use crate::query::{Bound, BoundKey, Limit, Order, Query};
use crate::tree::{Leaf, MOST_STRING_BYTES, Node, Priority};
use serde_json::{Map, Value as Claim};
use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;

/// One judgement may take so many steps: each part of an expression is one, and so are 16 bytes of text.
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

    fn read(&self, bytes: usize) -> Result<(), Failure> {
        self.spend((bytes / BYTES_A_STEP) as u64)
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
    /// The nodes from the root down to the rule's place, before a write. Not empty.
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
        self.value(code)?.into_bool()
    }

    fn text(&self, code: &'e Code) -> Result<Cow<'e, str>, Failure> {
        let text = self.value(code)?.into_text()?;
        self.meter.read(text.len())?;
        Ok(text)
    }

    fn pair(&self, codes: &'e [Code; 2]) -> Result<(Value<'e>, Value<'e>), Failure> {
        let [one, other] = codes;
        let pair = (self.value(one)?, self.value(other)?);
        self.meter.read(pair.0.bytes().min(pair.1.bytes()))?;
        Ok(pair)
    }

    fn value(&self, code: &'e Code) -> Result<Value<'e>, Failure> {
        self.meter.spend(1)?;
        let found = self.operation(&code.op);
        self.trace.value(code.part, &found);
        found
    }

    #[inline]
    fn operation(&self, op: &'e Op) -> Result<Value<'e>, Failure> {
        Ok(match op {
            Op::Null => Value::Null,
            Op::Bool(bool) => Value::Bool(*bool),
            Op::Number(number) => Value::Number(*number),
            Op::Text(text) => Value::text(text),
            Op::Auth => self.facts.auth.map_or(Value::Null, Value::Auth),
            #[expect(clippy::cast_precision_loss, reason = "exact for another 285,000 years")]
            Op::Now => Value::Number(self.facts.now as f64),
            Op::Wildcard(place) => self.facts.wildcards.get(*place).map_or(Value::Null, |key| Value::text(key)),
            Op::Query(member) => query_member(self.facts.query, *member),
            Op::Member(of, name) => self.value(of)?.member(name),
            Op::Element(parts) => self.element(parts)?,
            Op::Val(place) => Value::of_leaf(self.spot(place)?.node.as_leaf()),
            Op::Priority(place) => Value::of_leaf(self.spot(place)?.node.priority().map(Priority::leaf)),
            Op::Exists(place) => Value::Bool(!self.spot(place)?.node.is_null()),
            Op::Is(sort, place) => Value::Bool(is(*sort, self.spot(place)?.node.as_leaf())),
            Op::HasChild(place, path) => {
                let node = self.spot(place)?.node;
                Value::Bool(!node.find(&self.text(path)?).is_null())
            }
            Op::HasAnyChild(place) => Value::Bool(!self.spot(place)?.node.is_empty()),
            Op::HasChildren(place, paths) => Value::Bool(self.has_children(self.spot(place)?.node, paths)?),
            #[expect(clippy::cast_precision_loss, reason = "texts are shorter than 2^53")]
            Op::Length(text) => Value::Number(self.text(text)?.encode_utf16().count() as f64),
            Op::Finds(find, texts) => {
                let [text, sought] = &**texts;
                let (text, sought) = (self.text(text)?, self.text(sought)?);
                Value::Bool(match find {
                    Find::Anywhere => text.contains(&*sought),
                    Find::AtStart => text.starts_with(&*sought),
                    Find::AtEnd => text.ends_with(&*sought),
                })
            }
            Op::Replace(texts) => Value::Text(self.replace(texts)?),
            Op::Case(case, text) => {
                let text = self.text(text)?;
                Value::Text(Cow::Owned(match case {
                    Case::Lower => text.to_lowercase(),
                    Case::Upper => text.to_uppercase(),
                }))
            }
            Op::Matches(matching) => {
                let (text, pattern) = &**matching;
                let text = self.text(text)?;
                // Looking for a pattern is slower than copying.
                self.meter.read(text.len() * BYTES_A_STEP)?;
                Value::Bool(pattern.is_in(&text))
            }
            Op::Not(of) => Value::Bool(!self.condition(of)?),
            Op::Negate(of) => Value::Number(-self.value(of)?.into_number()?),
            Op::All(parts) => Value::Bool(self.until(parts, false)?),
            Op::Any(parts) => Value::Bool(self.until(parts, true)?),
            Op::Equal(parts) => {
                let (one, other) = self.pair(parts)?;
                Value::Bool(one.equals(&other))
            }
            Op::Unequal(parts) => {
                let (one, other) = self.pair(parts)?;
                Value::Bool(!one.equals(&other))
            }
            Op::Ordered(relation, parts) => {
                let (one, other) = self.pair(parts)?;
                Value::Bool(one.order(&other)?.is_some_and(|order| stands(order, *relation)))
            }
            Op::Arithmetic(arithmetic, parts) => self.arithmetic(*arithmetic, parts)?,
            Op::Choice(choice) => {
                let (condition, yes, no) = &**choice;
                self.value(if self.condition(condition)? { yes } else { no })?
            }
        })
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
        let (of, key) = self.pair(parts)?;
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

    fn spot(&self, place: &'e Place) -> Result<Spot<'e>, Failure> {
        self.meter.spend(1)?;
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

/// A member of `query`. Without a query the order is that of keys.
fn query_member(query: Option<&Query>, member: QueryMember) -> Value<'_> {
    // Who asks for all of a node, in no order, has no query.
    let query = query.filter(|query| **query != Query::default());
    let ordered = |is: fn(&Order) -> bool| Value::Bool(query.is_some_and(|query| is(&query.order)));
    match member {
        QueryMember::OrderByKey => Value::Bool(query.is_none_or(|query| query.order == Order::Key)),
        QueryMember::OrderByPriority => ordered(|order| *order == Order::Priority),
        QueryMember::OrderByValue => ordered(|order| *order == Order::Value),
        QueryMember::OrderByChild => match query.map(|query| &query.order) {
            Some(Order::Child(path)) => match path.keys() {
                [key] => Value::text(key.as_str()),
                _ => Value::Text(Cow::Owned(path.to_string().trim_start_matches('/').to_owned())),
            },
            Some(Order::Key | Order::Priority | Order::Value) | None => Value::Null,
        },
        QueryMember::StartAt => at(query.and_then(|query| query.start.as_ref())),
        QueryMember::EndAt => at(query.and_then(|query| query.end.as_ref())),
        QueryMember::EqualTo => query.map_or(Value::Null, equal_to),
        QueryMember::LimitToFirst => match query.and_then(|query| query.limit) {
            Some(Limit::First(most)) => count(most),
            Some(Limit::Last(_)) | None => Value::Null,
        },
        QueryMember::LimitToLast => match query.and_then(|query| query.limit) {
            Some(Limit::Last(most)) => count(most),
            Some(Limit::First(_)) | None => Value::Null,
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has as many children")]
fn count(most: usize) -> Value<'static> {
    Value::Number(most as f64)
}

fn at(bound: Option<&Bound>) -> Value<'_> {
    Value::of_leaf(bound.and_then(|bound| bound.value.as_ref()))
}

/// Both ends of a range if they are the same value, which is how `equalTo` arrives.
fn equal_to(query: &Query) -> Value<'_> {
    let (Some(start), Some(end)) = (&query.start, &query.end) else { return Value::Null };
    let whole = matches!(start.key, None | Some(BoundKey::Min)) && matches!(end.key, None | Some(BoundKey::Max));
    let same = start.value == end.value && start.inclusive && end.inclusive;
    if same && (whole || start.key == end.key) { Value::of_leaf(start.value.as_ref()) } else { Value::Null }
}
