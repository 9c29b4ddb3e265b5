//! The command line: the flags frontend developers know from the official suite, and a few of ours.

use crate::clock::{MANUAL_START, Millis};
use crate::config::resolve::Wishes;
use crate::config::service::Service;
use crate::config::settings::{ClockSettings, Mode};
use crate::transfer::user_file::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io;
use std::path::PathBuf;

/// Auth, Realtime Database, Functions and pubsub for Firebase apps, in one binary. No Firestore, no Cloud Storage.
#[derive(Debug, Parser)]
#[command(name = "hearth", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the emulators and keep them running.
    #[command(name = "emulators:start")]
    Start(StartArguments),
    /// Start the emulators, run a script beside them, stop them, and exit with the script's code.
    #[command(name = "emulators:exec")]
    Exec(ExecArguments),
    /// Export the data of the emulators that are running, in the official suite's layout.
    #[command(name = "emulators:export")]
    Export(ExportArguments),
    /// Export the accounts to a file, as the Firebase CLI does; the server must not be running.
    #[command(name = "auth:export")]
    AuthExport(AuthExport),
    /// Import accounts from a file that is as the Firebase CLI's; the server must not be running.
    #[command(name = "auth:import")]
    AuthImport(AuthImport),
    /// Run cases of security rules, and say which come out otherwise than expected.
    #[command(name = "rules:test")]
    RulesTest(RulesTestArguments),
    /// Print an nginx configuration's push stream as a part of firebase.json.
    #[command(name = "pushstream:import")]
    PushStreamImport(PushStreamImportArguments),
    /// Serve in earnest: signed tokens, enforced auth, secrets required.
    Serve(ServeArguments),
    /// Issue a service-account key, with which Admin SDKs are admins of a server; the server must not be running.
    #[command(name = "service-accounts:create")]
    ServiceAccountsCreate(ServiceAccountsCreate),
    /// List the service-account keys; the server must not be running.
    #[command(name = "service-accounts:list")]
    ServiceAccountsList(DataArguments),
    /// Take a service-account key back; the server must not be running.
    #[command(name = "service-accounts:revoke")]
    ServiceAccountsRevoke(ServiceAccountsRevoke),
}

/// `emulators:export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The folder; an export that it holds already is replaced.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The project: an id, or an alias of .firebaserc.
    #[arg(short = 'P', long, value_name = "ID")]
    pub project: Option<String>,
    /// Where firebase.json is; otherwise it is looked for here and upwards.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Export these only: auth, database.
    #[arg(long, value_name = "SERVICES", value_delimiter = ',')]
    pub only: Option<Vec<Service>>,
    /// Does nothing: an export is replaced anyway, and nothing else ever is.
    #[arg(long)]
    pub force: bool,
}

impl ExportArguments {
    /// These flags as wishes, by which the project is found.
    ///
    /// # Errors
    /// There is no working directory.
    pub fn wishes(&self) -> io::Result<Wishes> {
        let data = DataArguments { project: self.project.clone(), config: self.config.clone(), data_dir: None };
        data.common().wishes(Mode::Emulator)
    }
}

