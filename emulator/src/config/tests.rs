//! How wishes and files become settings.

use super::resolve::{Resolved, Wishes, resolve};
use super::service::Service;
use super::settings::{ClockSettings, Mode};
use crate::storage::Durability;
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

/// A project folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn wishes(mode: Mode, directory: &Path) -> Wishes {
    Wishes {
        mode,
        project: None,
        config: None,
        only: None,
        host: None,
        ports: BTreeMap::new(),
        data_dir: None,
        ephemeral: false,
        signed_tokens: false,
        unsafe_network: false,
        clock: ClockSettings::System,
        seed: None,
        import: None,
        take_over: false,
        directory: directory.to_path_buf(),
        environment: BTreeMap::new(),
    }
}

fn services(resolved: &Resolved) -> Vec<(Service, u16)> {
    resolved.settings.services.iter().map(|(service, endpoint)| (*service, endpoint.port)).collect()
}

#[test]
fn without_any_file_everything_runs_on_its_default_port() {
    let folder = folder(&[]);
    let resolved = resolve(&wishes(Mode::Emulator, folder.path())).unwrap();
    assert_eq!(
        services(&resolved),
        [
            (Service::Auth, 9099),
            (Service::Functions, 5001),
            (Service::Database, 9000),
            (Service::PushStream, 9080),
            (Service::Hub, 4400)
        ]
    );
    assert_eq!(resolved.settings.project, "demo-no-project");
    assert_eq!(resolved.settings.data, Some(folder.path().join(".hearth/demo-no-project")));
    assert_eq!((resolved.settings.functions.jwt_secret, resolved.warnings), (None, vec![]));
}

