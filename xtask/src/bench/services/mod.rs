//! The services on the platform under load.
//!
//! The self-hosted server, whose commits are synced to the disk, has one processor, and what loads it another.

mod chat;

use super::cores::{Cores, Kept};
use super::{Part, Plan, print_table};
use crate::process::Failure;

type Rows = Vec<Vec<String>>;

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let cores = Cores::find()?;
    let _kept = Kept::on(cores.load)?;
    let mut rows = vec![["", "hearth", "measured against"].map(str::to_owned).to_vec()];
    let wanted = |part| plan.parts.is_empty() || plan.parts.contains(&part);
    let done = async {
        if wanted(Part::Chat) {
            chat::run(plan, cores, &mut rows).await?;
        }
        Ok(())
    };
    let done = done.await;
    // What was measured before something failed is shown.
    print_table(
        &format!("Services (median of {} runs of {} s each, smallest–largest)", plan.runs, plan.seconds),
        &rows,
    );
    let whose = if cores.apart() { "one processor each" } else { "one processor together" };
    println!("\nServer and load had {whose}.");
    done
}

fn row(what: impl Into<String>, figure: impl Into<String>, against: impl Into<String>) -> Vec<String> {
    vec![what.into(), figure.into(), against.into()]
}
