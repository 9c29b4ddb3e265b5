//! What the service of notifications is told of each message. Nobody waits for it: notifications queue up, bounded, and
//! are tried again where that makes sense.

use super::envelope;
use super::message::Message;
use crate::ports::{Clock, Millis, Tasks, Timer, Timers, Web};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many bytes of notifications may wait.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// What one costs besides its bytes.
const COST: usize = 128;
/// So many are sent at the same time.
const MOST_AT_ONCE: usize = 8;
/// Between a try and the next one; after the last try a notification is given up.
const PAUSES: [Millis; 4] = [1_000, 5_000, 25_000, 125_000];

/// Where notifications go.
pub(super) struct Target {
    pub(super) url: Uri,
    pub(super) secret: Option<HeaderValue>,
    /// What links begin with.
    pub(super) link: String,
}

/// Sends notifications.
pub(super) struct Notifier {
    target: Target,
    web: Arc<dyn Web>,
    clock: Arc<dyn Clock>,
    timers: Arc<dyn Timers>,
    tasks: Arc<dyn Tasks>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Notice>,
    /// Those to be tried again, by when.
    later: BTreeMap<Millis, Vec<Notice>>,
    /// Of all that wait or are being sent.
    bytes: usize,
    workers: usize,
    /// Given up for want of room since there was some.
    lost: u64,
}

/// One of them.
struct Notice {
    body: Bytes,
    tries: usize,
}

#[derive(Serialize)]
struct Body<'m> {
    username: &'m str,
    r#type: &'m str,
    title: &'m str,
    message: String,
    link: String,
    username_to: &'m str,
}

impl Notifier {
    /// Sends to `target`.
    pub(super) fn new(
        target: Target,
        web: Arc<dyn Web>,
        clock: Arc<dyn Clock>,
        timers: Arc<dyn Timers>,
        tasks: Arc<dyn Tasks>,
    ) -> Arc<Self> {
        Arc::new(Self { target, web, clock, timers, tasks, queue: Mutex::default() })
    }

    /// Has the recipient of `message` notified. Where too much waits already he is not.
    pub(super) fn notify(self: &Arc<Self>, message: &Message) {
        let body = body(&self.target.link, message);
        let mut queue = self.lock();
        if queue.bytes + body.len() + COST > MOST_BYTES {
            queue.lost += 1;
            if queue.lost == 1 {
                tracing::warn!(url = %self.target.url, "chat: too many notifications wait; more are given up");
            }
            return;
        }
        if queue.lost > 0 {
            tracing::warn!(lost = queue.lost, "chat: there is room for notifications again");
            queue.lost = 0;
        }
        queue.bytes += body.len() + COST;
        queue.ready.push_back(Notice { body, tries: 0 });
        if queue.workers < MOST_AT_ONCE {
            queue.workers += 1;
            drop(queue);
            self.tasks.spawn(Box::pin(Arc::clone(self).work()));
        }
    }

    /// Sends what is ready, one after the other. The caller has counted this worker.
    async fn work(self: Arc<Self>) {
        while let Some(notice) = self.next() {
            match self.send(notice.body.clone()).await {
                Sent::Yes => self.done(&notice),
                Sent::Never(reason) => {
                    tracing::warn!(reason, url = %self.target.url, "chat: a notification is refused");
                    self.done(&notice);
                }
                Sent::NotNow(reason) => self.again(notice, &reason),
            }
        }
    }

    /// What a worker sends next; none counts it off.
    fn next(&self) -> Option<Notice> {
        let mut queue = self.lock();
        let next = queue.ready.pop_front();
        queue.workers -= usize::from(next.is_none());
        next
    }

    async fn send(&self, body: Bytes) -> Sent {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.url.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(secret) = &self.target.secret {
            request.headers_mut().insert(AUTHORIZATION, secret.clone());
        }
        match self.web.fetch(request).await {
            Ok(answer) if answer.status().is_success() => Sent::Yes,
            Ok(answer) => {
                let status = answer.status();
                let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
                let reason = status.to_string();
                if passing || status.is_server_error() { Sent::NotNow(reason) } else { Sent::Never(reason) }
            }
            Err(reason) => Sent::NotNow(reason.to_string()),
        }
    }

    fn again(&self, notice: Notice, reason: &str) {
        let Some(pause) = PAUSES.get(notice.tries) else {
            tracing::warn!(reason, url = %self.target.url, "chat: a notification is given up");
            self.done(&notice);
            return;
        };
        let due = self.clock.now().saturating_add(*pause);
        let again = Notice { tries: notice.tries + 1, ..notice };
        self.lock().later.entry(due).or_default().push(again);
        self.timers.touch();
    }

