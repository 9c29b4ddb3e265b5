//! Everything an operation can refuse, by Firebase's codes. Must not know: how a refusal is put on the wire.

use crate::errand::Errand;
use crate::passkey;
use crate::schema::SchemaError;

/// Why an operation was refused. The text is the `message` that the Identity Toolkit answers.
///
/// The texts are those of the official emulator, which clients and tests compare.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Only admins create accounts that give no credential.
    #[error("ADMIN_ONLY_OPERATION")]
    AdminOnlyOperation,
    /// Custom claims are longer than 1000 characters.
    #[error("CLAIMS_TOO_LARGE")]
    ClaimsTooLarge,
    /// An import names an email twice.
    #[error("DUPLICATE_EMAIL : {0}")]
    DuplicateEmail(String),
    /// The account's id is taken.
    #[error("DUPLICATE_LOCAL_ID")]
    DuplicateLocalId,
    /// An import names an account's id twice.
    #[error("DUPLICATE_LOCAL_ID : {0}")]
    ImportedTwice(String),
    /// Two second factors bear the same id.
    #[error("DUPLICATE_MFA_ENROLLMENT_ID")]
    DuplicateMfaEnrollmentId,
    /// An import names an identity at a provider twice.
    #[error("DUPLICATE_RAW_ID : Provider id({provider_id}), Raw id({raw_id})")]
    DuplicateRawId {
        /// The provider.
        provider_id: String,
        /// Who it is there.
        raw_id: String,
    },
    /// The email is another account's.
    #[error("EMAIL_EXISTS")]
    EmailExists,
    /// No account has the email.
    #[error("EMAIL_NOT_FOUND")]
    EmailNotFound,
    /// The code from an email is past its time.
    #[error("EXPIRED_OOB_CODE")]
    ExpiredOobCode,
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
    /// The code from a text message is another.
    #[error("INVALID_CODE")]
    InvalidCode,
    /// The URL to go on at is none.
    #[error("INVALID_CONTINUE_URI")]
    InvalidContinueUri,
    /// The URL for the link in an email is none.
    #[error("INVALID_CONTINUE_URI : ((expected an absolute URI with valid scheme and host))")]
    InvalidContinueUrl,
    /// The answer of an identity provider does not name it.
    #[error("INVALID_CREDENTIAL_OR_PROVIDER_ID : Invalid IdP response/credential: {0}")]
    InvalidCredentialOrProviderId(String),
    /// The custom token is none that is accepted here.
    #[error("INVALID_CUSTOM_TOKEN : {0}")]
    InvalidCustomToken(String),
    /// The email has not the form `something@something`.
    #[error("INVALID_EMAIL")]
    InvalidEmail,
    /// The link was sent to another email.
    #[error("INVALID_EMAIL : The email provided does not match the sign-in email address.")]
    OtherEmail,
    /// The grant is not `refresh_token`.
    #[error("INVALID_GRANT_TYPE")]
    InvalidGrantType,
    /// The identifier is no email.
    #[error("INVALID_IDENTIFIER")]
    InvalidIdentifier,
    /// The ID token cannot be read, or is not this server's.
    #[error("INVALID_ID_TOKEN")]
    InvalidIdToken,
    /// The answer of an identity provider cannot be read.
    #[error("INVALID_IDP_RESPONSE{0}")]
    InvalidIdpResponse(String),
    /// Email or password is wrong; which, is not said.
    #[error("INVALID_LOGIN_CREDENTIALS")]
    InvalidLoginCredentials,
    /// A second factor has no id.
    #[error("INVALID_MFA_ENROLLMENT_ID : mfaEnrollmentId must be defined.")]
    InvalidMfaEnrollmentId,
    /// A second factor's phone number does not begin with `+`.
    #[error("INVALID_MFA_PHONE_NUMBER : Invalid format.")]
    InvalidMfaPhoneNumber,
    /// The code from an email is unknown, used, or for something else.
    #[error("INVALID_OOB_CODE")]
    InvalidOobCode,
    /// The password is another.
    #[error("INVALID_PASSWORD")]
    InvalidPassword,
    /// The phone number does not begin with `+`.
    #[error("INVALID_PHONE_NUMBER : Invalid format.")]
    InvalidPhoneNumber,
    /// The refresh token cannot be read, is another project's, or its account is gone.
    #[error("INVALID_REFRESH_TOKEN")]
    InvalidRefreshToken,
    /// Neither an ID token nor a code says which account is meant.
    #[error("INVALID_REQ_TYPE : Unsupported request parameters.")]
    InvalidReqType,
    /// The URL an identity provider came back to is none.
    #[error("INVALID_REQUEST_URI")]
    InvalidRequestUri,
    /// No text message was sent in this session.
    #[error("INVALID_SESSION_INFO")]
    InvalidSessionInfo,
    /// The proof of a phone number is none.
    #[error("INVALID_TEMPORARY_PROOF")]
    InvalidTemporaryProof,
    /// Not between 1 and 1000 ids.
    #[error("LOCAL_ID_LIST_EXCEEDS_LIMIT")]
    LocalIdListExceedsLimit,
    /// There is no code from a text message.
    #[error("MISSING_CODE")]
    MissingCode,
    /// There is no URL to go on at.
    #[error("MISSING_CONTINUE_URI")]
    MissingContinueUri,
    /// There is no custom token.
    #[error("MISSING_CUSTOM_TOKEN")]
    MissingCustomToken,
    /// There is no email.
    #[error("MISSING_EMAIL")]
    MissingEmail,
    /// There is no grant type.
    #[error("MISSING_GRANT_TYPE")]
    MissingGrantType,
    /// There is nothing that says who is meant.
    #[error("MISSING_IDENTIFIER")]
    MissingIdentifier,
    /// There is no ID token.
    #[error("MISSING_ID_TOKEN")]
    MissingIdToken,
    /// There is no account id.
    #[error("MISSING_LOCAL_ID")]
    MissingLocalId,
    /// There is no email to change to.
    #[error("MISSING_NEW_EMAIL")]
    MissingNewEmail,
    /// There is no code from an email.
    #[error("MISSING_OOB_CODE")]
    MissingOobCode,
    /// There is no password.
    #[error("MISSING_PASSWORD")]
    MissingPassword,
    /// There is no phone number.
    #[error("MISSING_PHONE_NUMBER")]
    MissingPhoneNumber,
    /// There is no provider id.
    #[error("MISSING_PROVIDER_ID")]
    MissingProviderId,
    /// There is no id of the user at the provider.
    #[error("MISSING_RAW_ID")]
    MissingRawId,
    /// There is no refresh token.
    #[error("MISSING_REFRESH_TOKEN")]
    MissingRefreshToken,
    /// There is no purpose for an email.
    #[error("MISSING_REQ_TYPE")]
    MissingRequestType,
    /// There is no URL an identity provider came back to.
    #[error("MISSING_REQUEST_URI")]
    MissingRequestUri,
    /// There is no session of a text message.
    #[error("MISSING_SESSION_INFO")]
    MissingSessionInfo,
    /// There is no account to import.
    #[error("MISSING_USER_ACCOUNT")]
    MissingUserAccount,
    /// Users may not do this to their own account.
    #[error("OPERATION_NOT_ALLOWED")]
    OperationNotAllowed,
    /// Nobody carries emails.
    #[error("OPERATION_NOT_ALLOWED : This server has not been told how to send emails.")]
    NoEmailDelivery,
    /// Nobody has told the server of this identity provider, or it is switched off.
    #[error("OPERATION_NOT_ALLOWED : The identity provider configuration is not found.")]
    ProviderNotConfigured,
    /// A server in earnest cannot find out who a user of this identity provider is; why.
    #[error("OPERATION_NOT_ALLOWED : {0}")]
    UnsupportedProvider(&'static str),
    /// The ID token of an identity provider has not been made for this sign-in.
    #[error("MISSING_OR_INVALID_NONCE : {0}")]
    MissingOrInvalidNonce(&'static str),
    /// The keys of an identity provider cannot be had.
    #[error("UNAVAILABLE : The identity provider cannot be asked for its keys. Try again later.")]
    ProviderUnavailable,
    /// An identity provider does not answer, or not as it should.
    #[error("UNAVAILABLE : The identity provider does not answer as it should. Try again later.")]
    ProviderSilent,
    /// There is a configuration with this id.
    #[error("CONFIGURATION_EXISTS")]
    ConfigurationExists,
    /// There is no such configuration.
    #[error("CONFIGURATION_NOT_FOUND")]
    ConfigurationNotFound,
    /// A field of a configuration cannot be what it is.
    #[error("INVALID_CONFIG : {0}")]
    InvalidConfig(&'static str),
    /// A configuration cannot have this id, which has to begin as named.
    #[error("INVALID_CONFIG_ID : must begin with {0} and have letters, digits, hyphens, underscores and periods only")]
    InvalidConfigId(&'static str),
    /// A configuration lacks a field.
    #[error("MISSING_CONFIG : {0}")]
    MissingConfig(&'static str),
    /// A new configuration is not named.
    #[error("MISSING_CONFIG_ID")]
    MissingConfigId,
    /// A configuration does not say who the provider is.
    #[error("MISSING_ISSUER")]
    MissingIssuer,
    /// A configuration lacks the app's id at the provider.
    #[error("MISSING_OAUTH_CLIENT_ID")]
    MissingOauthClientId,
    /// The app's id at a provider cannot be one.
    #[error("INVALID_OAUTH_CLIENT_ID")]
    InvalidOauthClientId,
    /// A configuration does not say who the app is to a SAML provider.
    #[error("MISSING_SAML_RELYING_PARTY_CONFIG")]
    MissingSamlRelyingPartyConfig,
    /// There is no such page.
    #[error("INVALID_PAGE_SELECTION")]
    InvalidPageSelection,
    /// Firebase knows no provider of this name.
    #[error("INVALID_PROVIDER_ID")]
    InvalidProviderId,
    /// Nobody carries text messages.
    #[error("OPERATION_NOT_ALLOWED : This server has not been told how to send text messages.")]
    NoSmsDelivery,
    /// There are no passwords here.
    #[error("PASSWORD_LOGIN_DISABLED")]
    PasswordLoginDisabled,
    /// The phone number is another account's.
    #[error("PHONE_NUMBER_EXISTS")]
    PhoneNumberExists,
    /// The code from a text message is past its time.
    #[error("SESSION_EXPIRED")]
    SessionExpired,
    /// Path, body and token name different tenants.
    #[error("TENANT_ID_MISMATCH")]
    TenantIdMismatch,
    /// An email is changed by a link that is sent to the new one.
    #[error("OPERATION_NOT_ALLOWED : Please verify the new email before changing email.")]
    UnverifiedNewEmail,
    /// The token is past its time or revoked.
    #[error("TOKEN_EXPIRED")]
    TokenExpired,
    /// Too many codes were tried.
    #[error("TOO_MANY_ATTEMPTS_TRY_LATER")]
    TooManyAttempts,
    /// Too many wrong passwords were shown for the account; the words are Identity Toolkit's.
    #[error(
        "TOO_MANY_ATTEMPTS_TRY_LATER : Access to this account has been temporarily disabled due to many failed login \
         attempts. You can immediately restore it by resetting your password or you can try again later."
    )]
    AccountThrottled,
    /// More was asked for than the project, or the caller's address, may have in an hour.
    #[error("QUOTA_EXCEEDED{0}")]
    QuotaExceeded(&'static str),
    /// A link in an email may not lead on to this host.
    #[error("UNAUTHORIZED_DOMAIN : Domain not allowlisted by project")]
    UnauthorizedDomain,
    /// Only admins may choose the account's id.
    #[error("UNEXPECTED_PARAMETER : User ID")]
    UnexpectedUserId,
    /// The tenant is disabled.
    #[error("PROJECT_DISABLED")]
    ProjectDisabled,
    /// There is no such tenant: what clients hear.
    #[error("INVALID_TENANT_ID")]
    InvalidTenantId,
    /// There is no such tenant: what admins hear.
    #[error("TENANT_NOT_FOUND")]
    TenantNotFound,
    /// A blocking function cannot be had; why.
    #[error("INVALID_BLOCKING_FUNCTION : (({0}))")]
    InvalidBlockingFunction(&'static str),
    /// Passwords cannot be imported as they were hashed.
    #[error(transparent)]
    UnusableHashing(crate::password::imported::Unusable),
    /// There are no phone numbers as second factors.
    #[error("OPERATION_NOT_ALLOWED : SMS based MFA not enabled.")]
    NoSmsFactors,
    /// There are no authenticator apps as second factors.
    #[error("OPERATION_NOT_ALLOWED : TOTP based MFA not enabled.")]
    NoTotpFactors,
    /// Who signs in like this has no second factor.
    #[error("UNSUPPORTED_FIRST_FACTOR : MFA is not available for the given first factor.")]
    IneligibleFirstFactor,
    /// The account's email is not verified.
    #[error("UNVERIFIED_EMAIL : Need to verify email first before enrolling second factors.")]
    UnverifiedEmail,
    /// It is not said which number is to be enrolled.
    #[error("INVALID_ARGUMENT : ((Missing phoneEnrollmentInfo.))")]
    MissingPhoneEnrollmentInfo,
    /// No factor is shown.
    #[error("INVALID_ARGUMENT : ((Missing phoneVerificationInfo.))")]
    MissingPhoneVerificationInfo,
    /// The number is a second factor already.
    #[error("SECOND_FACTOR_EXISTS : Phone number already enrolled as second factor for this account.")]
    SecondFactorExists,
    /// The account has no such factor.
    #[error("MFA_ENROLLMENT_NOT_FOUND")]
    MfaEnrollmentNotFound,
    /// Nothing says who has shown the first factor.
    #[error("MISSING_MFA_PENDING_CREDENTIAL : Request does not have MFA pending credential.")]
    MissingMfaPendingCredential,
    /// It is not said which factor is to be shown.
    #[error("MISSING_MFA_ENROLLMENT_ID : No second factor identifier is provided.")]
    MissingMfaEnrollmentId,
    /// Nothing says who has shown the first factor.
    #[error("MISSING_CREDENTIAL : Please set MFA Pending Credential.")]
    MissingCredential,
    /// The factor is of another kind.
    #[error("INVALID_ARGUMENT : MFA provider not supported!")]
    MfaProviderNotSupported,
    /// What should say who has shown the first factor says nothing, or no longer.
    #[error("INVALID_MFA_PENDING_CREDENTIAL")]
    InvalidMfaPendingCredential,
    /// Who has shown the first factor has done so elsewhere.
    #[error("INVALID_PROJECT_ID : Project ID does not match MFA pending credential.")]
    ForeignMfaPendingCredential,
    /// A blocking function refused, or answered something that cannot be used.
    #[error("BLOCKING_FUNCTION_ERROR_RESPONSE : (({0}))")]
    BlockingFunction(String),
    /// A blocking function did not answer.
    #[error("BLOCKING_FUNCTION_ERROR_RESPONSE : (({0}))")]
    BlockingFunctionFailed(String),
    /// No authenticator has said anything.
    #[error("MISSING_AUTHENTICATOR_RESPONSE")]
    MissingAuthenticatorResponse,
    /// The passkey has no id.
    #[error("INVALID_CREDENTIAL_ID")]
    InvalidCredentialId,
    /// The passkey is an account's already.
    #[error("CREDENTIAL_ALREADY_IN_USE")]
    CredentialAlreadyInUse,
    /// What an authenticator says is not accepted; why.
    #[error("INVALID_AUTHENTICATOR_RESPONSE : {0}")]
    InvalidAuthenticatorResponse(passkey::Refused),
    /// An authenticator took too long.
    #[error("PASSKEY_CHALLENGE_TIMEOUT")]
    PasskeyChallengeTimeout,
    /// The account has as many passkeys as it may.
    #[error("PASSKEY_LIMIT_EXCEEDED")]
    PasskeyLimitExceeded,
    /// Nobody has told the server for which domain passkeys are.
    #[error(
        "PASSKEY_NOT_ENABLED : This server has not been told for which domain passkeys are. Set auth.passkeys.rpId in \
         firebase.json, or the project's passkeyConfig."
    )]
    PasskeysNotEnabled,
    /// The passkey is nobody's.
    #[error("PASSKEY_CREDENTIAL_NOT_FOUND")]
    PasskeyNotFound,
    /// The project is not this server's.
    #[error("PROJECT_NOT_FOUND")]
    ProjectNotFound,
    /// The refresh token has been used before: it was stolen from somebody. What was written because of it is kept.
    #[error("TOKEN_EXPIRED")]
    RefreshTokenReused,
    /// The account has a phone number as a second factor.
    #[error("UNSUPPORTED_FIRST_FACTOR : A phone number cannot be set as a first factor on an SMS based MFA user.")]
    UnsupportedFirstFactor,
    /// A tenant has no such thing.
    #[error("UNSUPPORTED_TENANT_OPERATION")]
    UnsupportedTenantOperation,
    /// The account is disabled.
    #[error("USER_DISABLED")]
    UserDisabled,
    /// There is no such account.
    #[error("USER_NOT_FOUND")]
    UserNotFound,
    /// The password is not what the policy wants; all that is missing.
    #[error("PASSWORD_DOES_NOT_MEET_REQUIREMENTS : Missing password requirements: [{0}]")]
    PasswordRequirements(String),
    /// The password is shorter than 6 characters.
    #[error("WEAK_PASSWORD : Password should be at least 6 characters")]
    WeakPassword,
    /// The request has not the operation's shape; where, and what it must be.
    #[error("Invalid JSON payload received. {0}")]
    InvalidPayload(String),
    /// Known, but not there.
    #[error("{0}")]
    NotImplemented(String),
    /// No unused id was found.
    #[error("INTERNAL_ERROR : Failed to generate a random ID")]
    NoUnusedId,
    /// An ID token could not be signed. The cause is for the log.
    #[error("INTERNAL_ERROR : The ID token cannot be signed")]
    Signing(String),
    /// A sign-in session could not be sealed.
    #[error("INTERNAL_ERROR : The sign-in cannot be remembered")]
    Sealing,
    /// A password could not be hashed. The cause is for the log.
    #[error("INTERNAL_ERROR : The password cannot be hashed")]
    Hashing(String),
    /// A refusal after something was written that is to be kept.
    #[error("{0}")]
    Kept(Box<Error>),
    /// Something has to be done first; see [`crate::errand`]. Never for the wire.
    #[error("INTERNAL_ERROR : Something is still to be done")]
    Errands(Vec<Errand>),
    /// The store failed. The cause is for the log.
    #[error("INTERNAL_ERROR : The accounts cannot be read or written")]
    Store(#[from] StoreError),
}

impl Error {
    /// Whether what an operation wrote before it was refused is kept all the same.
    pub fn keeps_what_was_written(&self) -> bool {
        matches!(self, Self::Kept(_) | Self::RefreshTokenReused)
    }

    /// The refusal itself.
    #[must_use]
    pub fn into_inner(self) -> Self {
        if let Self::Kept(error) = self { *error } else { self }
    }

    /// The refusal, and that what was written is kept.
    pub(crate) fn kept(self) -> Self {
        Self::Kept(Box::new(self))
    }

    /// The refusal of a request's field that is known but not there yet.
    pub(crate) fn field_not_implemented(field: &str) -> Self {
        Self::NotImplemented(format!("{field} is not implemented yet."))
    }
}

impl From<passkey::Refused> for Error {
    fn from(refused: passkey::Refused) -> Self {
        if refused == passkey::Refused::Expired {
            Self::PasskeyChallengeTimeout
        } else {
            Self::InvalidAuthenticatorResponse(refused)
        }
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
