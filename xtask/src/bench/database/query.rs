//! Twenty of many children, by a child of theirs that the rules name an index for.

use super::Target;
use super::socket::{Broken, Socket};
use crate::bench::load::{Connection, request};
use crate::process::Failure;
use std::fmt::Write;
use std::time::Instant;

/// Children that are written at once.
const AT_ONCE: usize = 50_000;
/// So many are asked for.
const WANTED: usize = 20;
/// Questions over each transport.
const QUESTIONS: usize = 500;

/// Milliseconds that each question took, in order: over REST, over WebSocket.
pub(super) struct Asked {
    pub(super) rest: Vec<f64>,
    pub(super) socket: Vec<f64>,
}

/// Writes so many children, has the index made, then asks for some of them, each time others.
pub(super) async fn run(target: &Target, children: usize) -> Result<Asked, Failure> {
    let mut connection = Connection::open(target.address).await?;
    for first in (0..children).step_by(AT_ONCE) {
        let mut body = String::from("{");
        for number in first..children.min(first + AT_ONCE) {
            let separator = if number > first { "," } else { "" };
            // The order of the scores is not that of the keys.
            let score = number.wrapping_mul(7_919) % children;
            write!(body, r#"{separator}"k{number:07}":{{"score":{score},"name":"player {number}"}}"#)?;
        }
        body.push('}');
        let path = format!("/scores.json?print=silent&writeSizeLimit=unlimited&ns={}", target.namespace);
        let answer = connection.ask(&request("PATCH", &path, &[], &body)).await?;
        if answer.status >= 300 {
            return Err(format!("PATCH: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
        }
    }
    let mut asked = Asked { rest: Vec::new(), socket: Vec::new() };
    let starts = || (0..QUESTIONS).map(|question| question.wrapping_mul(104_729) % (children - WANTED));
    for start in std::iter::once(0).chain(starts()) {
        let path =
            format!("/scores.json?orderBy=%22score%22&startAt={start}&limitToFirst={WANTED}&ns={}", target.namespace);
        let question = request("GET", &path, &[], "");
        let began = Instant::now();
        let answer = connection.ask(&question).await?;
        asked.rest.push(began.elapsed().as_secs_f64() * 1e3);
        let found = answer.body.windows(5).filter(|part| part == b"score").count();
        if answer.status != 200 || found != WANTED {
            let body = String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>();
            return Err(format!("{} instead of {WANTED} children: {body}", answer.status).into());
        }
    }
    let mut socket = Socket::open(target).await?;
    for start in starts() {
        asked.socket.push(ask(&mut socket, start).await?);
    }
    // The first one made the index.
    asked.rest.remove(0);
    Ok(asked)
}

async fn ask(socket: &mut Socket, start: usize) -> Result<f64, Broken> {
    let body = format!(r#"{{"p":"/scores","q":{{"i":"score","sp":{start},"sin":true,"l":{WANTED},"vf":"l"}}}}"#);
    let began = Instant::now();
    let length = socket.call("g", &body).await?;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    if length < WANTED * 40 { Err(format!("only {length} bytes of answer")) } else { Ok(milliseconds) }
}
