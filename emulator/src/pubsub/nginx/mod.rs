//! An existing nginx configuration's push stream directives as the `pushStream` part of firebase.json.
//!
//! What cannot be taken over is named with its line, so that nobody finds out later. Reading order: this file,
//! `syntax`. Must not know: files, the command line.

mod syntax;

#[cfg(test)]
mod tests;

use super::directives::{self, OF_ALL, OF_LOCATIONS};
use super::settings::Deployment;
use serde_json::{Map, Value, json};
use syntax::Directive;

/// What begins the name of every directive of the module.
const PREFIX: &str = "push_stream_";
/// Directives of nginx's own that have a counterpart.
const NGINX_OWN: [&str; 2] = ["client_max_body_size", "default_type"];

/// What came out of an nginx configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The value of `pushStream` in firebase.json.
    pub push_stream: Value,
    /// What is not in it, a line each.
    pub left_out: Vec<String>,
}

/// Reads the text of an nginx configuration.
///
/// # Errors
/// It is no such text, or holds no push stream location; with the line.
pub fn import(text: &str) -> Result<Import, String> {
    let tree = syntax::parse(text)?;
    let mut reading = Reading::default();
    reading.level(&tree, &Map::new());
    if reading.locations.is_empty() {
        return Err("there is no location with push_stream_publisher, push_stream_subscriber or \
                    push_stream_channels_statistics"
            .to_owned());
    }
    let mut root = reading.global;
    root.insert("locations".to_owned(), Value::Array(reading.locations));
    let push_stream = Value::Object(root);
    let mut left_out = reading.left_out;
    // Files are looked for where firebase.json will be, which is not known here.
    let missing_file = |mistake: &String| !mistake.contains(".header_template_file: ");
    if let Err(mistakes) = directives::read(&push_stream, &Deployment::default()) {
        left_out.extend(mistakes.into_iter().filter(missing_file).map(|mistake| format!("to be put right: {mistake}")));
    }
    Ok(Import { push_stream, left_out })
}

#[derive(Default)]
struct Reading {
    global: Map<String, Value>,
    locations: Vec<Value>,
    left_out: Vec<String>,
}

impl Reading {
    /// Reads `http`, `server` and what is around them. `inherited` is what an outer level says for all locations.
    fn level(&mut self, directives: &[Directive], inherited: &Map<String, Value>) {
        let mut inherited = inherited.clone();
        for directive in directives {
            if let Some(name) = directive.name.strip_prefix(PREFIX) {
                if OF_ALL.contains(&name) {
                    let value = self.value(directive, name);
                    self.global.insert(name.to_owned(), value);
                } else if OF_LOCATIONS.contains(&name) {
                    inherited.insert(name.to_owned(), self.value(directive, name));
                } else {
                    self.leave_out(directive, "there is no such directive outside a location");
                }
            } else if NGINX_OWN.contains(&directive.name.as_str()) {
                inherited.insert(directive.name.clone(), self.value(directive, &directive.name));
            } else if directive.name == "include"
                && !directive.arguments.iter().any(|file| file.ends_with("mime.types"))
            {
                self.leave_out(directive, "other files are not read");
            } else if directive.name == "gzip" && directive.arguments.iter().any(|word| word == "on") {
                self.leave_out(directive, "answers are not compressed");
            }
        }
        for directive in directives {
            match (directive.name.as_str(), &directive.block) {
                ("location", Some(block)) => self.location(directive, block, &inherited),
                ("http" | "server", Some(block)) => self.level(block, &inherited),
                (_, _) => {}
            }
        }
    }

    fn location(&mut self, location: &Directive, block: &[Directive], inherited: &Map<String, Value>) {
        let mut own = Map::new();
        own.insert("path".to_owned(), json!(location.arguments.join(" ")));
        let mut settings = inherited.clone();
        let mut role = None;
        let mut asks_who_it_is = false;
        let mut others = Vec::new();
        for directive in block {
            match (directive.name.strip_prefix(PREFIX), directive.arguments.first()) {
                (Some("publisher"), mode) => role = Some(("publisher", mode.cloned())),
                (Some("subscriber"), mode) => role = Some(("subscriber", mode.cloned())),
                (Some("channels_statistics"), _) => role = Some(("statistics", None)),
                (Some(name), _) if OF_LOCATIONS.contains(&name) => {
                    settings.insert(name.to_owned(), self.value(directive, name));
                }
                (Some(_), _) => self.leave_out(directive, "there is no such directive of a location"),
                (None, _) if NGINX_OWN.contains(&directive.name.as_str()) => {
                    settings.insert(directive.name.clone(), self.value(directive, &directive.name));
                }
                (None, _) if directive.name == "location" => {
                    self.location(directive, directive.block.as_deref().unwrap_or_default(), inherited);
                }
                (None, _) => {
                    asks_who_it_is |= directive.name.starts_with("auth_");
                    others.push(directive);
                }
            }
        }
        let Some((role, mode)) = role else {
            if block.iter().any(|directive| directive.name.starts_with(PREFIX)) {
                self.leave_out(location, "it has push stream directives, but no role");
            }
            return;
        };
        for directive in others {
            self.leave_out(directive, "nothing here does that");
        }
        if role == "publisher" && !asks_who_it_is {
            let note = "anyone may publish there; here publishers show the secret, unless require_secret is false";
            self.leave_out(location, note);
        }
        own.insert("role".to_owned(), json!(role));
        own.extend(mode.map(|mode| ("mode".to_owned(), json!(mode))));
        own.extend(settings);
        self.locations.push(Value::Object(own));
    }

    /// A directive's value, in the type that JSON has for it.
    fn value(&mut self, directive: &Directive, name: &str) -> Value {
        let mut arguments = directive.arguments.iter();
        let first = arguments.next().map(String::as_str).unwrap_or_default();
        // The zone's name, which nothing asks for here.
        if name != "shared_memory_size" && arguments.next().is_some() {
            self.leave_out(directive, "only its first value is taken over");
        }
        match first {
            "on" => json!(true),
            "off" => json!(false),
            digits => match digits.parse::<u64>() {
                Ok(number) if name.starts_with("max_") || name.ends_with("_qtd") => json!(number),
                Ok(_) | Err(_) => json!(first),
            },
        }
    }

    fn leave_out(&mut self, directive: &Directive, reason: &str) {
        let words: Vec<&str> =
            std::iter::once(directive.name.as_str()).chain(directive.arguments.iter().map(String::as_str)).collect();
        self.left_out.push(format!("line {}: {}: {reason}", directive.line, words.join(" ")));
    }
}
