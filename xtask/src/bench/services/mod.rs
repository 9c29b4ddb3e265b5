//! The services on the platform under load, and what a stream costs.
//!
//! Presence and signal in emulator mode, where a claim says who is asking; commits survive the end of the process.
//! Each has one processor, and what loads it another, as have a minimal server on Node's http module, which keeps and
//! checks nothing, and one of ours that does one call of the system for each event; all are loaded in turn.

mod chat;
mod gateway;
pub(super) mod limit;
mod node;
mod streams;

use super::cores::{Cores, Kept};
use super::load::request;
use super::server::{Server, resident};
use super::stub::{Running, Stub};
use super::verdict::ratio;
use super::{Plan, Samples, ServicePart, print_table};
use crate::process::Failure;
use node::Node;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use streams::Sent;
use tokio::task::LocalSet;

/// The server is left alone for so long before it is weighed.
const REST: Duration = Duration::from_secs(1);
const SENDERS: usize = 32;

/// What is sent.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Presence,
    Signal,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Signal => "signal",
        }
    }

    /// What listens to `user`.
    fn subscribe(self, user: usize) -> Vec<u8> {
        let claim = format!(r#"{{"userid":"u{user}","clientid":"d"}}"#);
        let path = match self {
            Self::Presence => format!("/subscribe/u{user}"),
            Self::Signal => format!("/subscribe/u{user}/device/d"),
        };
        request("GET", &path, &[("X-User-Claim", &claim)], "")
    }

    /// What is sent to those who listen to `user`.
    fn send(self, user: usize, whose: Whose) -> Vec<u8> {
        let claim = format!(r#"{{"userid":"u{user}","clientid":"d"}}"#);
        let headers = [("X-User-Claim", claim.as_str()), ("Content-Type", "application/json")];
        match (self, whose) {
            (Self::Presence, Whose::Ours | Whose::Node) => request("POST", "/ping", &headers, r#"{"status":"~"}"#),
            // It reads no claims.
            (Self::Presence, Whose::Limit) => {
                request("POST", &format!("/ping/u{user}"), &headers, r#"{"time":1600000000,"status":"~"}"#)
            }
            (Self::Signal, _) => {
                let data = format!("~{}", "candidate:1 1 UDP 2122317823 192.0.2.1 54321 typ host ".repeat(2));
                let body = format!(r#"{{"event":"candidate","data":"{data}"}}"#);
                request("POST", &format!("/user/u{user}/device/d"), &headers, &body)
            }
        }
    }
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Node,
    Limit,
}

const ALL: [(Whose, &str); 3] =
    [(Whose::Ours, "hearth"), (Whose::Node, "Node, nothing kept"), (Whose::Limit, "one call for each event")];

/// A server that runs.
enum Contender {
    Ours(Box<Server>),
    Node(Node),
    Limit(Running),
}

impl Contender {
    fn start(plan: &Plan, whose: Whose, kind: Kind) -> Result<(Self, SocketAddr), Failure> {
        Ok(match whose {
            Whose::Ours => {
                let mut server = Server::start_hosting(&plan.binary, "emulators:start", None, &[kind.name()])?;
                let address = server.address(kind.name())?;
                (Self::Ours(Box::new(server)), address)
            }
            Whose::Node => {
                let node = Node::start()?;
                let address = node.address;
                (Self::Node(node), address)
            }
            Whose::Limit => {
                let running = Running::start(Stub::Events)?;
                let address = running.address;
                (Self::Limit(running), address)
            }
        })
    }

    fn id(&self) -> u32 {
        match self {
            Self::Ours(server) => server.id(),
            Self::Node(node) => node.id(),
            Self::Limit(running) => running.id(),
        }
    }
}

/// One row: how many users, and how many listen to each.
struct Shape {
    kind: Kind,
    users: usize,
    fan: usize,
    what: String,
}

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let wanted = |part| plan.service_parts.is_empty() || plan.service_parts.contains(&part);
    if wanted(ServicePart::Presence) || wanted(ServicePart::Signal) {
        events(plan, wanted).await?;
    }
    if wanted(ServicePart::Chat) {
        chat::run(plan).await?;
    }
    if wanted(ServicePart::Gateway) {
        gateway::run(plan).await?;
    }
    Ok(())
}

/// Presence and signal.
async fn events(plan: &Plan, wanted: impl Fn(ServicePart) -> bool) -> Result<(), Failure> {
    let (many, idle) = if plan.release { (1_000, 10_000) } else { (20, 50) };
    let shape = |kind, users, fan, what: &str| Shape { kind, users, fan, what: what.to_owned() };
    let mut shapes = Vec::new();
    if wanted(ServicePart::Presence) {
        shapes.push(shape(Kind::Presence, many, 1, &format!("pings of {many} users, a subscriber each")));
        shapes.push(shape(Kind::Presence, 1, many, &format!("pings of one user, {many} subscribers")));
    }
    if wanted(ServicePart::Signal) {
        shapes.push(shape(Kind::Signal, many, 1, &format!("signals to {many} devices")));
    }
    let cores = Cores::find()?;
    let mut rows = vec![["", "requests/s", "delivered/s", "delivered × the server's"].map(str::to_owned).to_vec()];
    for shape in &shapes {
        rows.extend(loaded(plan, cores, shape).await?);
    }
    print_table(&format!("Services (median of {} runs of {} s each)", plan.runs, plan.seconds), &rows);
    let mut rows = vec![["", "bytes resident for each stream"].map(str::to_owned).to_vec()];
    for (kind, part) in [(Kind::Presence, ServicePart::Presence), (Kind::Signal, ServicePart::Signal)] {
        for (whose, name) in ALL.into_iter().filter(|_| wanted(part)) {
            let bytes = weighed(plan, cores, kind, whose, idle).await?;
            rows.push(vec![format!("{}, {idle} streams, {name}", kind.name()), format!("{bytes:.0}")]);
        }
    }
    print_table("Streams that wait", &rows);
    Ok(())
}

/// Loads everybody's server in turn.
async fn loaded(plan: &Plan, cores: Cores, shape: &Shape) -> Result<Vec<Vec<String>>, Failure> {
    let mut figures = ALL.map(|_| (Samples::default(), Samples::default()));
    for _ in 0..plan.runs {
        for ((whose, _), (requests, delivered)) in ALL.into_iter().zip(&mut figures) {
            let sent = load(plan, cores, shape, whose).await?;
            requests.add(sent.requests);
            delivered.add(sent.delivered);
        }
    }
    let [(_, ours), ..] = &figures;
    let row = |((whose, name), (requests, delivered)): ((Whose, &str), &(Samples, Samples))| {
        let times = if whose == Whose::Ours { String::new() } else { ratio(ours, delivered) };
        vec![format!("{}, {name}", shape.what), requests.show(0), delivered.show(0), times]
    };
    Ok(ALL.into_iter().zip(&figures).map(row).collect())
}

async fn load(plan: &Plan, cores: Cores, shape: &Shape, whose: Whose) -> Result<Sent, Failure> {
    let (_server, address) = {
        let _kept = Kept::on(cores.server)?;
        Contender::start(plan, whose, shape.kind)?
    };
    let _kept = Kept::on(cores.load)?;
    let subscriptions: Vec<_> =
        (0..shape.users * shape.fan).map(|number| shape.kind.subscribe(number % shape.users)).collect();
    let requests = Rc::new((0..shape.users).map(|user| shape.kind.send(user, whose)).collect());
    let (senders, fan) = if shape.fan == 1 { (SENDERS, 1) } else { (1, shape.fan as u64) };
    let local = LocalSet::new();
    let sending = local.run_until(async {
        let (audience, _listening) = streams::open(address, subscriptions).await?;
        audience.send(address, &requests, senders, fan, Duration::from_secs(plan.seconds)).await
    });
    sending.await.map_err(|broken| format!("{}, {whose:?}: {broken}", shape.what).into())
}

/// Bytes of resident memory for each of so many streams.
async fn weighed(plan: &Plan, cores: Cores, kind: Kind, whose: Whose, streams: usize) -> Result<f64, Failure> {
    let (server, address) = {
        let _kept = Kept::on(cores.server)?;
        Contender::start(plan, whose, kind)?
    };
    let subscriptions: Vec<_> = (0..streams).map(|number| kind.subscribe(number)).collect();
    let local = LocalSet::new();
    let weighing = local.run_until(async {
        tokio::time::sleep(REST).await;
        let before = resident(server.id());
        let _streams = streams::open(address, subscriptions).await?;
        tokio::time::sleep(REST).await;
        Ok::<f64, streams::Broken>((resident(server.id()) - before) * 1024.0 * 1024.0 / streams as f64)
    });
    Ok(weighing.await?)
}
