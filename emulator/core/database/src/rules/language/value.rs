//! What expressions come to while they are evaluated.
//!
//! Values borrow what they are made of: the tree, the token, the rule, texts that the evaluation has made. Must not know:
//! expressions.

use super::Failure;
use crate::tree::{Leaf, Node, json, same_text};
use serde_json::Value as Claim;

/// So many members are few.
const FEW: usize = 16;

/// A value. Snapshots are none: they are only asked for values.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Value<'e> {
    Null,
    Bool(bool),
    Number(f64),
    Text(&'e str),
    /// What `val()` is of a node with children: not null, and nothing that could be compared or joined.
    Branch(&'e Node),
    /// A part of `auth` that is an object or an array.
    Object(&'e Claim),
    /// `auth` itself.
    Auth(&'e serde_json::Map<String, Claim>),
}

impl<'e> Value<'e> {
    /// What a snapshot's `val()` is. The documentation calls that of a branch a special sentinel value; rules ask whether
    /// it is null to know whether there is anything (firebase.google.com/docs/reference/security/database).
    #[inline]
    pub(super) fn of_node(node: &'e Node) -> Self {
        match node.as_leaf() {
            Some(leaf) => Self::of_leaf(leaf),
            None if node.is_null() => Self::Null,
            None => Self::Branch(node),
        }
    }

    #[inline]
    pub(super) fn of_leaf(leaf: &'e Leaf) -> Self {
        match leaf {
            Leaf::Bool(bool) => Self::Bool(*bool),
            Leaf::Text(text) => Self::Text(text),
            number @ (Leaf::Int(_) | Leaf::Double(_)) => number.as_f64().map_or(Self::Null, Self::Number),
        }
    }

    /// A part of `auth`.
    #[inline]
    pub(super) fn of_claim(claim: Option<&'e Claim>) -> Self {
        match claim {
            None | Some(Claim::Null) => Self::Null,
            Some(Claim::Bool(bool)) => Self::Bool(*bool),
            Some(Claim::Number(number)) => number.as_f64().map_or(Self::Null, Self::Number),
            Some(Claim::String(text)) => Self::Text(text),
            Some(object @ (Claim::Array(_) | Claim::Object(_))) => Self::Object(object),
        }
    }

    #[inline]
    pub(super) fn of_member(members: &'e serde_json::Map<String, Claim>, name: &str) -> Self {
        Self::of_claim(member(members, name))
    }

    /// The member called `name`; what is no object has none, and that is null.
    pub(super) fn member(self, name: &str) -> Self {
        match self {
            Self::Auth(members) | Self::Object(Claim::Object(members)) => Self::of_member(members, name),
            Self::Object(Claim::Array(elements)) => {
                Self::of_claim(name.parse::<usize>().ok().and_then(|place| elements.get(place)))
            }
            Self::Object(_) | Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Branch(_) => {
                Self::Null
            }
        }
    }

    /// The element at a number.
    pub(super) fn element(self, place: f64) -> Self {
        match self {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and not negative")]
            Self::Object(Claim::Array(elements)) if place >= 0.0 && place.fract() == 0.0 => {
                Self::of_claim(elements.get(place as usize))
            }
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Branch(_)
            | Self::Object(_)
            | Self::Auth(_) => self.member(&number_text(place)),
        }
    }

    pub(super) fn into_bool(self) -> Result<bool, Failure> {
        match self {
            Self::Bool(bool) => Ok(bool),
            Self::Null | Self::Number(_) | Self::Text(_) | Self::Branch(_) | Self::Object(_) | Self::Auth(_) => {
                Err(Failure::NotBoolean)
            }
        }
    }

    pub(super) fn into_number(self) -> Result<f64, Failure> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::Branch(_) | Self::Object(_) | Self::Auth(_) => {
                Err(Failure::NotNumber)
            }
        }
    }

    pub(super) fn into_text(self) -> Result<&'e str, Failure> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Branch(_) | Self::Object(_) | Self::Auth(_) => {
                Err(Failure::NotText)
            }
        }
    }

    /// How many bytes looking at it takes.
    #[inline]
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Branch(_) | Self::Object(_) | Self::Auth(_) => 0,
        }
    }

    /// `==`: strict by type; an object is only ever equal to itself, and a branch to nothing, as nobody looks into it.
    #[inline]
    pub(super) fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) | (Self::Auth(_), Self::Auth(_)) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            #[expect(clippy::float_cmp, reason = "this is what the rules ask for")]
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => same_text(one, other),
            (Self::Object(one), Self::Object(other)) => std::ptr::eq(one, other),
            (
                Self::Null
                | Self::Bool(_)
                | Self::Number(_)
                | Self::Text(_)
                | Self::Branch(_)
                | Self::Object(_)
                | Self::Auth(_),
                _,
            ) => false,
        }
    }
}

/// The member called `name`. Few are looked through more quickly than a name is hashed.
#[inline]
fn member<'c>(members: &'c serde_json::Map<String, Claim>, name: &str) -> Option<&'c Claim> {
    if members.len() > FEW {
        return members.get(name);
    }
    members.iter().find_map(|(known, claim)| same_text(known, name).then_some(claim))
}

/// A number as part of a string, as JavaScript writes it.
pub(in super::super) fn number_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // No zero is negative when written.
    if number == 0.0 { "0".to_owned() } else { json::double_text(number) }
}
