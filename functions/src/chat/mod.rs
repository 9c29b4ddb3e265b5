//! Chat: messages between users of a group, who see each other come and go.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /healthz` | 200 `Health OK` |
//! | `POST /user` | 201: the service of notifications creates a user |
//! | `GET /ws_token` | 201: a token that opens one WebSocket within five minutes |
//! | `GET /ws?token=…` | the WebSocket: messages both ways, presence of the group |
//! | `GET /messages?from=…&to=…&skip=…` | 200: a page of the messages between two users, the oldest first |
//! | `GET /connections` | 200: the users of the caller's group, and whether they are connected |
//!
//! Reading order: this file (requests), `settings`, `origins`, `caller` with `remembered` (who is asking), `users`,
//! `tokens` and `history` (what the database keeps), `message`, `session` (a WebSocket), `order` and `hall` (who is sent
//! what), `notify`, `sweep`; `envelope` and `refusal` (the answers).

mod caller;
mod envelope;
mod hall;
mod history;
mod message;
mod notify;
mod order;
mod origins;
mod refusal;
mod remembered;
mod session;
mod settings;
mod sweep;
mod tokens;
mod users;

use crate::feed::feed;
use crate::identity::is_name;
use crate::ports::{Platform, Tasks, Timers};
use crate::request::{HttpRequest, Reply};
use crate::service::{Answer, Call, Hosted, Service, Socket};
use bytes::Bytes;
use caller::{Caller, Callers, is_secret};
use futures_util::future::BoxFuture;
use hall::{Hall, Presence};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use notify::{Notifier, Retries, Target};
use order::Order;
use origins::Origins;
use refusal::Refusal;
use serde::Deserialize;
use session::Talk;
use settings::Settings;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sweep::{Rounds, Sweep};

/// How many messages there are besides those of the page.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");
/// Members that one answer lists at most, and that are read in one transaction.
const MOST_MEMBERS: usize = 10_000;
const MEMBERS_AT_ONCE: usize = 1_000;

/// Builds the service.
pub(crate) fn build(hosted: Hosted) -> Result<Arc<dyn Service>, Vec<String>> {
    let Hosted { platform, timers, tasks, web, .. } = hosted;
    let settings = Settings::read(hosted.config, &hosted.secrets, hosted.emulator)?;
    let hall = Arc::<Mutex<Hall>>::default();
    let listeners = Arc::clone(&hall);
    let order = Order::new(move |Delivery { from, to, text }: Delivery| lock(&listeners).deliver(&from, &to, &text));
    let callers = Callers {
        accounts: Arc::clone(&platform.accounts),
        web: Arc::clone(&web),
        clock: Arc::clone(&platform.clock),
        url: settings.verification,
        remembered: Mutex::default(),
    };
    let notifier = settings.notification.map(|url| {
        let target = Target { url, secret: settings.secret.clone(), link: settings.link };
        Notifier::new(target, web, Arc::clone(&platform.clock), Arc::clone(&timers), Arc::clone(&tasks))
    });
    let sweep = Sweep::new(Arc::clone(&platform.database), Arc::clone(&platform.clock), Arc::clone(&timers));
    Ok(Arc::new(Chat {
        origins: settings.origins,
        secret: settings.secret,
        across_groups: settings.across_groups,
        platform,
        timers,
        tasks,
        callers,
        hall,
        order,
        notifier,
        sweep,
    }))
}

/// The service.
struct Chat {
    origins: Origins,
    secret: Option<HeaderValue>,
    across_groups: bool,
    platform: Platform,
    timers: Arc<dyn Timers>,
    tasks: Arc<dyn Tasks>,
    callers: Callers,
    hall: Arc<Mutex<Hall>>,
    order: Arc<Order<Delivery>>,
    notifier: Option<Arc<Notifier>>,
    sweep: Arc<Sweep>,
}

/// A stored message on its way.
struct Delivery {
    from: String,
    to: String,
    text: Bytes,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Health,
    User,
    Token,
    Socket,
    Messages,
    Connections,
}

