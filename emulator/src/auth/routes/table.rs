//! From method and path to operation. Must not know: the paths, which are in `surfaces`.

use super::Params;
use super::pages::Page;
use super::path::matches;
use super::public_keys::Form;
use super::surfaces::SURFACES;
use crate::auth::errors::Refusal;
use hearth_auth::Error;
use hearth_auth::idp_config::{
    DEFAULT_SUPPORTED_IDP, DefaultSupportedIdpConfig, INBOUND_SAML, IdpConfig, InboundSamlConfig, OAUTH, OauthIdpConfig,
};
use hearth_auth::operations::guard::Action;
use hearth_auth::operations::{
    Answer, Call, bulk, config, create_auth_uri, delete, grant, idp_configs, import, lookup, mfa, oob, passkeys,
    password_policy, phone, revoke_token, session_cookie, sign_in_custom_token, sign_in_email_link, sign_in_idp,
    sign_in_password, sign_in_phone_number, sign_up, tenants, update,
};
use hearth_auth::schema::Schema;
use hearth_auth::settings;
use hearth_auth::store::{Accounts, Store};
use hearth_auth::token::Purpose;
use http::Method;
use http::request::Parts;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// An admin, or anyone with an API key.
    AdminOrKey,
    /// Anyone with an API key.
    Key,
    /// Anyone.
    Anyone,
    /// Anyone: an emulator's own surface, which no other server has.
    Open,
}

