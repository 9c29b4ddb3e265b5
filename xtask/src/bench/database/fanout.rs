//! One write that many connections listen to.

use super::socket::{Broken, Socket, accepted, answers};
use super::{Target, VALUE};
use crate::bench::Samples;
use crate::bench::frames::number;
use crate::bench::server::processor_seconds;
use crate::process::Failure;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::task::LocalSet;

/// Connections that are opened at a time.
const OPENING: usize = 32;
/// Between one write that all have heard and the next.
const PAUSE: Duration = Duration::from_millis(50);
/// What takes longer to arrive has been lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the writer goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// So many writes, each after all have heard the last one.
    Slow(usize),
    /// Each write when the last is acknowledged, for so long.
    Fast(Duration),
}

/// What one run showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// Milliseconds from the write to the middle one of all deliveries.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
    /// Between the first write and the last delivery; pauses do not count.
    pub(super) per_second: f64,
    pub(super) deliveries: u64,
    /// Seconds that the server's processes have used meanwhile.
    pub(super) processor: f64,
}

/// What the listeners have heard together.
struct Fan {
    began: Instant,
    heard: Cell<u64>,
    /// How many have to be heard for the writer to be woken.
    wanted: Cell<u64>,
    all_heard: Notify,
    last: Cell<Instant>,
    milliseconds: RefCell<Vec<f64>>,
}

/// Counts the time of `processes` too.
pub(super) async fn run(target: &Target, processes: &[u32], listeners: usize, pace: Pace) -> Result<Heard, Failure> {
    let fan = Rc::new(Fan {
        began: Instant::now(),
        heard: Cell::new(0),
        wanted: Cell::new(0),
        all_heard: Notify::new(),
        last: Cell::new(Instant::now()),
        milliseconds: RefCell::default(),
    });
    let local = LocalSet::new();
    local.run_until(measure(target, processes, listeners, pace, fan)).await.map_err(Failure::from)
}

async fn measure(
    target: &Target,
    processes: &[u32],
    listeners: usize,
    pace: Pace,
    fan: Rc<Fan>,
) -> Result<Heard, Broken> {
    let sockets = open(target, listeners).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for socket in sockets {
        tasks.spawn_local(listen(socket, Rc::clone(&fan)));
    }
    let mut writer = Socket::open(target).await?;
    let writing = async {
        // All have heard what was there before.
        tokio::time::sleep(PAUSE).await;
        let used = || processor_seconds(processes).map_err(|error| error.to_string());
        let before = used()?;
        fan.heard.set(0);
        fan.milliseconds.borrow_mut().clear();
        let listeners = listeners as u64;
        let mut spent = Duration::ZERO;
        match pace {
            Pace::Slow(writes) => {
                for round in 1..=writes as u64 {
                    let started = Instant::now();
                    writer.call("p", &fan.write()).await?;
                    fan.wait(round * listeners).await?;
                    spent += fan.last.get() - started;
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Pace::Fast(duration) => {
                let (started, mut writes) = (Instant::now(), 0);
                while started.elapsed() < duration {
                    writer.call("p", &fan.write()).await?;
                    writes += 1;
                }
                fan.wait(writes * listeners).await?;
                spent = fan.last.get() - started;
            }
        }
        Ok::<_, Broken>((spent, used()? - before))
    };
    let (spent, processor) = tokio::select! {
        spent = writing => spent?,
        Some(ended) = tasks.join_next() => {
            return Err(match ended {
                Ok(Err(broken)) => format!("a listener: {broken}"),
                Ok(Ok(())) | Err(_) => "a listener ended".to_owned(),
            });
        }
    };
    tasks.abort_all();
    let mut milliseconds = fan.milliseconds.take();
    milliseconds.sort_by(f64::total_cmp);
    let samples = Samples(milliseconds);
    Ok(Heard {
        p50: samples.at(0.5),
        p99: samples.at(0.99),
        per_second: fan.heard.get() as f64 / spent.as_secs_f64(),
        deliveries: fan.heard.get(),
        processor,
    })
}

/// Connections that listen to the place that is written.
pub(super) async fn open(target: &Target, listeners: usize) -> Result<Vec<Socket>, Broken> {
    let mut sockets = connect(target, listeners).await?;
    for socket in &mut sockets {
        socket.call("q", r#"{"p":"/fan","h":""}"#).await?;
    }
    Ok(sockets)
}

/// Connections that have been welcomed.
pub(super) async fn connect(target: &Target, connections: usize) -> Result<Vec<Socket>, Broken> {
    let (mut tasks, few) = (tokio::task::JoinSet::new(), Rc::new(Semaphore::new(OPENING)));
    for _ in 0..connections {
        let (target, few) = (target.clone(), Rc::clone(&few));
        tasks.spawn_local(async move {
            let _permit = few.acquire().await.map_err(|error| error.to_string())?;
            Socket::open(&target).await
        });
    }
    tasks.join_all().await.into_iter().collect()
}

async fn listen(mut socket: Socket, fan: Rc<Fan>) -> Result<(), Broken> {
    loop {
        let mut result = Ok(());
        socket
            .receive(|text| match (number(text, br#""at":"#), answers(text)) {
                (Some(sent), _) => fan.hear(sent),
                (None, Some(_)) => result = accepted(text),
                (None, None) => {}
            })
            .await?;
        result?;
        // A ping may have been answered.
        socket.send().await?;
    }
}

impl Fan {
    /// The body of a write that says when it was sent.
    fn write(&self) -> String {
        let sent = self.began.elapsed().as_micros();
        format!(r#"{{"p":"/fan","d":{{"at":{sent},"pad":"{}"}}}}"#, "x".repeat(VALUE))
    }

    fn hear(&self, sent: u64) {
        let now = Instant::now();
        let milliseconds = (now - self.began).as_secs_f64() * 1e3 - sent as f64 / 1e3;
        self.milliseconds.borrow_mut().push(milliseconds);
        self.last.set(now);
        self.heard.set(self.heard.get() + 1);
        if self.heard.get() == self.wanted.get() {
            self.all_heard.notify_one();
        }
    }

    async fn wait(&self, deliveries: u64) -> Result<(), Broken> {
        self.wanted.set(deliveries);
        if self.heard.get() < deliveries && tokio::time::timeout(PATIENCE, self.all_heard.notified()).await.is_err() {
            return Err(format!("of {deliveries} deliveries {} came", self.heard.get()));
        }
        self.wanted.set(0);
        Ok(())
    }
}
