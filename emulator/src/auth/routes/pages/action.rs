//! The page behind links in emails: it does at once what the link is for. For emulators only. Must not know: the store.

use super::{Query, Room, complaint};
use crate::auth::errors::{Refusal, pretty};
use crate::auth::service::{Asked, ServiceError};
use axum::response::{IntoResponse, Response};
use hearth_auth::Error;
use hearth_auth::code::{OobCode, RequestType};
use hearth_auth::operations::{oob, update};
use hearth_auth::uri::Uri;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// What stands in the place of a new password in links that are shown to developers.
const PLACEHOLDER: &str = "NEW_PASSWORD_HERE";

/// Does what `mode` says with the code.
pub(super) async fn act(room: &Room, asked: Asked, query: &Query) -> Result<Response, Refusal> {
    if query.get("apiKey").is_none() {
        return Ok(missing("apiKey", "an apiKey", "YOUR_API_KEY"));
    }
    let Some(oob_code) = query.get("oobCode") else {
        return Ok(missing("oobCode", "an oobCode", "YOUR_OOB_CODE"));
    };
    match query.get("mode") {
        Some("recoverEmail") => recover_email(room, asked, oob_code).await,
        Some("resetPassword") => reset_password(room, asked, oob_code, query).await,
        Some("verifyEmail") => {
            let done = apply(room, asked, oob_code).await?;
            Ok(match done.map(|mut body| body.remove("email")) {
                Some(email) => {
                    success(query, json!({"success": "The email has been successfully verified.", "email": email}))
                }
                None => spent("verify your email", "Try verifying your email again."),
            })
        }
        Some("verifyAndChangeEmail") => {
            let done = apply(room, asked, oob_code).await?;
            Ok(match done.map(|mut body| body.remove("newEmail")) {
                Some(email) => {
                    success(query, json!({"success": "The email has been successfully changed.", "newEmail": email}))
                }
                None => spent("change your email", "Try changing your email again."),
            })
        }
        Some("signIn") => Ok(sign_in(query)),
        Some(_) | None => Ok(complaint(json!({"error": "Invalid mode"}))),
    }
}

fn missing(parameter: &str, a: &str, example: &str) -> Response {
    complaint(json!({
        "error": format!("missing {parameter} query parameter"),
        "instructions": format!("Please modify the URL to specify {a}, such as ...&{parameter}={example}"),
    }))
}

fn spent(what: &str, instructions: &str) -> Response {
    complaint(json!({
        "error": format!("Your request to {what} has expired or the link has already been used."),
        "instructions": instructions,
    }))
}

fn success(query: &Query, fields: Value) -> Response {
    match query.get("continueUrl") {
        Some(url) => redirect(url),
        None => pretty(&json!({"authEmulator": fields})).into_response(),
    }
}

fn redirect(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(url) => (StatusCode::SEE_OTHER, [(LOCATION, url)]).into_response(),
        Err(_) => complaint(json!({"error": "continueUrl is not a URL"})),
    }
}

/// Uses the code; `None` if it is not good for anything here.
async fn apply(room: &Room, asked: Asked, oob_code: &str) -> Result<Option<serde_json::Map<String, Value>>, Refusal> {
    let oob_code = oob_code.to_owned();
    let done =
        room.service.write(asked, move |store, call| update::update(store, call, update::Request::of_code(&oob_code)));
    match done.await {
        Ok(answer) => Ok(Some(answer.body)),
        Err(ServiceError::Refused(Error::InvalidOobCode | Error::NotImplemented(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn find(room: &Room, asked: Asked, oob_code: &str) -> Result<Option<OobCode>, Refusal> {
    let oob_code = oob_code.to_owned();
    match room.service.read(asked, move |store, call| oob::find(store, call, &oob_code)).await {
        Ok(code) => Ok(Some(code)),
        Err(ServiceError::Refused(Error::InvalidOobCode)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn recover_email(room: &Room, asked: Asked, oob_code: &str) -> Result<Response, Refusal> {
    const AGAIN: &str =
        "If you're trying to test the reverting email flow, try changing the email again to generate a new link.";
    let code = find(room, asked.clone(), oob_code).await?;
    if code.is_none_or(|code| code.request_type != RequestType::RecoverEmail) {
        let error = "Requested mode does not match the OOB code provided.";
        return Ok(complaint(json!({"error": error, "instructions": AGAIN})));
    }
    Ok(match apply(room, asked, oob_code).await? {
        Some(mut body) => {
            let fields = json!({"success": "The email has been successfully reset.", "email": body.remove("email")});
            pretty(&json!({"authEmulator": fields})).into_response()
        }
        None => spent("revert your email", AGAIN),
    })
}

async fn reset_password(room: &Room, asked: Asked, oob_code: &str, query: &Query) -> Result<Response, Refusal> {
    let code = find(room, asked.clone(), oob_code).await?;
    let Some(code) = code.filter(|code| code.request_type == RequestType::PasswordReset) else {
        return Ok(spent("reset your password", "Try resetting your password again."));
    };
    let template = format!("{}&newPassword={PLACEHOLDER}", code.oob_link);
    let new_password = match query.get("newPassword") {
        None => {
            return Ok(complaint(json!({
                "error": "missing newPassword query parameter",
                "instructions": format!(
                    "To reset the password for {}, send an HTTP GET request to the following URL.", code.email,
                ),
                "instructions2": "You may use a web browser or any HTTP client, such as curl.",
                "urlTemplate": template,
            })));
        }
        Some(PLACEHOLDER) => {
            return Ok(complaint(json!({
                "error": format!("newPassword must be something other than '{PLACEHOLDER}'"),
                "instructions": format!("The string '{PLACEHOLDER}' is just a placeholder."),
                "instructions2": "Please change the URL to specify a new password instead.",
                "urlTemplate": template,
            })));
        }
        Some(new_password) => new_password.to_owned(),
    };
    let oob_code = oob_code.to_owned();
    let reset = move || oob::Reset { new_password: Some(new_password.clone()), oob_code: Some(oob_code.clone()) };
    let done = room.service.write(asked, move |store, call| oob::reset_password(store, call, reset())).await?;
    let fields = json!({"success": "The password has been successfully updated.", "email": done.body.get("email")});
    Ok(success(query, fields))
}

/// The app itself uses the code.
fn sign_in(query: &Query) -> Response {
    let Some(url) = query.get("continueUrl") else {
        return complaint(json!({
            "error": "Missing continueUrl query parameter",
            "instructions": "To sign in, append &continueUrl=YOUR_APP_URL to the link.",
        }));
    };
    let Some(mut uri) = Uri::parse(url) else {
        return complaint(json!({"error": "continueUrl is not a URL"}));
    };
    for (name, value) in query.0.iter().filter(|(name, _)| name != "continueUrl") {
        uri.set(name, value);
    }
    redirect(&uri.to_string())
}
