//! The API in the OpenAPI format, made of the table of routes, so that it names what is there. Must not know: operations.

use crate::auth::routes::table::{Auth, Run, Source, rows};
use hearth_auth::schema::{Kind, Schema};
use serde_json::{Map, Value, json};

/// The document.
pub(super) fn document(origin: &str) -> Value {
    let mut paths = Map::new();
    for row in rows().filter(|row| !matches!(row.run, Run::Page(_) | Run::Status)) {
        let methods = paths.entry(row.pattern.clone()).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(row.method.as_str().to_lowercase(), operation(&row.id, row.auth, row.run, &row.pattern));
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Firebase Auth", "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": origin}],
        "components": {"securitySchemes": {
            "Oauth2": {"type": "http", "scheme": "bearer"},
            "apiKeyQuery": {"type": "apiKey", "name": "key", "in": "query"},
            "apiKeyHeader": {"type": "apiKey", "name": "x-goog-api-key", "in": "header"},
        }},
        "paths": paths,
    })
}

fn operation(id: &str, auth: Auth, run: Run, pattern: &str) -> Value {
    let schemes: &[&str] = match auth {
        Auth::AdminOrKey => &["Oauth2", "apiKeyQuery", "apiKeyHeader"],
        Auth::Key => &["apiKeyQuery", "apiKeyHeader"],
        Auth::Anyone | Auth::Open => &[],
    };
    let security: Vec<_> = schemes.iter().map(|scheme| json!({(*scheme): []})).collect();
    let mut described = json!({
        "operationId": id,
        "security": security,
        "parameters": parameters(pattern),
        "responses": {"200": {"description": "Done."}},
    });
    if let (Run::Operation(operation), Some(fields)) = (run, described.as_object_mut()) {
        let schema = object(operation.schema);
        match operation.source {
            Source::Json | Source::JsonOrForm | Source::JsonAnd(_) => {
                let content = json!({"application/json": {"schema": schema}});
                fields.insert("requestBody".to_owned(), json!({"content": content}));
            }
            Source::Nothing | Source::Query => {}
        }
    } else if let Some(fields) = described.as_object_mut() {
        fields.insert("responses".to_owned(), json!({"501": {"description": "Not there."}}));
    }
    described
}

/// The parts of the path that stand for something.
fn parameters(pattern: &str) -> Vec<Value> {
    let names = pattern.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect()
}

fn object(schema: Schema) -> Value {
    let fields: Map<_, _> = schema.iter().map(|(name, field)| ((*name).to_owned(), kind(field))).collect();
    json!({"type": "object", "properties": fields})
}

fn kind(wanted: &Kind) -> Value {
    match wanted {
        Kind::Text => json!({"type": "string"}),
        Kind::Int64 => json!({"type": "string", "format": "int64"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Name(names) => json!({"type": "string", "enum": names}),
        Kind::List(item) => json!({"type": "array", "items": kind(item)}),
        Kind::Object(schema) => object(schema),
        Kind::Any => json!({}),
    }
}
