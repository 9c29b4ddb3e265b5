//! What firebase.json says of the gateway. Everything that is wrong with it is told at once.

use super::signature::Keys;
use crate::ports::Functions;
use http::Uri;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// `url` and others of an object that names an integration.
const INTEGRATION_KEYS: [&str; 3] = ["function", "url", "reply"];

/// How the gateway works.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// Who may connect.
    pub(super) authorizer: Authorizer,
    /// The query's parameter with the ID token.
    pub(super) token_parameter: String,
    /// The stages there are; empty for any.
    pub(super) stages: BTreeSet<String>,
    /// What ARNs name.
    pub(super) region: String,
    /// Where clients reach us, if it is not what they say themselves.
    pub(super) url: Option<String>,
    /// The keys to a message's route.
    pub(super) selection: Vec<String>,
    /// The routes that somebody else answers, by key.
    pub(super) routes: BTreeMap<String, Route>,
    /// A message of a client has so many bytes at most.
    pub(super) message_bytes: usize,
    /// A frame of one has so many bytes at most.
    pub(super) frame_bytes: usize,
    /// A silent connection is closed after so many milliseconds.
    pub(super) idle: u64,
    /// Every connection is closed after so many milliseconds.
    pub(super) lifetime: u64,
    /// A message in the queue DeleteConnection waits so many seconds from the connect on; none if there shall be none.
    pub(super) delete_after: Option<u32>,
    /// Who may use queues and connections over HTTP; none if everybody may.
    pub(super) keys: Option<Keys>,
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authorizer {
    /// Everybody, as whoever they say.
    Nobody,
    /// Who has an ID token, as its user.
    IdToken,
    /// Whom a function allows.
    Custom(Integration),
}

/// Who is asked or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Integration {
    /// A function of this house.
    Function(String),
    /// Another server.
    Url(String),
}

/// What answers a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) integration: Integration,
    /// Whether its answer is sent to the client.
    pub(super) reply: bool,
}

/// Reads a section, and notes what is wrong.
struct Reader<'a> {
    functions: &'a dyn Functions,
    mistakes: Vec<String>,
}

impl Config {
    /// Reads the section; `secrets` has the keys.
    pub(super) fn read(
        section: &Map<String, Value>,
        secrets: &BTreeMap<String, String>,
        emulator: bool,
        functions: &dyn Functions,
    ) -> Result<Self, Vec<String>> {
        let mut reader = Reader { functions, mistakes: Vec::new() };
        let mut config = Self {
            authorizer: if emulator { Authorizer::Nobody } else { Authorizer::IdToken },
            token_parameter: "token".to_owned(),
            stages: BTreeSet::new(),
            region: "us-east-1".to_owned(),
            url: None,
            selection: vec!["action".to_owned()],
            routes: BTreeMap::new(),
            message_bytes: 128 * 1024,
            frame_bytes: 32 * 1024,
            idle: 600_000,
            lifetime: 7_200_000,
            delete_after: Some(900),
            keys: None,
        };
        for (key, value) in section {
            config.key(key, value, &mut reader);
        }
        if !emulator {
            let keys = secrets.get("ACCESS_KEYS").map(String::as_str).unwrap_or_default();
            match Keys::parse(keys) {
                Some(keys) => config.keys = Some(keys),
                None => reader.wrong("HEARTH_GATEWAY_ACCESS_KEYS", "is not a list of id:secret,id:secret"),
            }
        }
        if reader.mistakes.is_empty() { Ok(config) } else { Err(reader.mistakes) }
    }

