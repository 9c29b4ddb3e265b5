//! Configurations of identity providers: created, read, listed, changed and deleted by admins, for a project and each of
//! its tenants. Must not know: what the fields of a configuration mean.

use super::tenants::only_admins;
use super::{Answer, Call, json, mask};
use crate::errors::Error;
use crate::idp_config::IdpConfig;
use crate::schema::{Kind, Schema};
use crate::store::{Accounts, Scope, Store};
use serde::Deserialize;
use serde_json::Value;

/// A page has so many configurations unless told otherwise.
const PAGE: usize = 20;
/// A page has at most so many configurations.
const LARGEST_PAGE: usize = 100;

/// The shape of a list's parameters.
pub const LIST_SCHEMA: Schema = &[("pageSize", Kind::Int64), ("pageToken", Kind::Text)];

/// The parameters of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct List {
    page_size: Option<String>,
    page_token: Option<String>,
}

/// Which one is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Named {
    config_id: String,
}

/// Creates the configuration that [`IdpConfig::ID_PARAMETER`] names.
///
/// # Errors
/// The caller is no admin, the id or a field cannot be, or there is one with the id.
pub fn create<C: IdpConfig>(store: &mut dyn Store, call: &Call<'_>, request: Value) -> Result<Answer, Error> {
    only_admins(call)?;
    let id = request.get(C::ID_PARAMETER).and_then(Value::as_str).unwrap_or_default().to_owned();
    if id.is_empty() {
        return Err(Error::MissingConfigId);
    }
    C::check_id(&id)?;
    let config: C = checked(request)?;
    if store.idp_config(call.scope, C::KIND, &id)?.is_some() {
        return Err(Error::ConfigurationExists);
    }
    let value = json(&config);
    store.put_idp_config(call.scope, C::KIND, &id, &value)?;
    Ok(Answer { body: shown::<C>(call.scope, &id, value), ..Answer::default() })
}

/// One configuration.
///
/// # Errors
/// The caller is no admin, or there is none.
pub fn get<C: IdpConfig>(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Named) -> Result<Answer, Error> {
    only_admins(call)?;
    let value = known::<C>(store, call.scope, &request.config_id)?;
    Ok(Answer { body: shown::<C>(call.scope, &request.config_id, value), ..Answer::default() })
}

/// A page of configurations in order of their ids.
///
/// # Errors
/// The caller is no admin, or the page's size is negative.
pub fn list<C: IdpConfig>(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: List) -> Result<Answer, Error> {
    only_admins(call)?;
    let wanted = request.page_size.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let limit = match usize::try_from(wanted) {
        Ok(0) => PAGE,
        Ok(wanted) => wanted.min(LARGEST_PAGE),
        Err(_) => return Err(Error::InvalidPageSelection),
    };
    let after = request.page_token.as_deref().filter(|token| !token.is_empty());
    // One more shows whether there is another page.
    let mut found = store.idp_configs(call.scope, C::KIND, after, limit + 1)?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|(id, _)| id.clone());
    let configs = found.into_iter().map(|(id, value)| Value::Object(shown::<C>(call.scope, &id, value)));
    Ok(Answer::default().with(C::KIND.collection(), configs.collect::<Vec<_>>()).with_some("nextPageToken", next))
}

