//! The binary as a child process, in a folder of its own.

use crate::process::{Failure, root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The project that is measured.
pub(super) const PROJECT: &str = "demo-bench";

/// Where a server says its ports.
const PORTS: &str = "ports.json";

/// More than a run of any length needs.
const SIGN_UPS_AN_HOUR: u32 = 3_600_000;

/// The unit of `/proc`'s times, which Linux fixes at 100 a second whatever the kernel counts in.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server; killed when dropped.
pub(super) struct Server {
    child: Child,
    command: Command,
    folder: TempDir,
}

impl Server {
    /// Starts `command` (`emulators:start`, say) with everything enforced, on free ports.
    pub(super) fn start(binary: &Path, command: &str) -> Result<Self, Failure> {
        Self::start_with(binary, command, None)
    }

    /// The same, with rules for the database.
    pub(super) fn start_with(binary: &Path, command: &str, rules: Option<&Value>) -> Result<Self, Failure> {
        Self::start_hosting(binary, command, rules, &[])
    }

    /// The same, with these of the services on the platform.
    pub(super) fn start_hosting(
        binary: &Path,
        command: &str,
        rules: Option<&Value>,
        hosted: &[&str],
    ) -> Result<Self, Failure> {
        // Below target/, so that the data lies on the disk the project lies on and not on a memory file system.
        let folder = TempDir::new_in(root().join("target"))?;
        let services = ["auth", "functions", "database", "pushStream", "hub"];
        let emulators: Value =
            services.iter().chain(hosted).map(|service| ((*service).to_owned(), json!({"port": 0}))).collect();
        let runtime = json!({
            "jwt": {"secret": "for benchmarks"},
            "pubsub": {"secret": "for benchmarks"},
            "toggles": {"skip_auth": false, "skip_rate_limit": false},
        });
        // One address signs everybody up; the count is kept all the same, as it would be of many.
        let limits = json!({"address": {"signUps": SIGN_UPS_AN_HOUR}});
        let mut settings = json!({"emulators": emulators, "auth": {"limits": limits}});
        if let Some(settings) = settings.as_object_mut() {
            settings.extend(hosted.iter().map(|service| ((*service).to_owned(), json!({}))));
        }
        if let (Some(rules), Some(settings)) = (rules, settings.as_object_mut()) {
            std::fs::write(folder.path().join("database.rules.json"), rules.to_string())?;
            settings.insert("database".to_owned(), json!({"rules": "database.rules.json"}));
        }
        std::fs::write(folder.path().join("firebase.json"), settings.to_string())?;
        std::fs::write(folder.path().join(".runtimeconfig.json"), runtime.to_string())?;
        let mut program = Command::new(binary);
        program
            .args([command, "--project", PROJECT, "--ports-file", PORTS])
            .current_dir(folder.path())
            .env("HEARTH_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Ok(Self { child: program.spawn()?, command: program, folder })
    }

    /// Starts it again after its end, with the same data.
    pub(super) fn start_again(&mut self) -> Result<(), Failure> {
        std::fs::remove_file(self.folder.path().join(PORTS))?;
        self.child = self.command.spawn()?;
        Ok(())
    }

    /// Bytes of the files of a store (`auth`, say), with their logs.
    pub(super) fn stored(&self, store: &str) -> Result<u64, Failure> {
        let mut bytes = 0;
        for file in std::fs::read_dir(self.folder.path().join(".hearth").join(PROJECT))? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with(&format!("{store}.sqlite")) {
                bytes += file.metadata()?.len();
            }
        }
        Ok(bytes)
    }

    /// Ends it by `signal`.
    pub(super) fn end(&mut self, signal: Signal) -> Result<(), Failure> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until it is ready; the address of a service.
    pub(super) fn address(&mut self, service: &str) -> Result<SocketAddr, Failure> {
        let file = self.folder.path().join(PORTS);
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(address) = read_address(&file, service) {
                return Ok(address);
            }
            if self.child.try_wait()?.is_some() || Instant::now() > until {
                return Err("the server did not start".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end(Signal::SIGTERM);
    }
}

/// Ports that were free a moment ago, all different.
pub(super) fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT], Failure> {
    let mut listeners = Vec::new();
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// Processor time that processes have used, in seconds.
pub(super) fn processor_seconds(processes: &[u32]) -> Result<f64, Failure> {
    let mut ticks = 0.0;
    for process in processes {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name may hold anything, so it is skipped from its end; user and system time are fields 14 and 15.
        let (_, after_name) = stat.rsplit_once(')').ok_or("an unreadable stat")?;
        let times = after_name.split_ascii_whitespace().skip(11).take(2);
        ticks += times.filter_map(|time| time.parse::<f64>().ok()).sum::<f64>();
    }
    Ok(ticks / TICKS_PER_SECOND)
}

/// Resident memory of a process, in MB; 0 if it has ended.
pub(super) fn resident(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

fn read_address(file: &Path, service: &str) -> Option<SocketAddr> {
    let ports: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    let entry = ports.get(service)?;
    let host = entry.get("host")?.as_str()?.parse().ok()?;
    Some(SocketAddr::new(host, u16::try_from(entry.get("port")?.as_u64()?).ok()?))
}