    fn done(&self, notice: &Notice) {
        self.lock().bytes -= notice.body.len() + COST;
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a try.
enum Sent {
    Yes,
    NotNow(String),
    Never(String),
}

/// Those that are to be tried again.
pub(super) struct Retries(pub(super) Arc<Notifier>);

impl Timer for Retries {
    fn name(&self) -> &str {
        "chat.notifications"
    }

    fn due(&self) -> Option<Millis> {
        self.0.lock().later.first_key_value().map(|(due, _)| *due)
    }

    fn begin(&self, now: Millis) -> BoxFuture<'static, ()> {
        let mut queue = self.0.lock();
        let after = now.checked_add(1).map(|after| queue.later.split_off(&after)).unwrap_or_default();
        let due = mem::replace(&mut queue.later, after);
        queue.ready.extend(due.into_values().flatten());
        queue.workers += 1;
        Box::pin(Arc::clone(&self.0).work())
    }
}

fn body(link: &str, message: &Message) -> Bytes {
    let Message { username_from: from, username_to: to, .. } = message;
    let text = message.message.as_deref().unwrap_or("[image]");
    envelope::text(&Body {
        username: to,
        r#type: "message",
        title: "New message!",
        message: format!("{from} messaged you: {text}"),
        link: format!("{link}messenger?talking-to={}", utf8_percent_encode(from, NON_ALPHANUMERIC)),
        username_to: to,
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::Draft;
    use super::*;
    use crate::ports::NoAnswer;
    use http::Response;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Everything a notifier needs; a status of 0 is no answer.
    #[derive(Default)]
    struct House {
        now: AtomicU64,
        statuses: Mutex<VecDeque<u16>>,
        sent: Mutex<Vec<Bytes>>,
        tasks: Mutex<Vec<BoxFuture<'static, ()>>>,
    }

    impl Clock for House {
        fn now(&self) -> Millis {
            self.now.load(Ordering::SeqCst)
        }
    }

    impl Timers for House {
        fn add(&self, _timer: Arc<dyn Timer>) {}

        fn touch(&self) {}
    }

    impl Tasks for House {
        fn spawn(&self, work: BoxFuture<'static, ()>) {
            self.tasks.lock().unwrap().push(work);
        }
    }

    impl Web for House {
        fn fetch(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, NoAnswer>> {
            self.sent.lock().unwrap().push(request.into_body());
            let status = self.statuses.lock().unwrap().pop_front().unwrap_or(200);
            Box::pin(std::future::ready(match StatusCode::from_u16(status) {
                Ok(status) => Ok(Response::builder().status(status).body(Bytes::new()).unwrap()),
                Err(_) => Err(NoAnswer("nobody".to_owned())),
            }))
        }
    }

    impl House {
        async fn work(&self) {
            let tasks = mem::take(&mut *self.tasks.lock().unwrap());
            for task in tasks {
                task.await;
            }
        }

        fn sent(&self) -> usize {
            self.sent.lock().unwrap().len()
        }
    }

    fn notifier(statuses: &[u16]) -> (Arc<House>, Arc<Notifier>) {
        let house = Arc::new(House::default());
        house.statuses.lock().unwrap().extend(statuses);
        let target = Target { url: Uri::from_static("http://n/"), secret: None, link: String::new() };
        let notifier = Notifier::new(target, house.clone(), house.clone(), house.clone(), house.clone());
        (house, notifier)
    }

    fn message(text: &str) -> Message {
        let text = Some(text.to_owned());
        let draft = Draft { from: "ann".to_owned(), to: "bob".to_owned(), text, image: None };
        draft.stored(0, [0; 6])
    }

    #[tokio::test]
    async fn a_notification_is_tried_again_later_and_later() {
        let check = async |statuses: &[u16], pauses: &[Millis]| {
            let (house, notifier) = notifier(statuses);
            let retries = Retries(Arc::clone(&notifier));
            notifier.notify(&message("hi"));
            house.work().await;
            for (tries, pause) in pauses.iter().enumerate() {
                assert_eq!((retries.due(), house.sent()), (Some(house.now() + pause), tries + 1), "{statuses:?}");
                house.now.fetch_add(*pause, Ordering::SeqCst);
                retries.begin(house.now()).await;
            }
            assert_eq!((retries.due(), house.sent()), (None, pauses.len() + 1), "{statuses:?}");
            let queue = notifier.lock();
            assert_eq!((queue.bytes, queue.workers, queue.ready.len()), (0, 0, 0), "{statuses:?}");
        };
        check(&[201], &[]).await;
        check(&[400], &[]).await;
        check(&[404], &[]).await;
        check(&[0, 200], &[1_000]).await;
        check(&[503, 429, 408, 204], &[1_000, 5_000, 25_000]).await;
        check(&[500; 9], &PAUSES).await;
    }

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let (house, notifier) = notifier(&[]);
        let long = message(&"x".repeat(16 * 1024));
        for _ in 0..1_000 {
            notifier.notify(&long);
        }
        let (waiting, lost) = {
            let queue = notifier.lock();
            assert!(queue.bytes <= MOST_BYTES && queue.workers == MOST_AT_ONCE);
            (queue.ready.len(), queue.lost)
        };
        assert_eq!(waiting as u64 + lost, 1_000);
        house.work().await;
        let rest = |queue: &Queue| (queue.bytes, queue.workers, queue.ready.len());
        assert_eq!((house.sent(), rest(&notifier.lock())), (waiting, (0, 0, 0)));
        notifier.notify(&long);
        house.work().await;
        assert_eq!((house.sent(), notifier.lock().lost), (waiting + 1, 0));
    }
}
