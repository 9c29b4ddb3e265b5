//! Signal: what devices that want to connect to each other by WebRTC have to say before they can.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /subscribe`, `GET /subscribe/{user}/device/{device}` | a stream of what is sent to the caller's device |
//! | `GET /user/{user}/devices` | a JSON list of the connected devices |
//! | `POST /user/{user}/device/{device}` with `data` and perhaps `event` | 200 once the device's stream has it |
//!
//! Nothing is kept: what is said to a device that is not there is refused. Reading order: this file (requests),
//! `settings`, `devices` (who is connected), `message` (what is said), `refusal` (everything that is not done).

mod devices;
mod message;
mod refusal;
mod settings;

use crate::answer;
use crate::event::COMMENT;
use crate::feed::feed;
use crate::identity::{Caller, Claim, Unknown, caller, is_name};
use crate::keep_alive::KeepAlive;
use crate::path::segments;
use crate::ports::Platform;
use crate::request::HttpRequest;
use crate::service::{Answer, Call, Hosted, Service};
use devices::{Connected, Devices};
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use message::Message;
use refusal::Refusal;
use serde_json::json;
use settings::Settings;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many bytes may wait for a device: several messages of the largest size.
const LAG: usize = 1024 * 1024;
/// The end of a stream whose device has connected again (RFC 6455's code for a policy; events have none).
const REPLACED: (u16, &str) = (1008, "the device has connected again");

/// Builds the service.
pub(crate) fn build(hosted: Hosted) -> Result<Arc<dyn Service>, Vec<String>> {
    let settings = Settings::read(hosted.config, hosted.emulator)?;
    let keep_alive = KeepAlive::new("signal.comments", Arc::clone(&hosted.platform.clock), hosted.timers);
    Ok(Arc::new(Signal {
        settings,
        platform: hosted.platform,
        keep_alive,
        devices: Mutex::new(Devices::new(settings)),
    }))
}

/// The service.
struct Signal {
    settings: Settings,
    platform: Platform,
    keep_alive: Arc<KeepAlive>,
    devices: Mutex<Devices>,
}

/// What a path names.
enum Route {
    /// The caller's stream, and whose and which it says this is.
    Subscribe(Option<Claim>),
    /// The devices of a user.
    Devices(String),
    /// A device.
    Device(Claim),
}

impl Route {
    fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let segments = segments(&request.uri).ok_or(Refusal::Path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let device = |user: &str, client: &str| {
            let named = is_name(user) && is_name(client);
            named.then(|| Claim { user: user.to_owned(), client: client.to_owned() }).ok_or(Refusal::Path)
        };
        match segments[..] {
            ["subscribe"] => Ok(Self::Subscribe(None)),
            ["subscribe", user, "device", client] => Ok(Self::Subscribe(Some(device(user, client)?))),
            ["user", user, "devices"] if is_name(user) => Ok(Self::Devices(user.to_owned())),
            ["user", _, "devices"] => Err(Refusal::Path),
            ["user", user, "device", client] => Ok(Self::Device(device(user, client)?)),
            _ => Err(Refusal::NotFound),
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Subscribe(_) | Self::Devices(_) => "GET, OPTIONS",
            Self::Device(_) => "POST, OPTIONS",
        }
    }
}

impl Service for Signal {
    fn start(self: Arc<Self>) -> BoxFuture<'static, Result<(), String>> {
        self.keep_alive.start();
        Box::pin(async { Ok(()) })
    }

    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Answer> {
        Box::pin(async move { self.answer(&call).await.unwrap_or_else(|refusal| Answer::Reply(refusal.reply())) })
    }
}

impl Signal {
    async fn answer(self: Arc<Self>, call: &Call) -> Result<Answer, Refusal> {
        let route = Route::of(&call.request)?;
        let methods = route.methods();
        match (route, &call.request.method) {
            (_, &Method::OPTIONS) => Ok(Answer::Reply(answer::preflight(methods))),
            (Route::Subscribe(named), &Method::GET) => self.subscribe(call, named).await,
            (Route::Devices(user), &Method::GET) => self.list(call, &user).await,
            (Route::Device(device), &Method::POST) => self.send(call, &device).await,
            _ => Err(Refusal::Method(methods)),
        }
    }

    async fn subscribe(self: Arc<Self>, call: &Call, named: Option<Claim>) -> Result<Answer, Refusal> {
        let mut caller = self.caller(call).await?;
        if let Some(named) = named {
            if caller.claim.client.is_empty() {
                caller.claim.client.clone_from(&named.client);
            }
            if caller.claim != named {
                return Err(Refusal::Other);
            }
        }
        let Claim { user, client } = on_a_device(caller)?;
        let (outlet, feed) = feed(LAG);
        let _ = outlet.send(COMMENT);
        let Connected { id, older } = self.lock().connect(&user, &client, outlet.clone())?;
        if let Some(older) = older {
            let (code, reason) = REPLACED;
            older.close(code, reason);
        }
        self.keep_alive.add(id, outlet.clone());
        let signal = Arc::downgrade(&self);
        outlet.when_gone(move || {
            if let Some(signal) = signal.upgrade() {
                signal.keep_alive.remove(id);
                signal.lock().gone(&user, &client, id);
            }
        });
        Ok(Answer::Stream { head: answer::events(), feed })
    }

    async fn list(&self, call: &Call, user: &str) -> Result<Answer, Refusal> {
        match self.caller(call).await {
            Err(Refusal::Caller(Unknown::Missing | Unknown::Unreadable)) if !self.settings.identified_readers => {}
            known => drop(known?),
        }
        let devices = self.lock().of(user);
        Ok(Answer::Reply(answer::json(StatusCode::OK, &json!(devices))))
    }

    /// The checks stand in the order in which callers are promised them.
    async fn send(&self, call: &Call, device: &Claim) -> Result<Answer, Refusal> {
        let outlet = self.lock().find(&device.user, &device.client).ok_or(Refusal::NotConnected)?;
        let message = Message::read(&call.request)?;
        let sender = on_a_device(self.caller(call).await?)?;
        // It may have gone, or been too slow, meanwhile.
        outlet.send(message.to_event(&sender)).map_err(|_| Refusal::NotConnected)?;
        Ok(Answer::Reply(answer::empty(StatusCode::OK)))
    }

    async fn caller(&self, call: &Call) -> Result<Caller, Refusal> {
        caller(call, &*self.platform.accounts).await.map_err(Refusal::Caller)
    }

    fn lock(&self) -> MutexGuard<'_, Devices> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The claim of somebody on a device. A device that the caller has named himself has no colon, so that the last one in
/// `user:device` always parts the two.
fn on_a_device(Caller { claim, vouched }: Caller) -> Result<Claim, Refusal> {
    let named = !claim.client.is_empty() && (vouched || !claim.client.contains(':'));
    named.then_some(claim).ok_or(Refusal::Device)
}
