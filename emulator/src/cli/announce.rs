//! What the user is told: the start, the table of services, the stop. Scripts wait for
//! `All emulators ready! It is now safe to connect your app.`

use crate::app::App;
use crate::config::service::Service;
use crate::config::settings::{Mode, Settings};
use nix::sys::signal::Signal;
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

/// Prints a line; a closed standard output is no reason to stop serving.
fn line(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Says what is about to start, and what is unsafe about it.
pub(super) fn starting(settings: &Settings, warnings: &[String]) {
    let names: Vec<&str> =
        settings.services.keys().filter(|service| **service != Service::Hub).map(|service| service.key()).collect();
    match settings.mode {
        Mode::Emulator => {
            line(format_args!("i  emulators: Starting emulators: {}", names.join(", ")));
            line(format_args!("⚠  emulators: Unsafe by design, for development only: {}.", unsafe_things(settings)));
            if settings.project.starts_with("demo-") {
                line(format_args!(
                    "i  emulators: Project {:?} is a demo project: nothing here talks to a real one.",
                    settings.project
                ));
            }
        }
        Mode::SelfHost => line(format_args!("i  serve: Starting {} for {}", names.join(", "), settings.project)),
    }
    match &settings.data {
        Some(path) => line(format_args!("i  data: {}", path.display())),
        None => line("i  data: Nothing is kept (--ephemeral)"),
    }
    for warning in warnings {
        line(format_args!("⚠  config: {warning}"));
    }
}

/// What an emulator does that a server must not.
fn unsafe_things(settings: &Settings) -> String {
    let mut things = Vec::new();
    if settings.auth.unsigned_tokens {
        things.push("unsigned ID tokens");
    }
    if settings.auth.emulator {
        things.push("\"Bearer owner\" is an admin");
    }
    if settings.database.open {
        things.push("databases without rules are open to everyone");
    }
    if settings.functions.skip_auth {
        things.push("functions skip auth");
    }
    if settings.functions.skip_rate_limit {
        things.push("functions skip the rate limit");
    }
    if settings.push_stream.secret.is_empty() {
        things.push("publishing needs no secret");
    }
    things.join(", ")
}

/// Says that everything runs, and where.
pub(super) fn ready(app: &App) {
    for notice in app.notices() {
        line(format_args!("i  {notice}"));
    }
    let addresses = app.addresses();
    match app.mode() {
        Mode::Emulator => {
            boxed("✔  All emulators ready! It is now safe to connect your app.");
            table("Emulator", addresses);
            if let Some(hub) = addresses.get(&Service::Hub).and_then(|all| all.first()) {
                line(format_args!("  Emulator Hub host: {} port: {}", hub.ip(), hub.port()));
            }
        }
        Mode::SelfHost => {
            boxed("✔  Hearth is ready.");
            table("Service", addresses);
        }
    }
    let _ = io::stdout().flush();
}

/// Says that a signal was received.
pub(super) fn stopping(signal: Signal) {
    line(format_args!("\ni  emulators: Received {signal}. Shutting down."));
}

/// Says that another server has the sockets.
pub(super) fn taken_over() {
    line("\ni  serve: Another server takes over. Shutting down.");
}

fn boxed(text: &str) {
    let width = text.chars().count() + 2;
    line(format_args!("\n┌{0}┐\n│ {text} │\n└{0}┘\n", "─".repeat(width)));
}

fn table(heading: &str, addresses: &BTreeMap<Service, Vec<SocketAddr>>) {
    let rows: Vec<(&str, String)> = addresses
        .iter()
        .filter(|(service, _)| **service != Service::Hub)
        .filter_map(|(service, all)| Some((service.label(), all.first()?.to_string())))
        .collect();
    let left = rows.iter().map(|(name, _)| name.len()).chain([heading.len()]).max().unwrap_or(0);
    let right = rows.iter().map(|(_, address)| address.len()).chain(["Host:Port".len()]).max().unwrap_or(0);
    let (left_rule, right_rule) = ("─".repeat(left + 2), "─".repeat(right + 2));
    line(format_args!("┌{left_rule}┬{right_rule}┐\n│ {heading:left$} │ {:right$} │", "Host:Port"));
    for (name, address) in rows {
        line(format_args!("├{left_rule}┼{right_rule}┤\n│ {name:left$} │ {address:right$} │"));
    }
    line(format_args!("└{left_rule}┴{right_rule}┘"));
}

/// Writes `{"auth": {"host", "port"}, …}` whole or not at all: a reader that sees the file sees all of it.
pub(super) fn write_ports_file(file: &Path, addresses: &BTreeMap<Service, Vec<SocketAddr>>) -> io::Result<()> {
    let mut ports = Map::new();
    for (service, all) in addresses {
        if let Some(address) = all.first() {
            ports.insert(service.key().to_owned(), json!({"host": address.ip().to_string(), "port": address.port()}));
        }
    }
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".tmp");
    std::fs::write(&temporary, serde_json::Value::Object(ports).to_string())?;
    std::fs::rename(&temporary, file)
}
