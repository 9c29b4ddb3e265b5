//! Texts that are made while an expression is evaluated.
//!
//! Values borrow them, so they stay until the evaluation is over; a text that only has to be looked at once is made on
//! the stack, if it is short. Must not know: what they are made of.

use super::Failure;
use super::value::{Value, number_text};
use crate::tree::MOST_STRING_BYTES;
use arrayvec::ArrayString;
use std::cell::{Cell, OnceCell};

/// Texts up to so many bytes are joined without an allocation.
const SHORT: usize = 192;

/// The texts that one evaluation has made: a list that only grows, so that what is in it can be borrowed.
#[derive(Default)]
pub(super) struct Texts(OnceCell<Box<Made>>);

struct Made {
    text: String,
    next: Texts,
}

/// Adds to [`Texts`].
pub(super) struct Keeper<'t> {
    end: Cell<&'t Texts>,
}

impl<'t> Keeper<'t> {
    pub(super) fn new(texts: &'t Texts) -> Self {
        Self { end: Cell::new(texts) }
    }

    /// Keeps a text.
    pub(super) fn keep(&self, text: String) -> &'t str {
        let made = self.end.get().0.get_or_init(|| Box::new(Made { text, next: Texts::default() }));
        self.end.set(&made.next);
        &made.text
    }
}

impl Drop for Texts {
    /// One after the other: there may be more than the stack is deep.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut made) = next {
            next = made.next.0.take();
        }
    }
}

/// A text that is being joined.
#[derive(Default)]
pub(super) struct Joined {
    short: ArrayString<SHORT>,
    /// All of it, once it is not short any more.
    long: Option<String>,
}

impl Joined {
    /// Appends a string, or a number as it is written.
    pub(super) fn push(&mut self, value: Value<'_>) -> Result<(), Failure> {
        match value {
            Value::Text(text) => self.push_text(text),
            Value::Number(number) => self.push_text(&number_text(number)),
            Value::Null | Value::Bool(_) | Value::Branch(_) | Value::Object(_) | Value::Auth(_) => {
                Err(Failure::NotAddable)
            }
        }
    }

    fn push_text(&mut self, text: &str) -> Result<(), Failure> {
        if self.as_str().len().saturating_add(text.len()) > MOST_STRING_BYTES {
            return Err(Failure::TooLong);
        }
        match &mut self.long {
            Some(long) => long.push_str(text),
            None if self.short.try_push_str(text).is_ok() => {}
            None => self.long = Some([self.short.as_str(), text].concat()),
        }
        Ok(())
    }

    pub(super) fn as_str(&self) -> &str {
        self.long.as_deref().unwrap_or(&self.short)
    }

    pub(super) fn into_text(self) -> String {
        self.long.unwrap_or_else(|| self.short.as_str().to_owned())
    }
}
