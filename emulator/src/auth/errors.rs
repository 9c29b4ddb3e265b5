//! What a refusal looks like on the wire: the one table from errors to status and body.
//!
//! The shapes are those of the official emulator. Must not know: which request is refused.

use super::service::ServiceError;
use crate::server::body::BodyError;
use axum::response::{IntoResponse, Response};
use hearth_auth::Error;
use hearth_auth::operations::access_token::Denied;
use hearth_auth::token::assertion::Disbelieved;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

/// A request that gets no answer but this.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The operation was refused, or could not be done.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is no JSON; what the parser says.
    #[error("Invalid JSON payload received. {0}")]
    InvalidJson(String),
    /// The body is neither JSON nor, where that is allowed, a form.
    #[error("Invalid content-type: {0}")]
    ContentType(String),
    /// The body is compressed, and compressed bodies are not read.
    #[error("unsupported content encoding \"{0}\"")]
    ContentEncoding(String),
    /// The `Authorization` is not one that is accepted here.
    #[error(
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
         authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )]
    InvalidCredentials,
    /// There is no API key.
    #[error("The request is missing a valid API key.")]
    MissingKey,
    /// There is no such path.
    #[error("Not Found")]
    NotFound,
    /// The path has other methods.
    #[error("Method {method} not allowed for {url}")]
    MethodNotAllowed {
        /// The method that was used.
        method: String,
        /// Path and query.
        url: String,
        /// The methods there are.
        allowed: String,
    },
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Service(error.into())
    }
}

