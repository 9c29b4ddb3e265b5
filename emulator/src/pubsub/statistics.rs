//! Statistics: open to all, as in the original. Must not know: how anything is counted.

use super::PubsubService;
use super::errors::Refusal;
use super::headers::{self, TAG};
use axum::response::{IntoResponse, Response};
use hearth_pubsub::format::Format;
use hearth_pubsub::path::ChannelPath;
use hearth_pubsub::statistics::{Query, Report};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

/// Which server answers; the original names its release here.
const VERSION: &str = concat!("hearth-", env!("CARGO_PKG_VERSION"));

pub(super) fn answer(service: &PubsubService, path: &ChannelPath, method: &Method, asked: &HeaderMap) -> Response {
    let mut response = tell(service, path, method, asked).unwrap_or_else(Refusal::into_response);
    headers::forbid_caching(response.headers_mut());
    response.headers_mut().insert(TAG, HeaderValue::from_static(VERSION));
    response
}

fn tell(service: &PubsubService, path: &ChannelPath, method: &Method, asked: &HeaderMap) -> Result<Response, Refusal> {
    if method != Method::GET {
        return Err(Refusal::Method("GET"));
    }
    let report = service.statistics(&Query::from_path(path))?.ok_or(Refusal::NoSuchChannel)?;
    Ok(written(&report, asked))
}

/// A report in the format that the request accepts.
pub(super) fn written(report: &Report, asked: &HeaderMap) -> Response {
    let format = Format::from_accept(asked.get(ACCEPT).map_or(&[], HeaderValue::as_bytes));
    ([(CONTENT_TYPE, format.content_type())], report.render(format)).into_response()
}
