//! Presence: who was last seen when, kept, and pushed to whoever wants to know.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /subscribe/{user}`, `GET /subscribe/{user}/client/{client}` | a stream: the user's last ping at once, then each |
//! | `POST /ping` with `{"status":"…"}` | 200 once the ping is durable and every subscriber has been sent it |
//!
//! Reading order: this file (requests), `settings`, `ping` (a ping as it is read, kept and sent), `table` (who listens
//! to whom, what waits; decides), `work` (carries a user's pings to the database and to the subscribers), `refusal`
//! (everything that is not done).

mod ping;
mod refusal;
mod settings;
mod table;
mod work;

use crate::answer;
use crate::feed::feed;
use crate::identity::{Unknown, caller, is_name};
use crate::keep_alive::KeepAlive;
use crate::path::segments;
use crate::ports::{Platform, Tasks};
use crate::request::HttpRequest;
use crate::service::{Answer, Call, Hosted, Service};
use futures_channel::oneshot;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use ping::Ping;
use refusal::Refusal;
use settings::Settings;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::{Item, Table};

/// So many bytes may wait for a subscriber: some hundred pings.
const LAG: usize = 64 * 1024;

/// Builds the service.
pub(crate) fn build(hosted: Hosted) -> Result<Arc<dyn Service>, Vec<String>> {
    let settings = Settings::read(hosted.config, hosted.emulator)?;
    let keep_alive = KeepAlive::new("presence.comments", Arc::clone(&hosted.platform.clock), hosted.timers);
    Ok(Arc::new(Presence {
        settings,
        platform: hosted.platform,
        tasks: hosted.tasks,
        keep_alive,
        table: Mutex::new(Table::new(settings)),
    }))
}

/// The service.
struct Presence {
    settings: Settings,
    platform: Platform,
    tasks: Arc<dyn Tasks>,
    keep_alive: Arc<KeepAlive>,
    table: Mutex<Table>,
}

/// What a path names.
enum Route {
    /// The pings of this user.
    Subscribe(String),
    Ping,
}

impl Route {
    fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let segments = segments(&request.uri).ok_or(Refusal::Path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["ping"] => Ok(Self::Ping),
            // Which client listens makes no difference; it is named for the logs of proxies.
            ["subscribe", user] | ["subscribe", user, "client", _] if is_name(user) => {
                Ok(Self::Subscribe(user.to_owned()))
            }
            ["subscribe", _] | ["subscribe", _, "client", _] => Err(Refusal::Path),
            _ => Err(Refusal::NotFound),
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Subscribe(_) => "GET, OPTIONS",
            Self::Ping => "POST, OPTIONS",
        }
    }
}

impl Service for Presence {
    fn start(self: Arc<Self>) -> BoxFuture<'static, Result<(), String>> {
        self.keep_alive.start();
        Box::pin(async { Ok(()) })
    }

    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Answer> {
        Box::pin(async move { self.answer(&call).await.unwrap_or_else(|refusal| Answer::Reply(refusal.reply())) })
    }
}

impl Presence {
    async fn answer(self: Arc<Self>, call: &Call) -> Result<Answer, Refusal> {
        let route = Route::of(&call.request)?;
        let methods = route.methods();
        match (route, &call.request.method) {
            (_, &Method::OPTIONS) => Ok(Answer::Reply(answer::preflight(methods))),
            (Route::Subscribe(user), &Method::GET) => self.subscribe(call, user).await,
            (Route::Ping, &Method::POST) => self.ping(call).await,
            _ => Err(Refusal::Method(methods)),
        }
    }

    async fn subscribe(self: Arc<Self>, call: &Call, user: String) -> Result<Answer, Refusal> {
        match caller(call, &*self.platform.accounts).await {
            Ok(_) => {}
            // A token that was meant to be good is refused even where none is needed.
            Err(unknown @ (Unknown::Refused | Unknown::Unavailable(_))) => return Err(Refusal::Subscriber(unknown)),
            Err(unknown @ (Unknown::Missing | Unknown::Unreadable)) => {
                if self.settings.identified_subscribers {
                    return Err(Refusal::Subscriber(unknown));
                }
            }
        }
        let (outlet, feed) = feed(LAG);
        let id = self.lock().admit(&user)?;
        let (presence, watched) = (Arc::downgrade(&self), user.clone());
        outlet.when_gone(move || {
            if let Some(presence) = presence.upgrade() {
                presence.keep_alive.remove(id);
                presence.lock().gone(&watched, id);
            }
        });
        self.keep_alive.add(id, outlet.clone());
        let (done, listening) = oneshot::channel();
        self.put(user, Item::Listener { id, outlet, done })?;
        listening.await.unwrap_or(Err(Refusal::Stopping))?;
        Ok(Answer::Stream { head: answer::events(), feed })
    }

    async fn ping(self: Arc<Self>, call: &Call) -> Result<Answer, Refusal> {
        let caller = caller(call, &*self.platform.accounts).await.map_err(Refusal::Pinger)?;
        let body = call.request.body.as_ref().map_err(|unread| Refusal::Unread(*unread))?;
        let ping = Ping::parse(body, self.platform.clock.now() / 1000)?;
        let (done, durable) = oneshot::channel();
        self.put(caller.claim.user, Item::Ping { ping, done })?;
        durable.await.unwrap_or(Err(Refusal::Stopping))?;
        Ok(Answer::Reply(answer::empty(StatusCode::OK)))
    }

    /// Has `item` wait for its turn among the user's, and sees to it that somebody takes turns.
    fn put(self: &Arc<Self>, user: String, item: Item) -> Result<(), Refusal> {
        if self.lock().put(&user, item)? {
            self.tasks.spawn(Box::pin(work::work(Arc::clone(self), user)));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
