//! What goes by email: `accounts:sendOobCode`, `accounts:resetPassword`, and the emulator's list of codes.

use super::{Answer, Call, Message, given, json, policy, signed_in};
use crate::account::Account;
use crate::code::{self, Code, OobCode, RequestType};
use crate::entropy::base64url;
use crate::errors::Error;
use crate::password::Password;
use crate::schema::{Kind, Schema};
use crate::store::{Accounts, Store};
use crate::uri::{self, Uri};
use serde::Deserialize;
use serde_json::Value;

/// Characters of a code.
const CODE: usize = 54;

/// The shape of a `sendOobCode` request.
pub const SEND_SCHEMA: Schema = &[
    ("androidInstallApp", Kind::Flag),
    ("androidMinimumVersion", Kind::Text),
    ("androidPackageName", Kind::Text),
    ("canHandleCodeInApp", Kind::Flag),
    ("captchaResp", Kind::Text),
    ("challenge", Kind::Text),
    ("continueUrl", Kind::Text),
    ("dynamicLinkDomain", Kind::Text),
    ("email", Kind::Text),
    ("iOSAppStoreId", Kind::Text),
    ("iOSBundleId", Kind::Text),
    ("idToken", Kind::Text),
    ("newEmail", Kind::Text),
    (
        "requestType",
        Kind::Name(&[
            "OOB_REQ_TYPE_UNSPECIFIED",
            "PASSWORD_RESET",
            "OLD_EMAIL_AGREE",
            "NEW_EMAIL_ACCEPT",
            "VERIFY_EMAIL",
            "RECOVER_EMAIL",
            "EMAIL_SIGNIN",
            "VERIFY_AND_CHANGE_EMAIL",
            "REVERT_SECOND_FACTOR_ADDITION",
        ]),
    ),
    ("returnOobLink", Kind::Flag),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
    ("userIp", Kind::Text),
];

/// A `sendOobCode` request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Send {
    continue_url: Option<String>,
    email: Option<String>,
    id_token: Option<String>,
    new_email: Option<String>,
    request_type: Option<String>,
    return_oob_link: bool,
}

/// Makes a code and has it sent, or answers it to an admin who wants to send it.
///
/// # Errors
/// As the official emulator; a server that cannot send emails says so.
pub fn send(store: &mut dyn Store, call: &Call<'_>, request: Send) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    let wanted = given(&request.request_type).filter(|wanted| *wanted != "OOB_REQ_TYPE_UNSPECIFIED");
    let wanted = wanted.ok_or(Error::MissingRequestType)?;
    if request.return_oob_link && !call.privileged {
        return Err(Error::InsufficientPermission);
    }
    if let Some(url) = given(&request.continue_url) {
        let uri = Uri::parse(url).ok_or(Error::InvalidContinueUrl)?;
        // The link hands its code on to that host: nobody may have an email sent that tells a stranger's host.
        let is_known =
            || store.config(&call.scope.project).map(|config| config.domains().iter().any(|d| d == uri.host()));
        if !call.emulator && !call.privileged && !is_known()? {
            return Err(Error::UnauthorizedDomain);
        }
    }
    if !request.return_oob_link && !call.delivers.emails {
        return Err(Error::NoEmailDelivery);
    }
    let mut new_email = None;
    let (request_type, email) = match wanted {
        "EMAIL_SIGNIN" => {
            if !policy.email_links {
                return Err(Error::OperationNotAllowed);
            }
            (RequestType::EmailSignin, email(&request)?)
        }
        "PASSWORD_RESET" => {
            let email = email(&request)?;
            if store.by_email(call.scope, &email)?.is_none() {
                return if policy.email_privacy { Ok(sent(email)) } else { Err(Error::EmailNotFound) };
            }
            (RequestType::PasswordReset, email)
        }
        "VERIFY_EMAIL" => (RequestType::VerifyEmail, owned_email(store, call, &request, Error::InvalidIdToken)?),
        "VERIFY_AND_CHANGE_EMAIL" => {
            let wanted = given(&request.new_email).ok_or(Error::MissingNewEmail)?.to_lowercase();
            let email = owned_email(store, call, &request, Error::MissingIdToken)?;
            if store.by_email(call.scope, &wanted)?.is_some() {
                return Err(Error::EmailExists);
            }
            new_email = Some(wanted);
            (RequestType::VerifyAndChangeEmail, email)
        }
        other => return Err(Error::NotImplemented(other.to_owned())),
    };
    let code = issue(store, call, request_type, email.clone(), new_email, given(&request.continue_url))?;
    if request.return_oob_link {
        return Ok(sent(email).with("oobCode", code.oob_code).with("oobLink", code.oob_link));
    }
    let mut answer = sent(email);
    answer.messages.push(Message::Email(code));
    Ok(answer)
}

fn sent(email: String) -> Answer {
    Answer::kind("identitytoolkit#GetOobConfirmationCodeResponse").with("email", email)
}

fn email(request: &Send) -> Result<String, Error> {
    Ok(given(&request.email).ok_or(Error::MissingEmail)?.to_lowercase())
}

/// The email of the account that is meant: an admin names it, anyone else shows a token.
fn owned_email(store: &dyn Store, call: &Call<'_>, request: &Send, without_token: Error) -> Result<String, Error> {
    let id_token = given(&request.id_token);
    if request.return_oob_link && id_token.is_none() {
        let email = email(request)?;
        return store.by_email(call.scope, &email)?.map(|_| email).ok_or(Error::UserNotFound);
    }
    let (account, _) = signed_in(store, call, id_token.ok_or(without_token)?)?;
    account.email.ok_or(Error::MissingEmail)
}

