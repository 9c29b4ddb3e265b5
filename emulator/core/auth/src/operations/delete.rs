//! `accounts:delete`: one's own account, or for an admin any.

use super::{Answer, Call, given, record, signed_in};
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use serde::Deserialize;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("delegatedProjectNumber", Kind::Int64),
    ("idToken", Kind::Text),
    ("localId", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    id_token: Option<String>,
    local_id: Option<String>,
}

/// Deletes an account.
///
/// # Errors
/// As the official emulator.
pub fn delete(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let account = if call.privileged {
        let local_id = given(&request.local_id).ok_or(Error::MissingLocalId)?;
        store.by_local_id(call.scope, local_id)?.ok_or(Error::UserNotFound)?
    } else {
        let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
        signed_in(store, call, id_token)?.0
    };
    record::forget(store, call, &account.local_id)?;
    Ok(Answer::kind("identitytoolkit#DeleteAccountResponse"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::*;
    use crate::store::Accounts;
    use serde_json::json;

    #[test]
    fn whose_account_is_deleted() {
        let mut house = House::new();
        let (one, two) = (house.sign_up(), house.sign_up());
        for (privileged, body, expected) in [
            (false, json!({"localId": two.0}), Err(Error::MissingIdToken)),
            (false, json!({"idToken": "x"}), Err(Error::InvalidIdToken)),
            (false, json!({"idToken": one.1, "localId": two.0}), Ok(1)),
            (false, json!({"idToken": one.1}), Err(Error::UserNotFound)),
            (true, json!({"idToken": two.1}), Err(Error::MissingLocalId)),
            (true, json!({"localId": one.0}), Err(Error::UserNotFound)),
            (true, json!({"localId": two.0}), Ok(0)),
        ] {
            let result = house.call(privileged, delete, body.clone());
            let left = result.map(|_| house.store.count(&house.scope).unwrap());
            assert_eq!(left, expected, "{body}");
        }
    }
}
