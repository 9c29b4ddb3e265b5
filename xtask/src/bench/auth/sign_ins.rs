//! How long lookups take while many users sign in with their passwords, which are hashed with argon2id, and how long
//! when nobody does. Server and load share the machine; lookups come at a pace that leaves most of it free.

use super::{Rows, SELF_HOSTED, Sizes, calls, row, seconds, sorted};
use crate::bench::load::Connection;
use crate::bench::server::Server;
use crate::bench::verdict::{Limit, ratio};
use crate::bench::{Plan, Samples};
use crate::process::Failure;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Who looks themselves up, each on a connection of their own, and how long they rest in between.
const LOOKERS: usize = 4;
const REST: Duration = Duration::from_millis(4);
/// Users to sign in.
const USERS: usize = 50;
const PASSWORD: &str = "correct horse battery staple";

pub(super) async fn run(plan: &Plan, sizes: &Sizes, rows: &mut Rows) -> Result<(), Failure> {
    let [mut idle, mut busy, mut rate] = <[Samples; 3]>::default();
    let (mut idle_p50, mut busy_p50) = (Samples::default(), Samples::default());
    for _ in 0..plan.runs {
        let mut server = Server::start(&plan.binary, SELF_HOSTED)?;
        let address = server.address("auth")?;
        let mut connection = Connection::open(address).await?;
        let tokens = calls::id_tokens(&mut connection, LOOKERS).await?;
        for user in 0..USERS.min(sizes.sign_ins) {
            calls::asked(&mut connection, &calls::sign_up_with(&email(user), PASSWORD)).await?;
        }
        let (times, _) = look_up(address, &tokens, 0, seconds(plan)).await?;
        idle.add(times.at(0.99));
        idle_p50.add(times.median());
        let (times, sign_ins) = look_up(address, &tokens, sizes.sign_ins, seconds(plan)).await?;
        busy.add(times.at(0.99));
        busy_p50.add(times.median());
        rate.add(sign_ins as f64 / seconds(plan).as_secs_f64());
    }
    let shown = |p50: &Samples, p99: &Samples| format!("{}; {}", p50.show(2), p99.show(2));
    rows.push(row("lookups, nobody signs in, p50; p99, ms", shown(&idle_p50, &idle), ""));
    rows.push(row(
        format!("… while {} password sign-ins are under way", sizes.sign_ins),
        format!("{}: {}", shown(&busy_p50, &busy), ratio(&busy, &idle)),
        Limit::Times(2.0).verdict(&busy, &idle),
    ));
    rows.push(row("… sign-ins/s", rate.show(0), ""));
    Ok(())
}

/// Milliseconds that lookups took, and how many sign-ins were answered.
async fn look_up(
    address: SocketAddr,
    tokens: &[String],
    sign_ins: usize,
    duration: Duration,
) -> Result<(Samples, usize), Failure> {
    let local = LocalSet::new();
    let until = Instant::now() + duration;
    let answered = Rc::new(Cell::new(0));
    let mut signing_in = Vec::new();
    for user in 0..sign_ins {
        let answered = Rc::clone(&answered);
        let question = calls::sign_in(&email(user % USERS), PASSWORD);
        signing_in.push(local.spawn_local(async move {
            let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
            while Instant::now() < until {
                calls::asked(&mut connection, &question).await.map_err(|error| error.to_string())?;
                answered.set(answered.get() + 1);
            }
            Ok::<_, String>(())
        }));
    }
    let lookers: Vec<_> = tokens
        .iter()
        .map(|token| {
            let question = calls::lookup(token);
            local.spawn_local(async move {
                let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
                let mut times = Vec::new();
                while Instant::now() < until {
                    let sent = Instant::now();
                    calls::asked(&mut connection, &question).await.map_err(|error| error.to_string())?;
                    times.push(sent.elapsed().as_secs_f64() * 1000.0);
                    tokio::time::sleep(REST).await;
                }
                Ok::<_, String>(times)
            })
        })
        .collect();
    local.await;
    for sign_in in signing_in {
        sign_in.await??;
    }
    let mut times = Vec::new();
    for looker in lookers {
        times.extend(looker.await??);
    }
    Ok((sorted(times), answered.get()))
}

fn email(user: usize) -> String {
    format!("user{user}@example.com")
}