#[test]
fn flags_stand_above_firebase_json() {
    let folder = folder(&[("firebase.json", r#"{"emulators": {"auth": {"port": 1}, "database": {"port": 2}}}"#)]);
    let mut wishes = wishes(Mode::Emulator, folder.path());
    assert_eq!(
        services(&resolve(&wishes).unwrap()),
        [(Service::Auth, 1), (Service::Database, 2), (Service::Hub, 4400)]
    );
    wishes.ports.insert(Service::Database, 0);
    wishes.only = Some(vec![Service::Database, Service::PushStream]);
    assert_eq!(
        services(&resolve(&wishes).unwrap()),
        [(Service::Database, 0), (Service::PushStream, 9080), (Service::Hub, 4400)]
    );
}

#[test]
fn the_push_stream_comes_with_the_functions() {
    let folder = folder(&[("firebase.json", r#"{"functions": {"source": "f"}}"#)]);
    let resolved = resolve(&wishes(Mode::Emulator, folder.path())).unwrap();
    assert_eq!(services(&resolved), [(Service::Functions, 5001), (Service::PushStream, 9080), (Service::Hub, 4400)]);
}

#[test]
fn a_declared_push_stream_runs_and_is_kept_as_it_is() {
    let folder = folder(&[("firebase.json", r#"{"pushStream": {"message_ttl": "1h"}}"#)]);
    let resolved = resolve(&wishes(Mode::Emulator, folder.path())).unwrap();
    assert_eq!(services(&resolved), [(Service::PushStream, 9080), (Service::Hub, 4400)]);
    assert_eq!(resolved.settings.push_stream.declared, Some(serde_json::json!({"message_ttl": "1h"})));
    assert_eq!((resolved.settings.push_stream.folder.as_path(), resolved.warnings), (folder.path(), vec![]));
}

#[test]
fn the_configuration_is_found_upwards_or_where_it_is_said_to_be() {
    let folder = folder(&[("firebase.json", r#"{"emulators": {"auth": {"port": 7}}}"#)]);
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let resolved = resolve(&wishes(Mode::Emulator, &below)).unwrap();
    assert_eq!(resolved.settings.data, Some(folder.path().join(".hearth/demo-no-project")));
    for given in ["firebase.json", "."] {
        let mut wishes = wishes(Mode::Emulator, folder.path());
        wishes.config = Some(given.into());
        assert_eq!(services(&resolve(&wishes).unwrap())[0], (Service::Auth, 7));
    }
    let mut wishes = wishes(Mode::Emulator, folder.path());
    wishes.config = Some("elsewhere.json".into());
    assert!(resolve(&wishes).unwrap_err().to_string().ends_with("elsewhere.json: there is no such file"));
}

#[test]
fn the_project_is_an_id_an_alias_or_the_default() {
    let folder = folder(&[(".firebaserc", r#"{"projects": {"default": "one", "staging": "two"}}"#)]);
    for (given, project) in [(None, "one"), (Some("staging"), "two"), (Some("three"), "three")] {
        let mut wishes = wishes(Mode::Emulator, folder.path());
        wishes.project = given.map(str::to_owned);
        assert_eq!(resolve(&wishes).unwrap().settings.project, project);
    }
    for illegal in ["../x", "", "a/b", "..", "a b"] {
        let mut wishes = wishes(Mode::Emulator, folder.path());
        wishes.project = Some(illegal.to_owned());
        assert!(resolve(&wishes).is_err(), "{illegal}");
    }
}

#[test]
fn emulators_stay_on_loopback_unless_told_otherwise() {
    let folder = folder(&[]);
    for (host, allowed) in [("0.0.0.0", false), ("example.com", false), ("::1", true), ("[::1]", true)] {
        let mut wishes = wishes(Mode::Emulator, folder.path());
        wishes.host = Some(host.to_owned());
        assert_eq!(resolve(&wishes).is_ok(), allowed, "{host}");
        wishes.unsafe_network = true;
        assert!(resolve(&wishes).is_ok(), "{host}");
    }
    let mut wishes = wishes(Mode::SelfHost, folder.path());
    wishes.host = Some("0.0.0.0".to_owned());
    wishes.environment.insert("HEARTH_JWT_SECRET".to_owned(), "j".to_owned());
    wishes.environment.insert("HEARTH_PUBSUB_SECRET".to_owned(), "p".to_owned());
    assert!(resolve(&wishes).is_ok());
}

#[test]
fn a_self_hosted_server_names_the_secret_it_lacks() {
    for (runtime, missing) in [
        (r#"{}"#, "jwt.secret"),
        (r#"{"jwt": {"secret": "j"}}"#, "pubsub.secret"),
        (r#"{"jwt": {"secret": "j"}, "pubsub": {"secret": ""}}"#, "pubsub.secret"),
        (r#"{"pubsub": {"secret": "p"}}"#, "jwt.secret"),
    ] {
        let folder = folder(&[(".runtimeconfig.json", runtime)]);
        let refused = resolve(&wishes(Mode::SelfHost, folder.path())).unwrap_err().to_string();
        assert!(refused.contains(missing), "{refused}");
    }
}

#[test]
fn a_self_hosted_server_has_nothing_unsafe_whatever_the_files_say() {
    let runtime = r#"{"jwt": {"secret": "j"}, "pubsub": {"secret": "p"},
        "toggles": {"skip_auth": true, "skip_rate_limit": "true", "log_pubsub": true}}"#;
    let folder = folder(&[(".runtimeconfig.json", runtime)]);
    let Resolved { settings, warnings } = resolve(&wishes(Mode::SelfHost, folder.path())).unwrap();
    let functions = &settings.functions;
    assert!(!functions.skip_auth && !functions.skip_rate_limit && !functions.log_pubsub && !functions.open_triggers);
    assert!(!settings.auth.unsigned_tokens && !settings.database.open && !settings.database.create_on_first_use);
    assert!(!settings.services.contains_key(&Service::Hub));
    assert_eq!(settings.durability, Durability::Power);
    assert_eq!(warnings.len(), 3);
}

#[test]
fn the_emulators_toggles_can_be_turned_off() {
    let runtime = r#"{"toggles": {"skip_auth": "false", "skip_rate_limit": false}}"#;
    for (files, skips) in [(vec![], true), (vec![(".runtimeconfig.json", runtime)], false)] {
        let folder = folder(&files);
        let functions = resolve(&wishes(Mode::Emulator, folder.path())).unwrap().settings.functions;
        assert_eq!((functions.skip_auth, functions.skip_rate_limit), (skips, skips));
    }
}

#[test]
fn the_environment_names_the_project_and_stands_above_the_runtime_configuration() {
    let folder = folder(&[(".runtimeconfig.json", r#"{"jwt": {"secret": "file"}, "pubsub": {"secret": "file"}}"#)]);
    let mut wishes = wishes(Mode::SelfHost, folder.path());
    for (name, value) in [
        ("GCLOUD_PROJECT", ""),
        ("GOOGLE_CLOUD_PROJECT", "named"),
        ("HEARTH_JWT_SECRET", "environment"),
        ("HEARTH_PUBSUB_SECRET", ""),
    ] {
        wishes.environment.insert(name.to_owned(), value.to_owned());
    }
    wishes.data_dir = Some("data".into());
    let settings = resolve(&wishes).unwrap().settings;
    assert_eq!(settings.project, "named");
    assert_eq!(settings.functions.jwt_secret.as_deref(), Some("environment"));
    assert_eq!(settings.push_stream.secret, "file");
    assert_eq!(settings.data, Some(folder.path().join("data/named")));
}

#[test]
fn rules_are_read_for_each_database_in_either_mode() {
    let firebase = r#"{"emulators": {"singleProjectMode": true}, "database": [{"rules": "plain.json"},
        {"rules": "r.json", "instance": "one"}, {"rules": "r.json", "target": "more"}]}"#;
    let expression = r#"{"rules": {".read": "auth != null", /* everyone */ ".write": true}}"#;
    let folder = folder(&[
        ("firebase.json", firebase),
        (".firebaserc", r#"{"targets": {"demo-no-project": {"database": {"more": ["two", "three"]}}}}"#),
        ("plain.json", r#"{"rules": {".read": true}}"#),
        ("r.json", expression),
    ]);
    let mut wishes = wishes(Mode::Emulator, folder.path());
    for name in ["HEARTH_JWT_SECRET", "HEARTH_PUBSUB_SECRET"] {
        wishes.environment.insert(name.to_owned(), "x".to_owned());
    }
    for mode in [Mode::Emulator, Mode::SelfHost] {
        wishes.mode = mode;
        let Resolved { settings, warnings } = resolve(&wishes).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        let rules: Vec<_> =
            settings.database.rules.iter().map(|(name, rules)| (name.as_deref(), rules.text())).collect();
        let plain = r#"{"rules": {".read": true}}"#;
        assert_eq!(
            rules,
            [(None, plain), (Some("one"), expression), (Some("three"), expression), (Some("two"), expression)]
        );
    }
}

#[test]
fn rules_that_cannot_be_used_are_named_with_all_that_is_wrong() {
    for (files, error) in [
        (vec![], "r.json: there is no such file"),
        (
            vec![("r.json", "{\"rules\":\n {\".raed\": true, \".read\": 1}}")],
            "r.json: \nLine 2, column 3: \".raed\" is unknown: there are .read, .write, .validate and .indexOn\n\
             \x20  {\".raed\": true, \".read\": 1}}\n\
             \x20   ^\n\
             Line 2, column 27: \".read\" has to be a string or a boolean\n\
             \x20  {\".raed\": true, \".read\": 1}}\n\
             \x20                           ^",
        ),
    ] {
        let folder = folder(&[&files[..], &[("firebase.json", r#"{"database": {"rules": "r.json"}}"#)]].concat());
        let found = resolve(&wishes(Mode::Emulator, folder.path())).unwrap_err().to_string();
        assert!(found.ends_with(error), "{found}");
    }
}
