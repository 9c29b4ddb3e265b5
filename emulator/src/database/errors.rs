//! The one table from what can go wrong with a request to the status and the words of the answer.
//!
//! Where Firebase's own text is known it is used, since clients compare it.

use super::databases::{DatabaseUnavailable, NotDropped};
use super::service::ServiceError;
use crate::server::body::BodyError;
use crate::server::credentials::TokenRefused;
use crate::storage::StorageError;
use hearth_database::json::JsonError;
use hearth_database::{CommandError, Explanation, PathError, RulesErrors, WriteError};
use http::StatusCode;
use std::borrow::Cow;

/// Why a request is not answered with data.
#[derive(Debug)]
pub(super) enum Failure {
    /// The path does not end in `.json`.
    NotJson,
    /// The path addresses nothing.
    Path(PathError),
    /// The path is not percent-encoded UTF-8.
    Encoding,
    /// No such method.
    Method,
    /// A query parameter or header is wrong, or not allowed where it is; the words say which.
    Parameter(&'static str),
    /// Something of the original's that is not served; the words say what.
    Unsupported(&'static str),
    /// A write came without a body.
    NoData,
    /// The body of a set or a push.
    Data(JsonError),
    /// The body of an update.
    Update(JsonError),
    /// The write is over its size limit.
    WriteTooLarge,
    /// The rules are wrong.
    Rules(RulesErrors),
    /// The body could not be read.
    Body(BodyError),
    /// The ID token of `auth`.
    AuthToken(TokenRefused),
    /// The bearer token.
    Bearer(TokenRefused),
    /// Only admins may.
    AdminOnly,
    /// There is no such database.
    Database(DatabaseUnavailable),
    /// The default database was to be dropped.
    DefaultDatabase(NotDropped),
    /// The files cannot be listed.
    Storage(StorageError),
    /// The database did not do it.
    Service(ServiceError),
    /// The data is more than one answer may hold.
    TooLarge,
    /// Too many large answers are under way.
    Crowded,
    /// The answer took longer than the request's `timeout`.
    TimedOut,
    /// The encoder failed.
    Internal,
}

const UNREADABLE: &str = "Invalid data; couldn't parse JSON object, array, or value.";
const UNREADABLE_UPDATE: &str =
    "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?";
const WRITE_TOO_LARGE: &str = "Data to write exceeds the maximum size that can be modified with a single request.";
const READ_TOO_LARGE: &str = "Data requested exceeds the maximum size that can be accessed with a single request.";
const INTERNAL: &str = "Internal server error.";

impl Failure {
    /// Status and text. The text of [`CommandError::Stale`] is not sent: its body is the current data.
    pub(super) fn answer(&self) -> (StatusCode, Cow<'static, str>) {
        let (status, text): (_, Cow<'static, str>) = match self {
            Self::NotJson => (StatusCode::NOT_FOUND, "append .json to your request URI to use the REST API.".into()),
            Self::Path(error) => (StatusCode::BAD_REQUEST, capital(error.to_string()).into()),
            Self::Encoding => (StatusCode::BAD_REQUEST, "Invalid path: not percent-encoded UTF-8".into()),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed".into()),
            Self::Parameter(text) => (StatusCode::BAD_REQUEST, (*text).into()),
            Self::Unsupported(text) => (StatusCode::NOT_IMPLEMENTED, (*text).into()),
            Self::NoData => (StatusCode::BAD_REQUEST, "Error: No data supplied.".into()),
            Self::Data(error) => (StatusCode::BAD_REQUEST, data(error, UNREADABLE)),
            Self::Update(error) => (StatusCode::BAD_REQUEST, data(error, UNREADABLE_UPDATE)),
            Self::WriteTooLarge => (StatusCode::BAD_REQUEST, WRITE_TOO_LARGE.into()),
            Self::Rules(errors) => (StatusCode::BAD_REQUEST, errors.to_string().into()),
            Self::Body(BodyError::TooLarge) => (StatusCode::BAD_REQUEST, WRITE_TOO_LARGE.into()),
            Self::Body(error @ BodyError::TimedOut) => (StatusCode::REQUEST_TIMEOUT, sentence(error)),
            Self::Body(error @ BodyError::Incomplete) => (StatusCode::BAD_REQUEST, sentence(error)),
            Self::Body(error @ BodyError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, sentence(error)),
            Self::AuthToken(error) => token(*error, "Could not parse auth token."),
            Self::Bearer(error) => token(*error, "Unauthorized request."),
            Self::AdminOnly => (StatusCode::UNAUTHORIZED, "Permission denied".into()),
            Self::Database(error) => database(error),
            Self::DefaultDatabase(error) => (StatusCode::BAD_REQUEST, sentence(error)),
            Self::Storage(_) => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.into()),
            Self::Service(ServiceError::Command(error)) => command(error),
            Self::Service(error @ (ServiceError::Busy | ServiceError::Closed)) => {
                (StatusCode::SERVICE_UNAVAILABLE, sentence(error))
            }
            Self::TooLarge => (StatusCode::BAD_REQUEST, READ_TOO_LARGE.into()),
            Self::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "The server is busy with other large requests.".into()),
            Self::TimedOut => (StatusCode::BAD_REQUEST, "The request took longer than its timeout.".into()),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.into()),
        };
        (status, text)
    }

    /// Why the rules forbid it, if they do and that may be told.
    pub(super) fn explanation(&self) -> Option<&Explanation> {
        if let Self::Service(ServiceError::Command(CommandError::Denied(denial))) = self {
            return denial.explanation().map(AsRef::as_ref);
        }
        None
    }

    /// Writes to the log what the answer does not tell.
    pub(super) fn report(&self) {
        if let Self::Storage(error) | Self::Database(DatabaseUnavailable::Storage(error)) = self {
            tracing::error!(%error, "a database cannot be opened");
        }
    }
}

