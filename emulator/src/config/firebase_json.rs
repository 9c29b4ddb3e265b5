//! firebase.json: the parts that concern us, and a warning for every key that nobody will heed.

use super::service::Service;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// What firebase.json says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirebaseJson {
    /// Whether there is an `emulators` section at all.
    pub has_emulators: bool,
    /// Host and port by service, as far as given.
    pub emulators: BTreeMap<Service, HostPort>,
    /// Whether there is a `functions` section.
    pub has_functions: bool,
    /// Directories in which functions, and so their runtime configuration, lie.
    pub function_sources: Vec<String>,
    /// Whether there is a `database` section.
    pub has_database: bool,
    /// The files of rules that it names.
    pub rules: Vec<RulesFile>,
    /// The `pushStream` section, as it is.
    pub push_stream: Option<Value>,
    /// The sections of the services on the platform.
    pub hosted: BTreeMap<Service, Map<String, Value>>,
    /// The `server` section, as it is.
    pub server: Option<Value>,
    /// The `auth` section, as it is.
    pub auth: Option<Value>,
    /// What should be said to the user about it.
    pub warnings: Vec<String>,
}

/// Where one service should listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPort {
    /// `host`.
    pub host: Option<String>,
    /// `port`.
    pub port: Option<u16>,
}

/// A file of rules, and whose rules they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesFile {
    /// Where it is, from firebase.json's folder.
    pub path: String,
    /// Which databases have these rules.
    pub holds_for: RulesOf,
}

/// Which databases have the rules of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesOf {
    /// The project's default one.
    Default,
    /// The one of this name.
    Instance(String),
    /// Those that `.firebaserc` lists under this name.
    Target(String),
}

/// Keys that belong to products outside our scope: known to everyone, served by nobody here.
const OUT_OF_SCOPE: [&str; 11] = [
    "apphosting",
    "dataconnect",
    "eventarc",
    "extensions",
    "firestore",
    "hosting",
    "logging",
    "pubsub",
    "storage",
    "tasks",
    "ui",
];

/// Reads `text`.
///
/// # Errors
/// What is wrong, with the path of the key.
pub fn parse(text: &str) -> Result<FirebaseJson, String> {
    let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(root) = root else { return Err("the file does not hold an object".to_owned()) };
    let mut parsed = FirebaseJson::default();
    for (key, value) in &root {
        match key.as_str() {
            "$schema" => {}
            "emulators" => {
                parsed.has_emulators = true;
                parsed.read_emulators(object(value, "emulators")?)?;
            }
            "functions" => {
                parsed.has_functions = true;
                parsed.function_sources =
                    entries(value).filter_map(|entry| Some(entry.get("source")?.as_str()?.to_owned())).collect();
            }
            "database" => {
                parsed.has_database = true;
                for entry in entries(value) {
                    parsed.rules.extend(rules_file(entry)?);
                }
            }
            "pushStream" => parsed.push_stream = Some(value.clone()),
            "server" => parsed.server = Some(value.clone()),
            "auth" => parsed.auth = Some(value.clone()),
            name => match name.parse::<Service>() {
                Ok(service) if service.hosted().is_some() => {
                    parsed.hosted.insert(service, object(value, name)?.clone());
                }
                Ok(_) | Err(_) => parsed.ignore(key, ""),
            },
        }
    }
    Ok(parsed)
}

impl FirebaseJson {
    fn read_emulators(&mut self, emulators: &Map<String, Value>) -> Result<(), String> {
        for (key, value) in emulators {
            match key.as_str() {
                "singleProjectMode" => {}
                name => match name.parse::<Service>() {
                    Ok(service) => {
                        let path = format!("emulators.{key}");
                        let host_port = self.read_host_port(object(value, &path)?, &path)?;
                        self.emulators.insert(service, host_port);
                    }
                    Err(_) => self.ignore(key, "emulators."),
                },
            }
        }
        Ok(())
    }

    fn read_host_port(&mut self, section: &Map<String, Value>, path: &str) -> Result<HostPort, String> {
        let mut parsed = HostPort::default();
        for (key, value) in section {
            match key.as_str() {
                "host" => {
                    let host = value.as_str().ok_or_else(|| format!("{path}.host is not a string"))?;
                    parsed.host = Some(host.to_owned());
                }
                "port" => {
                    let port = match value {
                        Value::String(text) => text.parse().ok(),
                        Value::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
                        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
                    };
                    parsed.port = Some(port.ok_or_else(|| format!("{path}.port is not a port number (0 to 65535)"))?);
                }
                _ => self.ignore(key, &format!("{path}.")),
            }
        }
        Ok(parsed)
    }

    fn ignore(&mut self, key: &str, prefix: &str) {
        let reason = if OUT_OF_SCOPE.contains(&key) { "not part of Hearth" } else { "an unknown key" };
        self.warnings.push(format!("firebase.json: {prefix}{key} is ignored: {reason}"));
    }
}

/// The entries of a section that may be one object or a list of them.
fn entries(section: &Value) -> impl Iterator<Item = &Value> {
    section.as_array().map_or(std::slice::from_ref(section), Vec::as_slice).iter()
}

