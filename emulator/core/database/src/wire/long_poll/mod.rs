//! The protocol over requests that a browser cannot be kept from making: scripts, each of which is answered when there
//! is something to tell.
//!
//! Reading order: `request` (what a request asks for), `segments` (messages from the client), `script` (answers), this
//! file (which request is answered when). Must not know: HTTP, time, what the messages mean, how an answer reaches its
//! request, which is `P` here.

mod request;
mod script;
mod segments;

pub use request::{Callback, Poll, Request, RequestError, Start, Ticket};
pub use script::{DISCONNECT_FRAME, Messages, NOTHING, Script};
pub use segments::{Segment, SegmentError};

use bytes::Bytes;
use segments::Segments;
use std::collections::VecDeque;

/// The answers of the last few polls are kept: a browser whose connection breaks sends the same request again.
const KEPT_ANSWERS: usize = 4;
/// A longer one is not: every session has some.
const MOST_KEPT_BYTES: usize = 4 * 1024;

/// One poll is answered so.
pub type Answer<P> = (P, Bytes);

/// A poll was sent again whose answer is not kept; what it told is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an answer has been lost")]
pub struct AnswerLost;

/// One client that polls.
///
/// At most one poll is held. The client sends a second one to carry data, and then counts on the answer to the first;
/// and some browsers run scripts in the order in which they were asked for, so that a poll that was sent before one
/// that has come already must not be held either.
#[derive(Debug)]
pub struct LongPoll<P> {
    segments: Segments,
    /// The number of the next list of messages.
    next: u64,
    newest: Option<u64>,
    held: Option<(u64, P)>,
    answered: VecDeque<(u64, Option<Bytes>)>,
}

impl<P> Default for LongPoll<P> {
    fn default() -> Self {
        Self { segments: Segments::default(), next: 0, newest: None, held: None, answered: VecDeque::new() }
    }
}

impl<P> LongPoll<P> {
    /// The answer to the request that begins the session. `id` and `password` are of letters and digits; `hello` is the
    /// first message, without which the client does not begin to poll.
    pub fn start(&mut self, callback: Option<Callback>, id: &str, password: &str, hello: &[u8]) -> Bytes {
        let mut messages = self.number(script::start(callback, id, password));
        messages.frame(hello);
        messages.end().finish()
    }

    /// Takes a part of what the client sends; returns the messages that are whole with it, for
    /// [`Session::receive`](super::Session::receive).
    ///
    /// # Errors
    /// See [`SegmentError`]; the session cannot go on.
    pub fn receive(&mut self, segment: Segment) -> Result<Vec<String>, SegmentError> {
        self.segments.receive(segment)
    }

    /// About how many bytes of what the client has sent are held.
    pub fn held_bytes(&self) -> usize {
        self.segments.held()
    }

    /// A poll has come. It is held, unless it has to be answered at once; so may be the one that was held before.
    ///
    /// # Errors
    /// [`AnswerLost`]; the session cannot go on. The poll waits for its answer nevertheless.
    pub fn arrive(&mut self, serial: u64, poll: P) -> Result<Vec<Answer<P>>, AnswerLost> {
        if let Some((_, known)) = self.answered.iter().find(|(answered, _)| *answered == serial) {
            let Some(known) = known.clone() else {
                self.held = Some((serial, poll));
                return Err(AnswerLost);
            };
            return Ok(vec![(poll, known)]);
        }
        let in_order = self.newest.is_none_or(|newest| serial >= newest);
        self.newest = self.newest.max(Some(serial));
        let before = if self.held.as_ref().is_some_and(|(held, _)| *held == serial) {
            // Its connection has broken; nobody reads this.
            self.held.take().map(|(_, poll)| (poll, Bytes::from_static(NOTHING.as_bytes())))
        } else {
            self.release()
        };
        self.held = Some((serial, poll));
        let late = if in_order { None } else { self.release() };
        Ok(before.into_iter().chain(late).collect())
    }

    /// The poll that is held, if there is one.
    pub fn held(&mut self) -> Option<&mut P> {
        self.held.as_mut().map(|(_, poll)| poll)
    }

    /// The poll that is held has gone without an answer.
    pub fn abandon(&mut self) {
        self.held = None;
    }

    /// Begins a list of messages, of the next number.
    pub fn messages(&mut self) -> Messages {
        self.number(Script::default())
    }

    /// Answers the poll that is held with a list of messages.
    ///
    /// # Errors
    /// Nothing is held; the list is given back as a script to answer with later.
    pub fn answer(&mut self, messages: Messages) -> Result<Answer<P>, Bytes> {
        self.answer_with(messages.end().finish())
    }

    /// Answers the poll that is held with a list of messages after which nothing comes.
    ///
    /// # Errors
    /// As [`LongPoll::answer`].
    pub fn answer_last(&mut self, messages: Messages) -> Result<Answer<P>, Bytes> {
        let mut script = messages.end();
        script.close(self.last());
        self.answer_with(script.finish())
    }

    /// Answers the poll that is held with this script.
    ///
    /// # Errors
    /// Nothing is held; the script is given back.
    pub fn answer_with(&mut self, script: Bytes) -> Result<Answer<P>, Bytes> {
        let Some((serial, poll)) = self.held.take() else { return Err(script) };
        if self.answered.len() == KEPT_ANSWERS {
            self.answered.pop_front();
        }
        self.answered.push_back((serial, (script.len() <= MOST_KEPT_BYTES).then(|| script.clone())));
        Ok((poll, script))
    }