impl Route {
    fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let path = request.uri.path();
        let route = match path.strip_suffix('/').unwrap_or(path) {
            "/healthz" => Self::Health,
            "/user" => Self::User,
            "/ws_token" => Self::Token,
            "/ws" => Self::Socket,
            "/messages" => Self::Messages,
            "/connections" => Self::Connections,
            _ => return Err(Refusal::NotFound),
        };
        match (route, request.method == Method::POST, request.method == Method::GET) {
            (Self::User, true, _) => Ok(route),
            (Self::User, false, _) => Err(Refusal::Method("POST, OPTIONS")),
            (_, _, true) => Ok(route),
            (_, _, false) => Err(Refusal::Method("GET, OPTIONS")),
        }
    }
}

impl Service for Chat {
    fn start(self: Arc<Self>) -> BoxFuture<'static, Result<(), String>> {
        self.timers.add(Arc::new(Rounds(Arc::clone(&self.sweep))));
        if let Some(notifier) = &self.notifier {
            self.timers.add(Arc::new(Retries(Arc::clone(notifier))));
        }
        Box::pin(async move {
            // Tokens of an earlier run.
            self.sweep.round().await;
            Ok(())
        })
    }

    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            let mut answer = if call.request.method == Method::OPTIONS {
                let mut reply = Reply::default();
                reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                Answer::Reply(reply)
            } else {
                Arc::clone(&self).answer(&call).await.unwrap_or_else(|refusal| Answer::Reply(refusal.reply()))
            };
            let headers = match &mut answer {
                Answer::Reply(reply) => reply.headers_mut(),
                Answer::Stream { head, .. } => head.headers_mut(),
                Answer::Socket(socket) => &mut socket.headers,
            };
            self.origins.tell(&call.request.headers, headers);
            answer
        })
    }
}

impl Chat {
    async fn answer(self: Arc<Self>, call: &Call) -> Result<Answer, Refusal> {
        match Route::of(&call.request)? {
            Route::Health => Ok(Answer::Reply(envelope::message(StatusCode::OK, "Health OK"))),
            Route::User => self.create_user(&call.request).await.map(Answer::Reply),
            Route::Token => self.issue_token(call).await.map(Answer::Reply),
            Route::Socket => self.open(call).await,
            Route::Messages => self.messages(call).await.map(Answer::Reply),
            Route::Connections => self.connections(call).await.map(Answer::Reply),
        }
    }

    async fn create_user(&self, request: &HttpRequest) -> Result<Reply, Refusal> {
        if !is_secret(request.headers.get(AUTHORIZATION), self.secret.as_ref()) {
            return Err(Refusal::NotNotifier);
        }
        let NewUser { username, user_group } = NewUser::read(request)?;
        let created =
            self.platform.database.transact(move |transaction| users::create(transaction, &username, &user_group));
        if created.await? { Ok(envelope::message(StatusCode::CREATED, "Created user")) } else { Err(Refusal::Exists) }
    }

    async fn issue_token(&self, call: &Call) -> Result<Reply, Refusal> {
        let Caller { name, group } = self.callers.of(call).await?;
        let text = tokens::draw(&*self.platform.entropy);
        let issued = self.platform.database.transact(move |transaction| {
            users::admit(transaction, &name, group.as_deref())?;
            tokens::issue(transaction, text, &name)
        });
        let token = issued.await?;
        self.sweep.plan(self.platform.clock.now().saturating_add(tokens::LIFETIME));
        Ok(envelope::result(StatusCode::CREATED, &token))
    }

