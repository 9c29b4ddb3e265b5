//! For whom passkeys are: `passkeyConfig` of a project or a tenant, as the Identity Toolkit's v2 API has it, and where it
//! says nothing the server's own setting. Must not know: how passkeys are verified.

use super::super::bulk::Nothing;
use super::super::tenants::only_admins;
use super::super::{Answer, Call, mask};
use crate::errors::{Error, StoreError};
use crate::passkey::{RelyingParty, Unusable};
use crate::schema::{Kind, Schema};
use crate::settings;
use crate::store::{Accounts, Scope, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The shape of a change.
pub const SCHEMA: Schema =
    &[("expectedOrigins", Kind::List(&Kind::Text)), ("rpId", Kind::Text), ("updateMask", Kind::Text)];

/// What admins have settled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PasskeyConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    rp_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expected_origins: Vec<String>,
}

/// `GET …/passkeyConfig`: what holds, whoever has settled it.
///
/// # Errors
/// The caller is no admin.
pub fn get(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Nothing) -> Result<Answer, Error> {
    only_admins(call)?;
    answer(store, call)
}

/// `PATCH …/passkeyConfig`: changes what `updateMask` names; without one nothing, as the API has it. Once nothing is left
/// of it, the project's holds for a tenant, and for the project the server's own.
///
/// # Errors
/// The caller is no admin, or a field cannot be.
pub fn update(store: &mut dyn Store, call: &Call<'_>, request: Value) -> Result<Answer, Error> {
    only_admins(call)?;
    let mut value = super::super::json(&settled(store, call.scope)?.unwrap_or_default());
    let wanted = request.get("updateMask").and_then(Value::as_str).unwrap_or_default();
    mask::replace(wanted, &mut value, &request);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let config: PasskeyConfig =
        serde_json::from_value(value).map_err(|error| Error::InvalidPayload(error.to_string()))?;
    let kept = match config == PasskeyConfig::default() {
        true => config,
        false => {
            let made =
                RelyingParty::new(&config.rp_id, &config.expected_origins).map_err(|unusable| match unusable {
                    Unusable::Id => Error::InvalidConfig("rpId has to be a domain, such as example.com"),
                    Unusable::Origin => Error::InvalidConfig(
                        "expectedOrigins are such as https://app.example.com, http://localhost:5173 or \
                     android:apk-key-hash:…",
                    ),
                })?;
            PasskeyConfig { rp_id: config.rp_id, expected_origins: made.origins().to_vec() }
        }
    };
    store.put_passkey_config(call.scope, &super::super::json(&kept))?;
    answer(store, call)
}

/// For whom passkeys are.
///
/// # Errors
/// Nobody has settled it.
pub(super) fn relying_party(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<RelyingParty, Error> {
    find(store, call)?.ok_or(Error::PasskeysNotEnabled)
}

fn find(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Option<RelyingParty>, Error> {
    let project = Scope::project(&call.scope.project);
    for scope in [call.scope, &project] {
        let config = settled(store, scope)?.filter(|config| !config.rp_id.is_empty());
        // What is kept was found to be usable.
        if let Some(found) = config.and_then(|config| RelyingParty::new(&config.rp_id, &config.expected_origins).ok()) {
            return Ok(Some(found));
        }
    }
    Ok(call.passkeys.relying_party.cloned())
}

fn settled(store: &(impl Accounts + ?Sized), scope: &Scope) -> Result<Option<PasskeyConfig>, Error> {
    let value = store.passkey_config(scope)?;
    Ok(value.map(|value| serde_json::from_value(value).map_err(|error| StoreError(error.to_string()))).transpose()?)
}

fn answer(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Answer, Error> {
    let of = match &call.scope.tenant {
        Some(tenant) => settings::name(&call.scope.project, tenant),
        None => format!("projects/{}", call.scope.project),
    };
    let found = find(store, call)?;
    Ok(Answer::default()
        .with("name", format!("{of}/passkeyConfig"))
        .with_some("rpId", found.as_ref().map(RelyingParty::id))
        .with_some("expectedOrigins", found.as_ref().map(|found| found.origins().to_vec())))
}