    fn key(&mut self, key: &str, value: &Value, reader: &mut Reader<'_>) {
        let name = format!("gateway.{key}");
        match key {
            "authorizer" => match value.as_str() {
                Some("none") => self.authorizer = Authorizer::Nobody,
                Some("idToken") => self.authorizer = Authorizer::IdToken,
                Some(_) => reader.wrong(&name, "is neither none, nor idToken, nor an object"),
                None => {
                    if let Some(route) = reader.route(&name, value) {
                        self.authorizer = Authorizer::Custom(route.integration);
                    }
                }
            },
            "tokenParameter" => reader.text(&name, value, &mut self.token_parameter),
            "stages" => match names(value) {
                Some(stages) => self.stages = stages,
                None => reader.wrong(&name, "is not a list of strings of letters, digits, hyphens and underscores"),
            },
            "region" => reader.text(&name, value, &mut self.region),
            "url" => {
                let mut url = String::new();
                reader.text(&name, value, &mut url);
                self.url = Some(url.trim_end_matches('/').to_owned());
            }
            "routeSelectionExpression" => match value.as_str().and_then(selection) {
                Some(keys) => self.selection = keys,
                None => reader.wrong(&name, "is not of the form $request.body.key"),
            },
            "routes" => match value.as_object() {
                Some(routes) => {
                    let route =
                        |(key, value)| Some((String::clone(key), reader.route(&format!("{name}.{key}"), value)?));
                    self.routes = routes.iter().filter_map(route).collect();
                }
                None => reader.wrong(&name, "is not an object"),
            },
            "limits" => match value.as_object() {
                Some(limits) => limits.iter().for_each(|(key, value)| self.limit(key, value, reader)),
                None => reader.wrong(&name, "is not an object"),
            },
            "deleteConnectionSeconds" if *value == Value::Bool(false) => self.delete_after = None,
            "deleteConnectionSeconds" => match value.as_u64().and_then(|seconds| u32::try_from(seconds).ok()) {
                Some(seconds @ ..=900) => self.delete_after = Some(seconds),
                Some(_) | None => reader.wrong(&name, "is neither false nor a number of up to 900 seconds"),
            },
            _ => reader.wrong(&name, "is not known"),
        }
    }

    fn limit(&mut self, key: &str, value: &Value, reader: &mut Reader<'_>) {
        let name = format!("gateway.limits.{key}");
        let number = value.as_u64().filter(|number| (1..=1_000_000_000).contains(number));
        let Some(number) = number else { return reader.wrong(&name, "is not a positive whole number") };
        // At most 10^9.
        let bytes = usize::try_from(number).unwrap_or(usize::MAX);
        match key {
            "messageBytes" if bytes <= 1024 * 1024 => self.message_bytes = bytes,
            "messageBytes" => reader.wrong(&name, "is more than 1048576"),
            "frameBytes" => self.frame_bytes = bytes,
            "idleSeconds" => self.idle = number * 1000,
            "connectionSeconds" => self.lifetime = number * 1000,
            _ => reader.wrong(&name, "is not known"),
        }
    }
}

impl Reader<'_> {
    fn wrong(&mut self, name: &str, what: &str) {
        self.mistakes.push(format!("{name} {what}"));
    }

    fn text(&mut self, name: &str, value: &Value, into: &mut String) {
        match value.as_str().filter(|text| !text.is_empty()) {
            Some(text) => text.clone_into(into),
            None => self.wrong(name, "is not a string"),
        }
    }

    /// `{"function": …}` or `{"url": …}`, with `"reply": true` or without.
    fn route(&mut self, name: &str, value: &Value) -> Option<Route> {
        let Some(object) = value.as_object() else {
            self.wrong(name, "is not an object with function or url");
            return None;
        };
        let unknown: Vec<_> = object.keys().filter(|key| !INTEGRATION_KEYS.contains(&key.as_str())).collect();
        unknown.iter().for_each(|key| self.wrong(&format!("{name}.{key}"), "is not known"));
        let reply = match object.get("reply") {
            None => false,
            Some(Value::Bool(reply)) => *reply,
            Some(_) => {
                self.wrong(&format!("{name}.reply"), "is neither true nor false");
                false
            }
        };
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let integration = match (text("function"), text("url")) {
            (Some(function), None) if self.functions.has(function) => Integration::Function(function.to_owned()),
            (Some(_), None) => {
                self.wrong(&format!("{name}.function"), "is not the name of a function");
                return None;
            }
            (None, Some(url)) if is_web_url(url) => Integration::Url(url.to_owned()),
            (None, Some(_)) => {
                self.wrong(&format!("{name}.url"), "is not the URL of a server, as in http://host/path");
                return None;
            }
            (Some(_), Some(_)) | (None, None) => {
                self.wrong(name, "has to have either function or url, a string");
                return None;
            }
        };
        Some(Route { integration, reply })
    }
}

fn is_web_url(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|url| url.scheme_str() == Some("http") && url.host().is_some())
}

/// A name of a stage.
pub(super) fn is_stage(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$');
    (1..=128).contains(&name.len()) && name.bytes().all(legal)
}

