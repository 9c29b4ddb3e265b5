//! What an admin does with many accounts: `batchGet`, `batchDelete`, `query`, and the emulator's deletion of all.

use super::{Answer, Call, given, json, record};
use crate::Millis;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::{Accounts, Order, Store};
use serde::Deserialize;
use serde_json::{Value, json};

/// A page has so many accounts unless told otherwise.
const PAGE: usize = 20;
/// A page has at most so many accounts.
const LARGEST_PAGE: usize = 1000;
/// One call deletes at most so many accounts.
const LARGEST_BATCH: usize = 1000;

/// The shape of `batchGet`'s parameters.
pub const LIST_SCHEMA: Schema = &[("maxResults", Kind::Int64), ("nextPageToken", Kind::Text), ("tenantId", Kind::Text)];

/// The parameters of `batchGet`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct List {
    max_results: Option<String>,
    next_page_token: Option<String>,
}

/// A page of accounts in order of their ids. A negative `maxResults` asks for all, as exports do.
///
/// # Errors
/// The store failed.
pub fn list(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: List) -> Result<Answer, Error> {
    let wanted = request.max_results.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let limit = match usize::try_from(wanted) {
        Ok(0) => Some(PAGE),
        Ok(wanted) => Some(wanted.min(LARGEST_PAGE)),
        Err(_) => None,
    };
    let after = request.next_page_token.as_deref().filter(|token| !token.is_empty());
    let users = store.list(call.scope, after, limit, Order::Ascending)?;
    let next = users.last().filter(|_| Some(users.len()) == limit).map(|account| account.local_id.clone());
    Ok(Answer::kind("identitytoolkit#DownloadAccountResponse")
        .with("users", users.iter().map(json).collect::<Vec<Value>>())
        .with_some("nextPageToken", next))
}

/// The shape of `downloadAccount`, the former `batchGet`: the parameters are in the body, and so is the project.
pub const DOWNLOAD_SCHEMA: Schema = &[
    ("maxResults", Kind::Int64),
    ("nextPageToken", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request of `downloadAccount`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Download {
    target_project_id: Option<String>,
    #[serde(flatten)]
    list: List,
}

/// As [`list`].
///
/// # Errors
/// The request names no project.
pub fn download(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Download) -> Result<Answer, Error> {
    given(&request.target_project_id).ok_or(Error::InsufficientPermission)?;
    list(store, call, request.list)
}

/// The shape of a `batchDelete` request.
pub const BATCH_DELETE_SCHEMA: Schema =
    &[("force", Kind::Flag), ("localIds", Kind::List(&Kind::Text)), ("tenantId", Kind::Text)];

/// The request of `batchDelete`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchDelete {
    force: bool,
    local_ids: Vec<String>,
}

/// Deletes accounts; without `force` only disabled ones. Unknown ids are skipped.
///
/// # Errors
/// There are no ids, or more than 1000.
pub fn batch_delete(store: &mut dyn Store, call: &Call<'_>, request: BatchDelete) -> Result<Answer, Error> {
    if request.local_ids.is_empty() || request.local_ids.len() > LARGEST_BATCH {
        return Err(Error::LocalIdListExceedsLimit);
    }
    let mut errors = Vec::new();
    for (index, local_id) in request.local_ids.iter().enumerate() {
        match store.standing(call.scope, local_id)? {
            None => {}
            Some(standing) if standing.disabled || request.force => record::forget(store, call, local_id)?,
            Some(_) => errors.push(json!({
                "index": index,
                "localId": local_id,
                "message": "NOT_DISABLED : Disable the account before batch deletion.",
            })),
        }
    }
    Ok(Answer::default().with_some("errors", (!errors.is_empty()).then_some(errors)))
}

/// Deletes up to `limit` anonymous accounts last seen before `before`, those not seen for longest first; answers how many.
///
/// # Errors
/// The store failed.
pub fn delete_anonymous(store: &mut dyn Store, call: &Call<'_>, before: Millis, limit: usize) -> Result<usize, Error> {
    let idle = store.idle_anonymous(call.scope, before, limit)?;
    idle.iter().try_for_each(|local_id| record::forget(store, call, local_id))?;
    Ok(idle.len())
}

/// The shape of a `query` request.
pub const QUERY_SCHEMA: Schema = &[
    ("expression", Kind::List(&Kind::Object(EXPRESSION))),
    ("limit", Kind::Int64),
    ("offset", Kind::Int64),
    ("order", Kind::Name(&["ORDER_UNSPECIFIED", "ASC", "DESC"])),
    ("returnUserInfo", Kind::Flag),
    (
        "sortBy",
        Kind::Name(&["SORT_BY_FIELD_UNSPECIFIED", "USER_ID", "NAME", "CREATED_AT", "LAST_LOGIN_AT", "USER_EMAIL"]),
    ),
    ("tenantId", Kind::Text),
];

const EXPRESSION: Schema = &[("email", Kind::Text), ("phoneNumber", Kind::Text), ("userId", Kind::Text)];

/// The request of `query`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Query {
    expression: Vec<Value>,
    limit: Option<String>,
    offset: Option<String>,
    order: Option<String>,
    return_user_info: Option<bool>,
    sort_by: Option<String>,
}

