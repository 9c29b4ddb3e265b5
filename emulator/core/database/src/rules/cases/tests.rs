//! Files of cases: what comes out of good ones, and what is wrong with others.

use super::{CaseFile, Format, RulesOf};

const RULES: &str = r#""rules": {
    "notes": {"$owner": {".read": "auth.uid == $owner || query.limitToFirst <= 10", ".write": "auth.uid == $owner",
        "text": {".validate": "newData.isString() && newData.val().length < 10"},
        "at": {".validate": "newData.val() == now"},
        "rank": {".validate": "newData.getPriority() == 2"}}},
    "closed": {}}"#;

/// What comes out of a case over these rules, with Alice and Bob and a note of hers: its operation, and the verdict.
fn check(case: &str, expect: (&str, &str)) {
    let text = format!(
        r#"{{{RULES}, "auth": {{"alice": {{"uid": "alice"}}, "bob": {{"uid": "bob"}}, "nobody": null}},
            "data": {{"notes": {{"alice": {{"text": "hello"}}}}}}, "now": 5, "cases": [{case}]}}"#
    );
    let file = CaseFile::parse(&text, Format::Json, 0).unwrap_or_else(|errors| panic!("{errors:#}"));
    let RulesOf::Inline(rules) = &file.rules else { panic!("the rules are inline") };
    let case = &file.cases[0];
    assert_eq!((case.operation.as_str(), case.judge(rules).to_string().as_str()), expect, "{text}");
}

