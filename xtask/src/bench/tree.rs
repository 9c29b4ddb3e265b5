//! What a tree takes in memory, how long one is opened, what one leaf costs to read and to set among many, and a query.
//!
//! Each figure comes from a process of its own (`emulator/benches/tree.rs`), so that none inherits another's memory.

use super::program::Bench;
use super::{Plan, Samples, print_table};
use crate::process::{Failure, root};

const SHAPES: [(&str, &str); 2] = [("records", "records of ten fields"), ("list", "one list of numbers")];
/// A leaf may take so many bytes.
const MOST_BYTES: f64 = 150.0;
/// A database of as many leaves as the largest tree may take so long to open, in milliseconds.
const MOST_TO_OPEN: f64 = 1500.0;
/// Twenty of as many children as the largest tree has leaves may take so long to find, in milliseconds.
const MOST_TO_FIND: f64 = 1.0;
/// From the smallest tree to the largest, a cost may grow so many times.
const MOST_GROWTH: f64 = 2.0;

pub(super) fn run(plan: &Plan) -> Result<(), Failure> {
    let bench = Bench::build("tree", plan.release)?;
    let sizes: &[usize] = if plan.release { &[1_000, 100_000, 1_000_000] } else { &[1_000, 10_000] };
    let largest = sizes.last().copied().unwrap_or_default();
    let mut whole = vec![
        ["", "bytes a leaf, grown", "bytes a leaf, opened", "limit", "opened in, ms", "limit"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut steps = vec![["", "leaves", "read, ns", "set, ns", "growth", "limit"].map(str::to_owned).to_vec()];
    for (shape, name) in SHAPES {
        let leaves = largest.to_string();
        let folder = tempfile::TempDir::new_in(root().join("target"))?;
        let made = folder.path().join("made");
        bench.run(&["make", shape, &leaves, &made.to_string_lossy()])?;
        let (mut grown, mut opened, mut time) = (Samples::default(), Samples::default(), Samples::default());
        for _ in 0..plan.runs {
            grown.add(bench.run(&["memory", shape, &leaves])?.get("bytes")?);
            let figures = bench.run(&["open", &made.to_string_lossy()])?;
            opened.add(figures.get("resident")? / largest as f64);
            time.add(figures.get("milliseconds")?);
        }
        whole.push(vec![
            format!("{largest} leaves, {name}"),
            grown.show(0),
            opened.show(0),
            verdict(grown.median().max(opened.median()), MOST_BYTES),
            time.show(0),
            verdict(time.median(), MOST_TO_OPEN),
        ]);
        edits(&bench, plan, (shape, name), sizes, &mut steps)?;
    }
    print_table(&format!("Trees, whole (median of {} runs, smallest–largest)", plan.runs), &whole);
    print_table("Trees, one leaf, anywhere, processor time in memory alone", &steps);
    query(&bench, plan, largest)
}

/// Processor time, as that of a leaf.
fn query(bench: &Bench, plan: &Plan, children: usize) -> Result<(), Failure> {
    let (mut first, mut again) = (Samples::default(), Samples::default());
    for _ in 0..plan.runs.min(3) {
        let figures = bench.run(&["query", &children.to_string(), "1"])?;
        first.add(figures.get("first")? / 1e6);
        again.add(figures.get("again")? / 1e6);
    }
    let rows = [
        ["", "the first time, ms", "then, ms", "limit"].map(str::to_owned).to_vec(),
        vec![
            format!("20 of {children} children by an index, as JSON"),
            first.show(0),
            again.show(4),
            verdict(again.median(), MOST_TO_FIND),
        ],
    ];
    print_table("Trees, a query, processor time in memory alone", &rows);
    Ok(())
}

/// One row for each size of tree.
fn edits(
    bench: &Bench,
    plan: &Plan,
    (shape, name): (&str, &str),
    sizes: &[usize],
    rows: &mut Vec<Vec<String>>,
) -> Result<(), Failure> {
    let mut smallest = None;
    for size in sizes {
        let (mut reads, mut sets) = (Samples::default(), Samples::default());
        for _ in 0..plan.runs {
            let seconds = (plan.seconds as f64 / 2.0).to_string();
            let figures = bench.run(&["edit", shape, &size.to_string(), &seconds])?;
            reads.add(figures.get("get")?);
            sets.add(figures.get("set")?);
        }
        let (read, set) = *smallest.get_or_insert((reads.median(), sets.median()));
        let growth = [reads.median() / read, sets.median() / set];
        rows.push(vec![
            name.to_owned(),
            size.to_string(),
            reads.show(0),
            sets.show(0),
            growth.map(|times| format!("{times:.1}×")).join(", "),
            verdict(growth.into_iter().fold(0.0, f64::max), MOST_GROWTH),
        ]);
    }
    Ok(())
}

fn verdict(figure: f64, limit: f64) -> String {
    format!("{limit}, {}", if figure <= limit { "kept" } else { "missed" })
}
