//! Messages in requests and answers.

use super::Site;
use super::digest;
use super::errors::{Failure, Kind};
use super::fields::Fields;
use crate::queues::{AttributeValue, MessageAttribute, MessageId, NewMessage, Received};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A message has so many attributes at most.
const MOST_ATTRIBUTES: usize = 10;
/// The types of attributes, before what may follow after a point.
const TYPES: [&str; 3] = ["String", "Number", "Binary"];

fn invalid(text: impl Into<String>) -> Failure {
    Failure::new(Kind::ParameterValue, text)
}

/// The message that a request or an entry has.
pub(super) fn read(fields: Fields<'_>, sender: &str) -> Result<NewMessage, Failure> {
    for name in ["MessageGroupId", "MessageDeduplicationId"] {
        if fields.has(name) {
            let reason = "FIFO queues are not supported.";
            return Err(invalid(format!("The parameter {name} is not valid for this queue type: {reason}")));
        }
    }
    let body = fields.required("MessageBody")?;
    if body.is_empty() {
        return Err(Failure::new(Kind::MissingParameter, "The request must contain the parameter MessageBody."));
    }
    if !body.chars().all(is_legal) {
        return Err(Failure::new(Kind::Contents, "Invalid characters found in message body"));
    }
    let mut message = NewMessage { delay: fields.number("DelaySeconds", 0..=900)?, ..NewMessage::text(body) };
    sender.clone_into(&mut message.sender);
    for (name, value) in fields.map("MessageAttributes")? {
        message.attributes.insert(name.clone(), attribute(name, Fields::of(value)?)?);
    }
    if message.attributes.len() > MOST_ATTRIBUTES {
        return Err(invalid(format!("Number of message attributes exceeds the allowed maximum [{MOST_ATTRIBUTES}].")));
    }
    for (name, value) in fields.map("MessageSystemAttributes")? {
        let value = attribute(name, Fields::of(value)?)?.value;
        match (name.as_str(), value) {
            ("AWSTraceHeader", AttributeValue::Text(trace)) => message.trace = Some(trace),
            _ => return Err(invalid(format!("Message system attribute name '{name}' is invalid."))),
        }
    }
    Ok(message)
}

/// What XML 1.0 can hold, which is what SQS takes.
fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn attribute(name: &str, fields: Fields<'_>) -> Result<MessageAttribute, Failure> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let reserved = ["aws.", "amazon."].iter().any(|prefix| name.to_ascii_lowercase().starts_with(prefix));
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if !(1..=256).contains(&name.len()) || !name.bytes().all(legal) || reserved || dots {
        return Err(invalid(format!("Invalid message attribute name: {name:?}.")));
    }
    let data_type = fields.required("DataType")?;
    let base = data_type.split('.').next().unwrap_or_default();
    if data_type.len() > 256 || !TYPES.contains(&base) {
        return Err(invalid(format!(
            "The type of message attribute '{name}' is invalid. You must use only the following supported type \
             prefixes: Binary, Number, String."
        )));
    }
    if fields.has("StringListValues") || fields.has("BinaryListValues") {
        return Err(invalid(format!("Message attribute '{name}': list values are not supported.")));
    }
    let (text, binary) = (fields.text("StringValue")?, fields.text("BinaryValue")?);
    let value = match (base, text, binary) {
        ("Binary", None, Some(binary)) if !binary.is_empty() => {
            STANDARD.decode(binary).map_err(|_| {
                Failure::new(Kind::Serialization, format!("BinaryValue of message attribute '{name}' is not base64."))
            })?;
            AttributeValue::Binary(binary.to_owned())
        }
        ("Number", Some(number), None) if number.trim().parse::<f64>().is_ok() => {
            AttributeValue::Text(number.to_owned())
        }
        ("Number", Some(number), None) => {
            return Err(invalid(format!("Could not cast message attribute '{name}' value to number: {number:?}.")));
        }
        ("String", Some(text), None) if !text.is_empty() && text.chars().all(is_legal) => {
            AttributeValue::Text(text.to_owned())
        }
        _ => {
            return Err(invalid(format!(
                "The message attribute '{name}' must contain a non-empty value of the field that its type names."
            )));
        }
    };
    Ok(MessageAttribute { data_type: data_type.to_owned(), value })
}

/// The answer to a message that was taken.
pub(super) fn sent(message: &NewMessage, id: &MessageId) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("MessageId".to_owned(), Value::from(id.as_str()));
    answer.insert("MD5OfMessageBody".to_owned(), Value::from(digest::of_body(&message.body)));
    if let Some(digest) = digest::of_attributes(&message.attributes) {
        answer.insert("MD5OfMessageAttributes".to_owned(), Value::from(digest));
    }
    if let Some(trace) = &message.trace {
        let value = AttributeValue::Text(trace.clone());
        let trace = MessageAttribute { data_type: "String".to_owned(), value };
        let digest = digest::of_attributes(&BTreeMap::from([("AWSTraceHeader".to_owned(), trace)]));
        answer.insert("MD5OfMessageSystemAttributes".to_owned(), Value::from(digest));
    }
    answer
}

/// What a receiver wants to know of messages.
pub(super) struct Wanted<'v> {
    /// System attributes, by name.
    pub(super) system: Vec<&'v str>,
    /// Attributes, by name or by `prefix.*`.
    pub(super) attributes: Vec<&'v str>,
}

