//! `/.inspect/…` of an emulator's rules: what they have denied, what they would, and how much of them has been asked.
//!
//! `coverage` and `coverage.json` are at the original's addresses (firebase.google.com/docs/rules/emulator-reports) and,
//! as there, open to everyone; `denials.json` and `explain.json` are ours, and for admins. Must not know: how any of it
//! is found out.

use super::super::errors::Failure;
use super::super::inspection::Inspection;
use super::super::service::DatabaseService;
use super::query::Filters;
use super::request::{Action, Parameters};
use super::settings::answer;
use super::{Rest, coverage, request, response};
use axum::body::Body;
use axum::response::Response;
use hearth_database::rules::CoverageReport;
use hearth_database::{Auth, Caller, Change, Explanation, Get, Location, json};
use http::request::Parts;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) const COVERAGE: &str = "/.inspect/coverage";
pub(super) const COVERAGE_JSON: &str = "/.inspect/coverage.json";
pub(super) const DENIALS: &str = "/.inspect/denials.json";
pub(super) const EXPLAIN: &str = "/.inspect/explain.json";

const MEMBERS: [&str; 7] = ["operation", "path", "auth", "admin", "data", "newData", "query"];

impl Rest {
    /// How often each part of the rules came to what: a page, or JSON.
    pub(super) async fn coverage(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        action: Action,
        caller: &Caller,
    ) -> Result<Response, Failure> {
        if action != Action::Get {
            return Err(Failure::Method);
        }
        let database = self.databases.find(request::namespace(parts, parameters), caller).await?;
        if parts.uri.path() == COVERAGE {
            let name = database.name().to_owned();
            return covered(&database, move |report| coverage::page(&name, report)).await.map(response::page);
        }
        answer(&covered(&database, CoverageReport::to_json).await?, parameters)
    }

    /// The last denials, the newest first; DELETE forgets them.
    pub(super) async fn denials(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        action: Action,
    ) -> Result<Response, Failure> {
        let database = self.databases.find(request::namespace(parts, parameters), &Caller::Admin).await?;
        let inspection = inspection(&database)?;
        match action {
            Action::Get => {}
            Action::Delete => {
                inspection.forget();
                return answer(&Value::Null, parameters);
            }
            Action::Put | Action::Post | Action::Patch => return Err(Failure::Method),
        }
        let (total, denials) = inspection.denials();
        let list = denials.iter().map(|denied| {
            let mut shown = told(&denied.explanation);
            shown.insert("number".to_owned(), denied.number.into());
            shown.insert("time".to_owned(), denied.at.into());
            Value::Object(shown)
        });
        let list: Vec<_> = list.collect();
        answer(&serde_json::json!({ "total": total, "denials": list }), parameters)
    }

    /// Whether something would be allowed, and why. Nothing is changed, counted or kept.
    pub(super) async fn explain(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        body: Body,
    ) -> Result<Response, Failure> {
        let database = self.databases.find(request::namespace(parts, parameters), &Caller::Admin).await?;
        inspection(&database)?;
        let text = self.text(body).await?;
        let now = self.databases.now();
        let explain = move || Supposed::parse(&text)?.explain(&database, now);
        // It may take as many steps as any judgement.
        let explanations = tokio::task::spawn_blocking(explain).await.map_err(|_| Failure::Internal)??;
        let allowed = explanations.iter().all(Explanation::allowed);
        let explanations: Vec<_> = explanations.iter().map(|explanation| Value::Object(told(explanation))).collect();
        answer(&serde_json::json!({ "allowed": allowed, "explanations": explanations }), parameters)
    }
}

const NOT_INSPECTED: Failure = Failure::Unsupported("Rules are explained in emulator mode only.");

fn inspection(database: &DatabaseService) -> Result<&Arc<Inspection>, Failure> {
    database.inspection().ok_or(NOT_INSPECTED)
}

