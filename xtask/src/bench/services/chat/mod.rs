//! Chat: a group of 1,000 who connect all at once, write to each other, and see each other come and go.

mod member;

use crate::bench::cores::{Cores, Kept};
use crate::bench::frames::{find, number};
use crate::bench::limits::syncs_per_second;
use crate::bench::load::Connection;
use crate::bench::server::{Server, processor_seconds, resident};
use crate::bench::{Plan, Samples, print_table};
use crate::process::Failure;
use member::{Broken, Member, User};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, LocalSet};

/// The preset whose commits are synced.
const DURABLE: &str = "serve";
/// The server is left alone for so long before it is weighed.
const REST: Duration = Duration::from_secs(1);
/// What takes longer to arrive has been lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Users, and how often one of them comes and goes.
const WHOLE: (usize, usize) = (1_000, 20);
const SHORT: (usize, usize) = (20, 3);

/// What the runs showed.
#[derive(Default)]
struct Figures {
    presences: Samples,
    bytes: Samples,
    messages: Samples,
    processor: Samples,
    message_p50: Samples,
    message_p99: Samples,
    told_p50: Samples,
    told_p99: Samples,
}

/// The self-hosted server has one processor, and what loads it another.
pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let cores = Cores::find()?;
    let _kept = Kept::on(cores.load)?;
    let mut rows = vec![row("", "hearth", "measured against")];
    let (users, comings) = if plan.release { WHOLE } else { SHORT };
    let duration = Duration::from_secs(plan.seconds);
    let (mut figures, mut syncs) = (Figures::default(), Samples::default());
    for _ in 0..plan.runs {
        let mut server = {
            let _kept = Kept::on(cores.server)?;
            Server::start_hosting(&plan.binary, DURABLE, None, &["chat"])?
        };
        let round = Round::new(&mut server, users, comings, duration).await?;
        LocalSet::new().run_until(round.run(&mut figures)).await?;
        drop(server);
        syncs.add(syncs_per_second(Duration::from_millis(500))?);
    }
    let heard = users * (users - 1) / 2;
    rows.push(row(
        format!("chat: {users} users connect, {heard} presences delivered/s"),
        figures.presences.show(0),
        "",
    ));
    rows.push(row("… bytes of memory each, after that", figures.bytes.show(0), ""));
    rows.push(row(
        "… messages stored, and delivered to both, /s",
        figures.messages.show(0),
        format!("{} syncs/s", syncs.show(0)),
    ));
    rows.push(row("… … processor time of each, µs", figures.processor.show(1), ""));
    let quantiles = |p50: &Samples, p99: &Samples| format!("{}; {}", p50.show(2), p99.show(2));
    rows.push(row("… … sent to heard, p50; p99, ms", quantiles(&figures.message_p50, &figures.message_p99), ""));
    rows.push(row(
        format!("… one connects, {} are told, p50; p99, ms", users - 1),
        quantiles(&figures.told_p50, &figures.told_p99),
        "",
    ));
    print_table(&format!("Chat (median of {} runs of {} s each, smallest–largest)", plan.runs, plan.seconds), &rows);
    Ok(())
}

fn row(what: impl Into<String>, figure: impl Into<String>, against: impl Into<String>) -> Vec<String> {
    vec![what.into(), figure.into(), against.into()]
}

/// One run.
struct Round {
    chat: SocketAddr,
    process: u32,
    /// With a token each.
    users: Vec<(User, String)>,
    /// He who comes and goes, and his tokens.
    visitor: (User, Vec<String>),
    duration: Duration,
}

impl Round {
    async fn new(server: &mut Server, users: usize, comings: usize, duration: Duration) -> Result<Self, Failure> {
        let (auth, chat) = (server.address("auth")?, server.address("chat")?);
        let (mut asking, mut issuing) = (Connection::open(auth).await?, Connection::open(chat).await?);
        let mut known = Vec::new();
        for _ in 0..users {
            let user = User::new(&mut asking).await?;
            let token = user.token(&mut issuing).await?;
            known.push((user, token));
        }
        let visitor = User::new(&mut asking).await?;
        let mut tokens = Vec::new();
        for _ in 0..comings {
            tokens.push(visitor.token(&mut issuing).await?);
        }
        Ok(Self { chat, process: server.id(), users: known, visitor: (visitor, tokens), duration })
    }

    async fn run(self, figures: &mut Figures) -> Result<(), Failure> {
        tokio::time::sleep(REST).await;
        let before = resident(self.process);
        let (members, seconds) = self.connect().await?;
        let count = members.len();
        figures.presences.add((count * (count - 1) / 2) as f64 / seconds);
        tokio::time::sleep(REST).await;
        figures.bytes.add((resident(self.process) - before) * 1024.0 * 1024.0 / count as f64);

        let used = processor_seconds(&[self.process])?;
        let (members, talked) = self.talk(members).await?;
        let used = processor_seconds(&[self.process])? - used;
        figures.messages.add(talked.0.len() as f64 / self.duration.as_secs_f64());
        figures.processor.add(used * 1e6 / talked.0.len() as f64);
        figures.message_p50.add(talked.at(0.5));
        figures.message_p99.add(talked.at(0.99));

        let told = self.visit(members).await?;
        figures.told_p50.add(told.at(0.5));
        figures.told_p99.add(told.at(0.99));
        Ok(())
    }

