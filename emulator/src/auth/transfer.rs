//! Accounts that leave and come as a whole, for exports and imports. Must not know: files.

use super::service::{Asked, AuthService, ServiceError};
use hearth_auth::account::Account;
use hearth_auth::errors::Error;
use hearth_auth::operations::bulk::Nothing;
use hearth_auth::operations::{Answer, config, import, tenants};
use hearth_auth::schema::{Schema, camel_case_keys, conform};
use hearth_auth::store::{Order, Scope};
use serde::Deserialize;
use serde_json::{Map, Value};

/// So many accounts are read or kept in one step.
const STEP: usize = 1000;

/// What became of accounts that came from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// So many were kept.
    pub kept: usize,
    /// The others: the account's place among them, and why it was not kept.
    pub refused: Vec<(usize, String)>,
}

impl AuthService {
    /// The tenants of the project there are, by id.
    ///
    /// # Errors
    /// The store failed.
    pub fn tenant_ids(&self) -> Result<Vec<String>, ServiceError> {
        let tenants = self.look(|store, _| Ok(store.tenants(self.project(), None, None)?))?;
        Ok(tenants.into_iter().map(|tenant| tenant.tenant_id).collect())
    }

    /// The settings that exports hold, as the emulator's own API shows them.
    ///
    /// # Errors
    /// The store failed.
    pub fn exported_config(&self) -> Result<Value, ServiceError> {
        let asked = Asked::itself(self.scope(None));
        let answer = self.glance(&asked, |store, call| config::get(store, call, Nothing {}))?;
        Ok(Value::Object(answer.body))
    }

    /// Up to 1000 accounts of the project or one of its tenants, those after the id `after`, in order of their ids.
    /// Fewer than that are the last ones.
    ///
    /// # Errors
    /// The store failed.
    pub fn accounts_after(&self, tenant: Option<&str>, after: Option<&str>) -> Result<Vec<Account>, ServiceError> {
        let scope = self.scope(tenant);
        Ok(self.look(|store, _| Ok(store.list(&scope, after, Some(STEP), Order::Ascending)?))?)
    }

    /// Sets the settings that exports hold.
    ///
    /// # Errors
    /// They have the wrong shape, or the store failed.
    pub async fn import_config(&self, config: Value) -> Result<(), ServiceError> {
        let config = shaped(config, config::SCHEMA)?;
        self.write(Asked::itself(self.scope(None)), move |store, call| {
            config::update(store, call, typed(&config)?).map(drop)
        })
        .await
    }

    /// Forgets every account of the project and of its tenants.
    ///
    /// # Errors
    /// The store failed, or the service is closed.
    pub async fn forget_all_accounts(&self) -> Result<(), ServiceError> {
        let tenants = self.tenant_ids()?;
        self.write(Asked::itself(self.scope(None)), move |store, call| {
            store.delete_all(call.scope)?;
            for tenant in &tenants {
                store.delete_all(&Scope { tenant: Some(tenant.clone()), ..call.scope.clone() })?;
            }
            Ok(())
        })
        .await
    }

    /// Keeps accounts as `accounts:batchCreate` does, in place of those with their ids: `users` as that request has
    /// them, `hashing` its parameters for their passwords. A tenant that is not there springs up. No function hears of
    /// it.
    ///
    /// # Errors
    /// The request is at odds with itself: nothing of the step of 1000 it is in is kept.
    pub async fn import_accounts(
        &self,
        tenant: Option<&str>,
        users: Vec<Value>,
        hashing: Map<String, Value>,
    ) -> Result<Imported, ServiceError> {
        let scope = self.scope(tenant);
        if tenant.is_some() {
            self.write(Asked::itself(scope.clone()), |store, call| tenants::spring_up(store, call.scope)).await?;
        }
        let mut imported = Imported::default();
        let (mut users, mut first) = (users.into_iter(), 0);
        loop {
            let step: Vec<Value> = users.by_ref().take(STEP).collect();
            let given = step.len();
            if given == 0 {
                return Ok(imported);
            }
            let mut request = hashing.clone();
            request.insert("allowOverwrite".to_owned(), true.into());
            request.insert("users".to_owned(), step.into());
            let request = shaped(Value::Object(request), import::SCHEMA)?;
            let answer = self
                .write(Asked::itself(scope.clone()), move |store, call| {
                    import::batch_create(store, call, typed(&request)?)
                })
                .await?;
            let refused = refusals(&answer, first);
            imported.kept += given.saturating_sub(refused.len());
            imported.refused.extend(refused);
            first += given;
        }
    }

    fn scope(&self, tenant: Option<&str>) -> Scope {
        Scope { project: self.project().to_owned(), tenant: tenant.map(str::to_owned) }
    }
}

/// What the answer says was not kept. Its indices begin at `first`.
fn refusals(answer: &Answer, first: usize) -> Vec<(usize, String)> {
    let errors = answer.body.get("error").and_then(Value::as_array);
    let refused = errors.into_iter().flatten().map(|error| {
        let index = error.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        (first + index.unwrap_or(0), message.to_owned())
    });
    refused.collect()
}

fn shaped(value: Value, schema: Schema) -> Result<Value, ServiceError> {
    let mut value = camel_case_keys(value);
    conform(&mut value, schema).map_err(Error::from)?;
    Ok(value)
}

fn typed<'v, T: Deserialize<'v>>(value: &'v Value) -> Result<T, Error> {
    T::deserialize(value).map_err(|error| Error::InvalidPayload(error.to_string()))
}
