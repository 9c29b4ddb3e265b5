//! Flags over files over defaults: one [`Settings`] and what should be said about it.

use super::auth_triggers;
use super::delivery::{self, Secrets};
use super::firebase_json::{self, FirebaseJson, RulesFile, RulesOf};
use super::passkeys;
use super::rules_files::{self, RulesSource};
use super::runtime_config::{self, RuntimeConfig};
use super::secret::Secret;
use super::service::Service;
use super::settings::{
    AuthSettings, ClockSettings, DatabaseSettings, Endpoint, FunctionsSettings, HostedSettings, Mode,
    PushStreamSettings, ServerSettings, Settings,
};
use crate::storage::Durability;
use hearth_database::Ruleset;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The project of a suite that was told of none; a `demo-` id, as the official emulators have it.
const NO_PROJECT: &str = "demo-no-project";
/// A function's time limit, as Cloud Functions has it by default.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Environment variables that stand above `.runtimeconfig.json`.
const JWT_SECRET_VARIABLE: &str = "HEARTH_JWT_SECRET";
const PUBSUB_SECRET_VARIABLE: &str = "HEARTH_PUBSUB_SECRET";
const TICKET_SECRET_VARIABLE: &str = "HEARTH_PUBSUB_TICKET_SECRET";

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Which preset.
    pub mode: Mode,
    /// `--project`: an id, or an alias of `.firebaserc`.
    pub project: Option<String>,
    /// `--config`: where firebase.json is.
    pub config: Option<PathBuf>,
    /// `--only`.
    pub only: Option<Vec<Service>>,
    /// `--host`, for all services.
    pub host: Option<String>,
    /// `--port SERVICE=PORT`.
    pub ports: BTreeMap<Service, u16>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--ephemeral`.
    pub ephemeral: bool,
    /// `--signed-tokens`: ID tokens as Firebase signs them.
    pub signed_tokens: bool,
    /// `--unsafe-network`: emulators on addresses that others can reach.
    pub unsafe_network: bool,
    /// `--clock`.
    pub clock: ClockSettings,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--import`.
    pub import: Option<PathBuf>,
    /// `--take-over`.
    pub take_over: bool,
    /// Where the command was given.
    pub directory: PathBuf,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
}

/// Settings, and what the user should be told of how they came about.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The settings.
    pub settings: Settings,
    /// Warnings, a line each.
    pub warnings: Vec<String>,
}

/// A configuration nobody can work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ConfigError {
    file: String,
    problem: String,
}

impl ConfigError {
    fn new(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.into(), problem: problem.into() }
    }
}

/// Resolves everything.
///
/// # Errors
/// A file that cannot be read or understood, or a setting that the mode forbids or lacks.
pub fn resolve(wishes: &Wishes) -> Result<Resolved, ConfigError> {
    let file = find_firebase_json(wishes);
    let root = file.as_deref().and_then(Path::parent).unwrap_or(&wishes.directory).to_path_buf();
    let firebase = match &file {
        Some(file) => read(file)?
            .map(|text| firebase_json::parse(&text))
            .transpose()
            .map_err(|problem| ConfigError::new(file.display().to_string(), problem))?
            .ok_or_else(|| ConfigError::new(file.display().to_string(), "there is no such file"))?,
        None => FirebaseJson::default(),
    };
    let mut runtime = read_runtime_config(&root, &firebase)?;
    for (variable, secret) in
        [(delivery::SMTP_PASSWORD, &mut runtime.smtp_password), (delivery::WEBHOOK_SECRET, &mut runtime.webhook_secret)]
    {
        if let Some(value) = wishes.environment.get(variable).filter(|value| !value.is_empty()) {
            *secret = Some(Secret::new(value));
        }
    }
    for (variable, secret) in [
        (JWT_SECRET_VARIABLE, &mut runtime.jwt_secret),
        (PUBSUB_SECRET_VARIABLE, &mut runtime.pubsub_secret),
        (TICKET_SECRET_VARIABLE, &mut runtime.pubsub_ticket_secret),
    ] {
        if let Some(value) = wishes.environment.get(variable).filter(|value| !value.is_empty()) {
            *secret = Some(value.clone());
        }
    }
    let mut warnings = firebase.warnings.clone();
    warnings.append(&mut runtime.warnings);
    let project = resolve_project(wishes, &root)?;
    let mut settings = match wishes.mode {
        Mode::Emulator => emulator_preset(&project, &runtime),
        Mode::SelfHost => self_host_preset(&project, &runtime, &mut warnings)?,
    };
    if firebase.has_functions {
        warnings.push(
            "functions: no code is loaded from your own source yet; Hearth serves the functions it brings".to_owned(),
        );
    }
    read_rules(&root, &firebase.rules, &mut settings)?;
    read_server_and_auth(&root, file.as_deref(), &firebase, &runtime, &mut settings, &mut warnings)?;
    settings.push_stream.declared = firebase.push_stream.clone();
    settings.push_stream.folder = root.clone();
    settings.hosted = hosted(&firebase, &wishes.environment);
    settings.data = (!wishes.ephemeral).then(|| {
        let base = wishes.data_dir.clone().map_or_else(|| root.join(".hearth"), |given| wishes.directory.join(given));
        base.join(&project)
    });
    settings.auth.unsigned_tokens &= !wishes.signed_tokens;
    settings.clock = wishes.clock;
    settings.seed = wishes.seed;
    settings.import = wishes.import.as_ref().map(|folder| wishes.directory.join(folder));
    settings.take_over = wishes.take_over;
    choose_services(wishes, &firebase, &mut settings)?;
    Ok(Resolved { settings, warnings })
}