fn data(error: &JsonError, unreadable: &'static str) -> Cow<'static, str> {
    match error {
        JsonError::Syntax(_) | JsonError::NotAnObject => unreadable.into(),
        JsonError::TooLarge => WRITE_TOO_LARGE.into(),
        // Firebase names no cause here.
        JsonError::Key(cause) => {
            format!("{unreadable} Perhaps you're using invalid characters in your key names. ({cause})").into()
        }
        JsonError::Path(cause) => {
            format!("{unreadable} Perhaps you're using invalid characters in your key names. ({cause})").into()
        }
        JsonError::TooDeep
        | JsonError::StringTooLong(_)
        | JsonError::Number(_)
        | JsonError::ServerValue(_)
        | JsonError::Priority
        | JsonError::Value => format!("Invalid data; {error}.").into(),
    }
}

fn token(error: TokenRefused, unreadable: &'static str) -> (StatusCode, Cow<'static, str>) {
    match error {
        TokenRefused::Malformed => (StatusCode::UNAUTHORIZED, unreadable.into()),
        TokenRefused::Expired => (StatusCode::UNAUTHORIZED, "Auth token is expired".into()),
        TokenRefused::Signature | TokenRefused::Project | TokenRefused::Account => {
            (StatusCode::UNAUTHORIZED, format!("Could not verify auth token: {error}.").into())
        }
        TokenRefused::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("Could not verify auth token: {error}.").into())
        }
    }
}

fn database(error: &DatabaseUnavailable) -> (StatusCode, Cow<'static, str>) {
    let status = match error {
        DatabaseUnavailable::InvalidName(_) => StatusCode::BAD_REQUEST,
        DatabaseUnavailable::Unknown(_) => StatusCode::NOT_FOUND,
        DatabaseUnavailable::TooMany | DatabaseUnavailable::Closed => StatusCode::SERVICE_UNAVAILABLE,
        // It names files of the machine.
        DatabaseUnavailable::Storage(_) => return (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.into()),
    };
    (status, sentence(error))
}

fn command(error: &CommandError) -> (StatusCode, Cow<'static, str>) {
    match error {
        CommandError::Denied(_) => (StatusCode::UNAUTHORIZED, "Permission denied".into()),
        CommandError::Stale(_) => (StatusCode::PRECONDITION_FAILED, sentence(error)),
        CommandError::Unindexed { .. } => (StatusCode::BAD_REQUEST, error.to_string().into()),
        CommandError::TooManyIntents => (StatusCode::BAD_REQUEST, sentence(error)),
        CommandError::Write(error) => (StatusCode::BAD_REQUEST, format!("Invalid data; {error}.").into()),
        CommandError::Transaction(_) | CommandError::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.into()),
        CommandError::NotStored => (StatusCode::INTERNAL_SERVER_ERROR, sentence(error)),
    }
}

fn sentence(error: &impl ToString) -> Cow<'static, str> {
    (capital(error.to_string()) + ".").into()
}

fn capital(text: String) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

macro_rules! failure_from {
    ($($source:ty => $variant:expr),* $(,)?) => {$(
        impl From<$source> for Failure {
            fn from(error: $source) -> Self {
                $variant(error)
            }
        }
    )*};
}

failure_from! {
    PathError => Failure::Path,
    BodyError => Failure::Body,
    DatabaseUnavailable => Failure::Database,
    NotDropped => |error| match error {
        NotDropped::Unavailable(error) => Failure::Database(error),
        error @ NotDropped::Default => Failure::DefaultDatabase(error),
    },
    StorageError => Failure::Storage,
    ServiceError => Failure::Service,
    RulesErrors => Failure::Rules,
    CommandError => |error| Failure::Service(ServiceError::Command(error)),
    WriteError => |error| Failure::Service(ServiceError::Command(CommandError::Write(error))),
}
