//! The `pushStream` part of firebase.json: nginx's directives by their names without the prefix.
//!
//! Everything that is wrong is named at once, each with its place. Without `locations` the part changes Pogify's
//! profile; with them the original's defaults hold. Reading order: this file, `access`, `values`. Must not know:
//! channels, requests.

mod access;
mod values;

#[cfg(test)]
mod tests;

use super::expression::Expression;
use super::location::{Location, Matcher, regex};
use super::settings::{
    Deployment, Mode, PaddingRule, PublisherSettings, PubsubSettings, Role, SubscriberSettings, TicketSettings,
    hostname,
};
use crate::server::ports::VANISHED;
use access::read_ticket_key;
use hearth_pubsub::framing::Padding;
use hearth_pubsub::path::ChannelId;
use hearth_pubsub::pattern::Pattern;
use hearth_pubsub::settings::Settings;
use hearth_pubsub::template::Template;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};
use std::num::NonZeroU64;
use values::Section;

const ROLES: &str = "it is publisher, subscriber, presence, statistics or tickets";
const HOUR: NonZeroU64 = NonZeroU64::new(60 * 60 * 1000).unwrap();

/// The directives that hold for all channels.
pub(super) const OF_ALL: [&str; 16] = [
    "shared_memory_size",
    "message_ttl",
    "max_messages_stored_per_channel",
    "channel_inactivity_time",
    "max_subscribers_per_channel",
    "max_channel_id_length",
    "max_number_of_channels",
    "max_number_of_wildcard_channels",
    "wildcard_channel_prefix",
    "ping_message_text",
    "channel_deleted_message_text",
    "timeout_with_body",
    "events_channel_id",
    // Ours.
    "presence_interval",
    "durable_channels",
    "keep_channels",
];
/// Those of a location, which may also stand beside the locations and hold for all of them then.
pub(super) const OF_LOCATIONS: [&str; 32] = [
    "channels_path",
    "store_messages",
    "channel_info_on_publish",
    "wildcard_channel_max_qtd",
    "authorized_channels_only",
    "message_template",
    "header_template",
    "header_template_file",
    "footer_template",
    "ping_message_interval",
    "subscriber_connection_ttl",
    "longpolling_connection_ttl",
    "last_received_message_time",
    "last_received_message_tag",
    "last_event_id",
    "user_agent",
    "padding_by_user_agent",
    "allowed_origins",
    "websocket_allow_publish",
    "allow_connections_to_events_channel",
    // nginx's own, and ours.
    "client_max_body_size",
    "default_type",
    "require_secret",
    "server_event_ids",
    "unread_limit",
    "unread_time",
    "authorize",
    "authorized_channels",
    "end_with_token",
    "reauthorize_interval",
    "anyone_may_publish",
    "longest_ticket",
];

/// Settings as `declared`.
///
/// # Errors
/// Everything that is wrong, a line each.
pub(super) fn read(declared: &Value, deployment: &Deployment) -> Result<PubsubSettings, Vec<String>> {
    let mut mistakes = Vec::new();
    let Some(root) = declared.as_object() else { return Err(vec!["pushStream is not an object".to_owned()]) };
    let own_locations = root.contains_key("locations");
    let mut settings = PubsubSettings::pogify(&deployment.secret);
    if own_locations {
        settings.channels = Settings::default();
        settings.elsewhere = StatusCode::NOT_FOUND;
    }
    for key in root.keys() {
        if key != "locations" && !OF_ALL.contains(&key.as_str()) && !OF_LOCATIONS.contains(&key.as_str()) {
            mistakes.push(format!("pushStream.{key}: there is no such directive"));
        }
    }
    let mut section = Section::new("pushStream", root, None, &mut mistakes);
    read_channels(&mut section, &mut settings.channels);
    settings.keep_channels = section.flag("keep_channels").unwrap_or(deployment.locked);
    set(&mut settings.presence_interval, section.duration("presence_interval"));
    if own_locations {
        settings.locations = match root.get("locations").and_then(Value::as_array) {
            Some(list) => read_locations(list, root, &settings.channels, deployment, &mut mistakes),
            None => {
                mistakes.push("pushStream.locations: not a list".to_owned());
                Vec::new()
            }
        };
    } else {
        for location in &mut settings.locations {
            let regex = location.matcher.regex().cloned();
            let mut section = Section::new("pushStream", root, None, &mut mistakes);
            if let Some(path) = section.expression("channels_path", regex.as_ref()) {
                location.channels_path = path;
            }
            match &mut location.role {
                Role::Publisher(settings) => read_publisher(&mut section, settings, deployment, regex.as_ref()),
                Role::Subscriber(subscriber) | Role::Presence(subscriber) => {
                    read_subscriber(&mut section, subscriber, &settings.channels, deployment, regex.as_ref());
                }
                Role::Statistics | Role::Tickets(_) => {}
            }
        }
    }
    settings.ticket_key = read_ticket_key(&settings.locations, deployment, &mut mistakes);
    // A value beside the locations is read for each of them, and is wrong only once.
    let mut said = std::collections::BTreeSet::new();
    mistakes.retain(|mistake| said.insert(mistake.clone()));
    if mistakes.is_empty() { Ok(PubsubSettings { hostname: hostname(), ..settings }) } else { Err(mistakes) }
}

