//! Sessions of one host and any number of listeners (the functions of Pogify): start one, push updates to it, keep it
//! alive, and clean up after it.
//!
//! Reading order: a function each in `start_session`, `push_update`, `refresh_token`, `purge`, `purge_accounts`; then
//! what they share, an idea each. Must not know: where a request came from, nor what stands behind the ports.

mod body;
mod code;
mod json_text;
mod purge;
mod purge_accounts;
mod push_update;
mod rate_limit;
mod record;
mod refresh_token;
mod refusal;
mod response;
mod session_token;
mod start_session;
mod update;

use crate::config::Config;
use crate::ports::{DatabaseError, NoUser, Platform, Transaction};
use crate::registry::{HttpsFunction, Registry, ScheduledFunction};
use crate::request::{HttpRequest, Reply};
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderName, StatusCode};
use record::Session;
use refusal::Refusal;
use serde::Serialize;
use session_token::{LIFETIME_SECONDS, SessionTokens};
use std::sync::Arc;

/// Carries the session token.
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-session-token");

/// The functions of this module.
pub(crate) fn registry(config: Config) -> Registry {
    let anonymous_days = config.anonymous_days;
    let sessions = Arc::new(Sessions {
        tokens: SessionTokens::new(&config.jwt_secret),
        skip_auth: config.skip_auth,
        skip_rate_limit: config.skip_rate_limit,
    });
    let https = |name: &str, function: Function| {
        let sessions = Arc::clone(&sessions);
        HttpsFunction::new(name, move |request, platform| {
            let sessions = Arc::clone(&sessions);
            async move { function(&sessions, &platform, &request).await.unwrap_or_else(|refusal| refusal.reply()) }
        })
    };
    Registry {
        https: vec![
            https("startSession", |s, p, r| Box::pin(start_session::start_session(s, p, r))),
            https("pushUpdate", |s, p, r| Box::pin(push_update::push_update(s, p, r)))
                .alias("postUpdate")
                .alias("publishUpdate"),
            https("refreshToken", |s, p, r| Box::pin(refresh_token::refresh_token(s, p, r))),
        ],
        scheduled: vec![
            ScheduledFunction::new(
                "purgeStaleSessions",
                &config.purge_sessions,
                &config.time_zone,
                purge::purge_stale_sessions,
            ),
            ScheduledFunction::new(
                "purgeAnonymousAccounts",
                &config.purge_accounts,
                &config.time_zone,
                move |platform| purge_accounts::purge_anonymous_accounts(platform, anonymous_days),
            ),
        ],
        auth: Vec::new(),
        headers: response::cross_origin(),
    }
}

/// One of the HTTPS functions.
type Function = for<'a> fn(&'a Sessions, &'a Platform, &'a HttpRequest) -> BoxFuture<'a, Result<Reply, Refusal>>;

/// What the HTTPS functions share.
struct Sessions {
    tokens: SessionTokens,
    skip_auth: bool,
    skip_rate_limit: bool,
}

/// The answer to a started or refreshed session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Grant<'a> {
    token: String,
    session: &'a str,
    refresh_token: &'a str,
    expires_in: u64,
}

impl Sessions {
    /// Who calls: the uid whose calls are counted, `None` where none is.
    ///
    /// The header is `Bearer`, one space and the token, exactly. With auth skipped a valid token is still read, and
    /// whoever has none is served without being counted.
    async fn caller(&self, platform: &Platform, request: &HttpRequest) -> Result<Option<String>, Refusal> {
        if self.skip_auth && self.skip_rate_limit {
            return Ok(None);
        }
        let token = request.header(&AUTHORIZATION).and_then(|header| header.strip_prefix("Bearer "));
        let user = match token.filter(|token| !token.is_empty() && !token.contains(' ')) {
            Some(token) => platform.accounts.verify(token).await,
            None => Err(NoUser::Refused),
        };
        match user {
            Ok(user) => Ok((!self.skip_rate_limit).then_some(user.uid)),
            Err(NoUser::Refused | NoUser::Unavailable(_)) if self.skip_auth => Ok(None),
            Err(NoUser::Refused) => Err(Refusal::NotSignedIn),
            Err(unavailable @ NoUser::Unavailable(_)) => Err(Refusal::failed(&unavailable)),
        }
    }

    /// Counts a call of `caller`, and does `work` if it passes; both in one transaction, which is one commit.
    async fn counted<T: Send + 'static>(
        &self,
        platform: &Platform,
        caller: Option<String>,
        work: impl FnOnce(&mut dyn Transaction) -> Result<Result<T, Refusal>, DatabaseError> + Send + 'static,
    ) -> Result<T, Refusal> {
        platform
            .database
            .transact(move |transaction| {
                if let Some(uid) = caller
                    && let Err(over) = rate_limit::count(transaction, &uid)?
                {
                    return Ok(Err(over));
                }
                work(transaction)
            })
            .await?
    }

    /// Hands a session out.
    fn grant(&self, session: &Session) -> Result<Reply, Refusal> {
        let token = self.tokens.issue(&session.code, session.written).map_err(|error| Refusal::failed(&error))?;
        let grant = Grant {
            token,
            session: &session.code,
            refresh_token: &session.refresh_token,
            expires_in: LIFETIME_SECONDS,
        };
        let body = serde_json::to_string(&grant).map_err(|error| Refusal::failed(&error))?;
        Ok(response::json(StatusCode::CREATED, body))
    }
}

/// The text of a request's session token, as far as it has one.
fn session_token(request: &HttpRequest) -> Result<&str, Refusal> {
    let header = request.headers.get(&SESSION_TOKEN).filter(|header| !header.is_empty());
    // What is not ASCII is a token all the same, only no good one.
    header.map(|header| header.to_str().unwrap_or("?")).ok_or(Refusal::NoSessionToken)
}