/// What firebase.json says of proxies, limits, delivery, triggers and passkeys. An emulator limits nobody, sends nothing,
/// tells nobody of its users but functions, and has passkeys for this machine.
fn read_server_and_auth(
    root: &Path,
    file: Option<&Path>,
    firebase: &FirebaseJson,
    runtime: &RuntimeConfig,
    settings: &mut Settings,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let failed = |problem: String| {
        ConfigError::new(file.map_or_else(|| "firebase.json".to_owned(), |file| file.display().to_string()), problem)
    };
    settings.server.trusted_proxies = delivery::server(firebase.server.as_ref(), warnings).map_err(failed)?;
    if settings.mode == Mode::Emulator {
        settings.auth.triggers = auth_triggers::read(firebase.auth.as_ref(), None, warnings).map_err(failed)?;
        return Ok(());
    }
    let secrets = Secrets {
        smtp_password: runtime.smtp_password.clone().unwrap_or_default(),
        webhook: runtime.webhook_secret.clone().unwrap_or_default(),
    };
    let section = delivery::auth(firebase.auth.as_ref(), &secrets, root, warnings).map_err(failed)?;
    settings.auth.limits = section.limits;
    settings.auth.public_url = section.public_url;
    settings.auth.delivery = section.delivery;
    settings.auth.triggers = auth_triggers::read(firebase.auth.as_ref(), Some(&secrets), warnings).map_err(failed)?;
    settings.auth.passkeys = passkeys::read(firebase.auth.as_ref(), warnings).map_err(failed)?;
    Ok(())
}

fn emulator_preset(project: &str, runtime: &RuntimeConfig) -> Settings {
    Settings {
        mode: Mode::Emulator,
        project: project.to_owned(),
        data: None,
        durability: Durability::Process,
        services: BTreeMap::new(),
        server: ServerSettings::default(),
        auth: AuthSettings::emulator(),
        database: DatabaseSettings {
            rules: BTreeMap::new(),
            open: true,
            create_on_first_use: true,
            explain_denials: true,
        },
        rules_files: Vec::new(),
        functions: FunctionsSettings {
            skip_auth: runtime.skip_auth.unwrap_or(true),
            skip_rate_limit: runtime.skip_rate_limit.unwrap_or(true),
            log_pubsub: runtime.log_pubsub.unwrap_or(false),
            short_paths: false,
            open_triggers: true,
            ..functions(runtime)
        },
        push_stream: push_stream(runtime, runtime.pubsub_secret.clone().unwrap_or_default(), false),
        hosted: BTreeMap::new(),
        clock: ClockSettings::System,
        seed: None,
        import: None,
        take_over: false,
    }
}

