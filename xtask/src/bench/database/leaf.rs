//! One leaf of many, read and set, each anywhere: what a client waits for.

use super::Target;
use super::socket::{Broken, Socket};
use crate::bench::Samples;
use crate::bench::load::{Connection, request};
use crate::process::Failure;
use std::fmt::Write;
use std::time::Instant;

/// Fields of each record.
const FIELDS: usize = 10;
/// Records that are written at once.
const AT_ONCE: usize = 10_000;
/// Leaves that are read, and leaves that are set.
const STEPS: usize = 5_000;

/// Microseconds, the middle one of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub(super) read: f64,
    pub(super) set: f64,
}

/// Writes so many leaves, as records of ten fields, then reads and sets some of them over a WebSocket, one at a time.
pub(super) async fn run(target: &Target, leaves: usize) -> Result<Steps, Failure> {
    let records = leaves / FIELDS;
    fill(target, records).await?;
    let mut socket = Socket::open(target).await?;
    let places = |step: usize| (step.wrapping_mul(104_729) % records, step % FIELDS);
    // Before what counts: the first ones find everything cold.
    for step in 0..STEPS / 10 {
        let (record, field) = places(step);
        socket.call("g", &format!(r#"{{"p":"/records/r{record:06}/f{field}","q":{{}}}}"#)).await?;
    }
    let [mut read, mut set] = <[Vec<f64>; 2]>::default();
    for step in 0..STEPS {
        let (record, field) = places(STEPS + step);
        let path = format!("/records/r{record:06}/f{field}");
        read.push(timed(&mut socket, "g", &format!(r#"{{"p":"{path}","q":{{}}}}"#)).await?);
        set.push(timed(&mut socket, "p", &format!(r#"{{"p":"{path}","d":"set {step}"}}"#)).await?);
    }
    read.sort_by(f64::total_cmp);
    set.sort_by(f64::total_cmp);
    Ok(Steps { read: Samples(read).median(), set: Samples(set).median() })
}

async fn fill(target: &Target, records: usize) -> Result<(), Failure> {
    let mut connection = Connection::open(target.address).await?;
    for first in (0..records).step_by(AT_ONCE) {
        let mut body = String::from("{");
        for record in first..records.min(first + AT_ONCE) {
            write!(body, r#"{}"r{record:06}":{{"#, if record > first { "," } else { "" })?;
            for field in 0..FIELDS {
                write!(body, r#"{}"f{field}":"{record} {field}""#, if field > 0 { "," } else { "" })?;
            }
            body.push('}');
        }
        body.push('}');
        let path = format!("/records.json?print=silent&writeSizeLimit=unlimited&ns={}", target.namespace);
        let answer = connection.ask(&request("PATCH", &path, &[], &body)).await?;
        if answer.status >= 300 {
            return Err(format!("PATCH: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
        }
    }
    Ok(())
}

async fn timed(socket: &mut Socket, action: &str, body: &str) -> Result<f64, Broken> {
    let began = Instant::now();
    socket.call(action, body).await?;
    Ok(began.elapsed().as_secs_f64() * 1e6)
}
