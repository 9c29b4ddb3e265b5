//! What goes by email: `accounts:sendOobCode`, `accounts:resetPassword`, and the emulator's list of codes.

use super::{Answer, Call, Message, given, json, password_policy, policy, signed_in};
use crate::account::Account;
use crate::code::{self, AddedFactor, Code, OobCode, RequestType};
use crate::entropy::base64url;
use crate::errors::Error;
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
        if !call.emulator && !is_known()? {
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
                if !policy.email_privacy {
                    return Err(Error::EmailNotFound);
                }
                if !call.emulator {
                    // Nobody learns by the time it takes that nothing was kept.
                    let code = issue(store, call, RequestType::PasswordReset, email.clone(), None, None)?;
                    consume(store, call, &code.oob_code)?;
                }
                return Ok(sent(email));
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
    keep(store, call, OobCode { email, new_email, request_type, oob_code, oob_link, added_factor: None })
}

/// Makes a code that takes a second factor away again.
pub(super) fn issue_reversal(
    store: &mut dyn Store,
    call: &Call<'_>,
    email: String,
    added: AddedFactor,
) -> Result<OobCode, Error> {
    let request_type = RequestType::RevertSecondFactorAddition;
    let oob_code = base64url(call.entropy, CODE);
    let oob_link = link(call, request_type, &oob_code, None);
    let added_factor = Some(Box::new(added));
    keep(store, call, OobCode { email, new_email: None, request_type, oob_code, oob_link, added_factor })
}