fn self_host_preset(
    project: &str,
    runtime: &RuntimeConfig,
    warnings: &mut Vec<String>,
) -> Result<Settings, ConfigError> {
    let missing = |key: &str, variable: &str| {
        ConfigError::new(
            ".runtimeconfig.json",
            format!("{key} is missing; a self-hosted server needs it (or the environment variable {variable})"),
        )
    };
    if runtime.jwt_secret.is_none() {
        return Err(missing("jwt.secret", JWT_SECRET_VARIABLE));
    }
    let secret = runtime.pubsub_secret.clone().filter(|secret| !secret.is_empty());
    let secret = secret.ok_or_else(|| missing("pubsub.secret", PUBSUB_SECRET_VARIABLE))?;
    for (key, toggle) in [
        ("toggles.skip_auth", runtime.skip_auth),
        ("toggles.skip_rate_limit", runtime.skip_rate_limit),
        ("toggles.log_pubsub", runtime.log_pubsub),
    ] {
        if toggle == Some(true) {
            warnings.push(format!("{key} IS SET AND HAS NO EFFECT: a self-hosted server skips nothing"));
        }
    }
    Ok(Settings {
        mode: Mode::SelfHost,
        project: project.to_owned(),
        data: None,
        durability: Durability::Power,
        services: BTreeMap::new(),
        server: ServerSettings::default(),
        auth: AuthSettings::self_host(),
        database: DatabaseSettings {
            rules: BTreeMap::new(),
            open: false,
            create_on_first_use: false,
            explain_denials: false,
        },
        rules_files: Vec::new(),
        functions: FunctionsSettings {
            skip_auth: false,
            skip_rate_limit: false,
            log_pubsub: false,
            short_paths: true,
            open_triggers: false,
            ..functions(runtime)
        },
        push_stream: push_stream(runtime, secret, true),
        hosted: BTreeMap::new(),
        clock: ClockSettings::System,
        seed: None,
        import: None,
        take_over: false,
    })
}

/// Nothing is declared yet.
fn push_stream(runtime: &RuntimeConfig, secret: String, locked: bool) -> PushStreamSettings {
    let ticket_secret = runtime.pubsub_ticket_secret.clone();
    PushStreamSettings { secret, ticket_secret, locked, declared: None, folder: PathBuf::new() }
}

/// What the services on the platform are told.
fn hosted(firebase: &FirebaseJson, environment: &BTreeMap<String, String>) -> BTreeMap<Service, HostedSettings> {
    let settings = |service: Service| {
        let prefix = format!("HEARTH_{}_", service.key().to_ascii_uppercase());
        let secret = |(name, value): (&String, &String)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()));
        HostedSettings {
            config: firebase.hosted.get(&service).cloned().unwrap_or_default(),
            secrets: environment.iter().filter_map(secret).collect(),
        }
    };
    let services = Service::ALL.into_iter().filter(|service| service.hosted().is_some());
    services.map(|service| (service, settings(service))).collect()
}

/// What both presets have in common; the toggles stand at their safe side.
fn functions(runtime: &RuntimeConfig) -> FunctionsSettings {
    FunctionsSettings {
        skip_auth: false,
        skip_rate_limit: false,
        log_pubsub: false,
        jwt_secret: runtime.jwt_secret.clone(),
        pubsub_url: runtime.pubsub_url.clone(),
        pubsub_secret: runtime.pubsub_secret.clone().unwrap_or_default(),
        time_limit: TIME_LIMIT,
        short_paths: false,
        open_triggers: false,
        purge_sessions: runtime.purge_sessions.clone().unwrap_or_else(|| "every 3 hours".to_owned()),
        purge_accounts: runtime.purge_accounts.clone().unwrap_or_else(|| "every 24 hours".to_owned()),
        anonymous_days: runtime.anonymous_days.unwrap_or(30),
    }
}

