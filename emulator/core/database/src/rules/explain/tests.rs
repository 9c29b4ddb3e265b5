//! Explanations of all sorts, as people and programs read them.

use super::*;
use crate::random::Random;
use crate::tree::json;
use insta::assert_snapshot;

const RULES: &str = r#"{
  "rules": {
    ".read": false,
    "users": {
      "$uid": {
        ".read": "auth.uid === $uid",
        ".write": "auth != null && (auth.uid === $uid ||
                   root.child('admins').hasChild(auth.uid))",
        ".validate": "newData.hasChildren(['name'])",
        "name": { ".validate": "newData.isString() && newData.val().length <= 20" },
        "age": { ".validate": "newData.val() >= 0" },
        "$other": { ".validate": false }
      }
    },
    "list": { ".read": "query.limitToFirst <= 10" }
  }
}"#;

fn node(text: &str) -> Node {
    json::parse(text.as_bytes(), 0).unwrap().node
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn user(uid: &str) -> Caller {
    let serde_json::Value::Object(members) = serde_json::json!({ "uid": uid }) else { panic!() };
    Caller::client(Auth::given(members))
}

fn rules() -> Ruleset {
    Ruleset::parse(RULES).unwrap()
}

fn write(caller: &Caller, place: &str, before: &str, after: &str) -> Explanation {
    rules().explain_write(caller, &path(place), &node(before), &node(after), 7)
}

#[test]
fn a_write_that_no_rule_allows() {
    let explanation =
        write(&user("bob"), "users/ann/name", r#"{"admins":{"eve":true}}"#, r#"{"users":{"ann":{"name":"x"}}}"#);
    assert_snapshot!(explanation.to_string());
}

#[test]
fn a_write_that_is_not_valid() {
    let after = r#"{"users":{"ann":{"name":"Ann","age":"x"}}}"#;
    assert_snapshot!(write(&user("ann"), "users/ann", "null", after).to_string());
}

#[test]
fn a_write_that_is_allowed() {
    let after = r#"{"users":{"ann":{"name":"Ann","age":3}}}"#;
    assert_snapshot!(write(&user("ann"), "users/ann/age", "null", after).to_string());
}

#[test]
fn a_read_that_no_rule_allows() {
    let read = |caller: &Caller, place: &str| {
        rules().explain_read(caller, &path(place), &Query::default(), &Node::NULL, 7).to_string()
    };
    assert_snapshot!(read(&Caller::ANYONE, "users/ann/name"), @r#"
    Denied: read /users/ann/name
      auth is null
      no .read from the root down to there holds
      .read at / (3:14) is false
    > .read at /users/$uid (6:19) is false, where $uid = "ann"
          auth.uid === $uid
          6:19   auth.uid is null
          6:32   $uid is "ann"
    "#);
    assert_snapshot!(read(&Caller::Admin, "users"), @"
    Allowed: read /users
      as an admin
      admins bypass the rules
    ");
    // What cannot be compared is told where it stands.
    assert_snapshot!(read(&user("ann"), "list"), @r#"
    Denied: read /list
      auth is {"uid":"ann"}
      no .read from the root down to there holds
      .read at / (3:14) is false
    > .read at /list (15:25) is error (only two numbers or two strings can be compared by order)
          query.limitToFirst <= 10
          15:25  query.limitToFirst is null
    "#);
}

#[test]
fn without_rules_there_is_a_reason_too() {
    for (rules, reason, because) in [
        (Ruleset::Open, Reason::Open, "there are no rules, and everyone may do everything"),
        (Ruleset::Locked, Reason::Locked, "there are no rules, and only admins may do anything"),
        (
            Ruleset::parse(r#"{"rules":{"a":{".read":true}}}"#).unwrap(),
            Reason::NothingHolds,
            "there is no .read from the root down to there",
        ),
    ] {
        let found = rules.explain_read(&Caller::ANYONE, &path("b"), &Query::default(), &Node::NULL, 0);
        assert_eq!((found.reason, found.because().as_str(), found.rules.len()), (reason, because, 0));
    }
}

#[test]
fn the_innermost_part_that_decides_is_found() {
    for (rule, decides) in [
        ("auth != null && auth.uid == 'x'", Some("auth.uid == 'x'")),
        ("auth.uid == 'ann' && (now > 1 && (now < 5 && now > 3))", Some("now < 5")),
        ("auth.uid == 'x' || now < 5", None),
        ("now > 1 ? auth.uid == 'ann' && now < 5 : true", Some("now < 5")),
        ("now > 1 && auth.uid.length < auth.name.length", Some("auth.name.length")),
        ("!(now > 1)", None),
        ("auth.uid && true", None),
        ("false && now > 1", None),
    ] {
        let rules = Ruleset::parse(&serde_json::json!({ "rules": { ".read": rule } }).to_string()).unwrap();
        let found = rules.explain_read(&user("ann"), &Path::ROOT, &Query::default(), &Node::NULL, 7);
        let decisive: Vec<_> =
            found.rules[0].parts.iter().filter(|part| part.decides).map(|part| part.text.as_str()).collect();
        assert_eq!(decisive, Vec::from_iter(decides), "{rule}\n{found}");
    }
}

#[test]
fn in_one_line_it_is_ascii_and_short() {
    let denied = write(&user("bøb"), "users/ann/name", "null", r#"{"users":{"ann":{"name":"x"}}}"#);
    assert_snapshot!(denied.compact(1024), @r##"denied: write /users/ann/name: no .write from the root down to there holds; .write at /users/$uid (7:20) is false: auth != null && (auth.uid === $uid || root.child('admins').hasChild(auth.uid)); (auth.uid === $uid || root.child('admins').hasChild(auth.uid)) is false; auth.uid === $uid is false; auth.uid is "b\u{f8}b"; $uid is "ann"; root.child('admins').hasChild(auth.uid) is false; root.child('admins') is null; auth.uid is "b\u{f8}b""##);
    for most in [0, 1, 50, 100] {
        let line = denied.compact(most);
        assert!(line.len() <= most.max(3) && line.ends_with("..."), "{line}");
    }
}

#[test]
fn as_json_it_says_the_same() {
    let denied = write(&user("bob"), "users/ann/name", "null", r#"{"users":{"ann":{"name":"x"}}}"#);
    assert_snapshot!(serde_json::to_string_pretty(&denied.to_json()).unwrap());
}

#[test]
fn however_much_is_asked_it_stays_short() {
    // Many validations, of which the last fails.
    let children: Vec<_> = (0..5_000).map(|number| format!("\"{number}\":{number}")).collect();
    let rules = r#"{"rules":{".write":true,"$k":{".validate":"newData.val() != 4999"}}}"#;
    let after = node(&format!("{{{}}}", children.join(",")));
    let rules = Ruleset::parse(rules).unwrap();
    let found = rules.explain_write(&Caller::ANYONE, &Path::ROOT, &Node::NULL, &after, 0);
    assert_eq!((found.reason, found.rules.len(), found.left_out), (Reason::Invalid, 101, 4_900));
    assert_eq!(found.deciding_rule().unwrap().wildcards, [("$k".to_owned(), "4999".to_owned())]);
    // A long expression over long values.
    let many = vec!["root.child('a').val() == 'b'"; 5_000].join(" || ");
    let rules = Ruleset::parse(&serde_json::json!({ "rules": { ".read": many } }).to_string()).unwrap();
    let root = node(&format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000)));
    let found = rules.explain_read(&Caller::ANYONE, &Path::ROOT, &Query::default(), &root, 0);
    assert_eq!(found.rules[0].parts.len(), 200);
    assert!(found.to_string().len() < 100_000 && found.to_json().to_string().len() < 200_000);
}

#[test]
fn what_takes_too_long_is_given_up_here_too() {
    let children: Vec<_> = (0..100).map(|number| format!("\"k{number}\":1")).collect();
    let texts = vec!["root.child('a').val().contains('b')"; 20].join(" || ");
    let rules = serde_json::json!({ "rules": { ".write": true, "$k": { ".validate": format!("{texts} || true") } } });
    let rules = Ruleset::parse(&rules.to_string()).unwrap();
    let (before, after) =
        (node(&format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000))), node(&format!("{{{}}}", children.join(","))));
    assert!(!rules.may_write(&Caller::ANYONE, &Path::ROOT, &before, &after, 0));
    let found = rules.explain_write(&Caller::ANYONE, &Path::ROOT, &before, &after, 0);
    assert!(!found.allowed());
    assert_eq!(found.deciding_rule().unwrap().outcome, Outcome::Error("the judgement took too many steps".to_owned()));
}

/// A condition that makes sense, of any of the forms.
fn condition(random: &mut Random, depth: usize) -> String {
    let leaves = [
        "auth != null",
        "auth.uid == $a",
        "data.exists()",
        "data.parent().child('x').val() > 1",
        "root.child('x').val() == 'b'",
        "root.child($a).hasChildren(['x', auth.uid])",
        "auth.uid.length > now",
        "now % 2 == 1",
        "auth.no.contains('x')",
        "data.val() + 1 > 2",
        "auth.uid.matches(/^a/)",
        "true",
        "false",
    ];
    if depth == 0 {
        return leaves[random.below(leaves.len())].to_owned();
    }
    let mut part = || condition(random, depth - 1);
    let (one, other, third) = (part(), part(), part());
    match random.below(5) {
        0 => format!("({one}) && ({other}) && ({third})"),
        1 => format!("({one}) || ({other}) || ({third})"),
        2 => format!("!({one})"),
        3 => format!("({one}) ? ({other}) : ({third})"),
        _ => one,
    }
}

#[test]
fn an_explanation_agrees_with_the_judgement_it_explains() {
    let mut random = Random::new(11);
    let trees = ["null", "1", "\"b\"", r#"{"x":2,"ann":{"x":1}}"#, r#"{"a":{"x":"b"},"x":"b"}"#].map(node);
    let callers = [Caller::ANYONE, user("ann"), user("a"), Caller::Admin];
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..1_500 {
        let mut rule = || {
            let depth = random.below(4);
            condition(&mut random, depth)
        };
        let rules = serde_json::json!({ "rules": { "$a": {
            ".read": rule(), ".write": rule(), ".validate": rule(), "x": { ".read": rule(), ".validate": rule() },
        } } });
        let rules = Ruleset::parse(&rules.to_string()).unwrap_or_else(|errors| panic!("{errors:#}"));
        let caller = &callers[random.below(callers.len())];
        let place = path(["", "a", "a/x", "ann/x", "ann/y"][random.below(5)]);
        let (before, after) = (&trees[random.below(trees.len())], &trees[random.below(trees.len())]);
        let now = random.below(4) as u64;
        let read = rules.explain_read(caller, &place, &Query::default(), before, now);
        assert_eq!(read.allowed(), rules.may_read(caller, &place, &Query::default(), before, now), "{read}");
        let write = rules.explain_write(caller, &place, before, after, now);
        assert_eq!(write.allowed(), rules.may_write(caller, &place, before, after, now), "{write}");
        for found in [read, write] {
            *(if found.allowed() { &mut allowed } else { &mut denied }) += 1;
            // What decides does not hold, or holds, as the verdict says.
            if let Some(rule) = found.deciding_rule() {
                assert_eq!(rule.outcome == Outcome::True, found.allowed(), "{found}");
                assert!(!found.allowed() || rule.parts.iter().all(|part| !part.decides), "{found}");
            }
            assert!(found.compact(1024).len() <= 1024);
        }
    }
    assert!(allowed > 250 && denied > 250, "{allowed} {denied}");
}