    /// The poll that is held has waited long enough.
    pub fn release(&mut self) -> Option<Answer<P>> {
        self.answer_with(Bytes::from_static(NOTHING.as_bytes())).ok()
    }

    /// The script that ends the session after all that has been told.
    pub fn close(&self) -> Bytes {
        let mut script = Script::default();
        script.close(self.last());
        script.finish()
    }

    /// The number of the last list of messages. A client takes 0 for none, which does no harm: it has had that one with
    /// its id.
    fn last(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    fn number(&mut self, script: Script) -> Messages {
        let number = self.next;
        self.next += 1;
        script.messages(number)
    }
}

/// The answer to a client that gets no session: one message, which says why.
pub fn refuse(callback: Option<Callback>, message: &[u8]) -> Bytes {
    let mut messages = script::start(callback, "none", "none").messages(0);
    messages.frame(message);
    let mut script = messages.end();
    script.close(None);
    script.finish()
}

/// The answer to a request whose session is not there: the client begins a new one.
pub fn closed() -> Bytes {
    let mut script = Script::default();
    script.close(None);
    script.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done to a session, as text: what becomes of it.
    struct Client(LongPoll<&'static str>);

    impl Client {
        fn arrive(&mut self, serial: u64, poll: &'static str) -> String {
            match self.0.arrive(serial, poll) {
                Ok(answers) => answers.into_iter().map(shown).collect::<Vec<_>>().join(" "),
                Err(error) => error.to_string(),
            }
        }

        fn tell(&mut self, message: &str) -> String {
            let mut messages = self.0.messages();
            messages.frame(message.as_bytes());
            self.0.answer(messages).map_or_else(|script| shown(("nobody", script)), shown)
        }
    }

    fn shown((poll, script): Answer<&'static str>) -> String {
        format!("{poll}:{}", String::from_utf8(script.to_vec()).unwrap().replace(";\n", ";"))
    }

    fn client() -> Client {
        let mut poll = LongPoll::default();
        poll.start(None, "i", "p", b"{}");
        Client(poll)
    }

    #[test]
    fn one_poll_is_held_and_answers_are_numbered() {
        let mut client = client();
        assert_eq!(client.arrive(7, "a"), "");
        assert_eq!(client.arrive(8, "b"), "a:");
        assert_eq!(client.tell("{1}"), "b:pRTLPCB(1,[{1}]);");
        assert_eq!(client.tell("{2}"), "nobody:pRTLPCB(2,[{2}]);");
        assert_eq!(client.arrive(9, "c"), "");
        assert_eq!(client.0.release().map(shown), Some("c:".to_owned()));
        assert_eq!(client.0.release().map(shown), None);
        assert_eq!(client.arrive(10, "d"), "");
        let mut last = client.0.messages();
        last.frame(b"{3}");
        let last = client.0.answer_last(last).unwrap();
        assert_eq!(shown(last), "d:pRTLPCB(3,[{3}]);pLPCommand(\"close\",3);");
        assert_eq!(client.0.close(), "pLPCommand(\"close\",3);\n");
        assert_eq!(closed(), "pLPCommand(\"close\");\n");
        let refused = "pLPCommand(\"start\",\"none\",\"none\");\npRTLPCB(0,[{}]);\npLPCommand(\"close\");\n";
        assert_eq!(refuse(None, b"{}"), refused);
    }

    #[test]
    fn out_of_order_none_is_held() {
        let mut client = client();
        assert_eq!(client.arrive(8, "b"), "");
        assert_eq!(client.arrive(7, "a"), "b: a:");
        assert_eq!(client.tell("{1}"), "nobody:pRTLPCB(1,[{1}]);");
        // The one that was answered before is late as well.
        assert_eq!(client.arrive(10, "d"), "");
        assert_eq!(client.tell("{2}"), "d:pRTLPCB(2,[{2}]);");
        assert_eq!(client.arrive(9, "c"), "c:");
        assert_eq!(client.arrive(11, "e"), "");
    }

    #[test]
    fn a_repeated_poll_gets_the_same_answer() {
        let mut client = client();
        client.arrive(7, "a");
        assert_eq!(client.arrive(7, "a'"), "a:");
        let answer = client.tell("{1}");
        assert_eq!(answer, "a':pRTLPCB(1,[{1}]);");
        client.arrive(8, "b");
        assert_eq!(client.arrive(7, "a'"), answer);
        assert_eq!(client.tell("{2}"), "b:pRTLPCB(2,[{2}]);");
        // One that was long is not kept, which the client must not be left to wait for.
        client.arrive(9, "c");
        client.tell(&"x".repeat(MOST_KEPT_BYTES));
        assert_eq!(client.arrive(9, "c"), "an answer has been lost");
        assert_eq!(client.0.answer_with(client.0.close()).map(shown).unwrap(), "c:pLPCommand(\"close\",3);");
        (10..20).for_each(|serial| drop(client.arrive(serial, "z")));
        assert!(client.0.answered.len() <= KEPT_ANSWERS);
    }

    #[test]
    fn a_poll_that_has_gone_is_forgotten() {
        let mut client = client();
        client.arrive(7, "a");
        assert_eq!(client.0.held(), Some(&mut "a"));
        client.0.abandon();
        assert_eq!(client.0.held(), None);
        assert_eq!(client.arrive(8, "b"), "");
    }
}
