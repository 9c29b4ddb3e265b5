//! One session that polls: its task, from the start to the end or to a better transport.
//!
//! Must not know: HTTP.

use super::Pollers;
use crate::database::outbox::Closing;
use crate::database::sessions::Attachment;
use bytes::Bytes;
use hearth_database::wire::Outgoing;
use hearth_database::wire::control::{self, Heard};
use hearth_database::wire::long_poll::{LongPoll, Messages, Segment};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// A poll is held so long. A client sends the next one after 25 s, and some browsers give up after 30 s.
pub(super) const HOLD: Duration = Duration::from_secs(28);
/// A client that has no poll under way for so long is taken for dead.
pub(super) const SILENCE: Duration = Duration::from_secs(60);
/// An answer has about so many bytes at most, unless one message has more.
const MOST_ANSWER_BYTES: usize = 1024 * 1024;
/// All sessions together may hold so many bytes of messages that are not whole yet.
const MOST_HELD_BYTES: usize = 256 * 1024 * 1024;

/// What a client's requests ask of its session.
pub(super) enum Ask {
    /// A poll.
    Poll { serial: u64, segments: Vec<Segment>, reply: oneshot::Sender<Bytes> },
    /// The client has left its page, or has no more use for polls.
    Leave,
}

/// A session that polls.
pub(super) struct Poller {
    protocol: LongPoll<oneshot::Sender<Bytes>>,
    attached: Attachment,
    asked: mpsc::Receiver<Ask>,
    pollers: Arc<Pollers>,
    /// So many bytes of [`Pollers::held_bytes`] are this one's.
    held_bytes: usize,
    /// When the poll that is held came; if there is none, when the last one went.
    since: Instant,
}

/// Why the task is at its end.
enum Ended {
    /// The client is gone, or is told already.
    Gone,
    /// The session is closed.
    Closed(Closing),
    /// The client goes on over another transport.
    Moved,
}

/// What is to be done next.
enum Next {
    Asked(Ask),
    /// The poll that was held has gone.
    Abandoned,
    Tell(Outgoing),
    Close(Closing),
    /// The poll was held long enough, or there was none for too long.
    Waited,
}

impl Poller {
    pub(super) fn new(
        protocol: LongPoll<oneshot::Sender<Bytes>>,
        attached: Attachment,
        asked: mpsc::Receiver<Ask>,
        pollers: Arc<Pollers>,
    ) -> Self {
        attached.welcome_successor();
        Self { protocol, attached, asked, pollers, held_bytes: 0, since: Instant::now() }
    }

    pub(super) async fn run(mut self, id: String) {
        let ended = loop {
            let done = match self.next().await {
                Next::Asked(Ask::Poll { serial, segments, reply }) => self.poll(serial, segments, reply).await,
                Next::Asked(Ask::Leave) => Err(Ended::Gone),
                Next::Abandoned => {
                    self.protocol.abandon();
                    self.since = Instant::now();
                    Ok(())
                }
                Next::Tell(outgoing) => self.tell(outgoing).await,
                Next::Close(closing) => Err(Ended::Closed(closing)),
                Next::Waited => match self.protocol.release() {
                    Some(answer) => {
                        self.give(answer);
                        Ok(())
                    }
                    None => Err(Ended::Closed(Closing::Silent)),
                },
            };
            if let Err(ended) = done {
                break ended;
            }
        };
        let pollers = Arc::clone(&self.pollers);
        pollers.held_bytes.fetch_sub(self.held_bytes, Ordering::Relaxed);
        match ended {
            Ended::Gone => pollers.forget(&id),
            Ended::Closed(closing) => {
                pollers.forget(&id);
                self.close(&closing);
            }
            Ended::Moved => {
                self.hand_over().await;
                pollers.forget(&id);
            }
        }
    }

    async fn next(&mut self) -> Next {
        let outbox = self.attached.0.outbox();
        let held = self.protocol.held();
        let is_held = held.is_some();
        let abandoned = async {
            match held {
                Some(held) => held.closed().await,
                None => std::future::pending().await,
            }
        };
        let told = std::future::poll_fn(|context| {
            if is_held {
                return outbox.poll_take(context).map(|taken| taken.map_or_else(Next::Close, Next::Tell));
            }
            outbox.poll_closing(context).map(Next::Close)
        });
        let deadline = self.since + if is_held { HOLD } else { SILENCE };
        tokio::select! {
            biased;
            ask = self.asked.recv() => ask.map_or(Next::Waited, Next::Asked),
            () = abandoned => Next::Abandoned,
            next = told => next,
            () = tokio::time::sleep_until(deadline) => Next::Waited,
        }
    }

