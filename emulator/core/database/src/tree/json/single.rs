//! What may stand in `.value`, `.priority` and `.sv`. Must not know: where they stand.

use super::JsonError;
use super::read::{MEMBER_BYTES, Reader, string};
use crate::tree::leaf::Leaf;
use crate::tree::server_values::ServerValue;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The value of `.value` or `.priority`.
pub(super) enum Single {
    Leaf(Leaf),
    Server(ServerValue),
}

impl Single {
    /// `None` for null.
    pub(super) fn of(value: &Value) -> Result<Option<Self>, JsonError> {
        match value {
            Value::Object(members) if members.len() == 1 => match members.get(".sv") {
                Some(value) => server_value(value).map(|value| Some(Self::Server(value))),
                None => Err(JsonError::Value),
            },
            Value::Object(_) | Value::Array(_) => Err(JsonError::Value),
            Value::Null => Ok(None),
            Value::Bool(bool) => Ok(Some(Self::Leaf(Leaf::Bool(*bool)))),
            Value::Number(_) => number(value).map(|leaf| Some(Self::Leaf(leaf))),
            Value::String(text) => string(text).map(|leaf| Some(Self::Leaf(leaf))),
        }
    }
}

pub(super) fn server_value(value: &Value) -> Result<ServerValue, JsonError> {
    let unknown = || JsonError::ServerValue(value.to_string().chars().take(100).collect());
    match value {
        Value::String(name) if name == "timestamp" => Ok(ServerValue::Timestamp),
        Value::Object(members) if members.len() == 1 => {
            let by = members.get("increment").filter(|by| by.is_number()).ok_or_else(unknown)?;
            number(by).map(ServerValue::Increment)
        }
        Value::Object(_) | Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(unknown())
        }
    }
}

fn number(value: &Value) -> Result<Leaf, JsonError> {
    match value.as_i64() {
        Some(int) => Ok(Leaf::Int(int)),
        None => Ok(Leaf::number(value.as_f64().unwrap_or(f64::NAN))?),
    }
}

/// Reads any JSON within the reader's bounds; what it is worth is for others to say.
pub(super) struct PlainSeed<'r>(pub(super) &'r mut Reader);

impl<'de> DeserializeSeed<'de> for PlainSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PlainSeed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<Value, E> {
        Ok(bool.into())
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<Value, E> {
        Ok(int.into())
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Value, E> {
        Ok(int.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.0.charge(text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(PlainSeed(&mut *self.0))? {
            self.0.charge(MEMBER_BYTES)?;
            array.push(element);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.0.charge(MEMBER_BYTES + name.len())?;
            object.insert(name, members.next_value_seed(PlainSeed(&mut *self.0))?);
        }
        Ok(object.into())
    }
}