/// `auth:export`.
#[derive(Debug, Args)]
pub struct AuthExport {
    /// The file.
    pub file: PathBuf,
    /// Whose data.
    #[command(flatten)]
    pub data: DataArguments,
    /// What the file shall be, if its name does not say so.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// `auth:import`. How passwords were hashed is said as to the Firebase CLI.
#[derive(Debug, Args)]
pub struct AuthImport {
    /// The file; its name ends with .json or .csv.
    pub file: PathBuf,
    /// Whose data.
    #[command(flatten)]
    pub data: DataArguments,
    /// HMAC_SHA512, HMAC_SHA256, HMAC_SHA1, HMAC_MD5, MD5, SHA1, SHA256, SHA512, PBKDF_SHA1, PBKDF2_SHA256, SCRYPT,
    /// BCRYPT or STANDARD_SCRYPT. Not needed for what auth:export has written.
    #[arg(long, value_name = "ALGORITHM")]
    pub hash_algo: Option<String>,
    /// The key of SCRYPT or an HMAC, in base64.
    #[arg(long, value_name = "BASE64")]
    pub hash_key: Option<String>,
    /// What SCRYPT puts behind the salt, in base64.
    #[arg(long, value_name = "BASE64")]
    pub salt_separator: Option<String>,
    /// How often.
    #[arg(long, value_name = "NUMBER")]
    pub rounds: Option<u32>,
    /// The memory cost of SCRYPT, or the CPU and memory cost of STANDARD_SCRYPT.
    #[arg(long, value_name = "NUMBER")]
    pub mem_cost: Option<u32>,
    /// The parallelization of STANDARD_SCRYPT.
    #[arg(long, value_name = "NUMBER")]
    pub parallelization: Option<u32>,
    /// The block size of STANDARD_SCRYPT.
    #[arg(long, value_name = "NUMBER")]
    pub block_size: Option<u32>,
    /// The length of the key that STANDARD_SCRYPT derives.
    #[arg(long, value_name = "NUMBER")]
    pub dk_len: Option<u32>,
    /// SALT_FIRST or PASSWORD_FIRST, for plain hashes and HMACs.
    #[arg(long, value_name = "ORDER")]
    pub hash_input_order: Option<String>,
}

/// `service-accounts:create`.
#[derive(Debug, Args)]
pub struct ServiceAccountsCreate {
    /// Whose data.
    #[command(flatten)]
    pub data: DataArguments,
    /// Write the key to this file, which must be kept secret.
    #[arg(short, long, value_name = "FILE", default_value = "service-account.json")]
    pub output: PathBuf,
    /// What the key says of where to get access tokens: the server's Auth port, path /token.
    #[arg(long, value_name = "URL")]
    pub token_uri: Option<String>,
}

/// `service-accounts:revoke`.
#[derive(Debug, Args)]
pub struct ServiceAccountsRevoke {
    /// Whose data.
    #[command(flatten)]
    pub data: DataArguments,
    /// The key's id, as `service-accounts:list` prints it and `private_key_id` in its file says.
    #[arg(value_name = "KEY_ID")]
    pub id: String,
}

/// Flags of commands that work on a server's data.
#[derive(Debug, Args)]
pub struct DataArguments {
    /// The project: an id, or an alias of .firebaserc.
    #[arg(short = 'P', long, value_name = "ID")]
    pub project: Option<String>,
    /// Where firebase.json is; otherwise it is looked for here and upwards.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data is below this directory [default: .hearth beside firebase.json].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl DataArguments {
    /// These flags as wishes for a server.
    ///
    /// # Errors
    /// There is no working directory.
    pub fn wishes(&self) -> io::Result<Wishes> {
        self.common().wishes(Mode::SelfHost)
    }

