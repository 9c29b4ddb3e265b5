//! What is not data: `/.settings/…` and `/.inspect/…`, for admins, but for the coverage of an emulator's rules.
//!
//! `rules.json`, `defaultWriteSizeLimit.json`, `strictTriggerValidation.json` and `/.inspect/databases.json` are
//! Firebase's, `DELETE /.inspect/databases/NAME.json` is ours. What `inspect` serves is sorted out here. Must not know:
//! what rules mean, where settings are kept.

use super::super::errors::Failure;
use super::super::write_size::WriteSizeLimit;
use super::request::{Action, Parameters, Print};
use super::response::{self, Rendered};
use super::{Rest, access, inspect, request};
use axum::body::Body;
use axum::response::Response;
use hearth_database::{Caller, Command, Ruleset};
use http::StatusCode;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::sync::Arc;

/// A text of rules, or any other setting, has at most so many bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;

impl Rest {
    /// Answers what only admins may ask.
    pub(super) async fn administer(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        action: Action,
        body: Body,
    ) -> Result<Response, Failure> {
        let caller = access::access(parts, parameters, &self.credentials, self.databases.now()).await?.caller;
        let path = parts.uri.path();
        // As the original has it: browsers and test suites ask for it without credentials.
        if self.databases.explain_denials() && matches!(path, inspect::COVERAGE | inspect::COVERAGE_JSON) {
            return self.coverage(parts, parameters, action, &caller).await;
        }
        if caller != Caller::Admin {
            return Err(Failure::AdminOnly);
        }
        match (path, action) {
            (inspect::DENIALS, action) => self.denials(parts, parameters, action).await,
            (inspect::EXPLAIN, Action::Post) => self.explain(parts, parameters, body).await,
            (inspect::EXPLAIN, _) => Err(Failure::Method),
            ("/.inspect/databases.json", Action::Get) => self.list(parameters).await,
            ("/.inspect/databases.json", _) => Err(Failure::Method),
            ("/.settings/rules.json", Action::Get) => self.rules(parts, parameters).await,
            ("/.settings/rules.json", Action::Put) => self.set_rules(parts, parameters, body).await,
            ("/.settings/rules.json", _) => Err(Failure::Method),
            ("/.settings/defaultWriteSizeLimit.json" | "/.settings/strictTriggerValidation.json", action) => {
                self.option(parts, parameters, action, body).await
            }
            ("/.settings/functionTriggers.json", _) => {
                tracing::warn!("a trigger of a function was not registered: no write runs a function");
                Err(Failure::Unsupported("Triggers of functions are not supported: no write runs a function."))
            }
            (path, action) => {
                match path.strip_prefix("/.inspect/databases/").and_then(|name| name.strip_suffix(".json")) {
                    Some(name) if action == Action::Delete => {
                        let name = percent_decode_str(name).decode_utf8().map_err(|_| Failure::Encoding)?;
                        self.databases.remove(&name).await?;
                        tracing::info!(database = %name, "dropped");
                        answer(&Value::Null, parameters)
                    }
                    Some(_) => Err(Failure::Method),
                    None => Err(Failure::Unsupported("This endpoint of .settings or .inspect is not supported.")),
                }
            }
        }
    }

    /// The databases there are, as the Firebase CLI asks for them when it exports.
    async fn list(&self, parameters: &Parameters) -> Result<Response, Failure> {
        let databases = Arc::clone(&self.databases);
        let names = tokio::task::spawn_blocking(move || databases.names()).await.map_err(|_| Failure::Internal)??;
        answer(&names.into_iter().map(|name| json!({ "name": name })).collect(), parameters)
    }

    /// The rules as they were given, comments included; `format=strict` leaves the comments out.
    async fn rules(&self, parts: &Parts, parameters: &Parameters) -> Result<Response, Failure> {
        let database = self.databases.find(request::namespace(parts, parameters), &Caller::Admin).await?;
        let rules = database.snapshot().rules;
        let body = if parameters.strict { rules.plain_text() } else { rules.text().to_owned() };
        let rendered = Rendered { etag: None, body: body.into_bytes() };
        Ok(response::data(StatusCode::OK, rendered.into(), parameters))
    }

    async fn set_rules(&self, parts: &Parts, parameters: &Parameters, body: Body) -> Result<Response, Failure> {
        let text = self.text(body).await?;
        let rules = Ruleset::parse(&text)?;
        if !parameters.dry_run {
            let database = self.databases.find(request::namespace(parts, parameters), &Caller::Admin).await?;
            database.ask(Command::Rules(rules)).await?;
        }
        answer(&json!({ "status": "ok" }), parameters)
    }

    /// Reads or sets a setting that is one value.
    async fn option(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        action: Action,
        body: Body,
    ) -> Result<Response, Failure> {
        let is_limit = parts.uri.path() == "/.settings/defaultWriteSizeLimit.json";
        let database = self.databases.find(request::namespace(parts, parameters), &Caller::Admin).await?;
        match action {
            Action::Get => {}
            Action::Put => {
                let value: Value = serde_json::from_str(&self.text(body).await?).unwrap_or_default();
                if is_limit {
                    let limit = value.as_str().and_then(WriteSizeLimit::parse).ok_or(Failure::Parameter(
                        "defaultWriteSizeLimit must be \"tiny\", \"small\", \"medium\", \"large\" or \"unlimited\"",
                    ))?;
                    self.databases.set_options(&database, |options| options.default_write_size_limit = limit);
                } else {
                    let strict =
                        value.as_bool().ok_or(Failure::Parameter("strictTriggerValidation must be true or false"))?;
                    self.databases.set_options(&database, |options| options.strict_trigger_validation = strict);
                }
            }
            Action::Post | Action::Patch | Action::Delete => return Err(Failure::Method),
        }
        let options = self.databases.options(&database);
        let value = if is_limit {
            options.default_write_size_limit.name().into()
        } else {
            options.strict_trigger_validation.into()
        };
        answer(&value, parameters)
    }

    pub(super) async fn text(&self, body: Body) -> Result<String, Failure> {
        let body = self.bodies.read(body, MOST_BYTES).await?;
        if body.trim_ascii().is_empty() {
            return Err(Failure::NoData);
        }
        String::from_utf8(body.to_vec()).map_err(|_| Failure::Parameter("the body is not UTF-8"))
    }
}

/// An answer of JSON that is no data.
pub(super) fn answer(value: &Value, parameters: &Parameters) -> Result<Response, Failure> {
    let text = match parameters.print {
        Print::Pretty => format!("{value:#}"),
        Print::Compact | Print::Silent => value.to_string(),
    };
    let rendered = Rendered { etag: None, body: text.into_bytes() };
    Ok(response::data(StatusCode::OK, rendered.into(), parameters))
}
