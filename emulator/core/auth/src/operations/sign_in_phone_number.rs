//! `accounts:signInWithPhoneNumber`.

use super::blocking::Told;
use super::entry::{Entry, enter};
use super::sign_up::new_account;
use super::{Answer, Call, given, phone, policy, second_factors, signed_in};
use crate::account::PHONE;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use serde::Deserialize;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("code", Kind::Text),
    ("idToken", Kind::Text),
    ("operation", Kind::Name(&["VERIFY_OP_UNSPECIFIED", "SIGN_UP_OR_IN", "REAUTH", "UPDATE", "LINK"])),
    ("phoneNumber", Kind::Text),
    ("sessionInfo", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("temporaryProof", Kind::Text),
    ("tenantId", Kind::Text),
    ("verificationProof", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    code: Option<String>,
    id_token: Option<String>,
    phone_number: Option<String>,
    session_info: Option<String>,
    temporary_proof: Option<String>,
}

/// Lets in whoever has got the text message, or gives the account of an ID token the phone number. If the number is
/// another account's, the answer is a proof with which its bearer may sign in there.
///
/// # Errors
/// As the official emulator; a server's codes also expire (`SESSION_EXPIRED`) and end after five wrong ones.
pub fn sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    if call.scope.tenant.is_some() {
        return Err(Error::UnsupportedTenantOperation);
    }
    let proof = given(&request.temporary_proof);
    let phone_number = match proof {
        Some(proof) => {
            let phone_number = given(&request.phone_number).ok_or(Error::MissingPhoneNumber)?;
            phone::check_proof(store, call, proof, phone_number)?;
            phone_number.to_owned()
        }
        None => {
            let session_info = given(&request.session_info).ok_or(Error::MissingSessionInfo)?;
            let code = given(&request.code).ok_or(Error::MissingCode)?;
            phone::verify(store, call, session_info, code)?
        }
    };
    let of_number = store.by_phone_number(call.scope, &phone_number)?;
    let of_token = given(&request.id_token).map(|token| signed_in(store, call, token)).transpose()?;
    let of_token = of_token.map(|(account, _)| account);
    if let (Some(one), Some(other)) = (&of_token, &of_number)
        && one.local_id != other.local_id
    {
        if proof.is_some() {
            return Err(Error::PhoneNumberExists);
        }
        let proof = phone::issue_proof(store, call, phone_number)?;
        return Ok(Answer::default()
            .with("phoneNumber", proof.phone_number)
            .with("temporaryProof", proof.temporary_proof)
            .with("temporaryProofExpiresIn", proof.temporary_proof_expires_in));
    }
    let known = of_token.or(of_number);
    let is_new = known.is_none();
    let mut account = match known {
        Some(account) if account.disabled == Some(true) => return Err(Error::UserDisabled),
        Some(account) if second_factors::has_any(&account) => return Err(Error::UnsupportedFirstFactor),
        Some(account) => account,
        None => new_account(store, call, None)?,
    };
    account.phone_number = Some(phone_number.clone());
    let entry = Entry {
        provider: PHONE,
        is_new,
        told: Some(Told { method: PHONE.to_owned(), ..Told::default() }),
        ..Entry::default()
    };
    let entered = enter(store, call, &policy, &mut account, entry)?;
    Ok(Answer::default()
        .with("isNewUser", is_new)
        .with("phoneNumber", phone_number)
        .with("localId", account.local_id)
        .with_entered(entered))
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{Message, update};
    use super::*;
    use serde_json::{Value, json};

    /// A session, and its digits.
    fn code(house: &mut House, number: &str) -> (String, String) {
        let answer = house.call(false, phone::send, json!({"phoneNumber": number})).unwrap();
        let session = answer.body["sessionInfo"].as_str().unwrap().to_owned();
        match answer.messages.as_slice() {
            [Message::Text { code, .. }] => (session, code.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn run(house: &mut House, body: Value) -> Result<Answer, Error> {
        house.call(false, sign_in, body)
    }

    fn enter(house: &mut House, number: &str) -> Answer {
        let (session, code) = code(house, number);
        run(house, json!({"sessionInfo": session, "code": code})).unwrap()
    }

    #[test]
    fn complaints_have_an_order() {
        let mut house = House::new();
        for number in ["", "15555550100"] {
            let result = house.call(false, phone::send, json!({"phoneNumber": number}));
            assert_eq!(result, Err(Error::InvalidPhoneNumber));
        }
        let (session, digits) = code(&mut house, "+1");
        assert_eq!((session.len(), digits.len()), (226, 6));
        for (body, expected) in [
            (json!({}), Error::MissingSessionInfo),
            (json!({"sessionInfo": session}), Error::MissingCode),
            (json!({"sessionInfo": "x", "code": digits}), Error::InvalidSessionInfo),
            (json!({"sessionInfo": session, "code": "x"}), Error::InvalidCode),
            (json!({"temporaryProof": "x"}), Error::MissingPhoneNumber),
            (json!({"temporaryProof": "x", "phoneNumber": "+1"}), Error::InvalidTemporaryProof),
        ] {
            assert_eq!(run(&mut house, body.clone()), Err(expected), "{body}");
        }
        house.scope.tenant = Some("t".to_owned());
        assert_eq!(run(&mut house, json!({})), Err(Error::UnsupportedTenantOperation));
    }

    #[test]
    fn a_number_makes_an_account_and_opens_it_again() {
        let mut house = House::new();
        let first = enter(&mut house, "+1");
        let again = enter(&mut house, "+1");
        assert_eq!((&first.body["isNewUser"], &again.body["isNewUser"]), (&json!(true), &json!(false)));
        assert_eq!(first.body["localId"], again.body["localId"]);
        let id = first.body["localId"].as_str().unwrap().to_owned();
        house.call(true, update::update, json!({"localId": id, "disableUser": true})).unwrap();
        let (session, digits) = code(&mut house, "+1");
        assert_eq!(run(&mut house, json!({"sessionInfo": session, "code": digits})), Err(Error::UserDisabled));
    }

    #[test]
    fn another_accounts_number_is_proven_and_not_taken() {
        let mut house = House::new();
        let owner = enter(&mut house, "+1").body["localId"].clone();
        let (_, token) = house.sign_up();
        let (session, digits) = code(&mut house, "+1");
        let proof = run(&mut house, json!({"sessionInfo": session, "code": digits, "idToken": token})).unwrap().body;
        assert_eq!(proof.keys().collect::<Vec<_>>(), ["phoneNumber", "temporaryProof", "temporaryProofExpiresIn"]);
        let with = |number: &str| json!({"phoneNumber": number, "temporaryProof": proof["temporaryProof"]});
        assert_eq!(run(&mut house, with("+2")), Err(Error::InvalidTemporaryProof));
        let mut linking = with("+1");
        linking["idToken"] = token.into();
        assert_eq!(run(&mut house, linking), Err(Error::PhoneNumberExists));
        assert_eq!(run(&mut house, with("+1")).unwrap().body["localId"], owner);
    }

    #[test]
    fn a_server_lets_nobody_guess() {
        let mut house = House::self_host();
        let (session, digits) = code(&mut house, "+1");
        let guess = json!({"sessionInfo": session, "code": "x"});
        for _ in 0..4 {
            assert_eq!(run(&mut house, guess.clone()), Err(Error::InvalidCode));
        }
        assert_eq!(run(&mut house, guess), Err(Error::TooManyAttempts));
        let right = json!({"sessionInfo": session, "code": digits});
        assert_eq!(run(&mut house, right), Err(Error::InvalidSessionInfo), "the code is gone");
        let (session, digits) = code(&mut house, "+1");
        house.now += 300_000;
        assert_eq!(run(&mut house, json!({"sessionInfo": session, "code": digits})), Err(Error::SessionExpired));
        house.delivers.texts = false;
        assert_eq!(house.call(false, phone::send, json!({"phoneNumber": "+1"})), Err(Error::NoSmsDelivery));
    }
}