    fn common(&self) -> CommonArguments {
        let Self { project, config, data_dir } = self;
        CommonArguments {
            project: project.clone(),
            config: config.clone(),
            only: None,
            host: None,
            ports: Vec::new(),
            ports_file: None,
            data_dir: data_dir.clone(),
        }
    }
}

/// `emulators:start`.
#[derive(Debug, Args)]
pub struct StartArguments {
    /// What all commands take.
    #[command(flatten)]
    pub common: CommonArguments,
    /// What the emulators take.
    #[command(flatten)]
    pub emulator: EmulatorArguments,
}

/// `emulators:exec`.
#[derive(Debug, Args)]
pub struct ExecArguments {
    /// The script, for a shell; it finds the emulators through the usual environment variables.
    pub script: String,
    /// What all commands take.
    #[command(flatten)]
    pub common: CommonArguments,
    /// What the emulators take.
    #[command(flatten)]
    pub emulator: EmulatorArguments,
}

/// `rules:test`.
#[derive(Debug, Args)]
pub struct RulesTestArguments {
    /// Files of cases: YAML if they end with .yaml or .yml, else JSON. May hold wildcards: "rules/**/*.yaml".
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// How to say what came out.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// How `rules:test` says what came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people: what came out otherwise, and a summary.
    Text,
    /// Every case, as one JSON object.
    Json,
    /// Every case, as JUnit's XML, which CI systems show.
    Junit,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// What all commands take.
    #[command(flatten)]
    pub common: CommonArguments,
    /// Take over from the server that works on the same data, if one does: its sockets, so that no connection is
    /// refused, and its channels, so that no listener misses anything. It stops then.
    #[arg(long)]
    pub take_over: bool,
}

impl ServeArguments {
    /// These flags as wishes.
    ///
    /// # Errors
    /// There is no working directory.
    pub fn wishes(&self) -> io::Result<Wishes> {
        Ok(Wishes { take_over: self.take_over, ..self.common.wishes(Mode::SelfHost)? })
    }
}

/// `pushstream:import`.
#[derive(Debug, Args)]
pub struct PushStreamImportArguments {
    /// The nginx configuration.
    pub file: PathBuf,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub struct CommonArguments {
    /// The project: an id, or an alias of .firebaserc.
    #[arg(short = 'P', long, value_name = "ID")]
    pub project: Option<String>,
    /// Where firebase.json is; otherwise it is looked for here and upwards.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Run these services only: auth, functions, database, pushStream.
    #[arg(long, value_name = "SERVICES", value_delimiter = ',')]
    pub only: Option<Vec<Service>>,
    /// Listen here, whatever firebase.json says.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Listen on this port, whatever firebase.json says: auth=9099,database=0; 0 means any free one.
    #[arg(long = "port", value_name = "SERVICE=PORT", value_delimiter = ',', value_parser = parse_port)]
    pub ports: Vec<(Service, u16)>,
    /// Once everything is ready, write {"auth": {"host", "port"}, …} to this file.
    #[arg(long, value_name = "FILE")]
    pub ports_file: Option<PathBuf>,
    /// Keep data below this directory [default: .hearth beside firebase.json].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Flags of the emulators alone.
#[derive(Debug, Args)]
pub struct EmulatorArguments {
    /// Keep no data.
    #[arg(long, conflicts_with = "data_dir")]
    pub ephemeral: bool,
    /// Which clock to follow: system, manual (stands at 2030-01-01T00:00:00Z until it is moved through the hub), or
    /// manual@TIME with a time like 2026-01-31T12:00:00Z or in milliseconds since 1970.
    #[arg(long, value_name = "CLOCK", default_value = "system", value_parser = parse_clock)]
    pub clock: ClockSettings,
    /// Make ids, codes and push ids repeatable: the same number, the same bytes.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Sign ID tokens with RS256 and publish the keys, as Firebase does, so that any library verifies them; unsigned
    /// ones are refused then. The official SDKs expect unsigned ones of an emulator and cope with either.
    #[arg(long)]
    pub signed_tokens: bool,
    /// Begin with the data of this export, in place of what is kept; it may be the official suite's.
    #[arg(long, value_name = "DIR")]
    pub import: Option<PathBuf>,
    /// Export the data to this folder before the end [default: the one of --import].
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub export_on_exit: Option<Option<PathBuf>>,
    /// Allow a host that others can reach, although emulators accept unsigned tokens and open access.
    #[arg(long)]
    pub unsafe_network: bool,
}

impl CommonArguments {
    /// These flags as wishes; what only emulators know stands at its default.
    ///
    /// # Errors
    /// There is no working directory.
    pub fn wishes(&self, mode: Mode) -> io::Result<Wishes> {
        Ok(Wishes {
            mode,
            project: self.project.clone(),
            config: self.config.clone(),
            only: self.only.clone(),
            host: self.host.clone(),
            ports: self.ports.iter().copied().collect(),
            data_dir: self.data_dir.clone(),
            ephemeral: false,
            signed_tokens: false,
            unsafe_network: false,
            clock: ClockSettings::System,
            seed: None,
            import: None,
            take_over: false,
            directory: std::env::current_dir()?,
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        })
    }
}

impl EmulatorArguments {
    /// Both kinds of flags as wishes.
    ///
    /// # Errors
    /// There is no working directory.
    pub fn wishes(&self, common: &CommonArguments) -> io::Result<Wishes> {
        Ok(Wishes {
            ephemeral: self.ephemeral,
            signed_tokens: self.signed_tokens,
            unsafe_network: self.unsafe_network,
            clock: self.clock,
            seed: self.seed,
            import: self.import.clone(),
            ..common.wishes(Mode::Emulator)?
        })
    }
}

fn parse_port(text: &str) -> Result<(Service, u16), String> {
    let (service, port) = text.split_once('=').ok_or("expected SERVICE=PORT, like auth=9099")?;
    let port = port.parse().map_err(|_| format!("{port:?} is not a port number (0 to 65535)"))?;
    Ok((service.parse().map_err(|error: crate::config::service::UnknownService| error.to_string())?, port))
}

fn parse_clock(text: &str) -> Result<ClockSettings, String> {
    match text.split_once('@') {
        None if text == "system" => Ok(ClockSettings::System),
        None if text == "manual" => Ok(ClockSettings::Manual { start: MANUAL_START }),
        Some(("manual", time)) => parse_time(time)
            .map(|start| ClockSettings::Manual { start })
            .ok_or_else(|| format!("{time:?} is neither a time like 2026-01-31T12:00:00Z nor milliseconds since 1970")),
        _ => Err("expected system, manual, or manual@TIME".to_owned()),
    }
}

fn parse_time(text: &str) -> Option<Millis> {
    let milliseconds = match text.parse::<i64>() {
        Ok(milliseconds) => milliseconds,
        Err(_) => chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis(),
    };
    Millis::try_from(milliseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn clocks_are_parsed() {
        for (text, clock) in [
            ("system", Some(ClockSettings::System)),
            ("manual", Some(ClockSettings::Manual { start: MANUAL_START })),
            ("manual@1500", Some(ClockSettings::Manual { start: 1500 })),
            ("manual@2030-01-01T00:00:00Z", Some(ClockSettings::Manual { start: MANUAL_START })),
            ("manual@2030-01-01T01:00:00+01:00", Some(ClockSettings::Manual { start: MANUAL_START })),
            ("manual@-1", None),
            ("manual@noon", None),
            ("sundial", None),
        ] {
            assert_eq!(parse_clock(text).ok(), clock, "{text}");
        }
    }

    #[test]
    fn ports_are_parsed() {
        assert_eq!(parse_port("pushStream=0"), Ok((Service::PushStream, 0)));
        for wrong in ["auth", "auth=", "auth=70000", "ui=1"] {
            assert!(parse_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn flags_reach_the_wishes() {
        let line = "hearth emulators:start -P demo --only auth,database --port auth=0,hub=1 --port database=2 --seed 7";
        let Command::Start(start) = Arguments::try_parse_from(line.split(' ')).unwrap().command else { panic!() };
        let wishes = start.emulator.wishes(&start.common).unwrap();
        assert_eq!(wishes.only, Some(vec![Service::Auth, Service::Database]));
        assert_eq!(wishes.ports.len(), 3);
        assert_eq!((wishes.project.as_deref(), wishes.seed), (Some("demo"), Some(7)));
    }

    #[test]
    fn what_is_not_there_is_refused_with_2() {
        for line in [
            "emulators:start --inspect-functions",
            "emulators:start --log-verbosity DEBUG",
            "emulators:exec true --ui",
            "emulators:start --only firestore",
            "emulators:start --ephemeral --data-dir here",
            "emulators:export",
            "serve --import dir",
            "auth:import",
            "auth:export a --format xml",
            "serve --ephemeral",
            "serve --clock manual",
            "serve --seed 1",
            "serve --signed-tokens",
            "deploy",
            "rules:test",
            "rules:test a.json --format pdf",
        ] {
            let words = std::iter::once("hearth").chain(line.split(' '));
            assert_eq!(Arguments::try_parse_from(words).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
