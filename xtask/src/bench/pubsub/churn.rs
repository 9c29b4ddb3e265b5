//! Listeners that come and go while messages are published: the server's memory has to stay where it is.

use super::contender::Contender;
use super::fan::publish;
use super::generator::{channel, stamped};
use crate::bench::Samples;
use crate::bench::cores::{Cores, Kept};
use crate::bench::load::Connection;
use crate::bench::server::resident;
use crate::process::{Failure, cargo, root};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Streams that come and go together.
const GROUP: usize = 200;
/// Messages for each group, each to another channel.
const MESSAGES: usize = 20;
const CHANNELS: usize = 1000;
/// What the last third of the time may have more than the first, as a share and in megabytes.
const FLAT: (f64, f64) = (1.05, 2.0);

/// What to let come and go, and for how long.
#[derive(Debug, Args)]
pub(crate) struct SoakArguments {
    #[arg(value_enum)]
    what: Soaked,
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Soaked {
    /// The push stream's listeners.
    Pubsub,
}

/// Builds the release binary and lets listeners come and go.
pub(crate) fn soak(arguments: &SoakArguments) -> Result<(), Failure> {
    let Soaked::Pubsub = arguments.what;
    cargo(&["build", "--release", "--package", "hearth"])?;
    let binary: PathBuf = root().join("target/release/hearth");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cores = Cores::find()?;
    let _kept = Kept::on(cores.load)?;
    runtime.block_on(run(&binary, cores, Duration::from_secs_f64(arguments.minutes * 60.0), 40))
}

/// Weighs the server so many times meanwhile. More memory in the last third than in the first is a failure.
pub(super) async fn run(binary: &Path, cores: Cores, duration: Duration, weighings: u32) -> Result<(), Failure> {
    let started = Contender::Ours(binary.to_path_buf()).start(cores, 1)?;
    let target = started.targets.first().ok_or("no server")?.clone();
    let process = *started.processes().first().ok_or("no process")?;
    let mut publisher = Connection::open(target.address).await?;
    for number in 0..CHANNELS {
        publish(&mut publisher, &target, number, "first").await?;
    }
    let (begun, mut weighed, mut groups) = (Instant::now(), Vec::new(), 0);
    while begun.elapsed() < duration {
        let first = groups * GROUP;
        let mut streams = Vec::new();
        for number in first..first + GROUP {
            let mut stream = TcpStream::connect(target.address).await?;
            let path = target.subscribe.replace("{}", &channel(number % CHANNELS));
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
            streams.push(stream);
        }
        for stream in &mut streams {
            // The head, and with it a place among the listeners.
            if stream.read(&mut [0; 4096]).await? == 0 {
                return Err("a stream was not opened".into());
            }
        }
        for number in 0..MESSAGES {
            publish(&mut publisher, &target, (first + number) % CHANNELS, &stamped(1024)).await?;
        }
        for (number, mut stream) in streams.into_iter().enumerate() {
            if number < MESSAGES {
                stream.read_u8().await?;
            }
            // Some leave in order, some do not.
            if number % 2 == 0 {
                stream.set_zero_linger()?;
            }
        }
        groups += 1;
        if begun.elapsed() * weighings > duration * u32::try_from(weighed.len() + 1)? {
            weighed.push(resident(process));
        }
    }
    judge(&weighed, groups)
}

fn judge(weighed: &[f64], groups: usize) -> Result<(), Failure> {
    let third = weighed.len() / 3;
    let median = |part: &mut dyn Iterator<Item = &f64>| {
        let mut samples = Samples::default();
        part.for_each(|sample| samples.add(*sample));
        samples.median()
    };
    // What is weighed first is still growing into its caches.
    let first = median(&mut weighed.iter().skip(third / 2).take(third));
    let last = median(&mut weighed.iter().rev().take(third));
    let came = groups * GROUP;
    println!(
        "\nChurn: {came} listeners came and went; the server had {first:.1} MB at first and {last:.1} MB at last."
    );
    if last > first * FLAT.0 + FLAT.1 {
        return Err(format!("the server's memory grows: {weighed:.1?} MB").into());
    }
    Ok(())
}
