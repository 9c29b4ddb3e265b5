//! A million accounts: how long one is looked up, a page listed and the server started, how much the file and the
//! process take.

use super::{EMULATOR, Rows, Sizes, calls, row, sorted};
use crate::bench::load::Connection;
use crate::bench::server::{PROJECT, Server, resident};
use crate::bench::{Plan, Samples};
use crate::process::Failure;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Instant;

/// Accounts on a page: the most that there may be.
const PAGE: usize = 1000;

pub(super) async fn run(plan: &Plan, sizes: &Sizes, rows: &mut Rows) -> Result<(), Failure> {
    let mut server = Server::start(&plan.binary, EMULATOR)?;
    let mut connection = Connection::open(server.address("auth")?).await?;
    let accounts = sizes.crowd.0;
    let created = create(&mut connection, sizes.crowd).await?;
    rows.push(row(format!("{accounts} accounts created/s, {} to a call", sizes.crowd.1), format!("{created:.0}"), ""));

    // The second start finds the log of the first, as it was killed; the third finds it moved into the file.
    let killed = restart(&mut server, Signal::SIGKILL).await?;
    let mut ended = Samples::default();
    for _ in 0..plan.runs {
        ended.add(restart(&mut server, Signal::SIGTERM).await?);
    }
    rows.push(row("… ready after a kill; after an orderly end, ms", format!("{killed:.1}; {}", ended.show(1)), ""));
    let megabytes = server.stored("auth")? as f64 / 1e6;
    let each = megabytes * 1e6 / accounts as f64;
    rows.push(row("… file, MB; bytes an account", format!("{megabytes:.1}; {each:.0}"), ""));
    let fresh = resident(server.id());

    let mut connection = Connection::open(server.address("auth")?).await?;
    let (lookups, pages) = sizes.asked;
    for (field, of) in [("localId", local_id as fn(usize) -> String), ("email", email)] {
        let mut times = Vec::new();
        for number in 0..lookups {
            // Everywhere among them, in no order.
            let question = calls::lookup_by(PROJECT, field, &of(number * 7919 % accounts));
            let sent = Instant::now();
            let answer = calls::asked(&mut connection, &question).await?;
            times.push(sent.elapsed().as_secs_f64() * 1000.0);
            answer.pointer("/users/0").ok_or("an account is missing")?;
        }
        rows.push(row(format!("… lookup by {field}, p50; p99, ms"), quantiles(times), ""));
    }
    let (mut times, mut token) = (Vec::new(), None::<String>);
    for _ in 0..pages {
        let question = calls::batch_get(PROJECT, PAGE, token.as_deref());
        let sent = Instant::now();
        let answer = calls::asked(&mut connection, &question).await?;
        times.push(sent.elapsed().as_secs_f64() * 1000.0);
        token = answer.get("nextPageToken").and_then(Value::as_str).map(str::to_owned);
    }
    rows.push(row(format!("… a page of {PAGE}, p50; p99, ms"), quantiles(times), ""));
    let now = resident(server.id());
    rows.push(row("… RSS, MB: started; after all this", format!("{fresh:.1}; {now:.1}"), ""));
    Ok(())
}

/// Accounts a second.
async fn create(connection: &mut Connection, (accounts, batch): (usize, usize)) -> Result<f64, Failure> {
    let started = Instant::now();
    for first in (0..accounts).step_by(batch) {
        let users: Vec<Value> = (first..accounts.min(first + batch)).map(user).collect();
        let answer = calls::asked(connection, &calls::batch_create(PROJECT, &users)).await?;
        if answer.get("error").and_then(Value::as_array).is_some_and(|errors| !errors.is_empty()) {
            return Err(format!("accounts were refused: {answer}").into());
        }
    }
    Ok(accounts as f64 / started.elapsed().as_secs_f64())
}

/// As an app's users are: with an email, a name and a password.
fn user(number: usize) -> Value {
    json!({
        "localId": local_id(number),
        "email": email(number),
        "emailVerified": true,
        "displayName": format!("User {number}"),
        "passwordHash": "c2NyeXB0LWhhc2gtb2YtYS1wYXNzd29yZC1vZi02NC1ieXRlcy1sb25nLS0tLS0tLS0tLS0tLS0tLS0tLS0t",
        "salt": "c29tZS1zYWx0",
        "createdAt": "1767225600000",
        "lastLoginAt": "1767225600000",
    })
}

/// Ids in no order, as drawn ones are.
fn local_id(number: usize) -> String {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{mixed:020}{number:08}")
}

fn email(number: usize) -> String {
    format!("user{number}@example.com")
}

/// Milliseconds until Auth answers again.
async fn restart(server: &mut Server, signal: Signal) -> Result<f64, Failure> {
    server.end(signal)?;
    let started = Instant::now();
    server.start_again()?;
    let question = calls::lookup_by(PROJECT, "localId", &local_id(0));
    calls::asked(&mut Connection::open(server.address("auth")?).await?, &question).await?;
    Ok(started.elapsed().as_secs_f64() * 1000.0)
}

fn quantiles(times: Vec<f64>) -> String {
    let times = sorted(times);
    format!("{:.2}; {:.2}", times.median(), times.at(0.99))
}
