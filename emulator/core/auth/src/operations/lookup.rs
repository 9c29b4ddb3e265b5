//! `accounts:lookup`: the account of an ID token, or for an admin any.

use super::{Answer, Call, given, json, signed_in};
use crate::account::Account;
use crate::errors::{Error, StoreError};
use crate::schema::{Kind, Schema};
use crate::store::Accounts;
use serde::Deserialize;
use serde_json::Value;

const TEXTS: Kind = Kind::List(&Kind::Text);

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("delegatedProjectNumber", Kind::Int64),
    ("email", TEXTS),
    ("federatedUserId", Kind::List(&Kind::Object(&[("providerId", Kind::Text), ("rawId", Kind::Text)]))),
    ("idToken", Kind::Text),
    ("initialEmail", TEXTS),
    ("localId", TEXTS),
    ("phoneNumber", TEXTS),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    email: Vec<String>,
    federated_user_id: Vec<FederatedUserId>,
    id_token: Option<String>,
    initial_email: Option<Vec<String>>,
    local_id: Vec<String>,
    phone_number: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FederatedUserId {
    provider_id: Option<String>,
    raw_id: Option<String>,
}

/// Finds accounts, each once. The answer has no `users` if there are none, as Admin SDKs want it.
///
/// # Errors
/// As the official emulator.
pub fn lookup(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let users = if call.privileged {
        if request.initial_email.is_some() {
            return Err(Error::NotImplemented("Lookup by initialEmail is not implemented.".to_owned()));
        }
        find(store, call, &request)?
    } else {
        let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
        let account = signed_in(store, call, id_token)?.0;
        // Whoever got hold of a token need not get hold of a hash. The emulator's is no secret.
        vec![if call.emulator { account } else { Account { password_hash: None, salt: None, ..account } }]
    };
    let users = (!users.is_empty()).then(|| users.iter().map(json).collect::<Vec<Value>>());
    Ok(Answer::kind("identitytoolkit#GetAccountInfoResponse").with_some("users", users))
}

fn find(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: &Request) -> Result<Vec<Account>, StoreError> {
    let mut seen = std::collections::HashSet::new();
    let mut users = Vec::new();
    let mut add = |found: Option<Account>| {
        users.extend(found.filter(|account| seen.insert(account.local_id.clone())));
    };
    for local_id in &request.local_id {
        add(store.by_local_id(call.scope, local_id)?);
    }
    for email in &request.email {
        add(store.by_email(call.scope, &email.to_lowercase())?);
    }
    for phone_number in &request.phone_number {
        add(store.by_phone_number(call.scope, phone_number)?);
    }
    for FederatedUserId { provider_id, raw_id } in &request.federated_user_id {
        if let (Some(provider_id), Some(raw_id)) = (given(provider_id), given(raw_id)) {
            add(store.by_provider(call.scope, provider_id, raw_id)?);
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{sign_up, update};
    use super::*;
    use crate::store::Store;
    use serde_json::json;

    fn run(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
        lookup(store, call, request)
    }

    fn ids(answer: &Answer) -> Vec<&str> {
        let users = answer.body.get("users").and_then(Value::as_array);
        users.into_iter().flatten().map(|user| user["localId"].as_str().unwrap()).collect()
    }

    #[test]
    fn an_admin_finds_each_account_once_in_order() {
        let mut house = House::new();
        for (id, email, phone) in [("a", "a@x", "+1"), ("b", "b@x", "+2"), ("c", "c@x", "+3")] {
            house.call(true, sign_up::sign_up, json!({"localId": id, "email": email, "phoneNumber": phone})).unwrap();
        }
        let link = json!({"localId": "c", "linkProviderUserInfo": {"providerId": "google.com", "rawId": "g"}});
        house.call(true, update::update, link).unwrap();
        for (body, expected) in [
            (json!({}), &[][..]),
            (json!({"localId": ["x"]}), &[]),
            (json!({"localId": ["b", "b", "a"]}), &["b", "a"]),
            (json!({"email": ["B@X"], "localId": ["a"], "phoneNumber": ["+1", "+3"]}), &["a", "b", "c"]),
            (json!({"federatedUserId": [{"providerId": "google.com", "rawId": "g"}, {"rawId": "g"}]}), &["c"]),
            (json!({"federatedUserId": [{"providerId": "phone", "rawId": "+2"}]}), &["b"]),
        ] {
            let answer = house.call(true, run, body.clone()).unwrap();
            assert_eq!(ids(&answer), expected, "{body}");
            assert_eq!(answer.body.contains_key("users"), !expected.is_empty(), "{body}");
        }
        let initial = house.call(true, run, json!({"initialEmail": []}));
        assert_eq!(initial, Err(Error::NotImplemented("Lookup by initialEmail is not implemented.".to_owned())));
    }

    #[test]
    fn users_see_themselves_while_their_token_is_good() {
        let mut house = House::new();
        let (id, token) = house.sign_up();
        let check = |house: &mut House, token: &str, expected: Result<&[&str], Error>| {
            let result = house.call(false, run, json!({"idToken": token, "localId": ["other"]}));
            assert_eq!(result.as_ref().map(ids), expected.as_ref().map(|ids| ids.to_vec()));
        };
        check(&mut house, &token, Ok(&[&id]));
        check(&mut house, "", Err(Error::MissingIdToken));
        check(&mut house, "x", Err(Error::InvalidIdToken));
        for (claims, expected) in [
            (json!({"user_id": "x", "firebase": {}}), Error::UserNotFound),
            (json!({"sub": id, "firebase": {}}), Error::UserNotFound),
            (json!({"user_id": id}), Error::InvalidIdToken),
            (json!({"user_id": id, "firebase": {"tenant": "t"}}), Error::TenantIdMismatch),
        ] {
            let token = house.forge(claims);
            check(&mut house, &token, Err(expected));
        }
        house.call(true, update::update, json!({"localId": id, "disableUser": true})).unwrap();
        check(&mut house, &token, Err(Error::UserDisabled));
        house.call(true, update::update, json!({"localId": id, "validSince": "1893456001"})).unwrap();
        check(&mut house, &token, Err(Error::TokenExpired));
    }
}
