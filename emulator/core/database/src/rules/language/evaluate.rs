//! Evaluation: what an expression comes to over the tree, the caller and the query.
//!
//! What cannot be is a [`Failure`], which makes the rule false and which nothing in the expression can catch. Work is
//! counted, so that no expression and no data can hold up the server. Must not know: where rules stand, what follows
//! from their being true.

use super::Failure;
use super::code::{Arithmetic, Below, Case, Code, Find, Op, Plain, Relation, Sort, Truth};
use super::made::{Joined, Keeper, Texts};
use super::pattern::Pattern;
use super::query::{deep_child, query_member};
use super::trace::Trace;
use super::value::Value;
use crate::query::Query;
use crate::tree::{Leaf, MOST_STRING_BYTES, Node, compare_text};
use serde_json::{Map, Value as Claim};
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

    #[inline]
    pub(in super::super) fn spend(&self, steps: u64) -> Result<(), Failure> {
        let left = self.left.get().checked_sub(steps).ok_or(Failure::Exhausted)?;
        self.left.set(left);
        Ok(())
    }

    /// Something in the tree is looked at.
    #[inline]
    pub(super) fn see_data(&self) {
        self.saw_data.set(true);
    }

    #[inline]
    pub(super) fn read(&self, bytes: usize) -> Result<(), Failure> {
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

// What is small and asked for by every expression is inlined into who asks; what is large is not, so that the functions
// in between need no room for it.

/// Whether an expression is true.
#[inline]
pub(super) fn holds(code: &Code, facts: &Facts<'_>, meter: &Meter, trace: &impl Trace) -> Result<bool, Failure> {
    let texts = Texts::default();
    Evaluation { facts, meter, trace, made: Keeper::new(&texts) }.condition(code)
}

pub(super) struct Evaluation<'e, T> {
    pub(super) facts: &'e Facts<'e>,
    pub(super) meter: &'e Meter,
    pub(super) trace: &'e T,
    made: Keeper<'e>,
}

impl<'e, T: Trace> Evaluation<'e, T> {
    #[inline(always)]
    pub(super) fn condition(&self, code: &'e Code) -> Result<bool, Failure> {
        let Op::Truth(truth) = &code.op else { return self.value_of(code)?.into_bool() };
        let found = self.truth(truth);
        if T::LISTENS {
            self.trace.value(code.part, &found.map(Value::Bool));
        }
        found
    }