/// Decides which services run and where. Without any configuration all do; with one, those it names, as the official
/// suite does it; `--only` names them itself. The push stream comes with the functions, which publish to it. The
/// services on the platform run where they are named, and change nothing for the others.
fn choose_services(wishes: &Wishes, firebase: &FirebaseJson, settings: &mut Settings) -> Result<(), ConfigError> {
    let declares_push_stream = firebase.push_stream.is_some();
    let unconfigured =
        !firebase.has_emulators && !firebase.has_functions && !firebase.has_database && !declares_push_stream;
    let configured = |service: Service| {
        unconfigured && service.hosted().is_none()
            || firebase.emulators.contains_key(&service)
            || match service {
                Service::Functions => firebase.has_functions,
                Service::Database => firebase.has_database,
                Service::PushStream => declares_push_stream,
                Service::Auth | Service::Hub => false,
                Service::Presence | Service::Signal | Service::Gateway | Service::Chat => {
                    firebase.hosted.contains_key(&service)
                }
            }
    };
    for service in Service::ALL {
        let runs = match (service, &wishes.only, wishes.mode) {
            (Service::Hub, _, mode) => mode == Mode::Emulator,
            (service, Some(only), _) => only.contains(&service),
            (service, None, Mode::SelfHost) => service.hosted().is_none() || configured(service),
            (Service::PushStream, None, Mode::Emulator) => {
                configured(Service::PushStream) || configured(Service::Functions)
            }
            (service, None, Mode::Emulator) => configured(service),
        };
        if !runs {
            continue;
        }
        let given = firebase.emulators.get(&service).cloned().unwrap_or_default();
        let host = wishes.host.clone().or(given.host).unwrap_or_else(|| "localhost".to_owned());
        if wishes.mode == Mode::Emulator && !wishes.unsafe_network && !is_loopback(&host) {
            return Err(ConfigError::new(
                format!("host {host:?}"),
                "emulators accept unsigned tokens and open access, so they listen on loopback only; \
                 --unsafe-network lets others reach them all the same",
            ));
        }
        let port = wishes.ports.get(&service).copied().or(given.port).unwrap_or(service.default_port());
        settings.services.insert(service, Endpoint { host, port });
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `--config` (a file, or a directory that holds one), else the nearest firebase.json upwards.
fn find_firebase_json(wishes: &Wishes) -> Option<PathBuf> {
    if let Some(given) = &wishes.config {
        let given = wishes.directory.join(given);
        return Some(if given.is_dir() { given.join("firebase.json") } else { given });
    }
    wishes.directory.ancestors().map(|folder| folder.join("firebase.json")).find(|file| file.is_file())
}

/// The runtime configuration beside firebase.json, or else in a functions directory, where the original keeps it.
fn read_runtime_config(root: &Path, firebase: &FirebaseJson) -> Result<RuntimeConfig, ConfigError> {
    let folders = std::iter::once(root.to_path_buf())
        .chain(firebase.function_sources.iter().map(|source| root.join(source)))
        .chain(std::iter::once(root.join("functions")));
    for folder in folders {
        let file = folder.join(".runtimeconfig.json");
        if let Some(text) = read(&file)? {
            return runtime_config::parse(&text)
                .map_err(|problem| ConfigError::new(file.display().to_string(), problem));
        }
    }
    Ok(RuntimeConfig::default())
}

/// The files of rules that firebase.json names, and the rules of each database that one is for.
fn read_rules(root: &Path, files: &[RulesFile], settings: &mut Settings) -> Result<(), ConfigError> {
    for RulesFile { path, holds_for } in files {
        let file = root.join(path);
        let failed = |problem: String| ConfigError::new(file.display().to_string(), problem);
        let text = rules_files::read(&file).map_err(failed)?;
        let ruleset = Ruleset::parse(&text).map_err(|errors| failed(format!("\n{errors:#}")))?;
        let databases = match holds_for {
            RulesOf::Default => vec![None],
            RulesOf::Instance(name) => vec![Some(name.clone())],
            RulesOf::Target(target) => {
                let firebaserc = root.join(".firebaserc");
                let names = firebase_json::database_target(&firebaserc, &settings.project, target)
                    .map_err(|problem| ConfigError::new(firebaserc.display().to_string(), problem))?;
                names.into_iter().map(Some).collect()
            }
        };
        settings.database.rules.extend(databases.iter().map(|name| (name.clone(), ruleset.clone())));
        settings.rules_files.push(RulesSource { file, databases, text });
    }
    Ok(())
}

fn resolve_project(wishes: &Wishes, root: &Path) -> Result<String, ConfigError> {
    let file = root.join(".firebaserc");
    let alias = |alias: Option<&str>| {
        firebase_json::project_alias(&file, alias)
            .map_err(|problem| ConfigError::new(file.display().to_string(), problem))
    };
    let environment = || {
        ["GCLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT"]
            .iter()
            .find_map(|name| wishes.environment.get(*name).filter(|value| !value.is_empty()).cloned())
    };
    let project = match &wishes.project {
        Some(given) => alias(Some(given))?.unwrap_or_else(|| given.clone()),
        None => alias(None)?.or_else(environment).unwrap_or_else(|| NO_PROJECT.to_owned()),
    };
    // The id becomes a directory's name and a part of every path.
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | ':');
    if project.is_empty() || project.len() > 64 || project.starts_with('.') || !project.chars().all(legal) {
        return Err(ConfigError::new(
            format!("project {project:?}"),
            "a project id has 1 to 64 letters, digits and hyphens",
        ));
    }
    Ok(project)
}

fn read(file: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::new(file.display().to_string(), error.to_string())),
    }
}