/// What is made of the coverage of a database's rules. Of large rules it is much.
async fn covered<T: Send + 'static>(
    database: &DatabaseService,
    make: impl FnOnce(&CoverageReport) -> T + Send + 'static,
) -> Result<T, Failure> {
    let rules = database.snapshot().rules;
    let made = tokio::task::spawn_blocking(move || rules.coverage().map(|report| make(&report))).await;
    made.map_err(|_| Failure::Internal)?.ok_or(NOT_INSPECTED)
}

/// An explanation for programs, and its text for people.
fn told(explanation: &Explanation) -> Map<String, Value> {
    let mut members = match explanation.to_json() {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    members.insert("text".to_owned(), explanation.to_string().into());
    members
}

/// Something that is not done, only judged.
struct Supposed(Map<String, Value>);

impl Supposed {
    fn parse(text: &str) -> Result<Self, Failure> {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(Failure::Parameter(
                "the body must be a JSON object, as {\"operation\": \"read\", \"path\": \"/\"}",
            ));
        };
        if members.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(Failure::Parameter(
                "the members are operation, path, auth, admin, data, newData and query; there is another one",
            ));
        }
        Ok(Self(members))
    }

    fn explain(&self, database: &DatabaseService, now: u64) -> Result<Vec<Explanation>, Failure> {
        let mut snapshot = database.snapshot();
        let (caller, location) = (self.caller()?, self.location()?);
        let depth = location.path.depth();
        if let Some(data) = self.0.get("data") {
            let data = json::from_value(data, depth).map_err(Failure::Data)?;
            let data =
                data.resolve(snapshot.root.get(&location.path), now).map_err(hearth_database::WriteError::from)?;
            snapshot.root = snapshot.root.set(&location.path, data);
        }
        let new_data = || self.0.get("newData").map(Value::to_string).ok_or(Failure::Parameter("newData is missing"));
        let change = match self.0.get("operation").and_then(Value::as_str) {
            Some("read") => {
                let get = Get { caller, path: location.path, query: self.query()?.query()? };
                return Ok(vec![snapshot.explain_get(&get, now)]);
            }
            Some("write") => Change::Set(json::parse(new_data()?.as_bytes(), depth).map_err(Failure::Data)?),
            Some("update") => match json::parse_update(new_data()?.as_bytes(), depth).map_err(Failure::Update)? {
                Some(parts) => Change::Update(parts),
                None => Change::Remove,
            },
            Some(_) | None => {
                return Err(Failure::Parameter("operation must be \"read\", \"write\" or \"update\""));
            }
        };
        Ok(snapshot.explain_change(&caller, &location, change, now)?)
    }

    fn caller(&self) -> Result<Caller, Failure> {
        let admin = match self.0.get("admin") {
            None => false,
            Some(value) => value.as_bool().ok_or(Failure::Parameter("admin must be true or false"))?,
        };
        match self.0.get("auth") {
            _ if admin => Ok(Caller::Admin),
            None | Some(Value::Null) => Ok(Caller::ANYONE),
            Some(Value::Object(auth)) => Ok(Caller::client(Auth::given(auth.clone()))),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Err(Failure::Parameter("auth must be an object, as {\"uid\": \"ann\"}, or null"))
            }
        }
    }

    fn location(&self) -> Result<Location, Failure> {
        let path = self.0.get("path").and_then(Value::as_str).ok_or(Failure::Parameter("path must be a string"))?;
        Ok(Location::parse(path)?)
    }

    /// The query's members are those of the REST API's parameters, as values.
    fn query(&self) -> Result<Filters, Failure> {
        let mut filters = Filters::default();
        match self.0.get("query") {
            None | Some(Value::Null) => {}
            Some(Value::Object(members)) => {
                members.iter().for_each(|(name, value)| filters.take(name, value.to_string()));
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(Failure::Parameter(
                    "query must be an object, as {\"orderBy\": \"$key\", \"limitToFirst\": 5}",
                ));
            }
        }
        Ok(filters)
    }
}