/// Changes what `updateMask` names; without one, everything, and what the request does not say is taken away.
///
/// # Errors
/// The caller is no admin, there is none, or a field cannot be.
pub fn update<C: IdpConfig>(store: &mut dyn Store, call: &Call<'_>, request: Value) -> Result<Answer, Error> {
    only_admins(call)?;
    let id = request.get("configId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut settings = known::<C>(store, call.scope, &id)?;
    let wanted = request.get("updateMask").and_then(Value::as_str).filter(|mask| !mask.is_empty());
    let config: C = match wanted {
        None => checked(request)?,
        Some(mask) => {
            mask::replace(mask, &mut settings, &request);
            checked(settings)?
        }
    };
    let value = json(&config);
    store.put_idp_config(call.scope, C::KIND, &id, &value)?;
    Ok(Answer { body: shown::<C>(call.scope, &id, value), ..Answer::default() })
}

/// Deletes a configuration. Accounts that have signed in by it stay.
///
/// # Errors
/// The caller is no admin, or there is none.
pub fn delete<C: IdpConfig>(store: &mut dyn Store, call: &Call<'_>, request: Named) -> Result<Answer, Error> {
    only_admins(call)?;
    known::<C>(store, call.scope, &request.config_id)?;
    store.delete_idp_config(call.scope, C::KIND, &request.config_id)?;
    Ok(Answer::default())
}

fn known<C: IdpConfig>(store: &(impl Accounts + ?Sized), scope: &Scope, id: &str) -> Result<Value, Error> {
    store.idp_config(scope, C::KIND, id)?.ok_or(Error::ConfigurationNotFound)
}

/// The fields of a request as a configuration. `null` says that there is nothing, as everywhere in Google's JSON.
fn checked<C: IdpConfig>(mut fields: Value) -> Result<C, Error> {
    drop_nulls(&mut fields);
    let config: C = serde_json::from_value(fields).map_err(|error| Error::InvalidPayload(error.to_string()))?;
    config.check()?;
    Ok(config)
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

/// As admins see it: with its name as a resource.
fn shown<C: IdpConfig>(scope: &Scope, id: &str, value: Value) -> serde_json::Map<String, Value> {
    let tenant = scope.tenant.as_ref().map(|tenant| format!("/tenants/{tenant}")).unwrap_or_default();
    let name = format!("projects/{}{tenant}/{}/{id}", scope.project, C::KIND.collection());
    let mut body = Answer::default().with("name", name).body;
    if let Value::Object(fields) = value {
        body.extend(fields);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::*;
    use crate::idp_config::{DefaultSupportedIdpConfig, InboundSamlConfig, OauthIdpConfig};
    use crate::operations::tenants;
    use serde_json::json;

    fn body(result: Result<Answer, Error>) -> Result<Value, Error> {
        result.map(|answer| Value::Object(answer.body))
    }

    fn make(house: &mut House, id: &str) -> Result<Value, Error> {
        let request = json!({"oauthIdpConfigId": id, "clientId": "c", "issuer": "https://a.b", "name": "x"});
        body(house.call(true, create::<OauthIdpConfig>, request))
    }

    fn read(house: &mut House, id: &str) -> Result<Value, Error> {
        body(house.call(true, |store, call, body| get::<OauthIdpConfig>(store, call, body), json!({"configId": id})))
    }

    #[test]
    fn what_is_created_is_there_until_it_is_deleted() {
        let mut house = House::new();
        let config = json!({"name": "projects/demo/oauthIdpConfigs/oidc.a", "clientId": "c", "issuer": "https://a.b"});
        assert_eq!(read(&mut house, "oidc.a"), Err(Error::ConfigurationNotFound));
        assert_eq!(make(&mut house, "oidc.a"), Ok(config.clone()));
        assert_eq!(make(&mut house, "oidc.a"), Err(Error::ConfigurationExists));
        assert_eq!(read(&mut house, "oidc.a"), Ok(config));
        let delete =
            |house: &mut House| body(house.call(true, delete::<OauthIdpConfig>, json!({"configId": "oidc.a"})));
        assert_eq!(delete(&mut house), Ok(json!({})));
        assert_eq!(delete(&mut house), Err(Error::ConfigurationNotFound));
        for (id, expected) in [("", Error::MissingConfigId), ("saml.a", Error::InvalidConfigId("oidc."))] {
            assert_eq!(make(&mut house, id), Err(expected));
        }
    }

    #[test]
    fn each_tenant_has_its_own() {
        let mut house = House::new();
        make(&mut house, "oidc.a").unwrap();
        let tenant = house.call(true, tenants::create, json!({})).unwrap().body;
        house.scope.tenant = tenant["tenantId"].as_str().map(str::to_owned);
        assert_eq!(read(&mut house, "oidc.a"), Err(Error::ConfigurationNotFound));
        let name = format!("projects/demo/tenants/{}/oauthIdpConfigs/oidc.a", tenant["tenantId"].as_str().unwrap());
        assert_eq!(make(&mut house, "oidc.a").unwrap()["name"], name);
        house.call(true, |store, call, body| tenants::delete(store, call, body), json!({})).unwrap();
        assert_eq!(read(&mut house, "oidc.a"), Err(Error::ConfigurationNotFound), "with its tenant");
        house.scope.tenant = None;
        assert!(read(&mut house, "oidc.a").is_ok());
    }

    #[test]
    fn a_change_is_whole_or_masked() {
        let mut house = House::new();
        make(&mut house, "oidc.a").unwrap();
        let mut change = |request: Value| {
            let mut request = request;
            request["configId"] = "oidc.a".into();
            body(house.call(true, update::<OauthIdpConfig>, request)).map(|mut config| {
                config.as_object_mut().unwrap().shift_remove("name");
                config
            })
        };
        let masked = json!({
            "updateMask": "displayName,enabled,clientSecret,responseType.idToken,responseType.code", "displayName": "N",
            "enabled": true, "clientSecret": "s", "responseType": {"idToken": false, "code": true}, "clientId": "other",
        });
        let all = json!({
            "clientId": "c", "issuer": "https://a.b", "displayName": "N", "enabled": true, "clientSecret": "s",
            "responseType": {"code": true},
        });
        assert_eq!(change(masked), Ok(all));
        let gone = json!({"updateMask": "displayName,enabled,clientSecret,responseType", "displayName": null});
        assert_eq!(change(gone), Ok(json!({"clientId": "c", "issuer": "https://a.b"})));
        let other = json!({"clientId": "d", "issuer": "https://e.f"});
        assert_eq!(change(other.clone()), Ok(other.clone()));
        assert_eq!(
            change(json!({"updateMask": "issuer", "issuer": "x"})).unwrap_err().to_string().split(' ').next(),
            Some("INVALID_CONFIG")
        );
        assert_eq!(change(json!({"updateMask": "issuer.x,name,,clientId.y"})), Ok(other), "nothing of it is there");
        let unknown = house.call(true, update::<InboundSamlConfig>, json!({"configId": "oidc.a"}));
        assert_eq!(body(unknown), Err(Error::ConfigurationNotFound));
    }

    #[test]
    fn pages_end() {
        let mut house = House::new();
        for id in ["oidc.c", "oidc.a", "oidc.b"] {
            make(&mut house, id).unwrap();
        }
        let mut page = |request: Value| {
            let got = house.call(true, |store, call, body| list::<OauthIdpConfig>(store, call, body), request)?;
            let configs = got.body["oauthIdpConfigs"].as_array().unwrap().iter();
            let ids: Vec<_> =
                configs.map(|one| one["name"].as_str().unwrap().rsplit('.').next().unwrap().to_owned()).collect();
            Ok((ids.concat(), got.body.get("nextPageToken").cloned()))
        };
        assert_eq!(page(json!({})), Ok(("abc".to_owned(), None)));
        assert_eq!(page(json!({"pageSize": "2"})), Ok(("ab".to_owned(), Some(json!("oidc.b")))));
        assert_eq!(page(json!({"pageSize": "2", "pageToken": "oidc.b"})), Ok(("c".to_owned(), None)));
        assert_eq!(page(json!({"pageSize": "3", "pageToken": ""})), Ok(("abc".to_owned(), None)));
        assert_eq!(page(json!({"pageSize": "-1"})), Err(Error::InvalidPageSelection));
        let none =
            house.call(true, |store, call, body| list::<DefaultSupportedIdpConfig>(store, call, body), json!({}));
        assert_eq!(body(none), Ok(json!({"defaultSupportedIdpConfigs": []})));
    }

    #[test]
    fn only_admins_see_secrets() {
        let mut house = House::new();
        make(&mut house, "oidc.a").unwrap();
        let named = json!({"configId": "oidc.a"});
        for result in [
            house.call(false, create::<OauthIdpConfig>, json!({"oauthIdpConfigId": "oidc.b"})),
            house.call(false, |store, call, body| get::<OauthIdpConfig>(store, call, body), named.clone()),
            house.call(false, |store, call, body| list::<OauthIdpConfig>(store, call, body), json!({})),
            house.call(false, update::<OauthIdpConfig>, named.clone()),
            house.call(false, delete::<OauthIdpConfig>, named),
        ] {
            assert_eq!(result, Err(Error::InsufficientPermission));
        }
    }
}