#[test]
fn operations_come_out_as_the_rules_say() {
    for (case, expect) in [
        (r#"{"read": "/notes/alice", "auth": "alice", "expect": "allow"}"#, ("read /notes/alice as alice", "allow")),
        (r#"{"read": "notes/alice", "auth": "bob", "expect": "allow"}"#, ("read /notes/alice as bob", "deny")),
        (r#"{"read": "/notes/alice", "auth": "nobody", "expect": "deny"}"#, ("read /notes/alice as nobody", "deny")),
        (r#"{"read": "/notes/alice", "auth": null, "expect": "deny"}"#, ("read /notes/alice as nobody", "deny")),
        (
            r#"{"read": "/notes/alice", "auth": {"uid": "alice"}, "expect": "deny"}"#,
            (r#"read /notes/alice as {"uid":"alice"}"#, "allow"),
        ),
        (
            r#"{"read": "/notes/alice", "query": {"orderBy": "$key", "limitToFirst": 3}, "expect": "deny"}"#,
            (r#"read /notes/alice (orderBy "$key", limitToFirst 3) as nobody"#, "allow"),
        ),
        (
            r#"{"read": "/notes/alice", "query": {"limitToFirst": 30}, "expect": "deny"}"#,
            ("read /notes/alice (limitToFirst 30) as nobody", "deny"),
        ),
        (
            r#"{"write": "/notes/alice/text", "value": "short", "auth": "alice", "expect": "allow"}"#,
            ("write /notes/alice/text as alice", "allow"),
        ),
        (
            r#"{"write": "/notes/alice/text", "value": "much too long", "auth": "alice", "expect": "allow"}"#,
            ("write /notes/alice/text as alice", "deny"),
        ),
        (
            r#"{"write": "/notes/alice/text", "value": null, "auth": "alice", "expect": "allow"}"#,
            ("delete /notes/alice/text as alice", "allow"),
        ),
        (
            r#"{"write": "/notes/alice/at", "value": {".sv": "timestamp"}, "auth": "alice", "expect": "allow"}"#,
            ("write /notes/alice/at as alice", "allow"),
        ),
        (
            r#"{"write": "/notes/alice/at", "value": 5, "now": 6, "auth": "alice", "expect": "deny"}"#,
            ("write /notes/alice/at as alice", "deny"),
        ),
        (
            r#"{"write": "/notes/alice/rank", "value": 1, "priority": 2, "auth": "alice", "expect": "allow"}"#,
            ("write /notes/alice/rank as alice", "allow"),
        ),
        (
            r#"{"write": "/notes/alice/rank", "value": 1, "auth": "alice", "expect": "allow"}"#,
            ("write /notes/alice/rank as alice", "deny"),
        ),
        (
            r#"{"write": "/notes/alice/rank/.priority", "value": 2, "data": {"notes": {"alice": {"rank": 1}}},
                "auth": "alice", "expect": "allow"}"#,
            ("write /notes/alice/rank/.priority as alice", "allow"),
        ),
        (
            r#"{"update": "/notes/alice", "values": {"text": "a", "at": 5}, "auth": "alice", "expect": "allow"}"#,
            ("update text, at of /notes/alice as alice", "allow"),
        ),
        (
            r#"{"update": "/", "values": {"notes/alice/text": "a", "closed": 5}, "auth": "alice", "expect": "allow"}"#,
            ("update notes/alice/text, closed of / as alice", "deny"),
        ),
    ] {
        check(case, expect);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_place() {
    let text = r#"{
  "rules": {".read": "auth.uid = 1", "a": {".raed": true}},
  "more": 1,
  "data": {"a.b": 1},
  "auth": {"alice": 3, "bob": {}, "bob": {}},
  "now": -1,
  "cases": [
    {"read": "/a", "expect": "maybe"},
    {"read": "/a#", "expect": "allow"},
    {"read": "/a", "write": "/a", "expect": "allow"},
    {"expect": "allow"},
    {"write": "/a", "expect": "allow"},
    {"write": "/a", "value": {"x": {".sv": "nothing"}}, "expect": "allow"},
    {"read": "/a", "auth": "carol", "value": 1, "user": 1},
    {"read": "/a", "query": {"orderBy": "$key", "startAt": 1, "limitToFirst": 0}, "expect": "allow"},
    {"read": "/a", "query": {"equalTo": 1, "endAt": 1, "limitToFirst": 1, "limitToLast": 2}, "expect": "allow"},
    {"update": "/a", "values": {"b": 1, "b/c": 2}, "expect": "allow"},
    {"write": "/a", "value": 1, "priority": true, "expect": "allow"},
    3
  ]
}"#;
    let errors = CaseFile::parse(text, Format::Json, 0).unwrap_err();
    let found: Vec<_> =
        errors.0.iter().map(|error| format!("{}:{} {}", error.line, error.column, error.problem)).collect();
    let expect = [
        "2:32 nothing can be assigned in rules: compare with ==",
        "2:44 \".raed\" is unknown: there are .read, .write, .validate and .indexOn",
    ];
    assert_eq!(&found[..2], &expect, "{errors:#}");
    let places: Vec<_> = errors.0.iter().map(|error| (error.line, error.problem.as_str())).collect();
    for (line, problem) in [
        (3, "\"more\" is unknown here: there are rules, now, data, auth, cases"),
        (4, "a.b"),
        (5, "an auth has to be null or an object like {\"uid\": \"alice\", \"token\": {}}"),
        (5, "\"bob\" is there twice"),
        (6, "\"now\" has to be a whole number, zero or more"),
        (8, "\"expect\" is allow or deny, not \"maybe\""),
        (9, "#"),
        (10, "a case has only one of \"read\", \"write\" and \"update\""),
        (11, "a case has one of \"read\", \"write\" and \"update\", with a path"),
        (12, "\"value\" is missing: what is written; null deletes"),
        (13, "unknown server value"),
        (14, "\"auth\" names no \"carol\": there are alice, bob"),
        (14, "a read has no \"value\""),
        (14, "\"expect\" is missing: allow or deny"),
        (14, "\"user\" is unknown here"),
        (15, "a limit must be greater than zero"),
        (16, "\"equalTo\" is start and end at once"),
        (16, "there may be one of \"limitToFirst\" and \"limitToLast\""),
        (17, "no rules are asked, the server refuses this: the update's path /a/b/c lies below its path /a/b"),
        (18, "a priority must be a number or a string"),
        (19, "a case has to be an object"),
    ] {
        assert!(
            places.iter().any(|(at, found)| *at == line && found.contains(problem)),
            "{line} {problem}\n{errors:#}"
        );
    }
    for error in &errors.0 {
        assert!(error.excerpt.contains('^'));
    }
}

#[test]
fn yaml_says_the_same() {
    let text = "rules:\n  .read: >\n    auth != null &&\n    auth.uid = 1\ncases:\n  - {read: /a, expect: allow}\n  - read: /a\n";
    let errors = CaseFile::parse(text, Format::Yaml, 0).unwrap_err();
    let found: Vec<_> = errors.0.iter().map(|error| format!("{}:{}", error.line, error.column)).collect();
    assert_eq!(found, ["4:14", "7:5"], "{errors:#}");

    let text = "rules: some/rules.json\nnow: 7\nauth:\n  alice: {uid: alice}\ncases:\n  - name: her own\n    \
                read: /a\n    auth: alice\n    expect: allow\n\n  - {write: /a, value: 1, expect: deny}\n";
    let file = CaseFile::parse(text, Format::Yaml, 0).unwrap();
    assert_eq!(file.rules, RulesOf::File("some/rules.json".to_owned()));
    let cases: Vec<_> = file.cases.iter().map(|case| (case.line, case.name.as_str(), case.now)).collect();
    assert_eq!(cases, [(6, "her own", 7), (11, "write /a as nobody", 7)]);
}

#[test]
fn what_is_no_file_of_cases_is_refused() {
    for (text, format, problem) in [
        ("", Format::Json, "Parse error: the text ends where a value is expected"),
        ("[]", Format::Json, "a file of cases has to be an object"),
        ("- a", Format::Yaml, "a file of cases has to be an object"),
        ("{}", Format::Json, "\"rules\" is missing: a path, or the rules themselves"),
        (
            r#"{"rules": 1, "cases": []}"#,
            Format::Json,
            "\"rules\" has to be a file's path, or the rules themselves as an object",
        ),
        (r#"{"rules": {}, "cases": {}}"#, Format::Json, "\"cases\" has to be an array"),
    ] {
        let errors = CaseFile::parse(text, format, 0).unwrap_err();
        assert_eq!(errors.0[0].problem, problem, "{text}");
    }
}