/// What a row does.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// An operation.
    Operation(&'static Operation),
    /// The status page.
    Status,
    /// What people and browsers open.
    Page(Page),
    /// The form with which a provider sends a user back.
    ProviderForm,
    /// OAuth2's token endpoint.
    AccessToken,
    /// The public keys.
    PublicKeys(Purpose, Form),
    /// An operation of servers: known to emulators, but not there.
    OfServers(&'static Operation),
    /// Known, but not there.
    NotYet,
}

/// An operation as routes need it.
pub(super) struct Operation {
    pub(super) source: Source,
    pub(super) schema: Schema,
    pub(super) run: Does,
    /// What a server counts of it.
    pub(super) action: Option<Action>,
}

impl Operation {
    const fn counted(self, action: Action) -> Self {
        Self { action: Some(action), ..self }
    }
}

/// Where an operation's fields come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Nothing,
    Query,
    Json,
    /// JSON, and beside it a parameter of the query.
    JsonAnd(&'static str),
    JsonOrForm,
}

/// JSON, and beside it the parameter that says which settings change.
const MASKED: Source = Source::JsonAnd("updateMask");

type Reading = fn(&dyn Accounts, &Call<'_>, &Value) -> Result<Answer, Error>;
type Writing = fn(&mut dyn Store, &Call<'_>, &Value) -> Result<Answer, Error>;

/// Beside the writer, or through it.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// Reads a client's own account; an admin may ask for many.
    Glance(Reading),
    Read(Reading),
    /// Reads, and may have others asked first.
    Inquire(Reading),
    Write(Writing),
}

const fn reading(source: Source, schema: Schema, run: Reading) -> Operation {
    Operation { source, schema, run: Does::Read(run), action: None }
}

const fn glancing(source: Source, schema: Schema, run: Reading) -> Operation {
    Operation { source, schema, run: Does::Glance(run), action: None }
}

const fn inquiring(source: Source, schema: Schema, run: Reading) -> Operation {
    Operation { source, schema, run: Does::Inquire(run), action: None }
}

const fn writing(source: Source, schema: Schema, run: Writing) -> Operation {
    Operation { source, schema, run: Does::Write(run), action: None }
}

const fn creating<C: IdpConfig>(schema: Schema) -> Operation {
    writing(Source::JsonAnd(C::ID_PARAMETER), schema, |store, call, body| {
        idp_configs::create::<C>(store, call, body.clone())
    })
}

const fn listing<C: IdpConfig>() -> Operation {
    reading(Source::Query, idp_configs::LIST_SCHEMA, |store, call, body| {
        idp_configs::list::<C>(store, call, typed(body)?)
    })
}

const fn getting<C: IdpConfig>() -> Operation {
    reading(Source::Nothing, &[], |store, call, body| idp_configs::get::<C>(store, call, typed(body)?))
}

const fn updating<C: IdpConfig>(schema: Schema) -> Operation {
    writing(MASKED, schema, |store, call, body| idp_configs::update::<C>(store, call, body.clone()))
}

const fn deleting<C: IdpConfig>() -> Operation {
    writing(Source::Nothing, &[], |store, call, body| idp_configs::delete::<C>(store, call, typed(body)?))
}

/// The request's own type; its shape has been checked.
fn typed<'v, T: Deserialize<'v>>(body: &'v Value) -> Result<T, Error> {
    T::deserialize(body).map_err(|error| Error::InvalidPayload(error.to_string()))
}

pub(super) const NOT_YET: Run = Run::NotYet;
pub(super) const STATUS: Run = Run::Status;
pub(super) const ACTION: Run = Run::Page(Page::Action);
pub(super) const LINK: Run = Run::Page(Page::Link);
pub(super) const HANDLER: Run = Run::Page(Page::Handler);
pub(super) const HANDLER_RETURN: Run = Run::ProviderForm;
pub(super) const HANDLER_SCRIPT: Run = Run::Page(Page::HandlerScript);
pub(super) const IFRAME: Run = Run::Page(Page::Iframe);
pub(super) const GAPI: Run = Run::Page(Page::Gapi);
pub(super) const OPENAPI: Run = Run::Page(Page::OpenApi);
pub(super) const ACCESS_TOKEN: Run = Run::AccessToken;
pub(super) const JWKS: Run = Run::PublicKeys(Purpose::IdToken, Form::Jwks);
pub(super) const CERTIFICATES: Run = Run::PublicKeys(Purpose::IdToken, Form::Certificates);
pub(super) const COOKIE_JWKS: Run = Run::PublicKeys(Purpose::SessionCookie, Form::Jwks);
pub(super) const COOKIE_CERTIFICATES: Run = Run::PublicKeys(Purpose::SessionCookie, Form::Certificates);

pub(super) const SIGN_UP: Run = Run::Operation(
    &writing(Source::Json, sign_up::SCHEMA, |store, call, body| sign_up::sign_up(store, call, typed(body)?))
        .counted(Action::SignUp),
);
pub(super) const LOOKUP: Run = Run::Operation(&glancing(Source::Json, lookup::SCHEMA, |store, call, body| {
    lookup::lookup(store, call, typed(body)?)
}));
pub(super) const UPDATE: Run = Run::Operation(
    &writing(Source::Json, update::SCHEMA, |store, call, body| update::update(store, call, typed(body)?))
        .counted(Action::ShowCode),
);
pub(super) const SIGN_IN_WITH_PASSWORD: Run = Run::Operation(
    &writing(Source::Json, sign_in_password::SCHEMA, |store, call, body| {
        sign_in_password::sign_in(store, call, typed(body)?)
    })
    .counted(Action::ShowPassword),
);
pub(super) const SIGN_IN_WITH_EMAIL_LINK: Run = Run::Operation(
    &writing(Source::Json, sign_in_email_link::SCHEMA, |store, call, body| {
        sign_in_email_link::sign_in(store, call, typed(body)?)
    })
    .counted(Action::ShowCode),
);
pub(super) const SIGN_IN_WITH_CUSTOM_TOKEN: Run =
    Run::Operation(&writing(Source::Json, sign_in_custom_token::SCHEMA, |store, call, body| {
        sign_in_custom_token::sign_in(store, call, typed(body)?)
    }));
pub(super) const SIGN_IN_WITH_PHONE_NUMBER: Run = Run::Operation(
    &writing(Source::Json, sign_in_phone_number::SCHEMA, |store, call, body| {
        sign_in_phone_number::sign_in(store, call, typed(body)?)
    })
    .counted(Action::ShowCode),
);
pub(super) const SIGN_IN_WITH_IDP: Run = Run::Operation(
    &writing(Source::Json, sign_in_idp::SCHEMA, |store, call, body| sign_in_idp::sign_in(store, call, typed(body)?))
        .counted(Action::ShowCode),
);
pub(super) const BATCH_CREATE: Run = Run::Operation(&writing(Source::Json, import::SCHEMA, |store, call, body| {
    import::batch_create(store, call, typed(body)?)
}));
pub(super) const UPLOAD: Run = Run::Operation(&writing(Source::Json, import::SCHEMA, |store, call, body| {
    import::upload(store, call, typed(body)?)
}));
pub(super) const RECAPTCHA_PARAMS: Run = Run::Operation(&reading(Source::Nothing, &[], |store, call, body| {
    config::recaptcha_params(store, call, typed(body)?)
}));
pub(super) const SEND_OOB_CODE: Run = Run::Operation(
    &writing(Source::Json, oob::SEND_SCHEMA, |store, call, body| oob::send(store, call, typed(body)?))
        .counted(Action::SendEmail),
);
pub(super) const RESET_PASSWORD: Run = Run::Operation(
    &writing(Source::Json, oob::RESET_SCHEMA, |store, call, body| oob::reset_password(store, call, typed(body)?))
        .counted(Action::ShowCode),
);
pub(super) const LIST_OOB_CODES: Run =
    Run::Operation(&reading(Source::Nothing, &[], |store, call, _| oob::list(store, call)));
pub(super) const SEND_VERIFICATION_CODE: Run = Run::Operation(
    &writing(Source::Json, phone::SEND_SCHEMA, |store, call, body| phone::send(store, call, typed(body)?))
        .counted(Action::SendText),
);
pub(super) const LIST_VERIFICATION_CODES: Run =
    Run::Operation(&reading(Source::Nothing, &[], |store, call, _| phone::list(store, call)));
pub(super) const CREATE_AUTH_URI: Run =
    Run::Operation(&inquiring(Source::Json, create_auth_uri::SCHEMA, |store, call, body| {
        create_auth_uri::create_auth_uri(store, call, typed(body)?)
    }));
pub(super) const DELETE_ACCOUNT: Run = Run::Operation(&writing(Source::Json, delete::SCHEMA, |store, call, body| {
    delete::delete(store, call, typed(body)?)
}));
pub(super) const GRANT: Run = Run::Operation(
    &writing(Source::JsonOrForm, grant::SCHEMA, |store, call, body| grant::grant(store, call, typed(body)?))
        .counted(Action::Refresh),
);
pub(super) const BATCH_GET: Run = Run::Operation(&reading(Source::Query, bulk::LIST_SCHEMA, |store, call, body| {
    bulk::list(store, call, typed(body)?)
}));
pub(super) const DOWNLOAD: Run = Run::Operation(&reading(Source::Json, bulk::DOWNLOAD_SCHEMA, |store, call, body| {
    bulk::download(store, call, typed(body)?)
}));
pub(super) const BATCH_DELETE: Run =
    Run::Operation(&writing(Source::Json, bulk::BATCH_DELETE_SCHEMA, |store, call, body| {
        bulk::batch_delete(store, call, typed(body)?)
    }));
pub(super) const QUERY: Run = Run::Operation(&reading(Source::Json, bulk::QUERY_SCHEMA, |store, call, body| {
    bulk::query(store, call, typed(body)?)
}));
pub(super) const DELETE_ALL: Run =
    Run::Operation(&writing(Source::Nothing, &[], |store, call, body| bulk::delete_all(store, call, typed(body)?)));
pub(super) const SESSION_COOKIE: Run =
    Run::Operation(&reading(Source::Json, session_cookie::SCHEMA, |store, call, body| {
        session_cookie::create(store, call, typed(body)?)
    }));
pub(super) const GET_PROJECT_CONFIG: Run =
    Run::Operation(&reading(Source::Nothing, &[], |store, call, body| config::get_all(store, call, typed(body)?)));
pub(super) const UPDATE_PROJECT_CONFIG: Run =
    Run::Operation(&writing(MASKED, config::ADMIN_SCHEMA, |store, call, body| {
        config::update_all(store, call, body.clone())
    }));
pub(super) const PASSWORD_POLICY: Run =
    Run::Operation(&reading(Source::Query, password_policy::SCHEMA, |store, call, body| {
        password_policy::get(store, call, typed(body)?)
    }));
pub(super) const CREATE_TENANT: Run = Run::Operation(&writing(Source::Json, settings::TENANT, |store, call, body| {
    tenants::create(store, call, body.clone())
}));
pub(super) const LIST_TENANTS: Run =
    Run::Operation(&reading(Source::Query, tenants::LIST_SCHEMA, |store, call, body| {
        tenants::list(store, call, typed(body)?)
    }));
pub(super) const GET_TENANT: Run =
    Run::Operation(&reading(Source::Nothing, &[], |store, call, body| tenants::get(store, call, typed(body)?)));
pub(super) const UPDATE_TENANT: Run =
    Run::Operation(&writing(MASKED, settings::TENANT, |store, call, body| tenants::update(store, call, body.clone())));
pub(super) const DELETE_TENANT: Run =
    Run::Operation(&writing(Source::Nothing, &[], |store, call, body| tenants::delete(store, call, typed(body)?)));
pub(super) const CREATE_DEFAULT_IDP_CONFIG: Run =
    Run::Operation(&creating::<DefaultSupportedIdpConfig>(DEFAULT_SUPPORTED_IDP));
pub(super) const LIST_DEFAULT_IDP_CONFIGS: Run = Run::Operation(&listing::<DefaultSupportedIdpConfig>());
pub(super) const GET_DEFAULT_IDP_CONFIG: Run = Run::Operation(&getting::<DefaultSupportedIdpConfig>());
pub(super) const UPDATE_DEFAULT_IDP_CONFIG: Run =
    Run::Operation(&updating::<DefaultSupportedIdpConfig>(DEFAULT_SUPPORTED_IDP));
pub(super) const DELETE_DEFAULT_IDP_CONFIG: Run = Run::Operation(&deleting::<DefaultSupportedIdpConfig>());
pub(super) const CREATE_SAML_CONFIG: Run = Run::Operation(&creating::<InboundSamlConfig>(INBOUND_SAML));
pub(super) const LIST_SAML_CONFIGS: Run = Run::Operation(&listing::<InboundSamlConfig>());
pub(super) const GET_SAML_CONFIG: Run = Run::Operation(&getting::<InboundSamlConfig>());
pub(super) const UPDATE_SAML_CONFIG: Run = Run::Operation(&updating::<InboundSamlConfig>(INBOUND_SAML));
pub(super) const DELETE_SAML_CONFIG: Run = Run::Operation(&deleting::<InboundSamlConfig>());
pub(super) const CREATE_OAUTH_CONFIG: Run = Run::Operation(&creating::<OauthIdpConfig>(OAUTH));
pub(super) const LIST_OAUTH_CONFIGS: Run = Run::Operation(&listing::<OauthIdpConfig>());
pub(super) const GET_OAUTH_CONFIG: Run = Run::Operation(&getting::<OauthIdpConfig>());
pub(super) const UPDATE_OAUTH_CONFIG: Run = Run::Operation(&updating::<OauthIdpConfig>(OAUTH));
pub(super) const DELETE_OAUTH_CONFIG: Run = Run::Operation(&deleting::<OauthIdpConfig>());
pub(super) const START_MFA_ENROLLMENT: Run = Run::Operation(
    &writing(Source::Json, mfa::SCHEMA, |store, call, body| mfa::start_enrollment(store, call, typed(body)?))
        .counted(Action::SendText),
);
pub(super) const FINALIZE_MFA_ENROLLMENT: Run = Run::Operation(
    &writing(Source::Json, mfa::SCHEMA, |store, call, body| mfa::finalize_enrollment(store, call, typed(body)?))
        .counted(Action::ShowCode),
);
pub(super) const WITHDRAW_MFA_ENROLLMENT: Run =
    Run::Operation(&writing(Source::Json, mfa::SCHEMA, |store, call, body| {
        mfa::withdraw_enrollment(store, call, typed(body)?)
    }));
pub(super) const START_MFA_SIGN_IN: Run = Run::Operation(
    &writing(Source::Json, mfa::SCHEMA, |store, call, body| mfa::start_sign_in(store, call, typed(body)?))
        .counted(Action::SendText),
);
pub(super) const FINALIZE_MFA_SIGN_IN: Run = Run::Operation(
    &writing(Source::Json, mfa::SCHEMA, |store, call, body| mfa::finalize_sign_in(store, call, typed(body)?))
        .counted(Action::ShowCode),
);
pub(super) const START_PASSKEY_ENROLLMENT: Run =
    Run::Operation(&reading(Source::Json, passkeys::SCHEMA, |store, call, body| {
        passkeys::start_enrollment(store, call, typed(body)?)
    }));
pub(super) const FINALIZE_PASSKEY_ENROLLMENT: Run =
    Run::Operation(&writing(Source::Json, passkeys::SCHEMA, |store, call, body| {
        passkeys::finalize_enrollment(store, call, typed(body)?)
    }));
pub(super) const START_PASSKEY_SIGN_IN: Run =
    Run::Operation(&reading(Source::Json, passkeys::SCHEMA, |store, call, body| {
        passkeys::start_sign_in(store, call, typed(body)?)
    }));
pub(super) const FINALIZE_PASSKEY_SIGN_IN: Run = Run::Operation(
    &writing(Source::Json, passkeys::SCHEMA, |store, call, body| passkeys::finalize_sign_in(store, call, typed(body)?))
        .counted(Action::ShowCode),
);
pub(super) const GET_PASSKEY_CONFIG: Run = Run::OfServers(&reading(Source::Nothing, &[], |store, call, body| {
    passkeys::config::get(store, call, typed(body)?)
}));
pub(super) const UPDATE_PASSKEY_CONFIG: Run =
    Run::OfServers(&writing(MASKED, passkeys::config::SCHEMA, |store, call, body| {
        passkeys::config::update(store, call, body.clone())
    }));
pub(super) const REVOKE_TOKEN: Run =
    Run::OfServers(&inquiring(Source::Json, revoke_token::SCHEMA, |store, call, body| {
        revoke_token::revoke(store, call, typed(body)?)
    }));
pub(super) const PROJECTS: Run =
    Run::Operation(&reading(Source::Nothing, &[], |store, call, body| config::projects(store, call, typed(body)?)));
pub(super) const GET_CONFIG: Run =
    Run::Operation(&reading(Source::Nothing, &[], |store, call, body| config::get(store, call, typed(body)?)));
pub(super) const UPDATE_CONFIG: Run = Run::Operation(&writing(Source::Json, config::SCHEMA, |store, call, body| {
    config::update(store, call, typed(body)?)
}));

/// Operations on tenants themselves, which a disabled one doesn't forbid.
const OF_TENANTS: [&str; 3] = ["tenants.get", "tenants.patch", "tenants.delete"];

impl Row {
    /// Whether it does something with the accounts of a tenant.
    pub(super) fn uses_accounts(&self) -> bool {
        let id = self.id.strip_prefix("identitytoolkit.");
        id.is_some_and(|id| !OF_TENANTS.iter().any(|of| id.strip_prefix("projects.") == Some(of)))
    }
}

/// One row.
pub(super) struct Row {
    pub(super) method: Method,
    /// The operation's id in the API's specification.
    pub(super) id: String,
    pub(super) auth: Auth,
    pub(super) run: Run,
    pub(super) pattern: String,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let rows = SURFACES.iter().flat_map(|surface| surface.rows.iter().map(move |row| (surface, row)));
    rows.map(|(surface, (method, path, id, run))| Row {
        method: method.clone(),
        id: format!("{}{id}", surface.ids),
        auth: surface.auth,
        run: *run,
        pattern: format!("{}{path}", surface.base),
    })
    .collect()
});

/// All rows.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
}

