//! Queues' attributes, as SQS names and writes them.

use super::Site;
use super::errors::{Failure, Kind};
use crate::queues::{Attributes, Counts, DeadLetters, Definition};
use serde_json::{Map, Value, json};

/// Attributes that SQS knows and that are not served here.
const UNSUPPORTED: [&str; 9] = [
    "Policy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
];
/// Every attribute that can be asked for.
const NAMES: [&str; 12] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
    "VisibilityTimeout",
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
];

/// Sets what is given.
pub(super) fn read(given: &[(&str, &str)], attributes: &mut Attributes) -> Result<(), Failure> {
    for (name, value) in given {
        let number = |from: u32, to: u32| {
            let number = value.parse::<u32>().ok().filter(|number| (from..=to).contains(number));
            number.ok_or_else(|| invalid(name))
        };
        match *name {
            "VisibilityTimeout" => attributes.visibility_timeout = number(0, 43_200)?,
            "DelaySeconds" => attributes.delay = number(0, 900)?,
            "MaximumMessageSize" => {
                attributes.longest_message = usize::try_from(number(1024, 1024 * 1024)?).map_err(|_| invalid(name))?;
            }
            "MessageRetentionPeriod" => attributes.retention = number(60, 1_209_600)?,
            "ReceiveMessageWaitTimeSeconds" => attributes.wait = number(0, 20)?,
            "RedrivePolicy" if value.is_empty() => attributes.dead_letters = None,
            "RedrivePolicy" => attributes.dead_letters = Some(redrive(value).ok_or_else(|| invalid(name))?),
            _ if UNSUPPORTED.contains(name) => {
                let text = format!("The attribute {name} is not supported by this server.");
                return Err(Failure::new(Kind::Unsupported, text));
            }
            _ => return Err(Failure::new(Kind::AttributeName, format!("Unknown Attribute {name}."))),
        }
    }
    Ok(())
}

fn invalid(name: &str) -> Failure {
    Failure::new(Kind::AttributeValue, format!("Invalid value for the parameter {name}."))
}

/// `{"deadLetterTargetArn": …, "maxReceiveCount": …}`; the count may be a text.
fn redrive(text: &str) -> Option<DeadLetters> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let [arn, aws, sqs, _, _, queue] =
        policy.get("deadLetterTargetArn")?.as_str()?.split(':').collect::<Vec<_>>().try_into().ok()?;
    let count = policy.get("maxReceiveCount")?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    let after = u32::try_from(count).ok().filter(|count| (1..=1000).contains(count))?;
    ((arn, aws, sqs) == ("arn", "aws", "sqs") && !queue.is_empty())
        .then(|| DeadLetters { queue: queue.to_owned(), after })
}

/// Which attributes a request asks for.
pub(super) fn wanted<'n>(names: &[&'n str]) -> Result<Vec<&'n str>, Failure> {
    if names.contains(&"All") {
        return Ok(NAMES.to_vec());
    }
    match names.iter().find(|name| !NAMES.contains(name) && !UNSUPPORTED.contains(name)) {
        Some(unknown) => Err(Failure::new(Kind::AttributeName, format!("Unknown Attribute {unknown}."))),
        None => Ok(names.to_vec()),
    }
}

/// Whether messages have to be counted for an attribute.
pub(super) fn is_count(name: &str) -> bool {
    name.starts_with("ApproximateNumberOf")
}

/// Those of a queue that are wanted and set.
pub(super) fn show(site: &Site<'_>, queue: &str, definition: &Definition, counts: Counts, wanted: &[&str]) -> Value {
    let Attributes { visibility_timeout, delay, longest_message, retention, wait, dead_letters } =
        &definition.attributes;
    let value = |name: &str| {
        Some(match name {
            "ApproximateNumberOfMessages" => counts.visible.to_string(),
            "ApproximateNumberOfMessagesNotVisible" => counts.in_flight.to_string(),
            "ApproximateNumberOfMessagesDelayed" => counts.delayed.to_string(),
            "CreatedTimestamp" => (definition.created / 1000).to_string(),
            "LastModifiedTimestamp" => (definition.changed / 1000).to_string(),
            "QueueArn" => site.arn(queue),
            "VisibilityTimeout" => visibility_timeout.to_string(),
            "DelaySeconds" => delay.to_string(),
            "MaximumMessageSize" => longest_message.to_string(),
            "MessageRetentionPeriod" => retention.to_string(),
            "ReceiveMessageWaitTimeSeconds" => wait.to_string(),
            "RedrivePolicy" => {
                let DeadLetters { queue, after } = dead_letters.as_ref()?;
                json!({"deadLetterTargetArn": site.arn(queue), "maxReceiveCount": after}).to_string()
            }
            _ => return None,
        })
    };
    let shown = wanted.iter().filter_map(|name| Some(((*name).to_owned(), Value::from(value(name)?))));
    Value::Object(shown.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_within_their_ranges() {
        let check = |name: &str, value: &str, expect: Option<Kind>| {
            let read = read(&[(name, value)], &mut Attributes::default());
            assert_eq!(read.err().map(|failure| failure.kind), expect, "{name} {value}");
        };
        let policy = |arn: &str, count: &str| format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
        check("VisibilityTimeout", "43200", None);
        check("VisibilityTimeout", "43201", Some(Kind::AttributeValue));
        check("DelaySeconds", "-1", Some(Kind::AttributeValue));
        check("MaximumMessageSize", "1023", Some(Kind::AttributeValue));
        check("MessageRetentionPeriod", "60", None);
        check("ReceiveMessageWaitTimeSeconds", "21", Some(Kind::AttributeValue));
        check("RedrivePolicy", "", None);
        check("RedrivePolicy", &policy("arn:aws:sqs:us-east-1:000000000000:d", "4"), None);
        check("RedrivePolicy", &policy("arn:aws:sqs:us-east-1:000000000000:d", "\"4\""), None);
        for wrong in ["x", "{}", &policy("d", "4"), &policy("arn:aws:sqs:us-east-1:000000000000:d", "0")] {
            check("RedrivePolicy", wrong, Some(Kind::AttributeValue));
        }
        check("Policy", "{}", Some(Kind::Unsupported));
        check("FifoQueue", "true", Some(Kind::Unsupported));
        check("Nonsense", "1", Some(Kind::AttributeName));
    }
}
