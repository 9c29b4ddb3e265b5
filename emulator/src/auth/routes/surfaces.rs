//! Every path of Auth: one row to a path, a method and an operation. Must not know: what an operation does.
//!
//! The paths and operation ids are those of the official emulator's API specification.

use super::table::*;
use http::Method;

/// Rows whose paths and ids begin alike.
pub(super) struct Surface {
    pub(super) base: &'static str,
    pub(super) ids: &'static str,
    pub(super) auth: Auth,
    pub(super) rows: &'static [Row],
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// A row without what its surface says.
type Row = (Method, &'static str, &'static str, Run);

/// What a project and a tenant say of passkeys and identity providers.
const CONFIGS: &[Row] = &[
    (GET, "/passkeyConfig", "getPasskeyConfig", GET_PASSKEY_CONFIG),
    (PATCH, "/passkeyConfig", "updatePasskeyConfig", UPDATE_PASSKEY_CONFIG),
    (POST, "/defaultSupportedIdpConfigs", "defaultSupportedIdpConfigs.create", CREATE_DEFAULT_IDP_CONFIG),
    (GET, "/defaultSupportedIdpConfigs", "defaultSupportedIdpConfigs.list", LIST_DEFAULT_IDP_CONFIGS),
    (DELETE, "/defaultSupportedIdpConfigs/{config}", "defaultSupportedIdpConfigs.delete", DELETE_DEFAULT_IDP_CONFIG),
    (GET, "/defaultSupportedIdpConfigs/{config}", "defaultSupportedIdpConfigs.get", GET_DEFAULT_IDP_CONFIG),
    (PATCH, "/defaultSupportedIdpConfigs/{config}", "defaultSupportedIdpConfigs.patch", UPDATE_DEFAULT_IDP_CONFIG),
    (POST, "/inboundSamlConfigs", "inboundSamlConfigs.create", CREATE_SAML_CONFIG),
    (GET, "/inboundSamlConfigs", "inboundSamlConfigs.list", LIST_SAML_CONFIGS),
    (DELETE, "/inboundSamlConfigs/{config}", "inboundSamlConfigs.delete", DELETE_SAML_CONFIG),
    (GET, "/inboundSamlConfigs/{config}", "inboundSamlConfigs.get", GET_SAML_CONFIG),
    (PATCH, "/inboundSamlConfigs/{config}", "inboundSamlConfigs.patch", UPDATE_SAML_CONFIG),
    (POST, "/oauthIdpConfigs", "oauthIdpConfigs.create", CREATE_OAUTH_CONFIG),
    (GET, "/oauthIdpConfigs", "oauthIdpConfigs.list", LIST_OAUTH_CONFIGS),
    (DELETE, "/oauthIdpConfigs/{config}", "oauthIdpConfigs.delete", DELETE_OAUTH_CONFIG),
    (GET, "/oauthIdpConfigs/{config}", "oauthIdpConfigs.get", GET_OAUTH_CONFIG),
    (PATCH, "/oauthIdpConfigs/{config}", "oauthIdpConfigs.patch", UPDATE_OAUTH_CONFIG),
];

/// What Admin SDKs fetch to verify tokens by themselves.
const PUBLIC_KEYS: &[Row] = &[
    (GET, "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com", "x509", CERTIFICATES),
    (GET, "/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com", "jwk", JWKS),
    (GET, "/identitytoolkit/v3/relyingparty/publicKeys", "sessionCookies", COOKIE_CERTIFICATES),
];

/// A later surface matters only for the paths that no earlier one has.
pub(super) const SURFACES: &[Surface] = &[
    // What clients call.
    Surface {
        base: "/identitytoolkit.googleapis.com/v1",
        ids: "identitytoolkit.",
        auth: Auth::AdminOrKey,
        rows: &[
            (POST, "/accounts:createAuthUri", "accounts.createAuthUri", CREATE_AUTH_URI),
            (POST, "/accounts:delete", "accounts.delete", DELETE_ACCOUNT),
            (POST, "/accounts:issueSamlResponse", "accounts.issueSamlResponse", NOT_YET),
            (POST, "/accounts:lookup", "accounts.lookup", LOOKUP),
            (POST, "/accounts:resetPassword", "accounts.resetPassword", RESET_PASSWORD),
            (POST, "/accounts:sendOobCode", "accounts.sendOobCode", SEND_OOB_CODE),
            (POST, "/accounts:sendVerificationCode", "accounts.sendVerificationCode", SEND_VERIFICATION_CODE),
            (POST, "/accounts:signInWithCustomToken", "accounts.signInWithCustomToken", SIGN_IN_WITH_CUSTOM_TOKEN),
            (POST, "/accounts:signInWithEmailLink", "accounts.signInWithEmailLink", SIGN_IN_WITH_EMAIL_LINK),
            (POST, "/accounts:signInWithGameCenter", "accounts.signInWithGameCenter", NOT_YET),
            (POST, "/accounts:signInWithIdp", "accounts.signInWithIdp", SIGN_IN_WITH_IDP),
            (POST, "/accounts:signInWithPassword", "accounts.signInWithPassword", SIGN_IN_WITH_PASSWORD),
            (POST, "/accounts:signInWithPhoneNumber", "accounts.signInWithPhoneNumber", SIGN_IN_WITH_PHONE_NUMBER),
            (POST, "/accounts:signUp", "accounts.signUp", SIGN_UP),
            (POST, "/accounts:update", "accounts.update", UPDATE),
            (POST, "/accounts:verifyIosClient", "accounts.verifyIosClient", NOT_YET),
            (GET, "/projects", "getProjects", PROJECTS),
            (GET, "/recaptchaParams", "getRecaptchaParams", RECAPTCHA_PARAMS),
        ],
    },
    // The public keys, where Google has them.
    Surface {
        base: "/identitytoolkit.googleapis.com/v1",
        ids: "identitytoolkit.",
        auth: Auth::Anyone,
        rows: &[(GET, "/sessionCookiePublicKeys", "getSessionCookiePublicKeys", COOKIE_JWKS)],
    },
    // Access tokens, at our own path and where Admin SDKs look for them.
    Surface {
        base: "",
        ids: "oauth2.",
        auth: Auth::Anyone,
        rows: &[
            (POST, "/token", "token", ACCESS_TOKEN),
            (POST, "/oauth2.googleapis.com/token", "token", ACCESS_TOKEN),
            (POST, "/www.googleapis.com/oauth2/v4/token", "token", ACCESS_TOKEN),
            (POST, "/accounts.google.com/o/oauth2/token", "token", ACCESS_TOKEN),
        ],
    },
    Surface { base: "", ids: "publicKeys.", auth: Auth::Anyone, rows: PUBLIC_KEYS },
    Surface { base: "/www.googleapis.com", ids: "publicKeys.", auth: Auth::Anyone, rows: PUBLIC_KEYS },
    // What Admin SDKs call.
    Surface {
        base: "/identitytoolkit.googleapis.com/v1/projects/{project}",
        ids: "identitytoolkit.projects.",
        auth: Auth::AdminOrKey,
        rows: &[
            (POST, "/accounts", "accounts", SIGN_UP),
            (POST, "/accounts:batchCreate", "accounts.batchCreate", BATCH_CREATE),
            (POST, "/accounts:batchDelete", "accounts.batchDelete", BATCH_DELETE),
            (GET, "/accounts:batchGet", "accounts.batchGet", BATCH_GET),
            (POST, "/accounts:delete", "accounts.delete", DELETE_ACCOUNT),
            (POST, "/accounts:lookup", "accounts.lookup", LOOKUP),
            (POST, "/accounts:query", "accounts.query", QUERY),
            (POST, "/accounts:sendOobCode", "accounts.sendOobCode", SEND_OOB_CODE),
            (POST, "/accounts:update", "accounts.update", UPDATE),
            (POST, ":createSessionCookie", "createSessionCookie", SESSION_COOKIE),
            (POST, ":queryAccounts", "queryAccounts", QUERY),
        ],
    },
    // The same of a tenant.
    Surface {
        base: "/identitytoolkit.googleapis.com/v1/projects/{project}/tenants/{tenant}",
        ids: "identitytoolkit.projects.tenants.",
        auth: Auth::AdminOrKey,
        rows: &[
            (POST, "/accounts", "accounts", SIGN_UP),
            (POST, "/accounts:batchCreate", "accounts.batchCreate", BATCH_CREATE),
            (POST, "/accounts:batchDelete", "accounts.batchDelete", BATCH_DELETE),
            (GET, "/accounts:batchGet", "accounts.batchGet", BATCH_GET),
            (POST, "/accounts:delete", "accounts.delete", DELETE_ACCOUNT),
            (POST, "/accounts:lookup", "accounts.lookup", LOOKUP),
            (POST, "/accounts:query", "accounts.query", QUERY),
            (POST, "/accounts:sendOobCode", "accounts.sendOobCode", SEND_OOB_CODE),
            (POST, "/accounts:update", "accounts.update", UPDATE),
            (POST, ":createSessionCookie", "createSessionCookie", SESSION_COOKIE),
        ],
    },
    // Second factors and what clients ask beforehand.
    Surface {
        base: "/identitytoolkit.googleapis.com/v2",
        ids: "identitytoolkit.",
        auth: Auth::AdminOrKey,
        rows: &[
            (POST, "/accounts:revokeToken", "accounts.revokeToken", REVOKE_TOKEN),
            (POST, "/accounts/mfaEnrollment:finalize", "accounts.mfaEnrollment.finalize", FINALIZE_MFA_ENROLLMENT),
            (POST, "/accounts/mfaEnrollment:start", "accounts.mfaEnrollment.start", START_MFA_ENROLLMENT),
            (POST, "/accounts/mfaEnrollment:withdraw", "accounts.mfaEnrollment.withdraw", WITHDRAW_MFA_ENROLLMENT),
            (POST, "/accounts/mfaSignIn:finalize", "accounts.mfaSignIn.finalize", FINALIZE_MFA_SIGN_IN),
            (POST, "/accounts/mfaSignIn:start", "accounts.mfaSignIn.start", START_MFA_SIGN_IN),
            (GET, "/defaultSupportedIdps", "defaultSupportedIdps.list", NOT_YET),
            (GET, "/passwordPolicy", "getPasswordPolicy", PASSWORD_POLICY),
            (GET, "/recaptchaConfig", "getRecaptchaConfig", NOT_YET),
        ],
    },
    // Passkeys.
    Surface {
        base: "/identitytoolkit.googleapis.com/v2/accounts",
        ids: "identitytoolkit.accounts.",
        auth: Auth::Key,
        rows: &[
            (POST, "/passkeyEnrollment:start", "passkeyEnrollment.start", START_PASSKEY_ENROLLMENT),
            (POST, "/passkeyEnrollment:finalize", "passkeyEnrollment.finalize", FINALIZE_PASSKEY_ENROLLMENT),
            (POST, "/passkeySignIn:start", "passkeySignIn.start", START_PASSKEY_SIGN_IN),
            (POST, "/passkeySignIn:finalize", "passkeySignIn.finalize", FINALIZE_PASSKEY_SIGN_IN),
        ],
    },
    // A project's settings.
    Surface {
        base: "/identitytoolkit.googleapis.com/v2/projects/{project}",
        ids: "identitytoolkit.projects.",
        auth: Auth::AdminOrKey,
        rows: &[
            (GET, "/config", "getConfig", GET_PROJECT_CONFIG),
            (PATCH, "/config", "updateConfig", UPDATE_PROJECT_CONFIG),
            (POST, "/identityPlatform:initializeAuth", "identityPlatform.initializeAuth", NOT_YET),
            (POST, "/tenants", "tenants.create", CREATE_TENANT),
            (GET, "/tenants", "tenants.list", LIST_TENANTS),
        ],
    },
    Surface {
        base: "/identitytoolkit.googleapis.com/v2/projects/{project}",
        ids: "identitytoolkit.projects.",
        auth: Auth::AdminOrKey,
        rows: CONFIGS,
    },
    // A tenant's settings.
    Surface {
        base: "/identitytoolkit.googleapis.com/v2/projects/{project}/tenants/{tenant}",
        ids: "identitytoolkit.projects.tenants.",
        auth: Auth::AdminOrKey,
        rows: &[
            (DELETE, "", "delete", DELETE_TENANT),
            (GET, "", "get", GET_TENANT),
            (PATCH, "", "patch", UPDATE_TENANT),
            (POST, ":getIamPolicy", "getIamPolicy", NOT_YET),
            (POST, ":setIamPolicy", "setIamPolicy", NOT_YET),
            (POST, ":testIamPermissions", "testIamPermissions", NOT_YET),
        ],
    },
    Surface {
        base: "/identitytoolkit.googleapis.com/v2/projects/{project}/tenants/{tenant}",
        ids: "identitytoolkit.projects.tenants.",
        auth: Auth::AdminOrKey,
        rows: CONFIGS,
    },
    // Token refresh.
    Surface {
        base: "/securetoken.googleapis.com/v1",
        ids: "securetoken.",
        auth: Auth::Key,
        rows: &[(POST, "/token", "token", GRANT)],
    },
    // What tests call.
    Surface {
        base: "/emulator/v1/projects/{project}",
        ids: "emulator.projects.",
        auth: Auth::Open,
        rows: &[
            (DELETE, "/accounts", "accounts.delete", DELETE_ALL),
            (DELETE, "/tenants/{tenant}/accounts", "accounts.delete", DELETE_ALL),
            (GET, "/config", "config.get", GET_CONFIG),
            (PATCH, "/config", "config.update", UPDATE_CONFIG),
            (GET, "/oobCodes", "oobCodes.list", LIST_OOB_CODES),
            (GET, "/tenants/{tenant}/oobCodes", "oobCodes.list", LIST_OOB_CODES),
            (GET, "/verificationCodes", "verificationCodes.list", LIST_VERIFICATION_CODES),
            (GET, "/tenants/{tenant}/verificationCodes", "verificationCodes.list", LIST_VERIFICATION_CODES),
        ],
    },
    // What people and tools open.
    Surface {
        base: "/",
        ids: "emulator.",
        auth: Auth::Open,
        rows: &[
            (GET, "", "status", STATUS),
            (GET, "emulator/openapi.json", "openapi", OPENAPI),
            (GET, "emulator/action", "action", ACTION),
        ],
    },
    // What browsers open to sign in by a provider, where SDKs look for it and where providers' consoles know it to be.
    Surface {
        base: "/emulator/auth",
        ids: "emulator.auth.",
        auth: Auth::Anyone,
        rows: &[
            (GET, "/handler", "handler", HANDLER),
            (GET, "/iframe", "iframe", IFRAME),
            (GET, "/gapi.js", "gapi", GAPI),
        ],
    },
    Surface {
        base: "/__/auth",
        ids: "auth.",
        auth: Auth::Anyone,
        rows: &[
            (GET, "/action", "action", LINK),
            (GET, "/handler", "handler", HANDLER),
            (POST, "/handler", "handler.return", HANDLER_RETURN),
            (GET, "/handler.js", "handler.script", HANDLER_SCRIPT),
            (GET, "/iframe", "iframe", IFRAME),
        ],
    },
    // The former names, which old SDKs and some Admin SDKs call.
    Surface {
        base: "/www.googleapis.com/identitytoolkit/v3/relyingparty",
        ids: "identitytoolkit.",
        auth: Auth::AdminOrKey,
        rows: &[
            (POST, "/createAuthUri", "accounts.createAuthUri", CREATE_AUTH_URI),
            (POST, "/deleteAccount", "accounts.delete", DELETE_ACCOUNT),
            (POST, "/emailLinkSignin", "accounts.signInWithEmailLink", SIGN_IN_WITH_EMAIL_LINK),
            (POST, "/getAccountInfo", "accounts.lookup", LOOKUP),
            (POST, "/getOobConfirmationCode", "accounts.sendOobCode", SEND_OOB_CODE),
            (GET, "/getProjectConfig", "getProjects", PROJECTS),
            (GET, "/getRecaptchaParam", "getRecaptchaParams", RECAPTCHA_PARAMS),
            (POST, "/resetPassword", "accounts.resetPassword", RESET_PASSWORD),
            (POST, "/sendVerificationCode", "accounts.sendVerificationCode", SEND_VERIFICATION_CODE),
            (POST, "/setAccountInfo", "accounts.update", UPDATE),
            (POST, "/signupNewUser", "accounts.signUp", SIGN_UP),
            (POST, "/verifyAssertion", "accounts.signInWithIdp", SIGN_IN_WITH_IDP),
            (POST, "/verifyCustomToken", "accounts.signInWithCustomToken", SIGN_IN_WITH_CUSTOM_TOKEN),
            (POST, "/verifyPassword", "accounts.signInWithPassword", SIGN_IN_WITH_PASSWORD),
            (POST, "/verifyPhoneNumber", "accounts.signInWithPhoneNumber", SIGN_IN_WITH_PHONE_NUMBER),
            (POST, "/downloadAccount", "projects.accounts.batchGet", DOWNLOAD),
            (POST, "/uploadAccount", "projects.accounts.batchCreate", UPLOAD),
        ],
    },
    // A former name that has no other.
    Surface {
        base: "/www.googleapis.com/identitytoolkit/v3/relyingparty",
        ids: "",
        auth: Auth::Open,
        rows: &[(POST, "/signOutUser", "signOutUser", NOT_YET)],
    },
];
