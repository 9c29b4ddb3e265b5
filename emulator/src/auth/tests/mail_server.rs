//! A mail server for tests: it takes emails as RFC 5321 has it, and hands them to the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Nobody waits longer for an email.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// An email as it arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    /// What the envelope says, line by line.
    pub(super) envelope: Vec<String>,
    /// Header and body, without the quoting of lines.
    pub(super) text: String,
}

pub(super) struct MailServer {
    pub(super) port: u16,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    /// What the next recipients are answered; then `250`.
    answers: Arc<Mutex<Vec<&'static str>>>,
}

impl MailServer {
    /// One that gives these answers to the first recipients.
    pub(super) async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(answers.iter().rev().copied().collect()));
        let of_connections = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, arrivals.clone(), Arc::clone(&of_connections)));
            }
        });
        Self { port, arrived, answers }
    }

    /// The next email.
    pub(super) async fn next(&mut self) -> Arrived {
        tokio::time::timeout(TIME_LIMIT, self.arrived.recv()).await.expect("an email").unwrap()
    }

    /// Whether all answers have been given.
    pub(super) fn has_answered(&self) -> bool {
        self.answers.lock().unwrap().is_empty()
    }
}

async fn converse(
    stream: TcpStream,
    arrivals: mpsc::UnboundedSender<Arrived>,
    answers: Arc<Mutex<Vec<&'static str>>>,
) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 mail.test ESMTP\r\n").await.ok()?;
    let mut envelope = Vec::new();
    while let Some(line) = lines.next_line().await.ok()? {
        let command = line.split([' ', ':']).next()?.to_ascii_uppercase();
        let answer = match command.as_str() {
            "EHLO" => "250-mail.test\r\n250 AUTH PLAIN",
            "AUTH" => "235 2.7.0 welcome",
            "RCPT" => answers.lock().unwrap().pop().unwrap_or("250 2.1.5 there is one"),
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        envelope.push(line);
        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        if command == "DATA" {
            let mut text = String::new();
            while let Some(line) = lines.next_line().await.ok()?.filter(|line| line != ".") {
                // RFC 2045, section 6.7: a line that ends with = goes on in the next one.
                match line.strip_suffix('=') {
                    Some(part) => text += part,
                    None => text += &format!("{line}\n"),
                }
            }
            write.write_all(b"250 2.0.0 taken\r\n").await.ok()?;
            let text = text.replace("=3D", "=");
            let _ = arrivals.send(Arrived { envelope: std::mem::take(&mut envelope), text });
        }
    }
    None
}