/// One entry of `errors`.
enum Reason {
    /// With the domain `global`.
    Global(&'static str),
    /// Without a domain.
    Plain(&'static str),
    /// The entry of unusable credentials, which has a text of its own.
    Credentials,
}

impl Refusal {
    fn row(&self) -> (StatusCode, Option<&'static str>, Reason) {
        const INVALID: Reason = Reason::Global("invalid");
        let internal = (StatusCode::INTERNAL_SERVER_ERROR, Some("INTERNAL"), Reason::Plain("internal"));
        let unavailable = (StatusCode::SERVICE_UNAVAILABLE, Some("UNAVAILABLE"), Reason::Global("backendError"));
        match self {
            Self::Service(ServiceError::Refused(error)) => match error {
                Error::AdminOnlyOperation
                | Error::ClaimsTooLarge
                | Error::DuplicateEmail(_)
                | Error::DuplicateLocalId
                | Error::ImportedTwice(_)
                | Error::DuplicateMfaEnrollmentId
                | Error::DuplicateRawId { .. }
                | Error::EmailExists
                | Error::EmailNotFound
                | Error::ExpiredOobCode
                | Error::FederatedUserIdAlreadyLinked
                | Error::ForbiddenClaim(_)
                | Error::InsufficientPermission
                | Error::ForeignProject
                | Error::InvalidClaims
                | Error::InvalidDuration
                | Error::InvalidCode
                | Error::InvalidContinueUri
                | Error::InvalidContinueUrl
                | Error::InvalidCredentialOrProviderId(_)
                | Error::InvalidCustomToken(_)
                | Error::InvalidEmail
                | Error::OtherEmail
                | Error::InvalidGrantType
                | Error::InvalidIdentifier
                | Error::InvalidIdToken
                | Error::InvalidIdpResponse(_)
                | Error::InvalidLoginCredentials
                | Error::InvalidMfaEnrollmentId
                | Error::InvalidMfaPhoneNumber
                | Error::InvalidOobCode
                | Error::InvalidPassword
                | Error::InvalidPhoneNumber
                | Error::InvalidRefreshToken
                | Error::InvalidReqType
                | Error::InvalidRequestUri
                | Error::InvalidSessionInfo
                | Error::InvalidTemporaryProof
                | Error::LocalIdListExceedsLimit
                | Error::MissingCode
                | Error::MissingContinueUri
                | Error::MissingCustomToken
                | Error::MissingEmail
                | Error::MissingGrantType
                | Error::MissingIdentifier
                | Error::MissingIdToken
                | Error::MissingLocalId
                | Error::MissingNewEmail
                | Error::MissingOobCode
                | Error::MissingPassword
                | Error::MissingPhoneNumber
                | Error::MissingProviderId
                | Error::MissingRawId
                | Error::MissingRefreshToken
                | Error::MissingRequestType
                | Error::MissingRequestUri
                | Error::MissingSessionInfo
                | Error::MissingUserAccount
                | Error::OperationNotAllowed
                | Error::NoEmailDelivery
                | Error::ProviderNotConfigured
                | Error::UnsupportedProvider(_)
                | Error::MissingOrInvalidNonce(_)
                | Error::ConfigurationExists
                | Error::InvalidConfig(_)
                | Error::InvalidConfigId(_)
                | Error::MissingConfig(_)
                | Error::MissingConfigId
                | Error::MissingIssuer
                | Error::MissingOauthClientId
                | Error::InvalidOauthClientId
                | Error::MissingSamlRelyingPartyConfig
                | Error::InvalidPageSelection
                | Error::InvalidProviderId
                | Error::NoSmsDelivery
                | Error::PasswordLoginDisabled
                | Error::PhoneNumberExists
                | Error::ProjectDisabled
                | Error::InvalidTenantId
                | Error::TenantNotFound
                | Error::InvalidBlockingFunction(_)
                | Error::NoSmsFactors
                | Error::NoTotpFactors
                | Error::IneligibleFirstFactor
                | Error::UnverifiedEmail
                | Error::MissingPhoneEnrollmentInfo
                | Error::MissingPhoneVerificationInfo
                | Error::SecondFactorExists
                | Error::MfaEnrollmentNotFound
                | Error::MissingMfaPendingCredential
                | Error::MissingMfaEnrollmentId
                | Error::MissingCredential
                | Error::MfaProviderNotSupported
                | Error::InvalidMfaPendingCredential
                | Error::ForeignMfaPendingCredential
                | Error::BlockingFunction(_)
                | Error::MissingAuthenticatorResponse
                | Error::InvalidCredentialId
                | Error::CredentialAlreadyInUse
                | Error::InvalidAuthenticatorResponse(_)
                | Error::PasskeyChallengeTimeout
                | Error::PasskeyLimitExceeded
                | Error::PasskeysNotEnabled
                | Error::PasskeyNotFound
                | Error::ProjectNotFound
                | Error::UnusableHashing(_)
                | Error::RefreshTokenReused
                | Error::SessionExpired
                | Error::TenantIdMismatch
                | Error::TokenExpired
                | Error::TooManyAttempts
                | Error::AccountThrottled
                | Error::UnverifiedNewEmail
                | Error::UnauthorizedDomain
                | Error::UnexpectedUserId
                | Error::UnsupportedFirstFactor
                | Error::UnsupportedTenantOperation
                | Error::UserDisabled
                | Error::UserNotFound
                | Error::PasswordRequirements(_)
                | Error::WeakPassword => (StatusCode::BAD_REQUEST, None, INVALID),
                Error::ConfigurationNotFound => (StatusCode::NOT_FOUND, None, Reason::Global("notFound")),
                Error::ProviderUnavailable | Error::ProviderSilent => unavailable,
                Error::InvalidPayload(_) | Error::QuotaExceeded(_) => {
                    (StatusCode::BAD_REQUEST, Some("INVALID_ARGUMENT"), INVALID)
                }
                Error::NotImplemented(_) => {
                    (StatusCode::NOT_IMPLEMENTED, Some("NOT_IMPLEMENTED"), Reason::Plain("unimplemented"))
                }
                Error::BlockingFunctionFailed(_)
                | Error::NoUnusedId
                | Error::Signing(_)
                | Error::Sealing
                | Error::Hashing(_)
                | Error::Errands(_)
                | Error::Kept(_)
                | Error::Store(_) => internal,
            },
            Self::Service(ServiceError::Busy | ServiceError::Stopped) | Self::Body(BodyError::Busy) => unavailable,
            Self::Body(BodyError::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, Some("INVALID_ARGUMENT"), Reason::Global("uploadTooLarge"))
            }
            Self::Body(BodyError::TimedOut) => {
                (StatusCode::REQUEST_TIMEOUT, Some("DEADLINE_EXCEEDED"), Reason::Global("requestTimeout"))
            }
            Self::Body(BodyError::Incomplete) => (StatusCode::BAD_REQUEST, Some("INVALID_ARGUMENT"), INVALID),
            Self::InvalidJson(_) => (StatusCode::BAD_REQUEST, Some("INVALID_ARGUMENT"), Reason::Global("parseError")),
            Self::ContentType(_) => (StatusCode::BAD_REQUEST, None, Reason::Plain("unknown")),
            Self::ContentEncoding(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, Some("INVALID_ARGUMENT"), Reason::Plain("encoding.unsupported"))
            }
            Self::InvalidCredentials => (StatusCode::UNAUTHORIZED, Some("UNAUTHENTICATED"), Reason::Credentials),
            Self::MissingKey => (StatusCode::FORBIDDEN, Some("PERMISSION_DENIED"), Reason::Global("forbidden")),
            Self::NotFound => (StatusCode::NOT_FOUND, Some("NOT_FOUND"), Reason::Plain("notFound")),
            // Its body is not made of these.
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, None, INVALID),
        }
    }

    fn body(&self, code: StatusCode, status: Option<&str>, reason: &Reason) -> Value {
        let message = self.to_string();
        let error = match reason {
            Reason::Global(reason) => json!({"message": message, "reason": reason, "domain": "global"}),
            Reason::Plain(reason) => json!({"message": message, "reason": reason}),
            Reason::Credentials => json!({
                "message": "Invalid Credentials",
                "domain": "global",
                "reason": "authError",
                "location": "Authorization",
                "locationType": "header",
            }),
        };
        let mut body = json!({"code": code.as_u16(), "message": message, "errors": [error]});
        if let (Some(status), Some(fields)) = (status, body.as_object_mut()) {
            fields.insert("status".to_owned(), status.into());
        }
        json!({"error": body})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, status, reason) = self.row();
        if let Self::MethodNotAllowed { allowed, .. } = &self {
            // The official emulator leaves these to its router, which writes them in a form of its own.
            let headers = [(CONTENT_TYPE, "application/json"), (ALLOW, allowed.as_str())];
            return (code, headers, json!({"message": self.to_string()}).to_string()).into_response();
        }
        if code == StatusCode::INTERNAL_SERVER_ERROR {
            // The causes of these are not for the wire.
            tracing::error!(cause = ?self, "a request to Auth failed");
        }
        (code, pretty(&self.body(code, status, &reason))).into_response()
    }
}

/// What OAuth2 says of a refusal (RFC 6749, section 5.2).
pub(super) fn denied(denied: &Denied) -> Response {
    let (code, error) = match denied {
        Denied::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        Denied::UnsupportedGrantType(_) => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        Denied::InvalidGrant(
            Disbelieved::Form
            | Disbelieved::Signature
            | Disbelieved::Issuer
            | Disbelieved::Audience
            | Disbelieved::Time,
        ) => (StatusCode::BAD_REQUEST, "invalid_grant"),
        Denied::InvalidGrant(Disbelieved::Store(cause)) | Denied::Store(cause) => {
            tracing::error!(%cause, "no access token can be given");
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
    };
    let body = json!({"error": error, "error_description": denied.to_string()});
    (code, pretty(&body)).into_response()
}

/// JSON for people: errors and the status page.
pub(super) fn pretty(body: &Value) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], format!("{body:#}"))
}