/// Makes a code and keeps it.
pub(super) fn issue(
    store: &mut dyn Store,
    call: &Call<'_>,
    request_type: RequestType,
    email: String,
    new_email: Option<String>,
    continue_url: Option<&str>,
) -> Result<OobCode, Error> {
    let oob_code = base64url(call.entropy, CODE);
    let oob_link = link(call, request_type, &oob_code, continue_url);
    let code = OobCode { email, new_email, request_type, oob_code, oob_link };
    code::keep(store, call.scope, code.clone(), call.now, !call.emulator)?;
    Ok(code)
}

fn link(call: &Call<'_>, request_type: RequestType, oob_code: &str, continue_url: Option<&str>) -> String {
    let path = if call.emulator { "/emulator/action" } else { "/__/auth/action" };
    let mut parameters = vec![
        ("mode", mode(request_type)),
        ("lang", "en"),
        ("oobCode", oob_code),
        // Any key stands for the project.
        ("apiKey", "fake-api-key"),
    ];
    parameters.extend(continue_url.map(|url| ("continueUrl", url)));
    parameters.extend(call.scope.tenant.as_deref().map(|tenant| ("tenantId", tenant)));
    let parameters: Vec<_> = parameters.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    format!("{}{path}?{}", call.origin, uri::form(&parameters))
}

/// What the action page calls it.
pub fn mode(request_type: RequestType) -> &'static str {
    match request_type {
        RequestType::PasswordReset => "resetPassword",
        RequestType::VerifyEmail => "verifyEmail",
        RequestType::RecoverEmail => "recoverEmail",
        RequestType::EmailSignin => "signIn",
        RequestType::VerifyAndChangeEmail => "verifyAndChangeEmail",
    }
}

/// The code, if it is known and its time has not passed.
///
/// # Errors
/// Which of these is wrong.
pub fn find(store: &(impl Accounts + ?Sized), call: &Call<'_>, oob_code: &str) -> Result<OobCode, Error> {
    let (code, issued) = code::find::<OobCode>(store, call.scope, oob_code)?.ok_or(Error::InvalidOobCode)?;
    if !call.emulator && issued.saturating_add(code.lifetime()) <= call.now {
        return Err(Error::ExpiredOobCode);
    }
    Ok(code)
}

/// Ends the code.
pub(super) fn consume(store: &mut dyn Store, call: &Call<'_>, oob_code: &str) -> Result<(), Error> {
    Ok(store.delete_code(call.scope, OobCode::KIND, oob_code)?)
}

/// The shape of a `resetPassword` request.
pub const RESET_SCHEMA: Schema = &[
    ("email", Kind::Text),
    ("newPassword", Kind::Text),
    ("oldPassword", Kind::Text),
    ("oobCode", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// A `resetPassword` request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reset {
    /// The password that is wanted; without it the code is only looked at.
    pub new_password: Option<String>,
    /// The code.
    pub oob_code: Option<String>,
}

/// Says what a code is for, and with a new password uses it.
///
/// # Errors
/// As the official emulator; a server's codes also expire (`EXPIRED_OOB_CODE`).
pub fn reset_password(store: &mut dyn Store, call: &Call<'_>, request: Reset) -> Result<Answer, Error> {
    if !policy::of(store, call)?.passwords {
        return Err(Error::PasswordLoginDisabled);
    }
    let oob_code = given(&request.oob_code).ok_or(Error::MissingOobCode)?;
    let code = find(store, call, oob_code)?;
    if let Some(new_password) = given(&request.new_password) {
        if code.request_type != RequestType::PasswordReset {
            return Err(Error::InvalidOobCode);
        }
        let password = Password::new(new_password)?;
        let account = store.by_email(call.scope, &code.email)?.ok_or(Error::InvalidOobCode)?;
        let secret = call.passwords.hash(password, call.entropy)?;
        consume(store, call, oob_code)?;
        set_password(store, call, account, secret)?;
    }
    // A link by which one signs in does not tell whom it was sent to.
    let email = (code.request_type != RequestType::EmailSignin).then_some(code.email);
    Ok(Answer::kind("identitytoolkit#ResetPasswordResponse")
        .with("requestType", json(&code.request_type))
        .with_some("email", email)
        .with_some("newEmail", code.new_email))
}

/// Whoever has read the email owns the account: every other way in is closed.
fn set_password(
    store: &mut dyn Store,
    call: &Call<'_>,
    mut account: Account,
    secret: crate::password::Secret,
) -> Result<(), Error> {
    account.email_verified = Some(true);
    account.set_secret(secret, call.now);
    account.provider_user_info = account.provider_user_info.map(|_| Vec::new());
    account.mirror_providers();
    store.put(call.scope, &account)?;
    store.revoke_refresh_tokens(call.scope, &account.local_id, call.now / 1000 * 1000)?;
    Ok(())
}

/// The codes that have not been used, in the order in which they were made.
///
/// # Errors
/// The store failed.
pub fn list(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Answer, Error> {
    let codes = code::list::<OobCode>(store, call.scope)?;
    Ok(Answer::default().with("oobCodes", codes.iter().map(json).collect::<Vec<Value>>()))
}