    pub(super) fn text(&self, code: &'e Code) -> Result<&'e str, Failure> {
        let text = self.value(code)?.into_text()?;
        self.meter.read(text.len())?;
        Ok(text)
    }

    /// What most expressions consist of is looked at here, the rest is made.
    #[inline(always)]
    pub(super) fn value(&self, code: &'e Code) -> Result<Value<'e>, Failure> {
        let found = if let Op::Plain(plain) = &code.op {
            Ok(self.plain(plain))
        } else if let Op::Val(place) = &code.op {
            self.node(place).map(Value::of_node)
        } else if let Op::Auth = &code.op {
            Ok(self.auth())
        } else if let Op::Member(of, name) = &code.op
            && !T::LISTENS
            && matches!(of.op, Op::Auth)
        {
            Ok(self.claim(name))
        } else if let Op::Query(member) = &code.op
            && let Some(value) = query_member(self.facts.query, *member)
        {
            Ok(value)
        } else {
            self.made(&code.op)
        };
        if T::LISTENS {
            self.trace.value(code.part, &found);
        }
        found
    }

    #[inline(always)]
    fn plain(&self, plain: &'e Plain) -> Value<'e> {
        match plain {
            Plain::Null => Value::Null,
            Plain::Bool(bool) => Value::Bool(*bool),
            Plain::Number(number) => Value::Number(*number),
            Plain::Text(text) => Value::Text(text),
            #[expect(clippy::cast_precision_loss, reason = "exact for another 285,000 years")]
            Plain::Now => Value::Number(self.facts.now as f64),
            Plain::Wildcard(place) => self.facts.wildcards.get(*place).map_or(Value::Null, |key| Value::Text(key)),
        }
    }

    fn made(&self, op: &'e Op) -> Result<Value<'e>, Failure> {
        Ok(match op {
            Op::Plain(plain) => self.plain(plain),
            Op::Truth(truth) => Value::Bool(self.truth_of(truth)?),
            Op::Auth => self.auth(),
            Op::Query(member) => query_member(self.facts.query, *member)
                .unwrap_or_else(|| self.keep(deep_child(self.facts.query).unwrap_or_default())),
            Op::Member(of, name) => self.value_of(of)?.member(name),
            Op::Element(parts) => self.element(parts)?,
            Op::Val(place) => Value::of_node(self.node(place)?),
            Op::Priority(place) => {
                self.node(place)?.priority().map_or(Value::Null, |priority| Value::of_leaf(priority.leaf()))
            }
            Op::Length(text) => length(self.text(text)?),
            Op::Replace(texts) => self.replace(texts)?,
            Op::Case(case, text) => self.cased(*case, text)?,
            Op::Negate(of) => Value::Number(-self.value_of(of)?.into_number()?),
            Op::Join(parts) => self.joined(parts)?,
            Op::Arithmetic(arithmetic, parts) => self.arithmetic(*arithmetic, parts)?,
            Op::Choice(choice) => {
                let (condition, yes, no) = &**choice;
                self.value_of(if self.condition_of(condition)? { yes } else { no })?
            }
        })
    }

    /// As [`Self::value`], where a call costs nothing compared with what is done.
    fn value_of(&self, code: &'e Code) -> Result<Value<'e>, Failure> {
        self.value(code)
    }

    pub(super) fn condition_of(&self, code: &'e Code) -> Result<bool, Failure> {
        self.condition(code)
    }

    #[inline(never)]
    fn truth_of(&self, truth: &'e Truth) -> Result<bool, Failure> {
        self.truth(truth)
    }

    #[inline]
    fn auth(&self) -> Value<'e> {
        self.facts.auth.map_or(Value::Null, Value::Auth)
    }

    /// A member of `auth` itself.
    #[inline(never)]
    fn claim(&self, name: &str) -> Value<'e> {
        self.facts.auth.map_or(Value::Null, |auth| Value::of_member(auth, name))
    }

    #[inline(never)]
    fn cased(&self, case: Case, text: &'e Code) -> Result<Value<'e>, Failure> {
        let text = self.text(text)?;
        Ok(self.keep(match case {
            Case::Lower => text.to_lowercase(),
            Case::Upper => text.to_uppercase(),
        }))
    }

    #[inline(never)]
    fn joined(&self, parts: &'e [Code; 2]) -> Result<Value<'e>, Failure> {
        let mut joined = Joined::default();
        self.join(parts, &mut joined)?;
        Ok(self.keep(joined.into_text()))
    }

    /// A text that is there until the evaluation is over.
    fn keep(&self, text: String) -> Value<'e> {
        Value::Text(self.made.keep(text))
    }

    #[inline(always)]
    fn truth(&self, truth: &'e Truth) -> Result<bool, Failure> {
        Ok(match truth {
            Truth::Not(of) => !self.condition_of(of)?,
            Truth::All(parts) => self.until(parts, false)?,
            Truth::Any(parts) => self.until(parts, true)?,
            Truth::Equal(parts) => self.equal(parts)?,
            Truth::Unequal(parts) => !self.equal(parts)?,
            Truth::Ordered(relation, parts) => self.ordered(*relation, parts)?,
            Truth::Exists(place) => !self.node(place)?.is_null(),
            Truth::Is(sort, place) => is(*sort, self.node(place)?.as_leaf()),
            Truth::HasChild(sought) => {
                let (place, below) = &**sought;
                !self.below(self.node(place)?, below)?.is_null()
            }
            Truth::HasAnyChild(place) => !self.node(place)?.is_empty(),
            Truth::HasChildren(sought) => {
                let (place, paths) = &**sought;
                self.has_children(self.node(place)?, paths)?
            }
            Truth::Finds(find, texts) => self.finds(*find, texts)?,
            Truth::Matches(matching) => {
                let (text, pattern) = &**matching;
                self.matches(text, pattern)?
            }
        })
    }

    #[inline(never)]
    fn matches(&self, text: &'e Code, pattern: &'e Pattern) -> Result<bool, Failure> {
        let text = self.text(text)?;
        // Looking for a pattern is slower than copying.
        self.meter.read(text.len() * BYTES_A_STEP)?;
        Ok(pattern.is_in(text))
    }

    /// Two values that are to be compared.
    #[inline(always)]
    fn both(&self, codes: &'e [Code; 2]) -> Result<(Value<'e>, Value<'e>), Failure> {
        let [one, other] = codes;
        let one = self.value(one)?;
        // What something is compared with is plain more often than not.
        let other = if let Op::Plain(plain) = &other.op
            && !T::LISTENS
        {
            self.plain(plain)
        } else {
            self.value_of(other)?
        };
        self.meter.read(one.bytes().min(other.bytes()))?;
        Ok((one, other))
    }

    #[inline(never)]
    fn equal(&self, parts: &'e [Code; 2]) -> Result<bool, Failure> {
        let (one, other) = self.both(parts)?;
        Ok(one.equals(other))
    }

    /// `<` and its like: two numbers or two strings, in the order of UTF-16.
    #[inline(never)]
    fn ordered(&self, relation: Relation, parts: &'e [Code; 2]) -> Result<bool, Failure> {
        match self.both(parts)? {
            // Nothing is true of what is no number (NaN).
            (Value::Number(one), Value::Number(other)) => Ok(match relation {
                Relation::Less => one < other,
                Relation::LessOrEqual => one <= other,
                Relation::Greater => one > other,
                Relation::GreaterOrEqual => one >= other,
            }),
            (Value::Text(one), Value::Text(other)) => Ok(stands(compare_text(one, other), relation)),
            (
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Text(_)
                | Value::Branch(_)
                | Value::Object(_)
                | Value::Auth(_),
                _,
            ) => Err(Failure::NotComparable),
        }
    }

    #[inline(never)]
    fn finds(&self, find: Find, texts: &'e [Code; 2]) -> Result<bool, Failure> {
        let [text, sought] = texts;
        let (text, sought) = (self.text(text)?, self.text(sought)?);
        Ok(match find {
            Find::Anywhere => text.contains(sought),
            Find::AtStart => text.starts_with(sought),
            Find::AtEnd => text.ends_with(sought),
        })
    }

    /// Evaluates one after the other until one is `decisive`.
    #[inline(never)]
    fn until(&self, parts: &'e [Code], decisive: bool) -> Result<bool, Failure> {
        for part in parts {
            if self.condition(part)? == decisive {
                return Ok(decisive);
            }
        }
        Ok(!decisive)
    }

    #[inline(never)]
    fn element(&self, parts: &'e [Code; 2]) -> Result<Value<'e>, Failure> {
        let [of, key] = parts;
        let (of, key) = (self.value_of(of)?, self.value_of(key)?);
        self.meter.read(of.bytes().min(key.bytes()))?;
        match key {
            Value::Text(name) => Ok(of.member(name)),
            Value::Number(place) => Ok(of.element(place)),
            Value::Null | Value::Bool(_) | Value::Branch(_) | Value::Object(_) | Value::Auth(_) => {
                Err(Failure::NotText)
            }
        }
    }

    #[inline(never)]
    fn has_children(&self, node: &'e Node, paths: &'e [Below]) -> Result<bool, Failure> {
        let mut all = true;
        // All names are evaluated, whatever is there.
        for path in paths {
            all &= !self.below(node, path)?.is_null();
        }
        Ok(all)
    }

    /// Appends what two texts come to, one of which may be a number.
    pub(super) fn join(&self, parts: &'e [Code; 2], joined: &mut Joined) -> Result<(), Failure> {
        let [left, right] = parts;
        // A trace hears of each of the parts, and so each of them has to be there.
        if let Op::Join(parts) = &left.op
            && !T::LISTENS
        {
            self.join(parts, joined)?;
            joined.push(self.value_of(right)?)?;
        } else {
            let (left, right) = (self.value_of(left)?, self.value_of(right)?);
            joined.push(left)?;
            joined.push(right)?;
        }
        self.meter.read(joined.as_str().len())
    }

    #[inline(never)]
    fn arithmetic(&self, arithmetic: Arithmetic, parts: &'e [Code; 2]) -> Result<Value<'e>, Failure> {
        let [left, right] = parts;
        let (left, right) = (self.value_of(left)?, self.value_of(right)?);
        // It shows only now whether there is a text to be joined.
        if arithmetic == Arithmetic::Add && matches!((left, right), (Value::Text(_), _) | (_, Value::Text(_))) {
            let mut joined = Joined::default();
            joined.push(left)?;
            joined.push(right)?;
            self.meter.read(joined.as_str().len())?;
            return Ok(self.keep(joined.into_text()));
        }
        let wrong = |_| if arithmetic == Arithmetic::Add { Failure::NotAddable } else { Failure::NotNumber };
        let (left, right) = (left.into_number().map_err(wrong)?, right.into_number().map_err(wrong)?);
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

    #[inline(never)]
    fn replace(&self, texts: &'e [Code; 3]) -> Result<Value<'e>, Failure> {
        let [text, sought, with] = texts;
        let (text, sought, with) = (self.text(text)?, self.text(sought)?, self.text(with)?);
        let times = text.matches(sought).count();
        if times == 0 {
            return Ok(Value::Text(text));
        }
        if text.len().saturating_add(times.saturating_mul(with.len())) > MOST_STRING_BYTES {
            return Err(Failure::TooLong);
        }
        self.meter.read(text.len() + times * with.len())?;
        Ok(self.keep(text.replace(sought, with)))
    }
}

/// In UTF-16, as JavaScript counts.
#[expect(clippy::cast_precision_loss, reason = "texts are shorter than 2^53")]
fn length(text: &str) -> Value<'static> {
    Value::Number(if text.is_ascii() { text.len() } else { text.encode_utf16().count() } as f64)
}

#[inline]
fn is(sort: Sort, leaf: Option<&Leaf>) -> bool {
    match leaf {
        None => false,
        Some(Leaf::Bool(_)) => sort == Sort::Bool,
        Some(Leaf::Int(_) | Leaf::Double(_)) => sort == Sort::Number,
        Some(Leaf::Text(_)) => sort == Sort::Text,
    }
}

#[inline]
fn stands(order: Ordering, relation: Relation) -> bool {
    match relation {
        Relation::Less => order.is_lt(),
        Relation::LessOrEqual => order.is_le(),
        Relation::Greater => order.is_gt(),
        Relation::GreaterOrEqual => order.is_ge(),
    }
}
