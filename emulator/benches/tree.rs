//! One measurement of the tree in a process of its own, so that none inherits another's memory. `cargo xtask bench tree`
//! runs it and makes a table of what it prints: a name and a number on each line.
//!
//! `memory SHAPE LEAVES` · `edit SHAPE LEAVES SECONDS` · `make SHAPE LEAVES DIRECTORY` · `open DIRECTORY` ·
//! `query CHILDREN SECONDS`
//!
//! Must not know: what the figures should be.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use hearth::clock::{Clock, Entropy};
use hearth::config::settings::DatabaseSettings;
use hearth::database::Databases;
use hearth::storage::{Durability, Storage};
use hearth_database::{Bound, Caller, Change, Key, Leaf, Limit, Location, Node, Order, Path, Plan, Query, Write, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// As the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn Error>;

/// What the leaves are.
#[derive(Clone, Copy)]
enum Shape {
    /// Children under push ids, of ten short fields each.
    Records,
    /// Numbers under push ids.
    List,
}

const FIELDS: [&str; 10] =
    ["active", "author", "color", "createdAt", "lang", "likes", "name", "score", "status", "text"];
/// Where everything lies.
const TOP: &str = "items";
/// So many leaves are written at once while a file is made.
const LEAVES_PER_WRITE: usize = 50_000;
/// So many children are asked for.
const WANTED: usize = 20;
/// So many leaves are read and set in turn.
const STEPS: usize = 20_000;
/// So many questions are timed together.
const STEPS_OF_QUERIES: usize = 500;
/// The scheduler counts in milliseconds, so steps are timed together for so long.
const ROUND: Duration = Duration::from_millis(100);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["memory", shape, leaves] => memory(shape.parse()?, leaves.parse()?),
        ["edit", shape, leaves, seconds] => edit(shape.parse()?, leaves.parse()?, seconds.parse()?),
        ["make", shape, leaves, directory] => make(shape.parse()?, leaves.parse()?, directory.as_ref()),
        ["open", directory] => open(directory.as_ref()),
        ["query", children, seconds] => query(children.parse()?, seconds.parse()?),
        _ => Err("memory SHAPE LEAVES | edit SHAPE LEAVES SECONDS | make SHAPE LEAVES DIRECTORY | open DIRECTORY \
             | query CHILDREN SECONDS"
            .into()),
    }
}

impl std::str::FromStr for Shape {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        match name {
            "records" => Ok(Self::Records),
            "list" => Ok(Self::List),
            _ => Err(format!("{name}: records or list").into()),
        }
    }
}

impl Shape {
    fn leaves_per_child(self) -> usize {
        match self {
            Self::Records => FIELDS.len(),
            Self::List => 1,
        }
    }

    fn child(self, number: usize, random: &mut Random) -> Result<Node, Failure> {
        match self {
            Self::List => Ok(leaf(5, number, random)),
            Self::Records => {
                let fields = FIELDS.iter().enumerate();
                let fields: Result<_, Failure> =
                    fields.map(|(field, name)| Ok((Key::new(name)?, leaf(field, number, random)))).collect();
                Ok(Node::branch(fields?))
            }
        }
    }

    /// Some child's leaf.
    fn path(self, number: usize, random: &mut Random) -> Result<Path, Failure> {
        let child = Path::parse(&format!("{TOP}/{}", push_id(number)))?;
        Ok(match self {
            Self::List => child,
            Self::Records => {
                child.child(Key::new(FIELDS.get(random.below(FIELDS.len())).copied().unwrap_or_default())?)
            }
        })
    }

    /// The children from `first` on, up to `count` of them.
    fn children(self, first: usize, count: usize, random: &mut Random) -> Result<Vec<(Key, Node)>, Failure> {
        (first..first + count).map(|number| Ok((Key::new(&push_id(number))?, self.child(number, random)?))).collect()
    }

    /// As it comes about: child after child.
    fn tree(self, leaves: usize, random: &mut Random) -> Result<Node, Failure> {
        let top = Path::parse(TOP)?;
        let mut root = Node::NULL;
        for (key, child) in self.children(0, leaves / self.leaves_per_child(), random)? {
            root = root.set(&top.child(key), child);
        }
        Ok(root)
    }
}

/// The field's value: flags, numbers and texts from 2 to 40 bytes.
fn leaf(field: usize, number: usize, random: &mut Random) -> Node {
    match field {
        0 => Leaf::Bool(random.below(2) == 0).into(),
        1 => Leaf::text(&format!("{:028x}", random.below(1 << 60))).into(),
        2 => Leaf::text(&format!("#{:06x}", random.below(1 << 24))).into(),
        3 => Leaf::Int(1_767_225_600_000 + number as i64).into(),
        4 => Leaf::text("en").into(),
        5 => Leaf::Int(random.below(10_000) as i64).into(),
        6 => Leaf::text(&format!("Person {}", random.below(1_000_000))).into(),
        7 => Leaf::Double(random.below(1000) as f64 + 0.5).into(),
        8 => Leaf::text("published").into(),
        _ => Leaf::text(&format!("a sentence of about forty bytes {}", random.below(1_000_000))).into(),
    }
}

/// Twenty characters that grow with the number, as push ids do.
fn push_id(number: usize) -> String {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("-OgX{:06}{:010}", number, mixed % 10_000_000_000)
}

/// A generator that a seed repeats.
struct Random(fastrand::Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit.max(1))
    }
}

fn say(name: &str, figure: f64) {
    println!("{name} {figure}");
}