impl Wanted<'_> {
    fn system(&self, name: &str) -> bool {
        self.system.iter().any(|wanted| *wanted == "All" || *wanted == name)
    }

    fn attribute(&self, name: &str) -> bool {
        self.attributes.iter().any(|wanted| match wanted.strip_suffix(".*") {
            Some(prefix) => prefix.is_empty() || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')),
            None => *wanted == "All" || *wanted == name,
        })
    }
}

/// A message as its receiver sees it.
pub(super) fn received(site: &Site<'_>, message: Received, wanted: &Wanted<'_>) -> Value {
    let mut answer = json!({
        "MessageId": message.id.as_str(),
        "ReceiptHandle": message.receipt.to_string(),
        "MD5OfBody": digest::of_body(&message.body),
        "Body": message.body,
    });
    let source = message.source.map(|source| site.arn(&source));
    let system = [
        ("SenderId", Some(message.sender)),
        ("SentTimestamp", Some(message.sent.to_string())),
        ("ApproximateReceiveCount", Some(message.receives.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(message.first_received.to_string())),
        ("AWSTraceHeader", message.trace),
        ("DeadLetterQueueSourceArn", source),
    ];
    let system: Map<String, Value> = system
        .into_iter()
        .filter(|(name, _)| wanted.system(name))
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
        .collect();
    let mut attributes = message.attributes;
    attributes.retain(|name, _| wanted.attribute(name));
    let digest = digest::of_attributes(&attributes);
    if let Value::Object(answer) = &mut answer {
        if !system.is_empty() {
            answer.insert("Attributes".to_owned(), Value::Object(system));
        }
        if let Some(digest) = digest {
            answer.insert("MD5OfMessageAttributes".to_owned(), Value::from(digest));
            let shown = attributes.into_iter().map(|(name, attribute)| (name, show(attribute)));
            answer.insert("MessageAttributes".to_owned(), Value::Object(shown.collect()));
        }
    }
    answer
}

fn show(attribute: MessageAttribute) -> Value {
    let (field, value) = match attribute.value {
        AttributeValue::Text(text) => ("StringValue", text),
        AttributeValue::Binary(base64) => ("BinaryValue", base64),
    };
    json!({"DataType": attribute.data_type, field: value})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_refused() {
        let check = |body: Value, expect: Option<Kind>| {
            let read = read(Fields::of(&body).unwrap(), "me");
            assert_eq!(read.err().map(|failure| failure.kind), expect, "{body}");
        };
        let with = |name: &str, attribute: Value| json!({"MessageBody": "a", "MessageAttributes": {name: attribute}});
        let text = |data_type: &str, text: &str| json!({"DataType": data_type, "StringValue": text});
        check(json!({"MessageBody": "\t\r\n ž\u{10ffff}"}), None);
        check(json!({}), Some(Kind::MissingParameter));
        check(json!({"MessageBody": ""}), Some(Kind::MissingParameter));
        check(json!({"MessageBody": 7}), Some(Kind::Serialization));
        check(json!({"MessageBody": "a\u{0}"}), Some(Kind::Contents));
        check(json!({"MessageBody": "a\u{ffff}"}), Some(Kind::Contents));
        check(json!({"MessageBody": "a", "DelaySeconds": 901}), Some(Kind::ParameterValue));
        check(json!({"MessageBody": "a", "DelaySeconds": -1}), Some(Kind::ParameterValue));
        check(json!({"MessageBody": "a", "DelaySeconds": "1"}), Some(Kind::Serialization));
        check(json!({"MessageBody": "a", "MessageGroupId": "g"}), Some(Kind::ParameterValue));
        check(with("a.b", text("String.x", "c")), None);
        check(with("n", text("Number", "-1.5e3")), None);
        check(with("n", text("Number", "one")), Some(Kind::ParameterValue));
        check(with("n", text("Text", "one")), Some(Kind::ParameterValue));
        check(with("n", text("String", "")), Some(Kind::ParameterValue));
        check(with("AWS.n", text("String", "a")), Some(Kind::ParameterValue));
        check(with("a..n", text("String", "a")), Some(Kind::ParameterValue));
        check(with("b", json!({"DataType": "Binary", "BinaryValue": "AAE="})), None);
        check(with("b", json!({"DataType": "Binary", "BinaryValue": "%%%"})), Some(Kind::Serialization));
        check(with("b", json!([])), Some(Kind::Serialization));
        let many: Map<String, Value> = (0..11).map(|n| (format!("a{n}"), text("String", "x"))).collect();
        check(json!({"MessageBody": "a", "MessageAttributes": many}), Some(Kind::ParameterValue));
    }

    #[test]
    fn attributes_are_wanted_by_name_or_prefix() {
        let check = |wanted: &[&str], name: &str, expect: bool| {
            let wanted = Wanted { system: Vec::new(), attributes: wanted.to_vec() };
            assert_eq!(wanted.attribute(name), expect, "{name}");
        };
        check(&[], "a", false);
        check(&["All"], "a", true);
        check(&[".*"], "a", true);
        check(&["a.*"], "a.b", true);
        check(&["a.*"], "ab", false);
        check(&["b", "a"], "a", true);
    }
}
