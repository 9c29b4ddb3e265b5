//! The pages between an app and an identity provider, on a server in earnest: one leads to the provider and takes what
//! it says back, a frame in the app's page hands that on. Must not know: the store, what a provider says.
//!
//! Who has a user's code and session can sign in as that user. So the frame is shown in pages of the app alone, the page
//! goes on to such pages alone, and neither has anything of a request in it.

use super::{Query, html};
use crate::auth::errors::Refusal;
use crate::auth::routes::Room;
use crate::auth::routes::input::pairs;
use crate::auth::service::Asked;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hearth_auth::operations::authorize;
use hearth_auth::uri::form;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY};
use http::{HeaderName, StatusCode};

/// The longest form of a provider, in bytes.
const LONGEST_FORM: usize = 64 * 1024;
/// What a provider's form may say.
const TOLD: [&str; 5] = ["code", "state", "iss", "error", "user"];
/// Where the page is.
const HANDLER: &str = "/__/auth/handler";
/// The page has a script of this server, and asks this server. Nobody shows it inside of another.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action \
                           'none'; frame-ancestors 'none'";
const ASK_YOUR_ADMIN: &str =
    "This page cannot be gone on at after a sign-in: its host is not among authorizedDomains.\n";

/// The page that leads to a provider, and to which users come back. It says the same to everyone.
pub(super) async fn page(room: &Room, asked: Asked, query: &Query) -> Result<Response, Refusal> {
    if let Some(url) = query.get("redirectUrl").map(str::to_owned) {
        let may_be_told = move |store: &dyn hearth_auth::store::Accounts, call: &hearth_auth::operations::Call<'_>| {
            authorize::may_be_told(store, call, &url)
        };
        if !room.service.read(asked, may_be_told).await? {
            let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
            return Ok((StatusCode::BAD_REQUEST, plain, ASK_YOUR_ADMIN).into_response());
        }
    }
    Ok(guarded(html(include_str!("provider.html").to_owned()), HeaderValue::from_static(PAGE_POLICY)))
}

/// What the page does.
pub(super) fn script() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, include_str!("provider.js")).into_response()
}

/// The frame in the app's page. An emulator's is in any page.
pub(super) async fn relay(room: &Room, asked: Asked) -> Result<Response, Refusal> {
    let page = html(include_str!("iframe.html").to_owned());
    if room.service.is_emulator() {
        return Ok(page);
    }
    let hosts = room.service.read(asked, |store, call| authorize::hosts(store, call)).await?;
    let policy = format!("base-uri 'none'; object-src 'none'; frame-ancestors {}", ancestors(&hosts));
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("frame-ancestors 'none'"));
    Ok(guarded(page, policy))
}

/// Hosts as a policy names them: of the page's own scheme or a better one, at any port. This machine may do without.
fn ancestors(hosts: &[String]) -> String {
    let is_name = |host: &&String| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let mut sources = vec!["'self'".to_owned()];
    for host in hosts.iter().filter(is_name) {
        if ["localhost", "127.0.0.1"].contains(&host.as_str()) {
            sources.push(format!("http://{host}:*"));
        }
        sources.push(format!("{host}:*"));
    }
    sources.join(" ")
}

fn guarded(mut response: Response, policy: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    // The page's address has a code in it.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A provider that sends a user back with a form, as Apple does: what it says becomes a part of the page's address that
/// no server sees.
pub(in crate::auth::routes) async fn come_back(room: &Room, body: Body) -> Result<Response, Refusal> {
    if room.service.is_emulator() {
        return Err(Refusal::NotFound);
    }
    let body = room.bodies.read(body, LONGEST_FORM).await?;
    let told: Vec<_> =
        pairs(&String::from_utf8_lossy(&body)).into_iter().filter(|(name, _)| TOLD.contains(&name.as_str())).collect();
    let headers = [(LOCATION, format!("{HANDLER}#{}", form(&told))), (CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_shown_by_hosts_and_nothing_else() {
        for (host, expected) in [
            ("localhost", "'self' http://localhost:* localhost:*"),
            ("app.example", "'self' app.example:*"),
            ("", "'self'"),
            ("*", "'self'"),
            ("a.b; script-src *", "'self'"),
            ("a.b *", "'self'"),
            ("[::1]", "'self'"),
        ] {
            assert_eq!(ancestors(&[host.to_owned()]), expected, "{host}");
        }
    }
}
