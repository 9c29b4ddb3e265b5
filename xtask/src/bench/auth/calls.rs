//! The calls of the Identity Toolkit that are measured, as bytes. Must not know: how they are measured.

use crate::bench::load::{Connection, request};
use crate::process::Failure;
use serde_json::{Value, json};

const V1: &str = "/identitytoolkit.googleapis.com/v1";
const JSON: (&str, &str) = ("Content-Type", "application/json");
/// What makes an emulator take the caller for an admin.
const OWNER: (&str, &str) = ("Authorization", "Bearer owner");

/// An anonymous sign-up.
pub(super) fn sign_up() -> Vec<u8> {
    as_client("accounts:signUp", &json!({"returnSecureToken": true}))
}

/// A sign-up with an email and a password.
pub(super) fn sign_up_with(email: &str, password: &str) -> Vec<u8> {
    as_client("accounts:signUp", &json!({"email": email, "password": password, "returnSecureToken": true}))
}

/// A sign-in with them.
pub(super) fn sign_in(email: &str, password: &str) -> Vec<u8> {
    let body = json!({"email": email, "password": password, "returnSecureToken": true});
    as_client("accounts:signInWithPassword", &body)
}

/// A user looks themselves up.
pub(super) fn lookup(id_token: &str) -> Vec<u8> {
    as_client("accounts:lookup", &json!({"idToken": id_token}))
}

/// An admin of an emulator looks somebody up: by `localId` or `email`.
pub(super) fn lookup_by(project: &str, field: &str, value: &str) -> Vec<u8> {
    as_owner(project, "POST", "accounts:lookup", &json!({field: [value]}).to_string())
}

/// An admin of an emulator creates accounts.
pub(super) fn batch_create(project: &str, users: &[Value]) -> Vec<u8> {
    as_owner(project, "POST", "accounts:batchCreate", &json!({"users": users}).to_string())
}

/// An admin of an emulator lists accounts.
pub(super) fn batch_get(project: &str, page: usize, token: Option<&str>) -> Vec<u8> {
    let after = token.map(|token| format!("&nextPageToken={token}")).unwrap_or_default();
    as_owner(project, "GET", &format!("accounts:batchGet?maxResults={page}{after}"), "")
}

/// ID tokens of new users.
pub(super) async fn id_tokens(connection: &mut Connection, users: usize) -> Result<Vec<String>, Failure> {
    let mut tokens = Vec::new();
    for _ in 0..users {
        let answer = asked(connection, &sign_up()).await?;
        tokens.push(answer.get("idToken").and_then(Value::as_str).ok_or("no ID token")?.to_owned());
    }
    Ok(tokens)
}

/// The body of a good answer.
pub(super) async fn asked(connection: &mut Connection, question: &[u8]) -> Result<Value, Failure> {
    let answer = connection.ask(question).await?;
    if answer.status == 200 {
        return Ok(serde_json::from_slice(&answer.body)?);
    }
    Err(format!("status {}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into())
}

fn as_client(method: &str, body: &Value) -> Vec<u8> {
    request("POST", &format!("{V1}/{method}?key=k"), &[JSON], &body.to_string())
}

fn as_owner(project: &str, verb: &str, method: &str, body: &str) -> Vec<u8> {
    request(verb, &format!("{V1}/projects/{project}/{method}"), &[JSON, OWNER], body)
}