fn read_channels(section: &mut Section<'_>, channels: &mut Settings) {
    set(&mut channels.memory, section.size("shared_memory_size"));
    set(&mut channels.message_ttl, section.duration("message_ttl"));
    set(&mut channels.channel_inactivity_time, section.duration("channel_inactivity_time"));
    set_some(&mut channels.max_messages_stored_per_channel, section.count("max_messages_stored_per_channel"));
    set_some(&mut channels.max_subscribers_per_channel, section.count("max_subscribers_per_channel"));
    set_some(&mut channels.max_channel_id_length, section.count("max_channel_id_length"));
    set_some(&mut channels.max_number_of_channels, section.count("max_number_of_channels"));
    set_some(&mut channels.max_number_of_wildcard_channels, section.count("max_number_of_wildcard_channels"));
    set_some(&mut channels.wildcard_channel_prefix, section.filled_text("wildcard_channel_prefix").map(Into::into));
    set(&mut channels.ping_message_text, section.filled_text("ping_message_text").map(Into::into));
    set(
        &mut channels.channel_deleted_message_text,
        section.filled_text("channel_deleted_message_text").map(Into::into),
    );
    set(&mut channels.timeout_with_body, section.flag("timeout_with_body"));
    let events = section.filled_text("events_channel_id").map(|id| ChannelId::new(id.as_bytes()));
    if events.as_ref().is_some_and(ChannelId::is_pattern) {
        section.note("events_channel_id", "ALL and ids with * are no channels");
    }
    set_some(&mut channels.events_channel_id, events);
    if let Some(sources) = section.texts("durable_channels") {
        let patterns = sources.iter().map(|source| Pattern::parse(source).filter(|pattern| !pattern.names_uid()));
        match patterns.collect() {
            Some(patterns) => channels.durable_channels = patterns,
            None => section.note("durable_channels", "a pattern has ids and * for anything"),
        }
    }
    if channels.max_number_of_wildcard_channels.is_some() && channels.wildcard_channel_prefix.is_none() {
        section.note("max_number_of_wildcard_channels", "means nothing without wildcard_channel_prefix");
    }
}

fn read_locations(
    list: &[Value],
    root: &Map<String, Value>,
    channels: &Settings,
    deployment: &Deployment,
    mistakes: &mut Vec<String>,
) -> Vec<Location> {
    let mut paths: Vec<&str> = Vec::new();
    let mut locations = Vec::new();
    for (index, declared) in list.iter().enumerate() {
        let place = format!("pushStream.locations[{index}]");
        let Some(own) = declared.as_object() else {
            mistakes.push(format!("{place}: not an object"));
            continue;
        };
        for key in own.keys() {
            if OF_ALL.contains(&key.as_str()) {
                mistakes.push(format!("{place}.{key}: holds for all channels and stands beside the locations"));
            } else if !["path", "role", "mode"].contains(&key.as_str()) && !OF_LOCATIONS.contains(&key.as_str()) {
                mistakes.push(format!("{place}.{key}: there is no such directive"));
            }
        }
        let path = own.get("path").and_then(Value::as_str);
        if let Some(path) = path {
            if paths.contains(&path) {
                mistakes.push(format!("{place}.path: {path:?} is declared twice"));
            }
            paths.push(path);
        }
        let mut section = Section::new(&place, own, Some(root), mistakes);
        let matcher = match path.map(Matcher::parse) {
            Some(Ok(matcher)) => Some(matcher),
            Some(Err(problem)) => section.mistake("path", &problem),
            None => section.mistake("path", "missing, or not a string"),
        };
        let regex = matcher.as_ref().and_then(Matcher::regex).cloned();
        let channels_path = section.expression("channels_path", regex.as_ref());
        let role = read_role(&mut section, channels, deployment, regex.as_ref());
        let may_lack = matches!(role, Some(Role::Tickets(_)));
        let channels_path = channels_path.or_else(|| may_lack.then(|| Expression::literal("")));
        if channels_path.is_none() && !section.has("channels_path") {
            section.note("channels_path", "missing: it says which channels a request names");
        }
        if let (Some(matcher), Some(channels_path), Some(role)) = (matcher, channels_path, role) {
            locations.push(Location { matcher, channels_path, role });
        }
    }
    locations
}