fn names(value: &Value) -> Option<BTreeSet<String>> {
    let name = |value: &Value| value.as_str().filter(|name| is_stage(name)).map(str::to_owned);
    value.as_array()?.iter().map(name).collect()
}

/// `$request.body.a.b` or `${request.body.a.b}` as keys.
fn selection(expression: &str) -> Option<Vec<String>> {
    let bare = expression.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let path = bare.or_else(|| expression.strip_prefix('$'))?.strip_prefix("request.body.")?;
    let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
    keys.iter().all(|key| !key.is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::NoAnswer;
    use crate::request::{HttpRequest, Reply};
    use futures_util::future::BoxFuture;
    use serde_json::json;

    struct One;

    impl Functions for One {
        fn has(&self, name: &str) -> bool {
            name == "one"
        }

        fn call<'a>(&'a self, _: &'a str, _: HttpRequest) -> BoxFuture<'a, Result<Reply, NoAnswer>> {
            Box::pin(std::future::ready(Err(NoAnswer("never".to_owned()))))
        }
    }

    fn read(section: &Value, emulator: bool) -> Result<Config, Vec<String>> {
        let secrets = BTreeMap::from([("ACCESS_KEYS".to_owned(), "id:secret".to_owned())]);
        Config::read(section.as_object().unwrap(), &secrets, emulator, &One)
    }

    #[test]
    fn the_defaults_are_those_of_the_original() {
        let config = read(&json!({}), true).unwrap();
        assert_eq!((config.authorizer, config.keys.is_none()), (Authorizer::Nobody, true));
        assert_eq!((config.message_bytes, config.frame_bytes), (131_072, 32_768));
        assert_eq!((config.idle, config.lifetime, config.delete_after), (600_000, 7_200_000, Some(900)));
        let config = read(&json!({}), false).unwrap();
        assert_eq!((config.authorizer, config.keys.is_some()), (Authorizer::IdToken, true));
        assert!(Config::read(&Map::new(), &BTreeMap::new(), false, &One).is_err());
    }

    #[test]
    fn a_whole_section_is_read() {
        let config = read(
            &json!({
                "authorizer": {"function": "one"}, "tokenParameter": "t", "stages": ["dev", "$default"],
                "region": "eu-west-1", "url": "https://a.example/", "routeSelectionExpression": "${request.body.a.b}",
                "routes": {"chat": {"url": "http://b.example/x", "reply": true}},
                "limits": {"messageBytes": 5, "frameBytes": 4, "idleSeconds": 3, "connectionSeconds": 2},
                "deleteConnectionSeconds": false,
            }),
            true,
        )
        .unwrap();
        assert_eq!(config.authorizer, Authorizer::Custom(Integration::Function("one".to_owned())));
        assert_eq!(config.selection, ["a", "b"]);
        assert_eq!((config.url.as_deref(), config.stages.len()), (Some("https://a.example"), 2));
        assert!(config.routes["chat"].reply);
        assert_eq!((config.message_bytes, config.frame_bytes, config.idle, config.lifetime), (5, 4, 3000, 2000));
        assert_eq!(config.delete_after, None);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let wrong = read(
            &json!({
                "authorizer": "some", "tokenParameter": 1, "stages": ["a/b"], "routeSelectionExpression": "$body",
                "routes": {"a": {}, "b": {"function": "none"}, "c": {"url": "ftp://x", "more": 1}},
                "limits": {"messageBytes": 0, "more": 1}, "deleteConnectionSeconds": 901, "more": 1,
            }),
            true,
        );
        let mut wrong = wrong.unwrap_err();
        wrong.sort();
        assert_eq!(
            wrong,
            [
                "gateway.authorizer is neither none, nor idToken, nor an object",
                "gateway.deleteConnectionSeconds is neither false nor a number of up to 900 seconds",
                "gateway.limits.messageBytes is not a positive whole number",
                "gateway.limits.more is not known",
                "gateway.more is not known",
                "gateway.routeSelectionExpression is not of the form $request.body.key",
                "gateway.routes.a has to have either function or url, a string",
                "gateway.routes.b.function is not the name of a function",
                "gateway.routes.c.more is not known",
                "gateway.routes.c.url is not the URL of a server, as in http://host/path",
                "gateway.stages is not a list of strings of letters, digits, hyphens and underscores",
                "gateway.tokenParameter is not a string",
            ]
        );
    }
}
