//! What is known of a part of an expression before it is evaluated.
//!
//! Must not know: expressions.

use std::fmt;
use std::ops::BitOr;

/// The set of kinds that a value may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type(u16);

impl Type {
    /// What is wrong already, and has been told.
    pub(super) const WRONG: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOL: Self = Self(2);
    pub(super) const NUMBER: Self = Self(4);
    pub(super) const TEXT: Self = Self(8);
    /// Null, a boolean, a number or a string: what is in the database.
    pub(super) const PRIMITIVE: Self = Self(16);
    /// `auth` or a part of it: a primitive, or something with members.
    pub(super) const CLAIM: Self = Self(32);
    pub(super) const SNAPSHOT: Self = Self(64);
    pub(super) const QUERY: Self = Self(128);
    pub(super) const ARRAY: Self = Self(256);
    pub(super) const PATTERN: Self = Self(512);

    /// What shows its kind only when it is evaluated.
    pub(super) const DYNAMIC: Self = Self(16 | 32);
    /// What is no value by itself.
    pub(super) const OBJECTS: Self = Self(64 | 128 | 256 | 512);

    /// Whether it may be one of these.
    pub(super) fn may_be(self, kinds: Self) -> bool {
        self == Self::WRONG || self.0 & (kinds | Self::DYNAMIC).0 != 0
    }

    /// Whether it is surely one of these, or shows when it is evaluated.
    pub(super) fn fits(self, kinds: Self) -> bool {
        self.0 & !(kinds | Self::DYNAMIC).0 == 0
    }

    /// Whether one of these is among what it may be.
    pub(super) fn includes(self, kinds: Self) -> bool {
        self.0 & kinds.0 != 0
    }
}

impl BitOr for Type {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Type {
    /// As it is called in messages.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Type, &str); 10] = [
            (Type::NULL, "null"),
            (Type::BOOL, "a boolean"),
            (Type::NUMBER, "a number"),
            (Type::TEXT, "a string"),
            (Type::PRIMITIVE, "a value"),
            (Type::CLAIM, "a part of auth"),
            (Type::SNAPSHOT, "a snapshot"),
            (Type::QUERY, "the query"),
            (Type::ARRAY, "an array"),
            (Type::PATTERN, "a pattern"),
        ];
        let mut names = NAMES.iter().filter(|(kind, _)| self.includes(*kind)).map(|(_, name)| *name);
        formatter.write_str(names.next().unwrap_or("nothing"))?;
        names.try_for_each(|name| write!(formatter, " or {name}"))
    }
}