/// The row of a request, and whom its path names. HEAD asks as GET does.
pub(super) fn find(head: &Parts, is_emulator: bool) -> Result<(&'static Row, Params), Refusal> {
    let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let mut allowed: Vec<&str> = Vec::new();
    for row in ROWS.iter().filter(|row| is_emulator || row.auth != Auth::Open) {
        match matches(&row.pattern, head.uri.path()) {
            Some(params) if row.method == *method => return Ok((row, params)),
            Some(_) => allowed.push(row.method.as_str()),
            None => {}
        }
    }
    if allowed.is_empty() {
        return Err(Refusal::NotFound);
    }
    let url = head.uri.path_and_query().map_or("/", |url| url.as_str()).to_owned();
    Err(Refusal::MethodNotAllowed { method: head.method.to_string(), url, allowed: allowed.join(",") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_row_hides_another() {
        let mut seen = HashSet::new();
        for row in ROWS.iter() {
            assert!(seen.insert((row.method.as_str(), row.pattern.as_str())), "{} {}", row.method, row.pattern);
            let path = row.pattern.replace(['{', '}'], "");
            let head = http::Request::builder().method(&row.method).uri(&path).body(()).unwrap().into_parts().0;
            let (found, _) = find(&head, true).unwrap();
            assert_eq!((&found.id, &found.pattern), (&row.id, &row.pattern), "{path}");
        }
    }
}
