//! What `GET /backends` tells of the functions.
//!
//! One backend, compiled in: it has no directory and no environment, and nothing limits a function's memory.

use super::host::Host;
use hearth_functions::registry::{AuthFunction, ScheduledFunction};
use serde_json::{Value, json};

/// The official emulator's form: `{"backends":[{"directory","env","functionTriggers":[…]}]}`.
pub(super) fn list(host: &Host) -> Value {
    let entry = |region: &str, name: &str| {
        json!({
            "entryPoint": name,
            "platform": "gcfv1",
            "region": region,
            "name": name,
            "id": format!("{region}-{name}"),
            "codebase": "default",
            "timeoutSeconds": host.time_limit().as_secs(),
            "labels": {},
            "secretEnvironmentVariables": [],
        })
    };
    let https = host.https().iter().flat_map(|function| {
        function.names().map(|name| with(entry(&function.region, name), [("httpsTrigger", json!({}))]))
    });
    let scheduled = host.scheduled().iter().map(|scheduled| {
        let ScheduledFunction { name, region, schedule, time_zone, handler: _ } = &scheduled.function;
        let topic = format!("projects/{}/topics/firebase-schedule-{name}", host.project());
        let event = json!({"eventType": "google.pubsub.topic.publish", "resource": topic});
        let schedule = json!({"schedule": schedule, "timeZone": time_zone});
        with(entry(region, name), [("eventTrigger", event), ("schedule", schedule)])
    });
    let auth = host.auth().iter().map(|AuthFunction { name, region, kind, handler: _ }| {
        let event = json!({"eventType": kind.event_type(), "resource": format!("projects/{}", host.project())});
        with(entry(region, name), [("eventTrigger", event)])
    });
    let triggers: Vec<Value> = https.chain(scheduled).chain(auth).collect();
    json!({"backends": [{"directory": "", "env": {}, "functionTriggers": triggers}]})
}

fn with<const N: usize>(mut entry: Value, members: [(&str, Value); N]) -> Value {
    if let Value::Object(object) = &mut entry {
        object.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    entry
}