    async fn open(self: Arc<Self>, call: &Call) -> Result<Answer, Refusal> {
        let hash = tokens::hash(&call.request.query("token").unwrap_or_default());
        let redeemed = if call.upgrade {
            self.platform.database.transact(move |transaction| tokens::redeem(transaction, &hash)).await?
        } else {
            // Whoever cannot use it keeps it.
            self.platform.database.transact(move |transaction| Ok(tokens::look(transaction, &hash))).await?
        };
        let holder = redeemed?;
        if !call.upgrade {
            return Err(Refusal::NotSocket);
        }
        let (outlet, feed) = feed(session::LAG);
        Ok(Answer::Socket(Socket {
            headers: HeaderMap::new(),
            longest_message: message::LONGEST_FRAME,
            longest_frame: message::LONGEST_FRAME,
            feed,
            session: Arc::new(Talk::new(self, holder.name, holder.group, outlet)),
        }))
    }

    async fn messages(&self, call: &Call) -> Result<Reply, Refusal> {
        let Caller { name, group } = self.callers.of(call).await?;
        let field = |name: &str| call.request.query(name).unwrap_or_default();
        let (from, to, skip) = (field("from"), field("to"), field("skip"));
        if from != name {
            return Err(Refusal::Wrong);
        }
        let skip = if skip.is_empty() { 0 } else { skip.parse().map_err(|_| Refusal::Skip)? };
        let across_groups = self.across_groups;
        let page = self.platform.database.transact(move |transaction| {
            let group = group.or_else(|| users::group(transaction, &name));
            let group = group.as_deref().unwrap_or(users::DEFAULT_GROUP);
            let known = users::may_know(transaction, group, &to, across_groups);
            Ok(known.then(|| history::page(transaction, &name, &to, skip)))
        });
        let page = page.await?.ok_or(Refusal::Wrong)?;
        let mut reply = envelope::result(StatusCode::OK, &page.messages);
        reply.headers_mut().insert(TOTAL, HeaderValue::from(page.total));
        Ok(reply)
    }

    async fn connections(&self, call: &Call) -> Result<Reply, Refusal> {
        let Caller { name, group } = self.callers.of(call).await?;
        let after = call.request.query("after").filter(|after| !after.is_empty());
        let mut after = after.map(|after| crate::key::escaped(&after).into_owned());
        let mut group = group;
        let mut connections: Vec<Presence> = Vec::new();
        // In pieces, so that others' writes come in between.
        while connections.len() < MOST_MEMBERS {
            let (name, claimed, from) = (name.clone(), group.take(), after.clone());
            let piece = self.platform.database.transact(move |transaction| {
                let group = claimed.or_else(|| users::group(transaction, &name));
                let group = group.unwrap_or_else(|| users::DEFAULT_GROUP.to_owned());
                let members = users::members(transaction, &group, from.as_deref(), MEMBERS_AT_ONCE);
                Ok((group, members))
            });
            let (found, members) = piece.await?;
            let is_last = members.len() < MEMBERS_AT_ONCE;
            group = Some(found);
            after = members.last().map(|(key, _)| key.clone());
            connections.extend(self.hall().presences(members.into_iter().map(|(_, name)| name).collect()));
            if is_last {
                break;
            }
        }
        Ok(envelope::result(StatusCode::OK, &connections))
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        lock(&self.hall)
    }
}

/// Whom the service of notifications creates.
#[derive(Deserialize)]
struct NewUser {
    username: String,
    user_group: String,
}

impl NewUser {
    fn read(request: &HttpRequest) -> Result<Self, Refusal> {
        let body = request.body.as_ref().map_err(|unread| Refusal::Unread(*unread))?;
        // A list would do for the derived reader.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Refusal::Body("it is no JSON object".to_owned()));
        }
        let user: Self = serde_json::from_slice(body).map_err(|error| Refusal::Body(error.to_string()))?;
        if !is_name(&user.username) || !is_name(&user.user_group) {
            let reason = "a name has 1 to 256 bytes and no control characters";
            return Err(Refusal::Body(reason.to_owned()));
        }
        Ok(user)
    }
}

fn lock(hall: &Mutex<Hall>) -> MutexGuard<'_, Hall> {
    hall.lock().unwrap_or_else(PoisonError::into_inner)
}
