//! The users and their groups, as the database keeps them: `users/{name}` → `{username, group, created}` and
//! `groups/{group}/{name}` → the name. Names in paths are escaped.

use crate::key::escaped;
use crate::ports::{DatabaseError, Transaction};
use serde_json::{Value, json};

/// The group of those of whom nobody says otherwise.
pub(super) const DEFAULT_GROUP: &str = "default";

/// A user's group; none if there is no such user.
pub(super) fn group(transaction: &dyn Transaction, name: &str) -> Option<String> {
    let group = transaction.get(&format!("users/{}/group", escaped(name)));
    group.as_str().map(str::to_owned)
}

/// Creates a user; whether there was none of that name.
pub(super) fn create(transaction: &mut dyn Transaction, name: &str, to: &str) -> Result<bool, DatabaseError> {
    if group(transaction, name).is_some() {
        return Ok(false);
    }
    put(transaction, name, to)?;
    Ok(true)
}

/// A user who shows up: is created if unknown, and moves if he `claims` another group. His group.
pub(super) fn admit(
    transaction: &mut dyn Transaction,
    name: &str,
    claims: Option<&str>,
) -> Result<String, DatabaseError> {
    let known = group(transaction, name);
    match (known, claims) {
        (Some(known), None) => Ok(known),
        (Some(known), Some(claimed)) if known == claimed => Ok(known),
        (known, claimed) => {
            let claimed = claimed.unwrap_or(DEFAULT_GROUP);
            if let Some(known) = known {
                transaction.set(&member(&known, name), Value::Null)?;
            }
            put(transaction, name, claimed)?;
            Ok(claimed.to_owned())
        }
    }
}

/// Up to `limit` members of a group, those after the key `after`: keys and names.
pub(super) fn members(
    transaction: &dyn Transaction,
    group: &str,
    after: Option<&str>,
    limit: usize,
) -> Vec<(String, String)> {
    let children = transaction.children(&format!("groups/{}", escaped(group)), after, limit);
    children.into_iter().filter_map(|(key, name)| Some((key, name.as_str()?.to_owned()))).collect()
}

/// Whether somebody of `group` may know of `other`: a user, and of the same group unless groups do not matter.
pub(super) fn may_know(transaction: &dyn Transaction, group: &str, other: &str, across_groups: bool) -> bool {
    self::group(transaction, other).is_some_and(|others| across_groups || others == group)
}

fn member(group: &str, name: &str) -> String {
    format!("groups/{}/{}", escaped(group), escaped(name))
}

fn put(transaction: &mut dyn Transaction, name: &str, group: &str) -> Result<(), DatabaseError> {
    let user = json!({"username": name, "group": group, "created": transaction.now()});
    transaction.set(&format!("users/{}", escaped(name)), user)?;
    transaction.set(&member(group, name), json!(name))
}
