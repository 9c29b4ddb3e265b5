//! `refreshToken`: keeps a session alive and rotates its tokens.

use super::refusal::Refusal;
use super::{Sessions, code, record, response, session_token};
use crate::ports::Platform;
use crate::request::{HttpRequest, Reply};
use http::{Method, StatusCode};

/// Answers a request of any method. The limit, the record's checks and the rotation are one transaction: of two
/// refreshes at once one wins, and the other one is too early.
pub(super) async fn refresh_token(
    sessions: &Sessions,
    platform: &Platform,
    request: &HttpRequest,
) -> Result<Reply, Refusal> {
    if request.method == Method::OPTIONS {
        return Ok(response::phrase(StatusCode::OK));
    }
    let caller = sessions.caller(platform, request).await?;
    // Read before the transaction, answered after its limit.
    let claims = session_token(request)
        .and_then(|token| sessions.tokens.read(token, platform.clock.now()).ok_or(Refusal::SessionJwt));
    let given = request.query("refreshToken");
    let rotated = code::refresh_token(&*platform.entropy);
    let session = sessions
        .counted(platform, caller, move |transaction| match claims {
            Ok(claims) => record::refresh(transaction, claims, given.as_deref(), rotated),
            Err(refusal) => Ok(Err(refusal)),
        })
        .await?;
    sessions.grant(&session)
}