fn keep(store: &mut dyn Store, call: &Call<'_>, code: OobCode) -> Result<OobCode, Error> {
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
        RequestType::RevertSecondFactorAddition => "revertSecondFactorAddition",
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
    let new_password = given(&request.new_password);
    if new_password.is_some() && code.request_type != RequestType::PasswordReset {
        return Err(Error::InvalidOobCode);
    }
    if let Some(password) = password_policy::new_password(store, call, new_password)? {
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
        .with_some("newEmail", code.new_email)
        .with_some("mfaInfo", code.added_factor.map(|added| json(&added.factor))))
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
    if !call.emulator {
        account.passkey_info = account.passkey_info.map(|_| Vec::new());
    }
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

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{config, sign_up, update};
    use super::*;
    use serde_json::json;

    fn house() -> House {
        let mut house = House::new();
        for (id, email) in [("u", "a@b"), ("v", "c@d")] {
            house.call(true, sign_up::sign_up, json!({"localId": id, "email": email, "password": "secret"})).unwrap();
        }
        house
    }

    fn token(house: &mut House, id: &str) -> String {
        house.forge(json!({"user_id": id, "iat": house.now / 1000, "firebase": {}}))
    }

    /// The code that was sent, or answered.
    fn code(house: &mut House, privileged: bool, body: Value) -> OobCode {
        let answer = house.call(privileged, send, body).unwrap();
        match answer.messages.as_slice() {
            [Message::Email(code)] => code.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn senders_hear_the_first_complaint() {
        let mut house = house();
        let token = token(&mut house, "u");
        for (privileged, body, expected) in [
            (false, json!({}), Error::MissingRequestType),
            (false, json!({"requestType": "OOB_REQ_TYPE_UNSPECIFIED"}), Error::MissingRequestType),
            (false, json!({"requestType": "VERIFY_EMAIL", "returnOobLink": true}), Error::InsufficientPermission),
            (false, json!({"requestType": "EMAIL_SIGNIN", "continueUrl": "x"}), Error::InvalidContinueUrl),
            (false, json!({"requestType": "EMAIL_SIGNIN"}), Error::MissingEmail),
            (false, json!({"requestType": "PASSWORD_RESET"}), Error::MissingEmail),
            (false, json!({"requestType": "PASSWORD_RESET", "email": "x@y"}), Error::EmailNotFound),
            (false, json!({"requestType": "VERIFY_EMAIL", "email": "a@b"}), Error::InvalidIdToken),
            (true, json!({"requestType": "VERIFY_EMAIL", "returnOobLink": true, "email": "x@y"}), Error::UserNotFound),
            (false, json!({"requestType": "VERIFY_AND_CHANGE_EMAIL"}), Error::MissingNewEmail),
            (false, json!({"requestType": "VERIFY_AND_CHANGE_EMAIL", "newEmail": "x@y"}), Error::MissingIdToken),
            (
                false,
                json!({"requestType": "VERIFY_AND_CHANGE_EMAIL", "newEmail": "C@d", "idToken": token}),
                Error::EmailExists,
            ),
            (false, json!({"requestType": "OLD_EMAIL_AGREE"}), Error::NotImplemented("OLD_EMAIL_AGREE".to_owned())),
        ] {
            assert_eq!(house.call(privileged, send, body.clone()), Err(expected), "{body}");
        }
        assert_eq!(code::list::<OobCode>(&house.store, &house.scope), Ok(vec![]), "nothing was made");
    }

    #[test]
    fn a_link_says_everything() {
        let mut house = house();
        house.scope.tenant = Some("t".to_owned());
        let body = json!({"requestType": "EMAIL_SIGNIN", "email": "New@b", "continueUrl": "http://app/?a=b c"});
        let code = code(&mut house, false, body);
        assert_eq!(code.oob_code.len(), CODE);
        assert_eq!(
            code.oob_link,
            format!(
                "http://127.0.0.1:9099/emulator/action?mode=signIn&lang=en&oobCode={}&apiKey=fake-api-key&continueUrl=\
                 http%3A%2F%2Fapp%2F%3Fa%3Db+c&tenantId=t",
                code.oob_code
            )
        );
        let admin = json!({"requestType": "EMAIL_SIGNIN", "email": "new@b", "returnOobLink": true});
        let answer = house.call(true, send, admin).unwrap();
        assert!(answer.messages.is_empty() && answer.body["oobLink"].is_string(), "whoever is told sends it");
        let listed = house.call(true, |store, call, _: Value| list(store, call), json!({})).unwrap();
        assert_eq!(listed.body["oobCodes"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn privacy_hides_who_is_unknown() {
        let mut house = house();
        let privacy = json!({"emailPrivacyConfig": {"enableImprovedEmailPrivacy": true}});
        house.call(true, config::update, privacy).unwrap();
        let known = house.call(false, send, json!({"requestType": "PASSWORD_RESET", "email": "a@b"})).unwrap();
        let unknown = house.call(false, send, json!({"requestType": "PASSWORD_RESET", "email": "x@y"})).unwrap();
        assert_eq!(known.body.keys().collect::<Vec<_>>(), unknown.body.keys().collect::<Vec<_>>());
        assert_eq!((known.messages.len(), unknown.messages.len()), (1, 0));
    }

    #[test]
    fn a_password_is_reset_once_and_closes_other_ways_in() {
        let mut house = house();
        let link = json!({"providerId": "google.com", "rawId": "g"});
        house.call(true, update::update, json!({"localId": "u", "linkProviderUserInfo": link})).unwrap();
        let code = code(&mut house, false, json!({"requestType": "PASSWORD_RESET", "email": "A@b"}));
        let mut reset =
            |body: Value| house.call(false, reset_password, body).map(|answer| Value::Object(answer.body).to_string());
        let told = r#"{"kind":"identitytoolkit#ResetPasswordResponse","requestType":"PASSWORD_RESET","email":"a@b"}"#;
        assert_eq!(reset(json!({"newPassword": "another"})), Err(Error::MissingOobCode));
        assert_eq!(reset(json!({"oobCode": "x"})), Err(Error::InvalidOobCode));
        assert_eq!(reset(json!({"oobCode": code.oob_code, "newPassword": "short"})), Err(Error::WeakPassword));
        assert_eq!(reset(json!({"oobCode": code.oob_code})).as_deref(), Ok(told), "looking does not use it up");
        assert_eq!(reset(json!({"oobCode": code.oob_code, "newPassword": "another"})).as_deref(), Ok(told));
        assert_eq!(reset(json!({"oobCode": code.oob_code})), Err(Error::InvalidOobCode));
        let account = house.account("u");
        assert_eq!(account.providers().iter().map(|info| info.provider_id.as_str()).collect::<Vec<_>>(), ["password"]);
        assert_eq!(account.email_verified, Some(true));
        assert!(account.password_hash.unwrap().ends_with(":password=another"));
    }

    #[test]
    fn a_servers_codes_have_their_time() {
        for (request_type, lifetime) in [("PASSWORD_RESET", 3_600_000), ("EMAIL_SIGNIN", 6 * 3_600_000)] {
            let mut house = House::self_host();
            house.call(true, sign_up::sign_up, json!({"email": "a@b"})).unwrap();
            let code = code(&mut house, false, json!({"requestType": request_type, "email": "a@b"}));
            let look = json!({"oobCode": code.oob_code});
            house.now += lifetime - 1;
            assert!(house.call(false, reset_password, look.clone()).is_ok(), "{request_type}");
            house.now += 1;
            assert_eq!(house.call(false, reset_password, look), Err(Error::ExpiredOobCode), "{request_type}");
        }
    }

    #[test]
    fn a_server_sends_nothing_it_cannot_and_leads_nowhere_strange() {
        let mut house = House::self_host();
        let body = |url: &str| json!({"requestType": "EMAIL_SIGNIN", "email": "a@b", "continueUrl": url});
        assert!(house.call(false, send, body("http://localhost:3000/")).is_ok());
        assert_eq!(house.call(false, send, body("https://evil.example/")), Err(Error::UnauthorizedDomain));
        let domains = json!({"authorizedDomains": ["app.example"]});
        house.call(true, config::update_all, domains).unwrap();
        assert!(house.call(false, send, body("https://App.example/x")).is_ok());
        house.delivers.emails = false;
        assert_eq!(house.call(false, send, body("https://app.example/")), Err(Error::NoEmailDelivery));
        let admin = json!({"requestType": "EMAIL_SIGNIN", "email": "a@b", "returnOobLink": true});
        let answer = house.call(true, send, admin).unwrap();
        assert!(
            answer.body["oobLink"].as_str().unwrap().starts_with("http://127.0.0.1:9099/__/auth/action?mode=signIn")
        );
    }
}
