//! Everything an operation can refuse, by Firebase's codes. Must not know: how a refusal is put on the wire.

use crate::schema::SchemaError;

/// Why an operation was refused. The text is the `message` that the Identity Toolkit answers.
///
/// The texts are those of the official emulator, which clients and tests compare.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Custom claims are longer than 1000 characters.
    #[error("CLAIMS_TOO_LARGE")]
    ClaimsTooLarge,
    /// The account's id is taken.
    #[error("DUPLICATE_LOCAL_ID")]
    DuplicateLocalId,
    /// The email is another account's.
    #[error("EMAIL_EXISTS")]
    EmailExists,
    /// The provider's identity is another account's.
    #[error("FEDERATED_USER_ID_ALREADY_LINKED")]
    FederatedUserIdAlreadyLinked,
    /// A custom claim bears a reserved name.
    #[error("FORBIDDEN_CLAIM : {0}")]
    ForbiddenClaim(&'static str),
    /// Only admins may do this.
    #[error("INSUFFICIENT_PERMISSION")]
    InsufficientPermission,
    /// Only admins may name the project.
    #[error("INSUFFICIENT_PERMISSION : Only authenticated requests can specify target_project_id.")]
    ForeignProject,
    /// Custom claims are not a JSON object.
    #[error("INVALID_CLAIMS")]
    InvalidClaims,
    /// A session cookie lasts between five minutes and two weeks.
    #[error("INVALID_DURATION")]
    InvalidDuration,
    /// The email has not the form `something@something`.
    #[error("INVALID_EMAIL")]
    InvalidEmail,
    /// The grant is not `refresh_token`.
    #[error("INVALID_GRANT_TYPE")]
    InvalidGrantType,
    /// The ID token cannot be read, or is not this server's.
    #[error("INVALID_ID_TOKEN")]
    InvalidIdToken,
    /// The phone number does not begin with `+`.
    #[error("INVALID_PHONE_NUMBER : Invalid format.")]
    InvalidPhoneNumber,
    /// The refresh token cannot be read, is another project's, or its account is gone.
    #[error("INVALID_REFRESH_TOKEN")]
    InvalidRefreshToken,
    /// Neither an ID token nor a code says which account is meant.
    #[error("INVALID_REQ_TYPE : Unsupported request parameters.")]
    InvalidReqType,
    /// Not between 1 and 1000 ids.
    #[error("LOCAL_ID_LIST_EXCEEDS_LIMIT")]
    LocalIdListExceedsLimit,
    /// There is no email.
    #[error("MISSING_EMAIL")]
    MissingEmail,
    /// There is no grant type.
    #[error("MISSING_GRANT_TYPE")]
    MissingGrantType,
    /// There is no ID token.
    #[error("MISSING_ID_TOKEN")]
    MissingIdToken,
    /// There is no account id.
    #[error("MISSING_LOCAL_ID")]
    MissingLocalId,
    /// There is no password.
    #[error("MISSING_PASSWORD")]
    MissingPassword,
    /// There is no provider id.
    #[error("MISSING_PROVIDER_ID")]
    MissingProviderId,
    /// There is no id of the user at the provider.
    #[error("MISSING_RAW_ID")]
    MissingRawId,
    /// There is no refresh token.
    #[error("MISSING_REFRESH_TOKEN")]
    MissingRefreshToken,
    /// Users may not do this to their own account.
    #[error("OPERATION_NOT_ALLOWED")]
    OperationNotAllowed,
    /// The phone number is another account's.
    #[error("PHONE_NUMBER_EXISTS")]
    PhoneNumberExists,
    /// Path, body and token name different tenants.
    #[error("TENANT_ID_MISMATCH")]
    TenantIdMismatch,
    /// The token is past its time or revoked.
    #[error("TOKEN_EXPIRED")]
    TokenExpired,
    /// Only admins may choose the account's id.
    #[error("UNEXPECTED_PARAMETER : User ID")]
    UnexpectedUserId,
    /// The project is not this server's.
    #[error("PROJECT_NOT_FOUND")]
    ProjectNotFound,
    /// The refresh token has been used before: it was stolen from somebody. What was written because of it is kept.
    #[error("TOKEN_EXPIRED")]
    RefreshTokenReused,
    /// A tenant has no such thing.
    #[error("UNSUPPORTED_TENANT_OPERATION")]
    UnsupportedTenantOperation,
    /// The account is disabled.
    #[error("USER_DISABLED")]
    UserDisabled,
    /// There is no such account.
    #[error("USER_NOT_FOUND")]
    UserNotFound,
    /// The password is shorter than 6 characters.
    #[error("WEAK_PASSWORD : Password should be at least 6 characters")]
    WeakPassword,
    /// The request has not the operation's shape; where, and what it must be.
    #[error("Invalid JSON payload received. {0}")]
    InvalidPayload(String),
    /// Known, but not there.
    #[error("{0}")]
    NotImplemented(String),
    /// A server that signs its tokens has no tenants that spring up by themselves.
    #[error("Tenants are not implemented yet.")]
    NoTenants,
    /// No unused id was found.
    #[error("INTERNAL_ERROR : Failed to generate a random ID")]
    NoUnusedId,
    /// An ID token could not be signed. The cause is for the log.
    #[error("INTERNAL_ERROR : The ID token cannot be signed")]
    Signing(String),
    /// The store failed. The cause is for the log.
    #[error("INTERNAL_ERROR : The accounts cannot be read or written")]
    Store(#[from] StoreError),
}

impl Error {
    /// Whether what an operation wrote before it was refused is kept all the same.
    pub fn keeps_what_was_written(&self) -> bool {
        matches!(self, Self::RefreshTokenReused)
    }

    /// The refusal of a request's field that is known but not there yet.
    pub(crate) fn field_not_implemented(field: &str) -> Self {
        Self::NotImplemented(format!("{field} is not implemented yet."))
    }
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        Self::InvalidPayload(error.to_string())
    }
}

/// What went wrong in the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);