/// Resident memory, in bytes.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().next().ok_or("no VmRSS")?.parse::<f64>()? * 1024.0)
}

/// What one step takes, in nanoseconds.
fn cost(paths: &[Path], mut step: impl FnMut(&Path)) -> Result<f64, Failure> {
    let (started, before, mut steps) = (Instant::now(), processor_time()?, 0);
    while started.elapsed() < ROUND {
        paths.iter().for_each(&mut step);
        steps += paths.len();
    }
    Ok((processor_time()? - before) / steps as f64)
}

/// What this thread has used of a processor, in nanoseconds: on a busy machine a clock would time the others too.
fn processor_time() -> Result<f64, Failure> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(statistics.split_whitespace().next().ok_or("no schedstat")?.parse()?)
}

/// What a tree takes that came about child after child.
fn memory(shape: Shape, leaves: usize) -> Result<(), Failure> {
    let mut random = Random::new(1);
    let top = Path::parse(TOP)?;
    let before = resident()?;
    let mut root = Node::NULL;
    for number in 0..leaves / shape.leaves_per_child() {
        root = root.set(&top.child(Key::new(&push_id(number))?), shape.child(number, &mut random)?);
    }
    say("bytes", (resident()? - before) / leaves as f64);
    black_box(root);
    Ok(())
}

/// What it takes to read and to set one of many leaves, here and there in turn.
fn edit(shape: Shape, leaves: usize, seconds: f64) -> Result<(), Failure> {
    let mut random = Random::new(2);
    let mut root = shape.tree(leaves, &mut random)?;
    let children = leaves / shape.leaves_per_child();
    let mut paths = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let number = random.below(children);
        paths.push(shape.path(number, &mut random)?);
    }
    let rounds = (seconds / ROUND.as_secs_f64() / 2.0).ceil().max(1.0) as usize;
    let (mut reads, mut sets) = (Vec::new(), Vec::new());
    let mut value = 0;
    for _ in 0..rounds {
        reads.push(cost(&paths, |path| {
            black_box(root.get(path));
        })?);
        sets.push(cost(&paths, |path| {
            value += 1;
            root = root.set(path, Leaf::Int(value).into());
        })?);
    }
    say("get", median(reads));
    say("set", median(sets));
    Ok(())
}

/// What it takes to find twenty of many children by an index and to put them into words; once, and then again and again.
fn query(children: usize, seconds: f64) -> Result<(), Failure> {
    let mut random = Random::new(4);
    let (name, score) = (Key::new("name")?, Key::new("score")?);
    let scored = (0..children).map(|number| {
        let fields =
            [(name.clone(), leaf(6, number, &mut random)), (score.clone(), number_below(children, &mut random))];
        Ok((Key::new(&push_id(number))?, Node::branch(fields.into())))
    });
    let node = Node::branch(scored.collect::<Result<_, Failure>>()?);
    let ask = |from: usize| {
        let start = Bound::at(Some(Leaf::Int(from as i64)), None);
        let order = Order::Child(Path::ROOT.child(score.clone()));
        let query = Query { order, start: Some(start), end: None, limit: Some(Limit::First(WANTED)) };
        json::to_text(&query.select(&node, Plan::Index), json::Form::Export)
    };
    let first = processor_time()?;
    black_box(ask(0));
    say("first", processor_time()? - first);
    let (mut times, started) = (Vec::new(), Instant::now());
    while started.elapsed().as_secs_f64() < seconds {
        let before = processor_time()?;
        for _ in 0..STEPS_OF_QUERIES {
            black_box(ask(random.below(children)));
        }
        times.push((processor_time()? - before) / STEPS_OF_QUERIES as f64);
    }
    say("again", median(times));
    Ok(())
}

fn number_below(limit: usize, random: &mut Random) -> Node {
    Leaf::Int(random.below(limit) as i64).into()
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn databases(directory: &std::path::Path) -> Result<std::sync::Arc<Databases>, Failure> {
    let storage = Storage::directory(directory, Durability::Process)?;
    let settings =
        DatabaseSettings { rules: BTreeMap::new(), open: true, create_on_first_use: true, explain_denials: false };
    Ok(Databases::open(storage, "demo-bench", settings, Clock::system(), Entropy::seeded(1))?)
}

/// A file that others open.
fn make(shape: Shape, leaves: usize, directory: &std::path::Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let databases = databases(directory)?;
    let mut random = Random::new(3);
    let (count, step) = (leaves / shape.leaves_per_child(), LEAVES_PER_WRITE / shape.leaves_per_child());
    for first in (0..count).step_by(step) {
        let children = shape.children(first, step.min(count - first), &mut random)?;
        let parts = children.into_iter().map(|(key, node)| (Path::ROOT.child(key).into(), node.into())).collect();
        let location = Location::parse(TOP)?;
        let write = Write { caller: Caller::Admin, location, if_match: None, change: Change::Update(parts) };
        runtime.block_on(databases.default_database().write(write))?;
    }
    runtime.block_on(databases.close());
    Ok(())
}

fn open(directory: &std::path::Path) -> Result<(), Failure> {
    let before = resident()?;
    let started = Instant::now();
    let databases = databases(directory)?;
    say("milliseconds", started.elapsed().as_secs_f64() * 1000.0);
    say("resident", resident()? - before);
    black_box(databases.default_database().snapshot());
    // The process ends here, as a server's would not: it has nothing to put away.
    std::mem::forget(databases);
    Ok(())
}