fn read_role(
    section: &mut Section<'_>,
    channels: &Settings,
    deployment: &Deployment,
    groups: Option<&::regex::bytes::Regex>,
) -> Option<Role> {
    let role = section.text("role");
    let mode = section.text("mode");
    match role.as_deref() {
        Some("publisher") => {
            let mut settings = PublisherSettings::new(&deployment.secret);
            settings.admin = match mode.as_deref() {
                None | Some("normal") => false,
                Some("admin") => true,
                Some(_) => return section.mistake("mode", "a publisher is normal or admin"),
            };
            read_publisher(section, &mut settings, deployment, groups);
            Some(Role::Publisher(settings))
        }
        Some(role @ ("subscriber" | "presence")) => {
            let watches = role == "presence";
            let mode = match mode.as_deref() {
                None if watches => Mode::EventSource,
                None | Some("streaming") => Mode::Streaming,
                Some("polling") => Mode::Polling,
                Some("long-polling") => Mode::LongPolling,
                Some("eventsource") => Mode::EventSource,
                Some("websocket") => Mode::WebSocket,
                Some(_) => {
                    let modes = "it is streaming, polling, long-polling, eventsource or websocket";
                    return section.mistake("mode", modes);
                }
            };
            let mut settings = SubscriberSettings { mode, ..SubscriberSettings::default() };
            read_subscriber(section, &mut settings, channels, deployment, groups);
            if watches {
                // The latest number is all there is to come back to.
                settings.server_event_ids = false;
                settings.authorized_channels_only = false;
                settings.websocket_allow_publish = false;
                return Some(Role::Presence(Box::new(settings)));
            }
            Some(Role::Subscriber(Box::new(settings)))
        }
        Some("statistics") => {
            if mode.is_some() {
                section.note("mode", "statistics have no mode");
            }
            Some(Role::Statistics)
        }
        Some("tickets") => {
            if mode.is_some() {
                section.note("mode", "tickets have no mode");
            }
            if section.flag("require_secret") == Some(false) && section.has_own("require_secret") {
                section.note("require_secret", "tickets are made by those who know the secret only");
            }
            let longest = section.duration("longest_ticket").unwrap_or(HOUR);
            if longest.get() < 1000 {
                section.note("longest_ticket", "less than a second");
            }
            Some(Role::Tickets(TicketSettings { secret: deployment.secret.clone(), longest }))
        }
        Some(_) => section.mistake("role", ROLES),
        None if section.has("role") => None,
        None => section.mistake("role", &format!("missing: {ROLES}")),
    }
}

fn read_publisher(
    section: &mut Section<'_>,
    settings: &mut PublisherSettings,
    deployment: &Deployment,
    groups: Option<&::regex::bytes::Regex>,
) {
    set(&mut settings.store_messages, section.flag("store_messages"));
    set(&mut settings.channel_info_on_publish, section.flag("channel_info_on_publish"));
    set_some(&mut settings.allowed_origins, section.expression("allowed_origins", groups));
    set(&mut settings.body_limit, section.size("client_max_body_size").map(Into::into));
    if section.flag("require_secret") == Some(false) {
        settings.secret = String::new();
    }
    settings.access = access::read(section);
    let anyone = section.flag("anyone_may_publish").unwrap_or(false);
    if deployment.locked && settings.secret.is_empty() && settings.access.is_none() && !anyone {
        section.note("require_secret", access::OPEN_PUBLISHER);
    }
}