/// Counts the accounts, or shows them all.
///
/// # Errors
/// As the official emulator, which knows no filters, limits or other orders.
pub fn query(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Query) -> Result<Answer, Error> {
    let absent = |what: &str| Err(Error::NotImplemented(format!("{what} is not implemented.")));
    if !request.expression.is_empty() {
        return absent("expression");
    }
    if request.return_user_info == Some(false) {
        return Ok(Answer::default().with("recordsCount", store.count(call.scope)?.to_string()));
    }
    if request.limit.is_some() {
        return absent("limit");
    }
    if request.offset.is_some_and(|offset| offset != "0") {
        return absent("offset");
    }
    match request.sort_by.as_deref() {
        None | Some("SORT_BY_FIELD_UNSPECIFIED" | "USER_ID") => {}
        Some(_) => {
            return Err(Error::NotImplemented("Only sorting by USER_ID is implemented.".to_owned()));
        }
    }
    let order = if request.order.as_deref() == Some("DESC") { Order::Descending } else { Order::Ascending };
    let users = store.list(call.scope, None, None, order)?;
    Ok(Answer::default()
        .with("recordsCount", users.len().to_string())
        .with("userInfo", users.iter().map(json).collect::<Vec<Value>>()))
}

/// A request that says nothing.
#[derive(Debug, Default, Deserialize)]
pub struct Nothing {}

/// Deletes every account of the project or tenant.
///
/// # Errors
/// The store failed.
pub fn delete_all(store: &mut dyn Store, call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    store.delete_all(call.scope)?;
    Ok(Answer::default())
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{sign_up, update};
    use super::*;

    fn house(ids: &[&str]) -> House {
        let mut house = House::new();
        for id in ids {
            house.call(true, sign_up::sign_up, json!({"localId": id})).unwrap();
        }
        house
    }

    fn ids(users: Option<&Value>) -> Vec<String> {
        let users = users.and_then(Value::as_array).into_iter().flatten();
        users.map(|user| user["localId"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn pages_follow_each_other() {
        let mut house = house(&["b", "a", "c"]);
        for (body, expected, next) in [
            (json!({}), &["a", "b", "c"][..], None),
            (json!({"maxResults": "2"}), &["a", "b"], Some("b")),
            (json!({"maxResults": "2", "nextPageToken": "b"}), &["c"], None),
            (json!({"maxResults": "3"}), &["a", "b", "c"], Some("c")),
            (json!({"nextPageToken": "c"}), &[], None),
            (json!({"maxResults": "-1"}), &["a", "b", "c"], None),
            (json!({"maxResults": "5000", "nextPageToken": ""}), &["a", "b", "c"], None),
        ] {
            let answer = house.call(true, |store, call, body| list(store, call, body), body.clone()).unwrap();
            assert_eq!(ids(answer.body.get("users")), expected, "{body}");
            assert_eq!(answer.body.get("nextPageToken").and_then(Value::as_str), next, "{body}");
        }
    }

    #[test]
    fn a_batch_deletes_disabled_accounts_or_forced_ones() {
        let mut house = house(&["a", "b", "c"]);
        house.call(true, update::update, json!({"localId": "b", "disableUser": true})).unwrap();
        let answer = house.call(true, batch_delete, json!({"localIds": ["a", "x", "b"]})).unwrap();
        let error = json!([{
            "index": 0, "localId": "a", "message": "NOT_DISABLED : Disable the account before batch deletion.",
        }]);
        assert_eq!(answer.body["errors"], error);
        let answer = house.call(true, batch_delete, json!({"localIds": ["a", "a"], "force": true})).unwrap();
        assert!(answer.body.is_empty());
        assert_eq!(house.store.count(&house.scope), Ok(1));
        for ids in [vec![], vec!["x"; 1001]] {
            let result = house.call(true, batch_delete, json!({"localIds": ids}));
            assert_eq!(result, Err(Error::LocalIdListExceedsLimit));
        }
    }

    #[test]
    fn a_query_counts_or_shows() {
        let mut house = house(&["b", "a"]);
        let run = |house: &mut House, body: Value| house.call(true, |store, call, body| query(store, call, body), body);
        let counted = run(&mut house, json!({"returnUserInfo": false, "limit": "1"})).unwrap();
        assert_eq!(Value::Object(counted.body), json!({"recordsCount": "2"}));
        for (body, expected) in
            [(json!({}), ["a", "b"]), (json!({"order": "DESC", "sortBy": "USER_ID", "offset": "0"}), ["b", "a"])]
        {
            let answer = run(&mut house, body).unwrap();
            assert_eq!(
                (ids(answer.body.get("userInfo")), &answer.body["recordsCount"]),
                (expected.map(str::to_owned).to_vec(), &json!("2"))
            );
        }
        for (body, message) in [
            (json!({"expression": [{}]}), "expression is not implemented."),
            (json!({"limit": "1"}), "limit is not implemented."),
            (json!({"offset": "1"}), "offset is not implemented."),
            (json!({"sortBy": "NAME"}), "Only sorting by USER_ID is implemented."),
        ] {
            assert_eq!(run(&mut house, body), Err(Error::NotImplemented(message.to_owned())));
        }
    }

    #[test]
    fn all_accounts_can_be_deleted_at_once() {
        let mut house = house(&["a", "b"]);
        assert_eq!(house.call(true, delete_all, json!({})), Ok(Answer::default()));
        assert_eq!(house.store.count(&house.scope), Ok(0));
    }
}
