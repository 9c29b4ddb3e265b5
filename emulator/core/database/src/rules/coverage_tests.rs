//! What coverage counts, and what of it is told.

use super::*;
use crate::tree::json;
use std::fmt::Write as _;
use std::sync::Mutex;

/// Writes down what it hears of.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Witness for Heard {
    fn denied(&self, explanation: &Arc<Explanation>) {
        self.0.lock().unwrap().push(format!("{} {}", explanation.operation, explanation.path));
    }
}

fn watched(text: &str) -> (Ruleset, Arc<Heard>) {
    let heard = Arc::<Heard>::default();
    (Ruleset::parse(text).unwrap().watched(Arc::clone(&heard) as Arc<dyn Witness>), heard)
}

fn node(text: &str) -> Node {
    json::parse(text.as_bytes(), 0).unwrap().node
}

/// A line for each part: where, what, how often.
fn lines(rules: &Ruleset) -> String {
    let report = rules.coverage().unwrap();
    let mut lines = String::new();
    for rule in &report.rules {
        let _ = writeln!(lines, "{}{}", rule.kind, rule.rule_path);
        for part in std::iter::once(&rule.whole).chain(&rule.parts) {
            assert_eq!(report.text.get(part.begin..part.end), Some(part.text.as_str()));
            let values: Vec<_> = part.counts.values().map(|(value, count)| format!("{value} {count}")).collect();
            let indent = "  ".repeat(part.depth + 1);
            let _ = writeln!(lines, "{indent}{} {} [{}]", part.position, part.text, values.join(", "));
        }
    }
    lines
}

const RULES: &str = r#"{"rules": {
  ".read": false,
  "a": { ".read": "auth != null && data.child('x').val() > 1",
         ".write": "newData.exists() || auth.uid == 'ann'", ".validate": "newData.isNumber()" }
}}"#;

#[test]
fn what_each_part_comes_to_is_counted() {
    let (rules, heard) = watched(RULES);
    let ann = Caller::client(Auth::of_token("ann", &serde_json::Map::new()));
    let place = Path::parse("a").unwrap();
    let trees = [r#"{"a":{"x":2}}"#, r#"{"a":{"x":1}}"#, r#"{"a":{"x":"b"}}"#].map(node);
    for root in &trees {
        for caller in [&ann, &Caller::ANYONE] {
            let _ = rules.check_read(caller, &place, &Query::default(), root, 0);
        }
    }
    for (caller, after) in [(&ann, "null"), (&ann, r#"{"a":5}"#), (&Caller::ANYONE, "null")] {
        let _ = rules.check_write(caller, &place, &Node::NULL, &node(after), 0);
    }
    let found = lines(&rules);
    insta::assert_snapshot!(found, @r"
    .read
      2:12 false [false 6]
    .read/a
      3:20 auth != null && data.child('x').val() > 1 [true 1, false 4, error 1]
        3:20 auth != null [true 3, false 3]
        3:36 data.child('x').val() > 1 [true 1, false 1, error 1]
          3:36 data.child('x').val() [other 3]
            3:36 data.child('x') [other 3]
              3:36 data [other 3]
    .write/a
      4:21 newData.exists() || auth.uid == 'ann' [true 2, false 1]
        4:21 newData.exists() [true 1, false 2]
          4:21 newData [null 2, other 1]
        4:41 auth.uid == 'ann' [true 1, false 1]
          4:41 auth.uid [null 1, other 1]
    .validate/a
      4:75 newData.isNumber() [true 1]
        4:75 newData [other 1]
    ");
    assert_eq!(*heard.0.lock().unwrap(), ["read /a", "read /a", "read /a", "read /a", "read /a", "write /a"]);
    // What is only explained is not counted, and admins ask no rules.
    rules.explain_read(&ann, &place, &Query::default(), &trees[0], 0);
    assert!(rules.check_read(&Caller::Admin, &place, &Query::default(), &trees[0], 0).is_ok());
    assert_eq!(lines(&rules), found);
    // Other rules begin anew, even the same.
    let again = rules.watched(heard);
    assert_eq!(again, rules);
    assert!(lines(&again).lines().all(|line| !line.contains('[') || line.ends_with("[]")));
}

#[test]
fn rules_that_are_not_watched_count_nothing_and_explain_nothing() {
    for rules in [Ruleset::parse(RULES).unwrap(), Ruleset::Locked] {
        let denial = rules.check_read(&Caller::ANYONE, &Path::ROOT, &Query::default(), &Node::NULL, 0).unwrap_err();
        assert!(denial.explanation().is_none() && rules.coverage().is_none());
    }
    let (rules, _) = watched(RULES);
    let denial = rules.check_read(&Caller::ANYONE, &Path::ROOT, &Query::default(), &Node::NULL, 0).unwrap_err();
    let explanation = denial.explanation().unwrap();
    assert_eq!((explanation.allowed(), explanation.rules.len()), (false, 1));
    let denial = watched(r#"{"rules":{"a":{".write":false}}}"#).0;
    let denial =
        denial.check_write_anything(&Caller::ANYONE, &Path::parse("a/b").unwrap(), &Node::NULL, 0).unwrap_err();
    assert_eq!(denial.explanation().unwrap().rules.len(), 1);
}

#[test]
fn watched_rules_judge_as_the_same_rules_do() {
    let (rules, _) = watched(RULES);
    assert_eq!((rules.text(), rules.plain_text()), (RULES, Ruleset::parse(RULES).unwrap().plain_text()));
    let heard = || Arc::<Heard>::default() as Arc<dyn Witness>;
    for (rules, may) in [(Ruleset::Open, true), (Ruleset::Locked, false)] {
        let watched = rules.watched(heard());
        assert_eq!(watched.text(), rules.text());
        assert_eq!(watched.may_read(&Caller::ANYONE, &Path::ROOT, &Query::default(), &Node::NULL, 0), may);
        assert_eq!(watched.may_write(&Caller::ANYONE, &Path::ROOT, &Node::NULL, &node("1"), 0), may);
        assert_eq!(watched.may_write_anything(&Caller::ANYONE), may);
        assert_eq!(watched.coverage().unwrap().rules[0].whole.counts.sum(), 1);
    }
}

#[test]
fn as_json_parts_stand_in_those_they_are_parts_of() {
    let (rules, _) = watched(r#"{"rules":{".read":"auth.uid == 'é' && (now > 1 || data.val() == 2)"}}"#);
    let _ = rules.check_read(&Caller::ANYONE, &Path::ROOT, &Query::default(), &Node::NULL, 0);
    let json = rules.coverage().unwrap().to_json();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}