    /// Takes a poll, and what it carries.
    async fn poll(&mut self, serial: u64, segments: Vec<Segment>, reply: oneshot::Sender<Bytes>) -> Result<(), Ended> {
        let mut moved = false;
        for segment in segments {
            let texts = match self.protocol.receive(segment) {
                Ok(texts) => texts,
                Err(error) => return self.give_up(serial, reply, Closing::Malformed(error.to_string())),
            };
            for text in texts {
                if control::heard(&text) == Some(Heard::Last) {
                    moved = true;
                } else {
                    self.attached.0.receive(text).await;
                }
            }
        }
        if !self.count_held_bytes() {
            return self.give_up(serial, reply, Closing::Overloaded);
        }
        match self.protocol.arrive(serial, reply) {
            Ok(answers) => {
                self.since = Instant::now();
                answers.into_iter().for_each(|answer| self.give(answer));
            }
            Err(lost) => return Err(Ended::Closed(Closing::Malformed(lost.to_string()))),
        }
        if moved { Err(Ended::Moved) } else { Ok(()) }
    }

    /// What the poll carried ends the session; the poll is to be answered so.
    fn give_up(&mut self, serial: u64, reply: oneshot::Sender<Bytes>, closing: Closing) -> Result<(), Ended> {
        let answers = self.protocol.arrive(serial, reply).unwrap_or_default();
        answers.into_iter().for_each(|answer| self.give(answer));
        Err(Ended::Closed(closing))
    }

    /// Whether there is room for what is held.
    fn count_held_bytes(&mut self) -> bool {
        let all = &self.pollers.held_bytes;
        let held = self.protocol.held_bytes();
        let before = std::mem::replace(&mut self.held_bytes, held);
        let others = all.fetch_sub(before, Ordering::Relaxed).saturating_sub(before);
        all.fetch_add(held, Ordering::Relaxed);
        held <= before || others.saturating_add(held) <= MOST_HELD_BYTES
    }

    /// Answers the poll that is held with this and what else there is to tell.
    async fn tell(&mut self, first: Outgoing) -> Result<(), Ended> {
        let mut messages = self.protocol.messages();
        let mut next = Some(first);
        let mut closing = None;
        while let Some(outgoing) = next.take() {
            self.add(&mut messages, outgoing).await;
            if messages.len() >= MOST_ANSWER_BYTES {
                break;
            }
            let outbox = self.attached.0.outbox();
            match std::future::poll_fn(|context| Poll::Ready(outbox.poll_take(context))).await {
                Poll::Ready(Ok(outgoing)) => next = Some(outgoing),
                Poll::Ready(Err(why)) => closing = Some(why),
                Poll::Pending => {}
            }
        }
        if let Some(closing) = closing {
            say(&mut messages, &closing);
            if let Ok(answer) = self.protocol.answer_last(messages) {
                self.give(answer);
            }
            return Err(Ended::Gone);
        }
        // What was taken may be nothing that the client still wants to know, and the number is given out.
        if let Ok(answer) = self.protocol.answer(messages) {
            self.give(answer);
        }
        Ok(())
    }

    async fn add(&self, messages: &mut Messages, outgoing: Outgoing) {
        let mut frames: Vec<Bytes> = Vec::new();
        self.attached.0.frames(outgoing, &mut frames).await;
        frames.iter().for_each(|frame| messages.frame(frame));
    }

    /// A request whose connection breaks now is sent again, and gets the same answer.
    fn give(&mut self, (reply, script): (oneshot::Sender<Bytes>, Bytes)) {
        self.since = Instant::now();
        let _ = reply.send(script);
    }

    /// Tells a client that is waiting that the session ends.
    fn close(&mut self, closing: &Closing) {
        let mut messages = self.protocol.messages();
        say(&mut messages, closing);
        if let Ok(answer) = self.protocol.answer_last(messages) {
            self.give(answer);
        }
    }

    /// Hands the session over to the transport that waits for it, and sees the client off: what it has been told here
    /// has an end, which it must have before it closes.
    async fn hand_over(self) {
        let Self { mut protocol, attached, mut asked, pollers, .. } = self;
        attached.hand_over();
        let mut messages = protocol.messages();
        messages.frame(&control::last());
        let mut last = match protocol.answer_last(messages) {
            Ok((reply, script)) => {
                let _ = reply.send(script);
                None
            }
            Err(script) => Some(script),
        };
        let farewell = async {
            while let Some(Ask::Poll { serial, reply, .. }) = asked.recv().await {
                for (reply, script) in protocol.arrive(serial, reply).unwrap_or_default() {
                    let _ = reply.send(script);
                }
                let script = last.take().unwrap_or_else(|| protocol.close());
                match protocol.answer_with(script) {
                    Ok((reply, script)) => {
                        let _ = reply.send(script);
                    }
                    // The poll was late; the next one is told.
                    Err(script) => last = Some(script),
                }
            }
        };
        tokio::select! {
            () = farewell => {}
            () = tokio::time::sleep(SILENCE) => {}
            () = pollers.sessions.stop.cancelled() => {}
        }
    }
}

/// Adds what a client is told of the end of its session. Of an end that it knows or has to do nothing about, nothing.
fn say(messages: &mut Messages, closing: &Closing) {
    let words = match closing {
        Closing::TooSlow => "listener too slow",
        Closing::Malformed(words) => words,
        Closing::TooLong => "the message is too long",
        Closing::Overloaded => "too much is waiting",
        Closing::Failed => "internal error",
        Closing::TakenOver | Closing::Silent | Closing::Stopping => return,
    };
    messages.frame(&control::error(words));
}
