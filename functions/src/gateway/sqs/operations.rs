//! What clients can do with queues.

use super::errors::{Failure, Kind};
use super::fields::Fields;
use super::messages::{self, Wanted};
use super::{Site, attributes, batches};
use crate::queues::{Ask, Attributes, Counts, Receipt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many names are listed at once.
const MOST_NAMES: u32 = 1000;
/// A queue has so many tags at most.
const MOST_TAGS: usize = 50;
/// Visibility timeouts, in seconds.
pub(super) const VISIBILITY: std::ops::RangeInclusive<u32> = 0..=43_200;

/// Runs one operation.
pub(super) async fn run(site: &Site<'_>, operation: &str, fields: Fields<'_>) -> Result<Value, Failure> {
    let queues = &site.gateway.queues;
    let nothing = json!({});
    match operation {
        "CreateQueue" => create(site, fields).await,
        "GetQueueUrl" => {
            let queue = fields.required("QueueName")?;
            queues.definition(queue).await?;
            Ok(json!({"QueueUrl": site.url(queue)}))
        }
        "ListQueues" => {
            let prefix = fields.text("QueueNamePrefix")?.unwrap_or_default();
            let (after, limit, paged) = page(fields)?;
            let names = queues.names(prefix, after, limit + 1).await?;
            Ok(list(site, names, limit, paged, "QueueUrls"))
        }
        "ListDeadLetterSourceQueues" => {
            let queue = fields.queue()?;
            let (after, limit, paged) = page(fields)?;
            let names = queues.sources(queue, after, limit + 1).await?;
            Ok(list(site, names, limit, paged, "queueUrls"))
        }
        "DeleteQueue" => queues.delete_queue(fields.queue()?).await.map(|()| nothing).map_err(Failure::from),
        "PurgeQueue" => queues.purge(fields.queue()?).await.map(|()| nothing).map_err(Failure::from),
        "GetQueueAttributes" => get_attributes(site, fields).await,
        "SetQueueAttributes" => {
            let queue = fields.queue()?;
            let mut changed = queues.definition(queue).await?.attributes;
            attributes::read(&fields.text_map("Attributes")?, &mut changed)?;
            check_dead_letters(site, &changed).await?;
            queues.change(queue, move |definition| definition.attributes = changed).await?;
            Ok(nothing)
        }
        "TagQueue" => {
            let (queue, tags) = (fields.queue()?, tags(fields, "Tags")?);
            let there = queues.definition(queue).await?.tags.len();
            if there + tags.len() > MOST_TAGS {
                return Err(Failure::new(Kind::ParameterValue, format!("A queue has {MOST_TAGS} tags at most.")));
            }
            queues.change(queue, move |definition| definition.tags.extend(tags)).await?;
            Ok(nothing)
        }
        "UntagQueue" => {
            let keys: Vec<String> = fields.texts("TagKeys")?.into_iter().map(str::to_owned).collect();
            queues
                .change(fields.queue()?, move |definition| definition.tags.retain(|key, _| !keys.contains(key)))
                .await?;
            Ok(nothing)
        }
        "ListQueueTags" => {
            let tags = queues.definition(fields.queue()?).await?.tags;
            Ok(if tags.is_empty() { nothing } else { json!({"Tags": tags}) })
        }
        "SendMessage" => {
            let queue = fields.queue()?;
            let message = messages::read(fields, &site.sender)?;
            let outcome = queues.send(queue, vec![message.clone()]).await?.pop();
            let id = outcome.ok_or_else(|| Failure::new(Kind::Internal, "Nothing was sent."))??;
            Ok(Value::Object(messages::sent(&message, &id)))
        }
        "ReceiveMessage" => receive(site, fields).await,
        "DeleteMessage" => {
            let receipt = Receipt::parse(fields.queue()?, fields.required("ReceiptHandle")?);
            queues.definition(fields.queue()?).await?;
            queues.delete(vec![receipt?]).await?;
            Ok(nothing)
        }
        "ChangeMessageVisibility" => {
            let queue = fields.queue()?;
            queues.definition(queue).await?;
            let receipt = Receipt::parse(queue, fields.required("ReceiptHandle")?)?;
            let seconds = fields.number("VisibilityTimeout", VISIBILITY)?.ok_or_else(|| {
                Failure::new(Kind::MissingParameter, "The request must contain the parameter VisibilityTimeout.")
            })?;
            queues.change_visibility(receipt, seconds).await?;
            Ok(nothing)
        }
        "SendMessageBatch" => batches::send(site, fields).await,
        "DeleteMessageBatch" => batches::delete(site, fields).await,
        "ChangeMessageVisibilityBatch" => batches::change_visibility(site, fields).await,
        "AddPermission"
        | "RemovePermission"
        | "StartMessageMoveTask"
        | "CancelMessageMoveTask"
        | "ListMessageMoveTasks" => {
            Err(Failure::new(Kind::Unsupported, format!("{operation} is not supported by this server.")))
        }
        _ => Err(Failure::new(Kind::UnknownOperation, format!("The operation {operation:?} is not known."))),
    }
}

async fn create(site: &Site<'_>, fields: Fields<'_>) -> Result<Value, Failure> {
    let queue = fields.required("QueueName")?;
    let given = fields.text_map("Attributes")?;
    if queue.ends_with(".fifo") {
        return Err(Failure::new(Kind::Unsupported, "FIFO queues are not supported by this server."));
    }
    let mut made = Attributes::default();
    attributes::read(&given, &mut made)?;
    check_dead_letters(site, &made).await?;
    // What is not given may be anything, if the queue is there already.
    if let Ok(there) = site.gateway.queues.definition(queue).await {
        made = there.attributes;
        attributes::read(&given, &mut made)?;
    }
    site.gateway.queues.create(queue, made, tags(fields, "tags")?).await?;
    Ok(json!({"QueueUrl": site.url(queue)}))
}

/// The queue of dead letters has to be there.
async fn check_dead_letters(site: &Site<'_>, attributes: &Attributes) -> Result<(), Failure> {
    let Some(letters) = &attributes.dead_letters else { return Ok(()) };
    site.gateway.queues.definition(&letters.queue).await.map(drop).map_err(|_| {
        Failure::new(
            Kind::AttributeValue,
            "Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.",
        )
    })
}

fn tags(fields: Fields<'_>, name: &str) -> Result<BTreeMap<String, String>, Failure> {
    let tags: BTreeMap<String, String> =
        fields.text_map(name)?.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let legal =
        tags.iter().all(|(key, value)| (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256);
    if legal && tags.len() <= MOST_TAGS {
        return Ok(tags);
    }
    let text = format!("A queue has {MOST_TAGS} tags at most, with 1 to 128 characters a key and 256 a value.");
    Err(Failure::new(Kind::ParameterValue, text))
}

async fn get_attributes(site: &Site<'_>, fields: Fields<'_>) -> Result<Value, Failure> {
    let queue = fields.queue()?;
    let definition = site.gateway.queues.definition(queue).await?;
    let wanted = attributes::wanted(&fields.texts("AttributeNames")?)?;
    let counts = if wanted.iter().any(|name| attributes::is_count(name)) {
        site.gateway.queues.count(queue).await?
    } else {
        Counts::default()
    };
    let shown = attributes::show(site, queue, &definition, counts, &wanted);
    Ok(if shown.as_object().is_some_and(serde_json::Map::is_empty) { json!({}) } else { json!({"Attributes": shown}) })
}

async fn receive(site: &Site<'_>, fields: Fields<'_>) -> Result<Value, Failure> {
    let queue = fields.queue()?;
    let most = fields.number("MaxNumberOfMessages", 1..=10)?.unwrap_or(1);
    let ask = Ask {
        most: usize::try_from(most).unwrap_or(1),
        visibility: fields.number("VisibilityTimeout", VISIBILITY)?,
        wait: fields.number("WaitTimeSeconds", 0..=20)?,
    };
    let mut system = fields.texts("AttributeNames")?;
    system.extend(fields.texts("MessageSystemAttributeNames")?);
    let wanted = Wanted { system, attributes: fields.texts("MessageAttributeNames")? };
    let messages = site.gateway.queues.receive(queue, ask).await?;
    let messages: Vec<_> = messages.into_iter().map(|message| messages::received(site, message, &wanted)).collect();
    Ok(if messages.is_empty() { json!({}) } else { json!({"Messages": messages}) })
}

/// After which name a list goes on, how long it is, and whether the client reads it in pages.
fn page(fields: Fields<'_>) -> Result<(Option<String>, usize, bool), Failure> {
    let limit = fields.number("MaxResults", 1..=MOST_NAMES)?;
    let after = fields.text("NextToken")?.map(|token| {
        let name = STANDARD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
        name.ok_or_else(|| Failure::new(Kind::ParameterValue, "Invalid or expired next token."))
    });
    let most = usize::try_from(limit.unwrap_or(MOST_NAMES)).unwrap_or(usize::MAX);
    Ok((after.transpose()?, most, limit.is_some()))
}

/// A list of up to `limit` of the names, and where it goes on if there are more.
fn list(site: &Site<'_>, mut names: Vec<String>, limit: usize, paged: bool, name: &str) -> Value {
    let more = names.len() > limit;
    names.truncate(limit);
    let next = names.last().filter(|_| more && paged).map(|name| STANDARD.encode(name));
    let urls: Vec<_> = names.iter().map(|name| site.url(name)).collect();
    match next {
        Some(next) => json!({name: urls, "NextToken": next}),
        None if urls.is_empty() => json!({}),
        None => json!({name: urls}),
    }
}