fn rules_file(entry: &Value) -> Result<Option<RulesFile>, String> {
    let text = |key: &str| match entry.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("database.{key} is not a string")),
    };
    let Some(path) = text("rules")? else { return Ok(None) };
    let holds_for = match (text("instance")?, text("target")?) {
        (Some(_), Some(_)) => return Err("a database entry has both an instance and a target".to_owned()),
        (Some(instance), None) => RulesOf::Instance(instance),
        (None, Some(target)) => RulesOf::Target(target),
        (None, None) => RulesOf::Default,
    };
    Ok(Some(RulesFile { path, holds_for }))
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{path} is not an object"))
}

/// The projects of a `.firebaserc`: the id for `alias`, or for `default` without one.
///
/// # Errors
/// The file exists and cannot be read as JSON.
pub fn project_alias(firebaserc: &Path, alias: Option<&str>) -> Result<Option<String>, String> {
    let Some(root) = read_firebaserc(firebaserc)? else { return Ok(None) };
    let id = root.get("projects").and_then(|projects| projects.get(alias.unwrap_or("default")));
    Ok(id.and_then(Value::as_str).map(str::to_owned))
}

/// The databases that a `.firebaserc` lists for a deploy target of `project`.
///
/// # Errors
/// The file cannot be read as JSON, or lists none.
pub fn database_target(firebaserc: &Path, project: &str, target: &str) -> Result<Vec<String>, String> {
    let root = read_firebaserc(firebaserc)?.unwrap_or_default();
    let listed = ["targets", project, "database", target].iter().try_fold(&root, |value, key| value.get(key));
    let names: Option<Vec<_>> = listed
        .and_then(Value::as_array)
        .and_then(|names| names.iter().map(|name| Some(name.as_str()?.to_owned())).collect());
    names.ok_or_else(|| format!("targets.{project}.database.{target} is not a list of databases"))
}

fn read_firebaserc(file: &Path) -> Result<Option<Value>, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_hosts_are_read() {
        let parsed = parse(
            r#"{"emulators": {"auth": {"port": 9100}, "database": {"host": "::1", "port": "0"}, "pushStream": {}},
                "functions": [{"source": "one"}, {"source": "two"}], "database": {"rules": "r.json"}}"#,
        )
        .unwrap();
        let given = |host: Option<&str>, port| HostPort { host: host.map(str::to_owned), port };
        assert_eq!(parsed.emulators.get(&Service::Auth), Some(&given(None, Some(9100))));
        assert_eq!(parsed.emulators.get(&Service::Database), Some(&given(Some("::1"), Some(0))));
        assert_eq!(parsed.emulators.get(&Service::PushStream), Some(&HostPort::default()));
        assert_eq!(parsed.function_sources, ["one", "two"]);
        assert!(parsed.has_functions && parsed.has_database && parsed.warnings.is_empty());
    }

    #[test]
    fn rules_are_of_one_database_or_of_several() {
        let check = |database: &str, expect: &[(&str, RulesOf)]| {
            let found = parse(&format!("{{\"database\": {database}}}")).unwrap().rules;
            let file = |(path, of): &(&str, RulesOf)| RulesFile { path: (*path).to_owned(), holds_for: of.clone() };
            assert_eq!(found, expect.iter().map(file).collect::<Vec<_>>(), "{database}");
        };
        check("{}", &[]);
        check(r#"{"rules": "r.json"}"#, &[("r.json", RulesOf::Default)]);
        check(
            r#"[{"rules": "a", "instance": "one"}, {"rules": "b", "target": "two"}, {"instance": "three"}]"#,
            &[("a", RulesOf::Instance("one".to_owned())), ("b", RulesOf::Target("two".to_owned()))],
        );
        for (database, error) in [
            (r#"{"rules": 1}"#, "database.rules is not a string"),
            (r#"{"rules": "a", "instance": 1}"#, "database.instance is not a string"),
            (r#"{"rules": "a", "instance": "b", "target": "c"}"#, "a database entry has both an instance and a target"),
        ] {
            assert_eq!(parse(&format!("{{\"database\": {database}}}")), Err(error.to_owned()));
        }
    }

    #[test]
    fn what_nobody_heeds_is_warned_of() {
        let parsed = parse(r#"{"firestore": {}, "emulators": {"ui": {}, "auht": {}, "hub": {"prot": 1}}}"#).unwrap();
        assert_eq!(
            parsed.warnings,
            [
                "firebase.json: firestore is ignored: not part of Hearth",
                "firebase.json: emulators.ui is ignored: not part of Hearth",
                "firebase.json: emulators.auht is ignored: an unknown key",
                "firebase.json: emulators.hub.prot is ignored: an unknown key",
            ]
        );
    }

    #[test]
    fn mistakes_name_their_key() {
        for (text, error) in [
            ("[]", "the file does not hold an object"),
            (r#"{"emulators": 1}"#, "emulators is not an object"),
            (r#"{"emulators": {"auth": []}}"#, "emulators.auth is not an object"),
            (r#"{"emulators": {"auth": {"port": 70000}}}"#, "emulators.auth.port is not a port number (0 to 65535)"),
            (r#"{"emulators": {"auth": {"host": 1}}}"#, "emulators.auth.host is not a string"),
        ] {
            assert_eq!(parse(text), Err(error.to_owned()));
        }
        assert!(parse("{").unwrap_err().contains("line 1"));
    }
}
