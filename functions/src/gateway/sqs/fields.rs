//! Members of a request: read as what they have to be, or refused by name.

use super::errors::{Failure, Kind};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// A JSON object of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'v>(&'v Map<String, Value>);

fn wrong(name: &str, what: &str) -> Failure {
    Failure::new(Kind::Serialization, format!("{name} is not {what}."))
}

impl<'v> Fields<'v> {
    /// Those of an object.
    pub(super) fn of(value: &'v Value) -> Result<Self, Failure> {
        value.as_object().map(Self).ok_or_else(|| wrong("The request", "an object"))
    }

    /// A member that is there.
    fn get(self, name: &str) -> Option<&'v Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether there is such a member.
    pub(super) fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text.
    pub(super) fn text(self, name: &str) -> Result<Option<&'v str>, Failure> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| wrong(name, "a string"))).transpose()
    }

    /// A text that has to be there.
    pub(super) fn required(self, name: &str) -> Result<&'v str, Failure> {
        self.text(name)?.ok_or_else(|| {
            Failure::new(Kind::MissingParameter, format!("The request must contain the parameter {name}."))
        })
    }

    /// A whole number within a range.
    pub(super) fn number(self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_i64().ok_or_else(|| wrong(name, "a whole number"))?;
        match u32::try_from(number).ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Failure::new(
                Kind::ParameterValue,
                format!(
                    "Value {number} for parameter {name} is invalid. Reason: Must be >= {} and <= {}, if provided.",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }

    /// A list of texts; empty if there is none.
    pub(super) fn texts(self, name: &str) -> Result<Vec<&'v str>, Failure> {
        let text = |value: &'v Value| value.as_str().ok_or_else(|| wrong(name, "a list of strings"));
        self.list(name)?.iter().map(text).collect()
    }

    /// A list; empty if there is none.
    pub(super) fn list(self, name: &str) -> Result<&'v [Value], Failure> {
        let Some(value) = self.get(name) else { return Ok(&[]) };
        value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(name, "a list"))
    }

    /// The members of an object; none if there is none.
    pub(super) fn map(self, name: &str) -> Result<impl Iterator<Item = (&'v String, &'v Value)>, Failure> {
        let map = self.get(name).map(|value| value.as_object().ok_or_else(|| wrong(name, "an object"))).transpose()?;
        Ok(map.into_iter().flatten())
    }

    /// An object of texts.
    pub(super) fn text_map(self, name: &str) -> Result<Vec<(&'v str, &'v str)>, Failure> {
        let pair = |(key, value): (&'v String, &'v Value)| {
            Ok((key.as_str(), value.as_str().ok_or_else(|| wrong(name, "an object of strings"))?))
        };
        self.map(name)?.map(pair).collect()
    }

    /// The name of the queue whose URL is given: the URL's last part, whichever address the client uses.
    pub(super) fn queue(self) -> Result<&'v str, Failure> {
        let url = self.required("QueueUrl")?;
        Ok(url.trim_end_matches('/').rsplit('/').next().unwrap_or_default())
    }
}
