//! `accounts:signInWithEmailLink`.

use super::blocking::Told;
use super::entry::{Entry, enter};
use super::sign_up::new_account;
use super::{Answer, Call, given, oob, policy, signed_in};
use crate::account::PASSWORD;
use crate::code::RequestType;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use serde::Deserialize;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("email", Kind::Text),
    ("idToken", Kind::Text),
    ("oobCode", Kind::Text),
    ("returnSecureToken", Kind::Flag),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    email: Option<String>,
    id_token: Option<String>,
    oob_code: Option<String>,
}

/// Lets in whoever has got the email with the link, or gives the account of an ID token the email.
///
/// # Errors
/// As the official emulator; a server's codes also expire (`EXPIRED_OOB_CODE`).
pub fn sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    if !policy.email_links {
        return Err(Error::OperationNotAllowed);
    }
    let of_token = given(&request.id_token).map(|token| signed_in(store, call, token)).transpose()?;
    let of_token = of_token.map(|(account, _)| account);
    let email = given(&request.email).ok_or(Error::MissingEmail)?.to_lowercase();
    let oob_code = given(&request.oob_code).ok_or(Error::MissingOobCode)?;
    let code = oob::find(store, call, oob_code)?;
    if code.request_type != RequestType::EmailSignin {
        return Err(Error::InvalidOobCode);
    }
    if code.email != email {
        return Err(Error::OtherEmail);
    }
    oob::consume(store, call, oob_code)?;
    let of_email = store.by_email(call.scope, &email)?;
    if of_token.as_ref().or(of_email.as_ref()).is_some_and(|account| account.disabled == Some(true)) {
        return Err(Error::UserDisabled);
    }
    if let (Some(one), Some(other)) = (&of_token, &of_email)
        && one.local_id != other.local_id
    {
        return Err(Error::EmailExists);
    }
    let is_own = of_token.is_some();
    let known = of_token.or(of_email);
    let is_new = known.is_none();
    let mut account = match known {
        Some(account) => account,
        None => new_account(store, call, None)?,
    };
    if !call.emulator && !is_own && !is_new && account.email_verified != Some(true) {
        // Whoever set a password or linked a provider before had not shown that the email is theirs.
        account.close_other_ways_in(call.now);
        store.revoke_refresh_tokens(call.scope, &account.local_id, call.now / 1000 * 1000)?;
    }
    account.email = Some(email.clone());
    account.email_verified = Some(true);
    account.email_link_signin = Some(true);
    let entry = Entry {
        provider: PASSWORD,
        second_factors: true,
        is_new,
        told: Some(Told { method: "emailLink".to_owned(), ..Told::default() }),
        ..Entry::default()
    };
    let entered = enter(store, call, &policy, &mut account, entry)?;
    Ok(Answer::kind("identitytoolkit#EmailLinkSigninResponse")
        .with("email", email)
        .with("localId", account.local_id)
        .with("isNewUser", is_new)
        .with_entered(entered))
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{sign_up, update};
    use super::*;
    use crate::account::Account;
    use serde_json::{Value, json};

    fn code(house: &mut House, request_type: &str, email: &str) -> String {
        let body = json!({"requestType": request_type, "email": email, "returnOobLink": true});
        house.call(true, oob::send, body).unwrap().body["oobCode"].as_str().unwrap().to_owned()
    }

    fn run(house: &mut House, body: Value) -> Result<(String, bool), Error> {
        let answer = house.call(false, sign_in, body)?;
        Ok((answer.body["localId"].as_str().unwrap().to_owned(), answer.body["isNewUser"] == true))
    }

    #[test]
    fn complaints_have_an_order() {
        let mut house = House::new();
        let (id, token) = house.sign_up();
        house.call(true, sign_up::sign_up, json!({"localId": "taken", "email": "taken@b"})).unwrap();
        let [link, taken] = ["a@b", "taken@b"].map(|email| code(&mut house, "EMAIL_SIGNIN", email));
        let reset = code(&mut house, "PASSWORD_RESET", "taken@b");
        for (body, expected) in [
            (json!({"idToken": "x"}), Error::InvalidIdToken),
            (json!({"oobCode": link}), Error::MissingEmail),
            (json!({"email": "a@b"}), Error::MissingOobCode),
            (json!({"email": "a@b", "oobCode": "x"}), Error::InvalidOobCode),
            (json!({"email": "taken@b", "oobCode": reset}), Error::InvalidOobCode),
            (json!({"email": "x@b", "oobCode": link}), Error::OtherEmail),
            (json!({"email": "taken@b", "oobCode": taken, "idToken": token}), Error::EmailExists),
        ] {
            assert_eq!(run(&mut house, body.clone()), Err(expected), "{body}");
        }
        let link = code(&mut house, "EMAIL_SIGNIN", "new@b");
        assert_eq!(run(&mut house, json!({"email": "new@b", "oobCode": link, "idToken": token})), Ok((id, false)));
        house.call(true, update::update, json!({"localId": "taken", "disableUser": true})).unwrap();
        let link = code(&mut house, "EMAIL_SIGNIN", "taken@b");
        assert_eq!(run(&mut house, json!({"email": "taken@b", "oobCode": link})), Err(Error::UserDisabled));
    }

    #[test]
    fn a_link_makes_an_account_and_opens_it_again() {
        let mut house = House::new();
        let enter = |house: &mut House| {
            let link = code(house, "EMAIL_SIGNIN", "A@b");
            run(house, json!({"email": "a@B", "oobCode": link})).unwrap()
        };
        let (id, is_new) = enter(&mut house);
        assert!(is_new);
        assert_eq!(enter(&mut house), (id.clone(), false));
        let Account { email_verified, email_link_signin, provider_user_info, .. } = house.account(&id);
        assert_eq!((email_verified, email_link_signin), (Some(true), Some(true)));
        assert_eq!(provider_user_info.unwrap()[0].provider_id, PASSWORD);
    }

    #[test]
    fn whoever_took_an_email_before_its_owner_is_shut_out_of_a_server() {
        for (mut house, kept) in [(House::new(), true), (House::self_host(), false)] {
            let squat = json!({"localId": "u", "email": "a@b", "password": "attacker", "phoneNumber": "+1"});
            house.call(true, sign_up::sign_up, squat).unwrap();
            let link = code(&mut house, "EMAIL_SIGNIN", "a@b");
            assert_eq!(run(&mut house, json!({"email": "a@b", "oobCode": link})), Ok(("u".to_owned(), false)));
            let account = house.account("u");
            assert_eq!((account.secret().is_some(), account.phone_number.is_some()), (kept, kept));
        }
    }
}
