//! A project's tenants: created, read, listed, changed and deleted by admins; and whether a tenant may be named at all.

use super::bulk::Nothing;
use super::{Answer, Call, json, mask, password_policy};
use crate::entropy::alphanumeric;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::settings::{Tenant, name};
use crate::store::{Accounts, Scope, Store};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A page has so many tenants unless told otherwise.
const PAGE: usize = 20;
/// A page has at most so many tenants.
const LARGEST_PAGE: usize = 1000;
/// Characters of an id that is drawn.
const ID: usize = 28;

/// The shape of a list's parameters.
pub const LIST_SCHEMA: Schema = &[("pageSize", Kind::Int64), ("pageToken", Kind::Text)];

/// The parameters of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct List {
    page_size: Option<String>,
    page_token: Option<String>,
}

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It names no tenant, or one that there is.
    Known,
    /// It names a tenant that springs up by being named, as an emulator has it.
    SpringsUp,
}

/// Whether the tenant of the scope may be named. With `uses` the request does something with its accounts.
///
/// # Errors
/// There is no such tenant, or it is disabled.
pub fn admit(
    store: &(impl Accounts + ?Sized),
    scope: &Scope,
    emulator: bool,
    privileged: bool,
    uses: bool,
) -> Result<Admission, Error> {
    let Some(id) = &scope.tenant else { return Ok(Admission::Known) };
    match store.tenant(&scope.project, id)? {
        Some(tenant) if tenant.disable_auth && uses => Err(Error::ProjectDisabled),
        Some(_) => Ok(Admission::Known),
        None if emulator => Ok(Admission::SpringsUp),
        None if privileged => Err(Error::TenantNotFound),
        None => Err(Error::InvalidTenantId),
    }
}

/// Keeps a tenant that springs up.
///
/// # Errors
/// The store failed.
pub fn spring_up(store: &mut dyn Store, scope: &Scope) -> Result<(), Error> {
    let Some(id) = &scope.tenant else { return Ok(()) };
    if store.tenant(&scope.project, id)?.is_none() {
        store.put_tenant(&scope.project, &Tenant::made_up(&scope.project, id))?;
    }
    Ok(())
}

/// Creates a tenant with an id of its own; what the request does not allow is not allowed.
///
/// # Errors
/// The caller is no admin, or the store failed.
pub fn create(store: &mut dyn Store, call: &Call<'_>, request: Value) -> Result<Answer, Error> {
    only_admins(call)?;
    let project = &call.scope.project;
    let mut tenant_id = alphanumeric(call.entropy, ID);
    while store.tenant(project, &tenant_id)?.is_some() {
        tenant_id = alphanumeric(call.entropy, ID);
    }
    let tenant = Tenant { name: name(project, &tenant_id), tenant_id, ..typed(request)? };
    password_policy::check_config(tenant.password_policy_config.as_ref())?;
    store.put_tenant(project, &tenant)?;
    Ok(answer(&tenant))
}

/// A tenant's settings.
///
/// # Errors
/// The caller is no admin, or there is no such tenant.
pub fn get(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    only_admins(call)?;
    Ok(answer(&named(store, call)?))
}

/// A page of tenants in order of their ids.
///
/// # Errors
/// The caller is no admin, or the store failed.
pub fn list(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: List) -> Result<Answer, Error> {
    only_admins(call)?;
    let wanted = request.page_size.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let limit = match usize::try_from(wanted) {
        Ok(0) => Some(PAGE),
        Ok(wanted) => Some(wanted.min(LARGEST_PAGE)),
        Err(_) => None,
    };
    let after = request.page_token.as_deref().filter(|token| !token.is_empty());
    let tenants = store.tenants(&call.scope.project, after, limit)?;
    let next = tenants.last().filter(|_| Some(tenants.len()) == limit).map(|tenant| tenant.tenant_id.clone());
    Ok(Answer::default()
        .with("tenants", tenants.iter().map(json).collect::<Vec<Value>>())
        .with_some("nextPageToken", next))
}

/// Changes what `updateMask` names; without one, everything, and what the request does not say is put back.
///
/// # Errors
/// The caller is no admin, or there is no such tenant.
pub fn update(store: &mut dyn Store, call: &Call<'_>, mut request: Value) -> Result<Answer, Error> {
    only_admins(call)?;
    let known = named(store, call)?;
    let wanted = request.as_object_mut().and_then(|fields| fields.shift_remove("updateMask"));
    let changed = match wanted.as_ref().and_then(Value::as_str).filter(|mask| !mask.is_empty()) {
        None => typed(request)?,
        Some(mask) => {
            let mut settings = json(&known);
            mask::apply(mask, &mut settings, &request);
            typed(settings)?
        }
    };
    let tenant = Tenant { name: known.name, tenant_id: known.tenant_id, ..changed };
    password_policy::check_config(tenant.password_policy_config.as_ref())?;
    store.put_tenant(&call.scope.project, &tenant)?;
    Ok(answer(&tenant))
}

/// Deletes a tenant, its accounts and its identity providers.
///
/// # Errors
/// The caller is no admin, or there is no such tenant.
pub fn delete(store: &mut dyn Store, call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    only_admins(call)?;
    let tenant = named(store, call)?;
    store.delete_all(call.scope)?;
    store.delete_idp_configs(call.scope)?;
    store.delete_tenant(&call.scope.project, &tenant.tenant_id)?;
    Ok(Answer::default())
}

