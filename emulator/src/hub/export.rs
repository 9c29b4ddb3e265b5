//! `POST /_admin/export`: `{"path", "initiatedBy", "targets"?}` → `{"message": "OK"}`. A page can't ask for it: whoever
//! sends an `Origin` is refused, as by the official hub. Must not know: what an export holds.

use super::{Hub, answer};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::header::ORIGIN;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Writes an export to a folder: of all services, or only of those named. The error is for people.
pub type Exporter = Arc<dyn Fn(PathBuf, Option<Vec<String>>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A request holds a path and a few names.
const BODY_LIMIT: usize = 64 * 1024;

#[derive(Deserialize)]
struct Request {
    path: PathBuf,
    targets: Option<Vec<String>>,
}

pub(super) async fn export(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: Body) -> Response {
    if headers.contains_key(ORIGIN) {
        return said(StatusCode::FORBIDDEN, "Export cannot be triggered by external callers.");
    }
    let Ok(body) = hub.bodies.read(body, BODY_LIMIT).await else {
        return said(StatusCode::BAD_REQUEST, "the body is too large, or did not arrive");
    };
    let Request { path, targets } = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return said(StatusCode::BAD_REQUEST, &format!("the body is {{\"path\": FOLDER}}: {error}")),
    };
    if !path.is_absolute() {
        return said(StatusCode::BAD_REQUEST, "path must be absolute");
    }
    match (hub.exporter)(path, targets).await {
        Ok(()) => said(StatusCode::OK, "OK"),
        Err(error) => said(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

fn said(status: StatusCode, message: &str) -> Response {
    answer(status, &json!({"message": Value::from(message)}))
}
