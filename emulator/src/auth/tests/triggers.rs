//! Events of users reach those who are told: once they can be, in their order, and without anybody waiting for it.

use super::*;
use crate::auth::{NotTold, Receiver};
use crate::storage::Durability;
use futures_util::future::BoxFuture;
use hearth_auth::event::UserEvent;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a receiver takes an event.
#[derive(Clone, Copy, Debug)]
enum Way {
    Take,
    FailForNow,
    Refuse,
    Panic,
    Hang,
}

/// Takes the events of each user in the ways of its script, and then all; notes every attempt.
struct Scripted {
    script: Mutex<Vec<(String, VecDeque<Way>)>>,
    attempts: mpsc::UnboundedSender<(String, String)>,
}

impl Receiver for Scripted {
    fn tell<'a>(&'a self, event: &'a UserEvent) -> BoxFuture<'a, Result<(), NotTold>> {
        let body: Value = serde_json::from_str(&event.body).unwrap();
        let what = body["eventType"].as_str().unwrap().rsplit('.').next().unwrap();
        self.attempts.send((format!("{what} {}", event.local_id), event.id.clone())).unwrap();
        let mut script = self.script.lock().unwrap();
        let ways = script.iter_mut().find(|(user, _)| *user == event.local_id);
        let way = ways.and_then(|(_, ways)| ways.pop_front()).unwrap_or(Way::Take);
        let failed = |again| Err(NotTold { reason: "as it should".to_owned(), again });
        Box::pin(async move {
            match way {
                Way::Take => Ok(()),
                Way::FailForNow => failed(true),
                Way::Refuse => failed(false),
                Way::Panic => panic!("as it should"),
                Way::Hang => std::future::pending().await,
            }
        })
    }
}

/// A house whose users somebody is told of.
struct Telling {
    house: House,
    attempts: mpsc::UnboundedReceiver<(String, String)>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Telling {
    async fn start(storage: &Storage, script: &[(&str, &[Way])]) -> Self {
        let house = House::open(storage, true);
        let (sender, attempts) = mpsc::unbounded_channel();
        let script = script.iter().map(|(user, ways)| ((*user).to_owned(), ways.iter().copied().collect()));
        let receiver = Arc::new(Scripted { script: Mutex::new(script.collect()), attempts: sender });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        house.service.tell_of_users(Some(receiver), &tasks, &stop).await.unwrap();
        Self { house, attempts, tasks, stop }
    }

    async fn create(&self, id: &str) {
        let got = self.house.admin("POST", "projects/demo/accounts", json!({"localId": id})).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    }

    async fn delete(&self, id: &str) {
        let got = self.house.admin("POST", "projects/demo/accounts:delete", json!({"localId": id})).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    }

    /// The next attempt: what it told, and by which id.
    async fn next(&mut self) -> (String, String) {
        self.attempts.recv().await.unwrap()
    }

    /// Lets time pass until no event waits any more.
    async fn all_settled(&self) {
        while !self.house.service.waiting_events("own functions", 0, 1).await.unwrap().is_empty() {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    /// What stops, as the server does.
    async fn stop(self) -> mpsc::UnboundedReceiver<(String, String)> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.house.service.close().await;
        self.attempts
    }
}

/// All attempts for a user that were made.
fn of(user: &str, attempts: &mut mpsc::UnboundedReceiver<(String, String)>) -> Vec<String> {
    let all = std::iter::from_fn(|| attempts.try_recv().ok());
    all.map(|(what, _)| what).filter(|what| what.ends_with(user)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_told_again_and_the_next_of_the_user_waits() {
    for (ways, expect) in [
        (&[Way::Take][..], &["create a", "delete a"][..]),
        (&[Way::FailForNow, Way::FailForNow], &["create a", "create a", "create a", "delete a"]),
        (&[Way::Refuse], &["create a", "delete a"]),
        (&[Way::Panic], &["create a", "delete a"]),
        (&[Way::Take, Way::FailForNow], &["create a", "delete a", "delete a"]),
    ] {
        let telling = Telling::start(&Storage::memory(), &[("a", ways)]).await;
        telling.create("a").await;
        telling.delete("a").await;
        telling.all_settled().await;
        assert_eq!(of("a", &mut telling.stop().await), expect, "{ways:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_hangs_delays_neither_sign_ins_nor_other_users() {
    let mut telling = Telling::start(&Storage::memory(), &[("a", &[Way::Hang])]).await;
    telling.create("a").await;
    assert_eq!(telling.next().await.0, "create a");
    for round in 0..200 {
        telling.house.sign_up().await;
        assert!(telling.next().await.0.starts_with("create "), "{round}");
    }
    telling.delete("a").await;
    assert_eq!(of("delete a", &mut telling.stop().await), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_takes_for_a_day_is_given_up() {
    let mut telling = Telling::start(&Storage::memory(), &[("a", &[Way::FailForNow; 100])]).await;
    telling.create("a").await;
    for _ in 0..3 {
        assert_eq!(telling.next().await.0, "create a");
    }
    telling.house.advance(24 * 60 * 60).await;
    telling.all_settled().await;
    telling.create("b").await;
    telling.all_settled().await;
    assert_eq!(of("b", &mut telling.stop().await), ["create b"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_delivered_is_told_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    {
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let mut first = Telling::start(&storage, &[("a", &[Way::Hang])]).await;
        first.create("b").await;
        first.all_settled().await;
        first.create("a").await;
        first.delete("a").await;
        ids.extend([first.next().await.1, first.next().await.1]);
        first.stop().await;
    }
    let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
    let mut second = Telling::start(&storage, &[]).await;
    let (again, next) = (second.next().await, second.next().await);
    assert_eq!((again.0.as_str(), next.0.as_str()), ("create a", "delete a"));
    assert_eq!(ids.last(), Some(&again.1), "the same event has the same id");
    second.all_settled().await;
    second.stop().await;
    drop(storage);
    // Whom nobody is told of any more leaves nothing behind.
    let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
    let third = Telling::start(&storage, &[("c", &[Way::Hang])]).await;
    third.create("c").await;
    third.stop().await;
    drop(storage);
    let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
    let house = House::open(&storage, true);
    house.service.tell_of_users(None, &TaskTracker::new(), &CancellationToken::new()).await.unwrap();
    assert_eq!(house.service.waiting_events("own functions", 0, 1).await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn more_events_than_fit_in_memory_wait_in_the_file() {
    let mut telling = Telling::start(&Storage::memory(), &[("a", &[Way::FailForNow])]).await;
    let scope = hearth_auth::store::Scope::project("demo");
    let many = 3000;
    // Each of one user, so that all but one have to be held.
    telling
        .house
        .service
        .write(crate::auth::service::Asked::itself(scope), move |store, call| {
            for number in 0..many {
                let account = hearth_auth::account::Account { local_id: "a".to_owned(), ..Default::default() };
                let kind = hearth_auth::event::Kind::Created;
                let event = UserEvent::new(kind, call.scope, &account, call.now, call.entropy);
                store.add_event("own functions", &UserEvent { id: number.to_string(), ..event })?;
            }
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(telling.next().await.1, "0");
    for number in 0..many {
        assert_eq!(telling.next().await.1, number.to_string());
    }
    telling.all_settled().await;
    telling.stop().await;
}