    /// All connect as fast as they can, and hear of those after them; the seconds that takes.
    async fn connect(&self) -> Result<(Vec<Member>, f64), Broken> {
        let started = Instant::now();
        let mut opening = JoinSet::new();
        for (user, token) in &self.users {
            let (chat, name, token) = (self.chat, user.name.clone(), token.clone());
            opening.spawn_local(async move { Member::open(chat, name, &token).await });
        }
        let members: Vec<Member> = opening.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let wanted = members.len() * (members.len() - 1) / 2;
        let crowd = Crowd::listen(members, br#""active":true"#);
        crowd.heard(wanted).await?;
        let seconds = started.elapsed().as_secs_f64();
        Ok((crowd.end().await?, seconds))
    }

    /// Each writes to another one, again as soon as the last message is acknowledged; milliseconds from the sending to
    /// the recipient, of all messages.
    async fn talk(&self, members: Vec<Member>) -> Result<(Vec<Member>, Samples), Broken> {
        let (began, until) = (Instant::now(), Instant::now() + self.duration);
        let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
        let times = Rc::new(RefCell::new(Vec::new()));
        // Whoever has said all still hears the others.
        let talking = Rc::new(Cell::new(members.len()));
        let (end, ended) = watch::channel(false);
        let end = Rc::new(end);
        let mut talks = JoinSet::new();
        for (place, mut member) in members.into_iter().enumerate() {
            let other = names.get(place ^ 1).or(names.first()).cloned().unwrap_or_default();
            let (times, talking, end, mut ended) =
                (Rc::clone(&times), Rc::clone(&talking), Rc::clone(&end), ended.clone());
            talks.spawn_local(async move {
                let own = format!(r#""username_from":"{}""#, member.name).into_bytes();
                let mut waiting = false;
                let mut done = false;
                while !*ended.borrow() {
                    if !waiting && !done {
                        if Instant::now() < until {
                            member.say(&other, &began.elapsed().as_micros().to_string()).await?;
                            waiting = true;
                        } else {
                            done = true;
                            talking.set(talking.get() - 1);
                            if talking.get() == 0 {
                                let _ = end.send(true);
                                break;
                            }
                        }
                    }
                    tokio::select! {
                        read = member.receive(|text| {
                            let Some(sent) = number(text, br#""message":""#) else { return };
                            if find(text, &own).is_some() {
                                waiting = false;
                            } else {
                                times.borrow_mut().push(began.elapsed().as_secs_f64() * 1e3 - sent as f64 / 1e3);
                            }
                        }) => read?,
                        _ = ended.changed() => {}
                    }
                }
                Ok::<_, Broken>(member)
            });
        }
        let talks = tokio::time::timeout(self.duration + PATIENCE, talks.join_all());
        let members = talks.await.map_err(|_| "messages were lost")?.into_iter().collect::<Result<_, _>>()?;
        let mut times = times.take();
        times.sort_by(f64::total_cmp);
        Ok((members, Samples(times)))
    }

    /// One more connects and leaves again, again and again; milliseconds until each of the others was told.
    async fn visit(&self, members: Vec<Member>) -> Result<Samples, Broken> {
        let (visitor, tokens) = &self.visitor;
        let count = members.len();
        let crowd = Crowd::listen(members, br#""active":"#);
        let mut times = Vec::new();
        for (round, token) in tokens.iter().enumerate() {
            crowd.begin();
            let visit = Member::open(self.chat, visitor.name.clone(), token).await?;
            crowd.heard((2 * round + 1) * count).await?;
            times.extend(crowd.times());
            drop(visit);
            crowd.heard((2 * round + 2) * count).await?;
        }
        crowd.end().await?;
        times.sort_by(f64::total_cmp);
        Ok(Samples(times))
    }
}

/// Members who count what they hear.
struct Crowd {
    shared: Rc<Shared>,
    end: watch::Sender<bool>,
    tasks: JoinSet<Result<Member, Broken>>,
}

struct Shared {
    heard: Cell<usize>,
    wanted: Cell<usize>,
    began: Cell<Instant>,
    times: RefCell<Vec<f64>>,
    enough: Notify,
}

impl Crowd {
    /// Counts texts that hold `part`.
    fn listen(members: Vec<Member>, part: &'static [u8]) -> Self {
        let shared = Rc::new(Shared {
            heard: Cell::new(0),
            wanted: Cell::new(usize::MAX),
            began: Cell::new(Instant::now()),
            times: RefCell::default(),
            enough: Notify::new(),
        });
        let (end, ended) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for mut member in members {
            let (shared, mut ended) = (Rc::clone(&shared), ended.clone());
            tasks.spawn_local(async move {
                while !*ended.borrow() {
                    tokio::select! {
                        read = member.receive(|text| if find(text, part).is_some() { shared.count() }) => read?,
                        _ = ended.changed() => {}
                    }
                }
                Ok(member)
            });
        }
        Self { shared, end, tasks }
    }

    /// Times count from now on.
    fn begin(&self) {
        self.shared.began.set(Instant::now());
        self.shared.times.borrow_mut().clear();
    }

    /// Waits until so much has been heard in all.
    async fn heard(&self, wanted: usize) -> Result<(), Broken> {
        self.shared.wanted.set(wanted);
        while self.shared.heard.get() < wanted {
            let enough = tokio::time::timeout(PATIENCE, self.shared.enough.notified()).await;
            enough.map_err(|_| format!("of {wanted} presences {} came", self.shared.heard.get()))?;
        }
        Ok(())
    }

    fn times(&self) -> Vec<f64> {
        self.shared.times.take()
    }

    async fn end(self) -> Result<Vec<Member>, Broken> {
        let _ = self.end.send(true);
        self.tasks.join_all().await.into_iter().collect()
    }
}

impl Shared {
    fn count(&self) {
        self.times.borrow_mut().push(self.began.get().elapsed().as_secs_f64() * 1e3);
        self.heard.set(self.heard.get() + 1);
        if self.heard.get() == self.wanted.get() {
            self.enough.notify_one();
        }
    }
}
