//! The rows of the table `journal`: the changes of one batch, as JSON text.
//!
//! `[{"put":["a/b",1,null]},{"delete":["a/c"]},{"delete_below":["a/c"]}]`: the changes of rows, in their order. A
//! double is `{"double":"1.5"}`, because the parser of JSON is not exact to the last digit, and because a double and an
//! integer of the same value are different leaves. Must not know: when a batch is written, and what SQLite is.

use super::diff::Changes;
use hearth_database::Leaf;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The text is no list of changes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
    #[error("{0:?} is no double")]
    Double(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change<'a> {
    Put((Cow<'a, str>, Option<Value<'a>>, Option<Value<'a>>)),
    Delete((Cow<'a, str>,)),
    DeleteBelow((Cow<'a, str>,)),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value<'a> {
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    Double { double: Cow<'a, str> },
}

impl<'a> Value<'a> {
    fn of(leaf: &'a Leaf) -> Self {
        match leaf {
            Leaf::Bool(bool) => Self::Bool(*bool),
            Leaf::Int(int) => Self::Int(*int),
            // The fewest digits that are read as the same double.
            Leaf::Double(double) => Self::Double { double: format!("{double:?}").into() },
            Leaf::Text(text) => Self::Text(Cow::Borrowed(text)),
        }
    }

    fn leaf(self) -> Result<Leaf, Unreadable> {
        Ok(match self {
            Self::Bool(bool) => Leaf::Bool(bool),
            Self::Int(int) => Leaf::Int(int),
            Self::Text(text) => Leaf::text(&text),
            Self::Double { double } => {
                let number = double.parse().ok().filter(|number: &f64| number.is_finite());
                Leaf::Double(number.ok_or_else(|| Unreadable::Double(double.into_owned()))?)
            }
        })
    }
}

/// Writes the changes of a batch as text.
#[derive(Debug)]
pub(super) struct Entry(Vec<u8>);

impl Entry {
    pub(super) fn new() -> Self {
        Self(b"[".to_vec())
    }

    fn add(&mut self, change: &Change<'_>) -> Result<(), serde_json::Error> {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        serde_json::to_writer(&mut self.0, change)
    }

    /// The text, in UTF-8.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.push(b']');
        self.0
    }
}

impl Changes for Entry {
    type Error = serde_json::Error;

    fn put(&mut self, path: &str, value: Option<&Leaf>, priority: Option<&Leaf>) -> Result<(), serde_json::Error> {
        self.add(&Change::Put((Cow::Borrowed(path), value.map(Value::of), priority.map(Value::of))))
    }

    fn delete(&mut self, path: &str) -> Result<(), serde_json::Error> {
        self.add(&Change::Delete((Cow::Borrowed(path),)))
    }

    fn delete_below(&mut self, path: &str) -> Result<(), serde_json::Error> {
        self.add(&Change::DeleteBelow((Cow::Borrowed(path),)))
    }
}

/// Tells `changes` what the text says; `unreadable` makes an error of what is no list of changes.
pub(super) fn replay<C: Changes, E: From<C::Error>>(
    text: &[u8],
    changes: &mut C,
    unreadable: impl Fn(Unreadable) -> E,
) -> Result<(), E> {
    let list: Vec<Change<'_>> = serde_json::from_slice(text).map_err(|error| unreadable(error.into()))?;
    for change in list {
        match change {
            Change::Put((path, value, priority)) => {
                let value = value.map(Value::leaf).transpose().map_err(&unreadable)?;
                let priority = priority.map(Value::leaf).transpose().map_err(&unreadable)?;
                changes.put(&path, value.as_ref(), priority.as_ref())
            }
            Change::Delete((path,)) => changes.delete(&path),
            Change::DeleteBelow((path,)) => changes.delete_below(&path),
        }?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::Error as _;
    use serde_json::Error;

    #[test]
    fn what_is_written_is_read_exactly() {
        let leaves = [
            Leaf::Bool(true),
            Leaf::Int(i64::MIN),
            Leaf::Int((1 << 53) + 1),
            Leaf::Double(9_007_199_254_740_992.0),
            Leaf::Double(-0.0),
            Leaf::Double(0.1 + 0.2),
            Leaf::Double(-5e-324),
            Leaf::Double(f64::MAX),
            Leaf::Double(123_456.789_012_345_67e-20),
            Leaf::text("é\u{0}\"\\\u{10ffff}\n"),
            Leaf::text("1.5"),
        ];
        let mut entry = Entry::new();
        for leaf in &leaves {
            entry.put("a/é\"b", Some(leaf), None).unwrap();
            entry.put("", None, Some(leaf)).unwrap();
        }
        entry.delete("a b").unwrap();
        entry.delete_below("").unwrap();
        let text = entry.finish();
        let mut again = Entry::new();
        replay(&text, &mut again, Error::custom).unwrap();
        assert_eq!(String::from_utf8(again.finish()), String::from_utf8(text.clone()));
        let mut read = Leaves(Vec::new());
        replay(&text, &mut read, Error::custom).unwrap();
        let expect: Vec<_> = leaves.iter().flat_map(|leaf| [leaf.clone(), leaf.clone()]).collect();
        assert_eq!(format!("{:?}", read.0), format!("{expect:?}"));
    }

    #[test]
    fn the_text_can_be_read_by_people() {
        let mut entry = Entry::new();
        entry.put("a/b", Some(&Leaf::Double(1.5)), None).unwrap();
        entry.delete("c").unwrap();
        entry.delete_below("c").unwrap();
        let expect = r#"[{"put":["a/b",{"double":"1.5"},null]},{"delete":["c"]},{"delete_below":["c"]}]"#;
        assert_eq!(String::from_utf8(entry.finish()).unwrap(), expect);
        assert_eq!(Entry::new().finish(), b"[]");
    }

    /// Keeps the leaves it is told.
    struct Leaves(Vec<Leaf>);

    impl Changes for Leaves {
        type Error = serde_json::Error;

        fn put(&mut self, _: &str, value: Option<&Leaf>, priority: Option<&Leaf>) -> Result<(), Error> {
            self.0.extend(value.or(priority).cloned());
            Ok(())
        }

        fn delete(&mut self, _: &str) -> Result<(), Error> {
            Ok(())
        }

        fn delete_below(&mut self, _: &str) -> Result<(), Error> {
            Ok(())
        }
    }
}
