//! What background functions are told of users that come and go (`functions.auth.user().onCreate`, `.onDelete`): the
//! legacy event, read. Must not know: who tells.

use serde_json::{Map, Value};

/// Whether a user has come or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthEventKind {
    /// `user().onCreate`.
    Created,
    /// `user().onDelete`.
    Deleted,
}

impl AuthEventKind {
    const ALL: [Self; 2] = [Self::Created, Self::Deleted];

    /// Firebase's name for it.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Created => "providers/firebase.auth/eventTypes/user.create",
            Self::Deleted => "providers/firebase.auth/eventTypes/user.delete",
        }
    }

    /// The kind of this name.
    pub fn of(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.event_type() == event_type)
    }
}

/// A user has come or gone.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthEvent {
    /// The same for every attempt to tell of it: a function that may not do a thing twice asks for it.
    pub id: String,
    /// What has happened.
    pub kind: AuthEventKind,
    /// When; ISO 8601.
    pub timestamp: String,
    /// The user (`UserRecord`): `uid`, `email`, `metadata`, `customClaims`, `providerData` and so on; of one that has
    /// gone what was known before.
    pub user: Map<String, Value>,
}

impl AuthEvent {
    /// The type that an event names, flat or in its `context`.
    pub fn type_of(event: &Value) -> Option<&str> {
        context(event).get("eventType")?.as_str()
    }

    /// Reads an event, flat (`{eventId, eventType, timestamp, data, …}`) or with a `context`; `None` if it is no event of
    /// Auth's.
    pub fn read(event: &Value) -> Option<Self> {
        let told = context(event);
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            kind: AuthEventKind::of(Self::type_of(event)?)?,
            id: text("eventId")?,
            timestamp: text("timestamp")?,
            user: event.get("data")?.as_object()?.clone(),
        })
    }
}

fn context(event: &Value) -> &Value {
    event.get("context").unwrap_or(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_come_flat_or_with_a_context() {
        let kind = AuthEventKind::Deleted.event_type();
        let head = json!({"eventId": "e", "eventType": kind, "timestamp": "t", "resource": {}, "params": {}});
        let (mut flat, data) = (head.clone(), json!({"uid": "u"}));
        flat["data"] = data.clone();
        let read = AuthEvent {
            id: "e".to_owned(),
            kind: AuthEventKind::Deleted,
            timestamp: "t".to_owned(),
            user: data.as_object().unwrap().clone(),
        };
        for (event, expect) in [
            (flat, Some(read.clone())),
            (json!({"context": head, "data": data}), Some(read)),
            (head, None),
            (json!({"eventId": "e", "eventType": kind, "timestamp": "t", "data": "u"}), None),
            (json!({"eventId": "e", "eventType": "google.pubsub.topic.publish", "timestamp": "t", "data": {}}), None),
            (json!([]), None),
            (json!({"context": 1}), None),
        ] {
            assert_eq!(AuthEvent::read(&event), expect, "{event}");
        }
    }
}