fn read_subscriber(
    section: &mut Section<'_>,
    settings: &mut SubscriberSettings,
    channels: &Settings,
    deployment: &Deployment,
    groups: Option<&::regex::bytes::Regex>,
) {
    set(&mut settings.authorized_channels_only, section.flag("authorized_channels_only"));
    if let Some(source) = section.text("message_template") {
        match Template::parse(&source) {
            Some(template) => settings.message_template = template,
            None => section.note("message_template", "it is blank"),
        }
    }
    set(&mut settings.header_template, section.text("header_template"));
    set(&mut settings.footer_template, section.text("footer_template"));
    if let Some(file) = section.text("header_template_file") {
        if section.has_own("header_template") && section.has_own("header_template_file") {
            section.note("header_template_file", "header_template is given as well");
        } else if !section.has_own("header_template") {
            match std::fs::read_to_string(deployment.folder.join(&file)) {
                Ok(text) => settings.header_template = text,
                Err(error) => section.note("header_template_file", &format!("{file}: {error}")),
            }
        }
    }
    set_some(&mut settings.ping_message_interval, section.duration("ping_message_interval"));
    set_some(&mut settings.subscriber_connection_ttl, section.duration("subscriber_connection_ttl"));
    set_some(&mut settings.longpolling_connection_ttl, section.duration("longpolling_connection_ttl"));
    set_some(&mut settings.last_received_message_time, section.expression("last_received_message_time", groups));
    set_some(&mut settings.last_received_message_tag, section.expression("last_received_message_tag", groups));
    set_some(&mut settings.last_event_id, section.expression("last_event_id", groups));
    set_some(&mut settings.user_agent, section.expression("user_agent", groups));
    set_some(&mut settings.allowed_origins, section.expression("allowed_origins", groups));
    if let Some(source) = section.text("padding_by_user_agent") {
        match source.split(':').map(padding_rule).collect() {
            Ok(rules) => settings.padding = rules,
            Err(problem) => section.note("padding_by_user_agent", &problem),
        }
    }
    if let Some(most) = section.count("wildcard_channel_max_qtd") {
        if channels.wildcard_channel_prefix.is_none() {
            section.note("wildcard_channel_max_qtd", "means nothing without wildcard_channel_prefix");
        }
        if channels.max_number_of_wildcard_channels.is_some_and(|all| most > all) {
            section.note("wildcard_channel_max_qtd", "above max_number_of_wildcard_channels");
        }
        settings.wildcard_channel_max_qtd = Some(most);
    }
    set(&mut settings.events_channel, section.flag("allow_connections_to_events_channel"));
    set(&mut settings.websocket_allow_publish, section.flag("websocket_allow_publish"));
    set(&mut settings.store_messages, section.flag("store_messages"));
    set(&mut settings.body_limit, section.size("client_max_body_size").map(Into::into));
    set(&mut settings.server_event_ids, section.flag("server_event_ids"));
    set(&mut settings.unread_limit, section.size("unread_limit").map(Into::into));
    let unread_time = section.duration("unread_time");
    if unread_time.is_some_and(|time| u128::from(time.get()) > VANISHED.as_millis()) {
        section.note("unread_time", "above two minutes, after which the system ends such a connection");
    }
    set(&mut settings.unread_time, unread_time);
    settings.access = access::read(section);
    let anyone = section.flag("anyone_may_publish").unwrap_or(false);
    let publishes = settings.mode == Mode::WebSocket && settings.websocket_allow_publish;
    if deployment.locked && publishes && settings.access.is_none() && !anyone {
        section.note("websocket_allow_publish", access::OPEN_PUBLISHER);
    }
    if let Some(kind) = section.text("default_type") {
        match HeaderValue::try_from(kind) {
            Ok(kind) => settings.default_type = kind,
            Err(_) => section.note("default_type", "not a header's value"),
        }
    }
}

/// `regex,header_min,message_min`
fn padding_rule(source: &str) -> Result<PaddingRule, String> {
    let form = || format!("{source:?} is not REGEX,HEADER_MIN,MESSAGE_MIN");
    let mut parts = source.rsplitn(3, ',');
    let number = |part: Option<&str>| part.and_then(|part| part.trim().parse::<usize>().ok()).ok_or_else(form);
    let message = number(parts.next())?;
    let header = number(parts.next())?;
    let agent = regex(parts.next().ok_or_else(form)?, false)?;
    if header.max(message) > MOST_PADDING {
        return Err(format!("{source:?} asks for more than {MOST_PADDING} bytes"));
    }
    Ok(PaddingRule { agent, padding: Padding { header, message } })
}

/// Padding beyond this helps no client.
const MOST_PADDING: usize = 64 * 1024;

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn set_some<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}
