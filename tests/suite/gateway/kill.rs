//! The server is killed while messages are sent; those it acknowledged are there afterwards, and its connections are
//! not.

use super::*;
use hearth_tests::process::{FREE_PORTS, Process, address};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
/// The kill comes after so many acknowledged messages.
const MESSAGES: usize = 300;
const SENDERS: usize = 4;

async fn run(folder: &Path) -> (Process, SocketAddr, SocketAddr) {
    let ports = format!("{FREE_PORTS},gateway=0");
    let arguments = ["emulators:start", "--project", "demo-kill", "--port", &ports, "--ports-file", "ports.json"];
    let mut process = Process::start(BINARY, &arguments, folder);
    process.ready().await;
    let file = folder.join("ports.json");
    (process, address(&file, "gateway"), address(&file, "database"))
}

async fn ask(gateway: SocketAddr, operation: &str, body: Value) -> Value {
    let target = format!("AmazonSQS.{operation}");
    hearth_tests::client::send(gateway, "POST", "/", &[("x-amz-target", &target)], body.to_string()).await.json()
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_to_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let firebase = json!({"gateway": {}, "emulators": {"database": {}}});
    std::fs::write(folder.path().join("firebase.json"), firebase.to_string()).unwrap();
    let (process, gateway, _) = run(folder.path()).await;
    let mut client = Client::connect_to(gateway, "/dev?userId=a").await;
    assert_eq!(client.ask("x").await, "not implemented");
    ask(gateway, "CreateQueue", json!({"QueueName": "q", "Attributes": {"VisibilityTimeout": "43200"}})).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let acknowledged = Arc::clone(&acknowledged);
            tokio::spawn(send_until_killed(gateway, sender, acknowledged))
        })
        .collect();
    while acknowledged.load(Ordering::SeqCst) < MESSAGES {
        tokio::task::yield_now().await;
    }
    // Some are in flight, and one of these is deleted.
    let messages = ask(gateway, "ReceiveMessage", json!({"QueueUrl": "q", "MaxNumberOfMessages": 10})).await;
    let messages = messages["Messages"].as_array().unwrap().clone();
    ask(gateway, "DeleteMessage", json!({"QueueUrl": "q", "ReceiptHandle": messages[0]["ReceiptHandle"]})).await;
    process.signal(Signal::SIGKILL);
    let mut sent = BTreeSet::new();
    for sender in senders {
        sent.extend(sender.await.unwrap());
    }
    process.ended().await;
    assert_eq!(client.closed().await, None);

    let (process, gateway, database) = run(folder.path()).await;
    let owner = [("authorization", "Bearer owner")];
    let kept = hearth_tests::client::send(database, "GET", "/connections.json?ns=gateway", &owner, "");
    assert_eq!(kept.await.json(), Value::Null);
    let delete_queue = json!({"QueueUrl": "DeleteConnection", "AttributeNames": ["All"]});
    let counted = ask(gateway, "GetQueueAttributes", delete_queue).await;
    assert_eq!(counted["Attributes"]["ApproximateNumberOfMessagesDelayed"], "0");
    // What was received before can still be deleted, and only that; the rest comes.
    for message in &messages {
        sent.remove(message["Body"].as_str().unwrap());
        ask(gateway, "DeleteMessage", json!({"QueueUrl": "q", "ReceiptHandle": message["ReceiptHandle"]})).await;
    }
    let counted = ask(gateway, "GetQueueAttributes", json!({"QueueUrl": "q", "AttributeNames": ["All"]})).await;
    assert_eq!(counted["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "0", "{counted}");
    loop {
        let messages = ask(gateway, "ReceiveMessage", json!({"QueueUrl": "q", "MaxNumberOfMessages": 10})).await;
        let Some(messages) = messages["Messages"].as_array() else { break };
        for message in messages {
            sent.remove(message["Body"].as_str().unwrap());
        }
    }
    assert_eq!(sent, BTreeSet::new(), "acknowledged, then lost");
    process.signal(Signal::SIGTERM);
    process.ended().await;
}

/// The bodies that were acknowledged.
async fn send_until_killed(gateway: SocketAddr, sender: usize, acknowledged: Arc<AtomicUsize>) -> Vec<String> {
    let mut bodies = Vec::new();
    for number in 0.. {
        let body = format!("{sender}-{number}");
        let Some(200) = try_send(gateway, &body).await else { break };
        bodies.push(body);
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    bodies
}

/// The status of the answer, if one comes.
async fn try_send(gateway: SocketAddr, body: &str) -> Option<u16> {
    let body = json!({"QueueUrl": "q", "MessageBody": body}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(gateway).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    String::from_utf8_lossy(&answer).get(9..12)?.parse().ok()
}
