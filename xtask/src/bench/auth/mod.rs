//! Auth under load: sign-ups and lookups, a million accounts, ID tokens, lookups beside password sign-ins.
//!
//! Both presets are measured: the emulator, whose commits survive the end of the process and whose tokens are unsigned,
//! and the self-hosted server, whose commits are synced to the disk and whose tokens are RSA-signed.

mod calls;
mod crowd;
mod side_by_side;
mod sign_ins;

use super::cores::{Cores, Kept};
use super::program::Program;
use super::verdict::Limit;
use super::{Plan, Samples, print_table};
use crate::process::Failure;
use std::time::Duration;

/// The preset whose commits are synced.
const SELF_HOSTED: &str = "serve";
const EMULATOR: &str = "emulators:start";

/// How much is done: less when what is measured has not been optimised.
struct Sizes {
    /// Users that are looked up in turn.
    users: usize,
    /// Accounts, and so many of them in a request.
    crowd: (usize, usize),
    /// Lookups in the crowd, and pages that are read of it.
    asked: (usize, usize),
    /// ID tokens.
    tokens: usize,
    /// Password sign-ins at a time.
    sign_ins: usize,
}

const WHOLE: Sizes = Sizes { users: 1000, crowd: (1_000_000, 1000), asked: (10_000, 100), tokens: 4000, sign_ins: 50 };
const SHORT: Sizes = Sizes { users: 10, crowd: (200, 100), asked: (50, 2), tokens: 20, sign_ins: 4 };

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let sizes = if plan.release { WHOLE } else { SHORT };
    side_by_side::run(plan, &sizes).await?;
    let mut rows = vec![["", "hearth", "limit"].map(str::to_owned).to_vec()];
    let done = async {
        tokens(plan, &sizes, &mut rows)?;
        sign_ins::run(plan, &sizes, &mut rows).await?;
        crowd::run(plan, &sizes, &mut rows).await
    };
    let done = done.await;
    // What was measured before something failed is shown.
    print_table(&format!("Auth (median of {} runs of {} s each, smallest–largest)", plan.runs, plan.seconds), &rows);
    done
}

type Rows = Vec<Vec<String>>;

/// ID tokens a second on one processor, as every service has them verified (`emulator/benches/tokens.rs`).
fn tokens(plan: &Plan, sizes: &Sizes, rows: &mut Rows) -> Result<(), Failure> {
    let bench = Program::build("tokens", plan.release)?;
    let _kept = Kept::on(Cores::find()?.server)?;
    let [mut first, mut again, mut signed, mut checked] = <[Samples; 4]>::default();
    for _ in 0..plan.runs {
        let figures = bench.run(&[&sizes.tokens.to_string()])?;
        first.add(figures.get("first")?);
        again.add(figures.get("again")?);
        signed.add(figures.get("sign")?);
        checked.add(figures.get("check")?);
    }
    let limit = Limit::AtLeast(20_000.0);
    rows.push(row("ID tokens verified/s on one core, seen for the first time", first.show(0), limit.alone(&first)));
    rows.push(row("… seen again", again.show(0), limit.alone(&again)));
    rows.push(row("… signatures alone, made/s; checked/s", format!("{}; {}", signed.show(0), checked.show(0)), ""));
    Ok(())
}

fn row(title: impl Into<String>, figure: impl Into<String>, limit: impl Into<String>) -> Vec<String> {
    vec![title.into(), figure.into(), limit.into()]
}

/// Times in milliseconds, put in order.
fn sorted(mut times: Vec<f64>) -> Samples {
    times.sort_by(f64::total_cmp);
    Samples(times)
}

fn seconds(plan: &Plan) -> Duration {
    Duration::from_secs(plan.seconds)
}
