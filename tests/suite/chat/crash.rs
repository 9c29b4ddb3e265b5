//! The server is killed in the middle of chats; every message that its sender has seen is there afterwards.

use super::socket::Socket;
use hearth_tests::client::send;
use hearth_tests::process::{Process, address};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
/// Who chats with whom, all at once.
const PAIRS: [(&str, &str); 4] = [("ann", "bob"), ("bob", "ann"), ("ann", "ann"), ("tom", "bob")];
/// Acknowledged messages before a kill.
const MESSAGES: usize = 300;

struct House {
    process: Process,
    auth: SocketAddr,
    chat: SocketAddr,
}

impl House {
    async fn start(folder: &Path) -> Self {
        std::fs::write(folder.join("firebase.json"), r#"{"chat": {}, "emulators": {"auth": {}}}"#).unwrap();
        let mut arguments = vec!["emulators:start", "--project", "demo-crash", "--ports-file", "ports.json"];
        arguments.extend(["--port", "auth=0,functions=0,database=0,pushStream=0,hub=0,chat=0"]);
        let mut process = Process::start(BINARY, &arguments, folder);
        process.ready().await;
        let port = |service| address(&folder.join("ports.json"), service);
        Self { process, auth: port("auth"), chat: port("chat") }
    }

    async fn sign_in(&self, name: &str) -> String {
        let token = json!({"uid": name}).to_string();
        let body = json!({"token": token, "returnSecureToken": true}).to_string();
        let path = "/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken?key=k";
        let answer = send(self.auth, "POST", path, &[("content-type", "application/json")], body).await.json();
        format!("Bearer {}", answer["idToken"].as_str().unwrap())
    }

    async fn get(&self, path: &str, authorization: &str) -> Value {
        send(self.chat, "GET", path, &[("authorization", authorization)], "").await.json()["result"].take()
    }

    async fn join(&self, name: &str) -> Socket {
        let token = self.get("/ws_token", &self.sign_in(name).await).await;
        Socket::open(self.chat, token["token"].as_str().unwrap()).await.unwrap()
    }

    /// All messages between two users.
    async fn history(&self, one: &str, other: &str) -> Vec<Value> {
        let authorization = self.sign_in(one).await;
        let mut history = Vec::new();
        loop {
            let path = format!("/messages?from={one}&to={other}&skip={}", history.len());
            let page = self.get(&path, &authorization).await.as_array().unwrap().clone();
            if page.is_empty() {
                return history;
            }
            history.extend(page);
        }
    }

    async fn kill(self) {
        self.process.signal(Signal::SIGKILL);
        self.process.ended().await;
    }
}

#[tokio::test]
async fn no_message_that_its_sender_has_seen_is_lost_to_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen: Vec<Vec<Value>> = vec![Vec::new(); PAIRS.len()];
    let mut unused = String::new();
    for round in 0..2 {
        let house = House::start(folder.path()).await;
        for name in ["ann", "bob", "tom"] {
            // Whoever is written to is known.
            house.get("/ws_token", &house.sign_in(name).await).await;
        }
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut talks = Vec::new();
        for (from, to) in PAIRS {
            let socket = house.join(from).await;
            talks.push(tokio::spawn(talk(socket, from, to, round, Arc::clone(&acknowledged))));
        }
        while acknowledged.load(Ordering::SeqCst) < MESSAGES {
            tokio::task::yield_now().await;
        }
        let authorization = house.sign_in("ann").await;
        unused = house.get("/ws_token", &authorization).await["token"].as_str().unwrap().to_owned();
        let active = house.get("/connections", &authorization).await;
        assert!(active.as_array().unwrap().iter().all(|one| one["active"] == true), "{active}");
        house.kill().await;
        for (seen, talk) in seen.iter_mut().zip(talks) {
            seen.extend(talk.await.unwrap());
        }
    }
    let house = House::start(folder.path()).await;
    let active = house.get("/connections", &house.sign_in("ann").await).await;
    let all_away = active.as_array().unwrap().iter().all(|one| one["active"] == false);
    assert!(all_away && active.as_array().unwrap().len() == 3, "{active}");
    for ((from, to), seen) in PAIRS.iter().zip(&seen) {
        assert!(!seen.is_empty());
        let history = house.history(from, to).await;
        // In the order in which it was seen, each once.
        let mut found = history.iter();
        for message in seen {
            assert!(found.any(|one| one == message), "{from} to {to}: seen, then lost: {message}");
        }
    }
    // A token outlives the kill, and is good once.
    Socket::open(house.chat, &unused).await.unwrap();
    assert!(Socket::open(house.chat, &unused).await.is_err());
    house.kill().await;
}

/// Sends messages one after the other until the server is gone; those that came back.
async fn talk(mut socket: Socket, from: &str, to: &str, round: usize, acknowledged: Arc<AtomicUsize>) -> Vec<Value> {
    let mut seen = Vec::new();
    for number in 0.. {
        let text = format!("{round}-{from}-{to}-{number}");
        if !socket.try_send(&json!({"username_to": to, "message": text}).to_string()).await {
            break;
        }
        loop {
            let Some(heard) = socket.try_text().await else { return seen };
            let heard: Value = serde_json::from_str(&heard).unwrap();
            if heard["message"] == text {
                seen.push(heard);
                acknowledged.fetch_add(1, Ordering::SeqCst);
                break;
            }
        }
    }
    seen
}
