//! Conditions of rules, without a file around them, so that most inputs reach the evaluator: refused with a place, or
//! evaluated over data of all kinds. What is explained is what is judged.

use hearth_database::{Auth, Caller, Node, Order, Path, Query, Ruleset, json};
use serde_json::{Value, json};

pub(crate) fn target(bytes: &[u8]) {
    let Ok(condition) = std::str::from_utf8(bytes) else { return };
    let parse = |kind: &str| {
        let level = Value::Object([(kind.to_owned(), condition.into())].into_iter().collect());
        Ruleset::parse(&json!({"rules": {"a": {"$key": level}}}).to_string())
    };
    let claims = json!({"email": "u@example.org", "level": 3, "ok": true, "roles": {"admin": true}});
    let user = claims.as_object().map(|claims| Caller::client(Auth::of_token("u", claims)));
    let path = Path::parse("a/u").expect("a path");
    let trees = [
        json!(null),
        json!({"a": {"u": 7}, "b": "u"}),
        json!({"a": {"u": {"a": "text", "b": true, "c": {"d": 1.5}}}, "u": {"a": {".value": 1, ".priority": 2}}}),
    ];
    let trees: Vec<Node> = trees.iter().map(|tree| json::from_value(tree, 0).expect("data").node).collect();
    if let Ok(rules) = parse(".read") {
        let queries = [Query::default(), Query { order: Order::Key, ..Query::default() }];
        for (caller, tree) in [Some(Caller::ANYONE), user.clone()].iter().flatten().zip(&trees) {
            for query in &queries {
                let allowed = rules.may_read(caller, &path, query, tree, 5);
                let why = rules.explain_read(caller, &path, query, tree, 5);
                assert_eq!(why.allowed(), allowed, "{why}");
            }
        }
    }
    for kind in [".write", ".validate"] {
        let Ok(rules) = parse(kind) else { continue };
        for caller in [Some(Caller::ANYONE), user.clone()].iter().flatten() {
            for (before, after) in trees.iter().zip(trees.iter().skip(1)) {
                let allowed = rules.may_write(caller, &path, before, after, 5);
                let why = rules.explain_write(caller, &path, before, after, 5);
                assert_eq!(why.allowed(), allowed, "{why}");
            }
        }
    }
}