/// Lets admins on.
pub(super) fn only_admins(call: &Call<'_>) -> Result<(), Error> {
    if call.privileged { Ok(()) } else { Err(Error::InsufficientPermission) }
}

fn named(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Tenant, Error> {
    let id = call.scope.tenant.as_deref().ok_or(Error::TenantNotFound)?;
    store.tenant(&call.scope.project, id)?.ok_or(Error::TenantNotFound)
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::InvalidPayload(error.to_string()))
}

fn answer(tenant: &Tenant) -> Answer {
    Answer { body: json(tenant).as_object().cloned().unwrap_or_default(), ..Answer::default() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::*;
    use serde_json::json;

    fn create_one(house: &mut House, body: Value) -> Value {
        Value::Object(house.call(true, create, body).unwrap().body)
    }

    #[test]
    fn what_is_not_allowed_is_not() {
        let mut house = House::new();
        let tenant = create_one(&mut house, json!({"displayName": "N", "tenantId": "mine", "name": "x"}));
        let id = tenant["tenantId"].as_str().unwrap();
        assert_eq!(id.len(), 28);
        assert_eq!(
            tenant,
            json!({
                "name": format!("projects/demo/tenants/{id}"), "tenantId": id, "displayName": "N",
                "allowPasswordSignup": false, "enableEmailLinkSignin": false, "enableAnonymousUser": false,
                "disableAuth": false, "mfaConfig": {"state": "DISABLED", "enabledProviders": []},
            })
        );
        assert_eq!(house.call(false, create, json!({})), Err(Error::InsufficientPermission));
    }

    #[test]
    fn a_change_is_whole_or_masked() {
        let mut house = House::new();
        let tenant = create_one(&mut house, json!({"displayName": "N", "mfaConfig": {"state": "ENABLED"}}));
        house.scope.tenant = tenant["tenantId"].as_str().map(str::to_owned);
        let change = |house: &mut House, body: Value| Value::Object(house.call(true, update, body).unwrap().body);
        let masked = json!({
            "updateMask": "allowPasswordSignup,mfaConfig.enabledProviders,tenantId", "allowPasswordSignup": true,
            "displayName": "M", "mfaConfig": {"enabledProviders": ["PHONE_SMS"]}, "tenantId": "other",
        });
        let got = change(&mut house, masked);
        assert_eq!(got["mfaConfig"], json!({"state": "ENABLED", "enabledProviders": ["PHONE_SMS"]}));
        assert_eq!((&got["allowPasswordSignup"], &got["displayName"]), (&json!(true), &json!("N")));
        assert_eq!(got["tenantId"], tenant["tenantId"]);
        let got = change(&mut house, json!({"displayName": "M"}));
        assert_eq!((&got["allowPasswordSignup"], &got["displayName"]), (&json!(false), &json!("M")));
    }

    #[test]
    fn pages_end() {
        let mut house = House::new();
        let mut ids: Vec<_> = (0..3).map(|_| create_one(&mut house, json!({}))["tenantId"].clone()).collect();
        ids.sort_by_key(|id| id.as_str().unwrap().to_owned());
        let page = |house: &mut House, body: Value| {
            let answer = house.call(true, |store, call, body| list(store, call, body), body).unwrap();
            let ids: Vec<_> =
                answer.body["tenants"].as_array().unwrap().iter().map(|t| t["tenantId"].clone()).collect();
            (ids, answer.body.get("nextPageToken").cloned())
        };
        assert_eq!(page(&mut house, json!({"pageSize": "2"})), (ids[..2].to_vec(), Some(ids[1].clone())));
        assert_eq!(page(&mut house, json!({"pageToken": ids[1]})), (ids[2..].to_vec(), None));
        assert_eq!(page(&mut house, json!({"pageSize": "-1"})), (ids.clone(), None));
        assert_eq!(page(&mut house, json!({"pageSize": "3"})), (ids.clone(), Some(ids[2].clone())));
    }

    #[test]
    fn a_tenant_is_there_or_springs_up_or_is_refused() {
        let mut house = House::new();
        let tenant = create_one(&mut house, json!({"disableAuth": true}));
        let scope = |tenant: &str| Scope { tenant: Some(tenant.to_owned()), ..Scope::project("demo") };
        let disabled = scope(tenant["tenantId"].as_str().unwrap());
        for (scope, emulator, privileged, uses, expected) in [
            (Scope::project("demo"), false, false, true, Ok(Admission::Known)),
            (disabled.clone(), true, true, true, Err(Error::ProjectDisabled)),
            (disabled, true, true, false, Ok(Admission::Known)),
            (scope("new"), true, false, true, Ok(Admission::SpringsUp)),
            (scope("new"), false, true, true, Err(Error::TenantNotFound)),
            (scope("new"), false, false, true, Err(Error::InvalidTenantId)),
        ] {
            assert_eq!(admit(&house.store, &scope, emulator, privileged, uses), expected, "{scope:?}");
        }
        spring_up(&mut house.store, &scope("new")).unwrap();
        assert_eq!(admit(&house.store, &scope("new"), false, false, true), Ok(Admission::Known));
        house.scope = scope("new");
        house.sign_up();
        house.call(true, |store, call, body| delete(store, call, body), json!({})).unwrap();
        assert_eq!((house.store.tenant("demo", "new"), house.store.count(&house.scope)), (Ok(None), Ok(0)));
    }
}
