//! Explanations as programs read them: JSON.

use super::{AskedPart, AskedRule, Explanation, Found, Outcome, Reason, Shown};
use serde_json::{Map, Value, json};

impl Reason {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Open => "open",
            Self::Locked => "locked",
            Self::Holds => "holds",
            Self::NothingHolds => "nothingHolds",
            Self::Invalid => "invalid",
            Self::Exhausted => "exhausted",
        }
    }
}

impl Explanation {
    /// As JSON: `{allowed, operation, path, auth, reason, because, rules: [{kind, rulePath, dataPath, wildcards, line,
    /// column, source, outcome, error?, decides, expressions: [{text, line, column, depth, value | error | evaluated:
    /// false, decides}]}], validationsLeftOut}`. An `outcome` is `"true"`, `"false"` or `"error"`; a `value` that is
    /// long is a string that ends in `…`.
    pub fn to_json(&self) -> Value {
        let rules = self.rules.iter().zip(0..).map(|(rule, place)| rule.to_json(Some(place) == self.deciding));
        json!({
            "allowed": self.allowed(),
            "operation": self.operation.to_string(),
            "path": self.path.to_string(),
            "admin": self.auth.is_none(),
            "auth": self.auth.as_ref().map(Shown::to_json),
            "reason": self.reason.name(),
            "because": self.because(),
            "rules": rules.collect::<Vec<_>>(),
            "validationsLeftOut": self.left_out,
        })
    }
}

impl AskedRule {
    fn to_json(&self, decides: bool) -> Value {
        let wildcards: Map<_, _> =
            self.wildcards.iter().map(|(name, key)| (name.clone(), Value::from(key.as_str()))).collect();
        let (outcome, error) = match &self.outcome {
            Outcome::True => ("true", None),
            Outcome::False => ("false", None),
            Outcome::Error(why) => ("error", Some(why)),
        };
        let mut rule = json!({
            "kind": self.kind.to_string(),
            "rulePath": self.rule_path,
            "dataPath": self.data_path,
            "wildcards": wildcards,
            "line": self.position.line,
            "column": self.position.column,
            "source": self.source,
            "outcome": outcome,
            "decides": decides,
            "expressions": self.parts.iter().map(AskedPart::to_json).collect::<Vec<_>>(),
        });
        if let (Some(error), Some(members)) = (error, rule.as_object_mut()) {
            members.insert("error".to_owned(), error.as_str().into());
        }
        rule
    }
}

impl AskedPart {
    fn to_json(&self) -> Value {
        let (name, found) = match &self.found {
            Found::Value(value) => ("value", value.to_json()),
            Found::Error(why) => ("error", why.as_str().into()),
            Found::NotEvaluated => ("evaluated", false.into()),
        };
        json!({
            "text": self.text,
            "line": self.position.line,
            "column": self.position.column,
            "depth": self.depth,
            name: found,
            "decides": self.decides,
        })
    }
}
