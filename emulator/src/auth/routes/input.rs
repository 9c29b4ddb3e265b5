//! What a request brings: its body or query as JSON, and whose accounts it means. Must not know: what is done with it.

use super::Params;
use super::table::{Auth, Source};
use crate::auth::errors::Refusal;
use crate::auth::service::AuthService;
use crate::server::body::{Bodies, ReadBody};
use axum::body::Body;
use hearth_auth::Error;
use hearth_auth::schema::{Schema, camel_case_keys, conform};
use hearth_auth::store::Scope;
use hearth_auth::token::named_tenant;
use hearth_auth::token::refresh::RefreshToken;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The longest body of an admin.
const ADMIN_LIMIT: usize = 10 * 1024 * 1024;
/// The longest body of anyone else.
const CLIENT_LIMIT: usize = 1024 * 1024;

/// What a configuration that the path names is called among the fields.
const CONFIG: &str = "configId";

/// Editors of some systems begin a file with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The request's fields, in the operation's shape, and the body's share of the memory budget.
pub(super) async fn read(
    bodies: &Bodies,
    source: Source,
    schema: Schema,
    privileged: bool,
    head: &Parts,
    body: Body,
) -> Result<(Value, Option<ReadBody>), Refusal> {
    let limit = if privileged { ADMIN_LIMIT } else { CLIENT_LIMIT };
    let (value, share) = match source {
        // Clients send bodies with DELETE too; they mean nothing.
        Source::Nothing => (Value::Object(Map::new()), None),
        Source::Query => (object(head.uri.query().unwrap_or_default()), None),
        Source::Json | Source::JsonAnd(_) | Source::JsonOrForm => {
            let is_form = content_type(head, source)?;
            check_encoding(head)?;
            let body = bodies.read(body, limit).await?;
            let mut value = if is_form { form(&body) } else { json(&body)? };
            if let Source::JsonAnd(parameter) = source
                && let Some(fields) = value.as_object_mut()
            {
                let given = pairs(head.uri.query().unwrap_or_default()).into_iter().find(|(name, _)| name == parameter);
                fields.insert(parameter.to_owned(), given.map(|(_, value)| value).unwrap_or_default().into());
            }
            (value, Some(body))
        }
    };
    let mut value = camel_case_keys(value);
    conform(&mut value, schema).map_err(Error::from)?;
    Ok((value, share))
}

/// Adds to the fields which configuration the path names.
pub(super) fn add_named(params: &Params, input: &mut Value) {
    if let (Some(config), Some(fields)) = (&params.config, input.as_object_mut()) {
        fields.insert(CONFIG.to_owned(), config.as_str().into());
    }
}

/// Whether the body is a form. Without a type it is JSON.
fn content_type(head: &Parts, source: Source) -> Result<bool, Refusal> {
    let Some(given) = head.headers.get(CONTENT_TYPE) else { return Ok(false) };
    let given = String::from_utf8_lossy(given.as_bytes());
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" | "application/json" => Ok(false),
        "application/x-www-form-urlencoded" if source == Source::JsonOrForm => Ok(true),
        _ => Err(Refusal::ContentType(given.into_owned())),
    }
}

fn check_encoding(head: &Parts) -> Result<(), Refusal> {
    let Some(given) = head.headers.get(CONTENT_ENCODING) else { return Ok(()) };
    let given = String::from_utf8_lossy(given.as_bytes());
    if given.is_empty() || given.eq_ignore_ascii_case("identity") {
        return Ok(());
    }
    Err(Refusal::ContentEncoding(given.into_owned()))
}

/// An object or a list; to the official emulator's parser too, other values are no payload. A list then is not what any
/// operation asks for.
fn json(body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    match serde_json::from_slice(body) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(value),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Err(Refusal::InvalidJson("an object is expected".to_owned()))
        }
        Err(error) => Err(Refusal::InvalidJson(error.to_string())),
    }
}

fn form(body: &[u8]) -> Value {
    object(&String::from_utf8_lossy(body))
}

fn object(query: &str) -> Value {
    pairs(query).into_iter().map(|(name, value)| (name, Value::String(value))).collect::<Map<_, _>>().into()
}

/// The pairs of a query or a form.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect()
}

/// Whose accounts are meant: the project and tenant of the path, or else of the body, or else of its token.
pub(super) fn scope(
    service: &AuthService,
    auth: Auth,
    privileged: bool,
    params: &Params,
    input: &Value,
) -> Result<Scope, Refusal> {
    let field = |name: &str| input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let named = params.project.as_deref().or(field("targetProjectId"));
    if named.is_some() && auth == Auth::AdminOrKey && !privileged {
        return Err(Error::ForeignProject.into());
    }
    // A server in earnest has one project, and its admins are that project's.
    if named.is_some_and(|named| !service.is_emulator() && named != service.project()) {
        return Err(Error::ProjectNotFound.into());
    }
    let mut tenants: Vec<String> = params.tenant.clone().into_iter().collect();
    tenants.extend(field("tenantId").map(str::to_owned));
    tenants.extend(field("idToken").and_then(named_tenant));
    // An opaque one is asked by its operation.
    if let Some(token) = field("refreshToken").filter(|_| service.tokens().are_unsigned()) {
        tenants.extend(RefreshToken::decode(token).ok_or(Error::InvalidRefreshToken)?.scope.tenant);
    }
    let tenant = tenants.first().cloned();
    if tenants.iter().any(|other| Some(other) != tenant.as_ref()) {
        return Err(Error::TenantIdMismatch.into());
    }
    Ok(Scope { tenant, ..Scope::project(named.unwrap_or(service.project())) })
}

/// Where the client has found this server: links lead back there.
pub(super) fn origin(head: &Parts) -> String {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.or(head.uri.authority().map(|host| host.as_str())).unwrap_or("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_forms_are_decoded() {
        let check = |query: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(pairs(query), expected, "{query}");
        };
        check("", &[]);
        check("a=b&c", &[("a", "b"), ("c", "")]);
        check("&a=b=c&&", &[("a", "b=c")]);
        check("a%5F=%C3%A9+%2B&b=%", &[("a_", "é +"), ("b", "%")]);
    }
}
