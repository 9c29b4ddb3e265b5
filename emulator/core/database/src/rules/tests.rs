//! Rules from their text to what they admit.

use super::*;
use crate::tree;

fn node(text: &str) -> Node {
    tree::json::parse(text.as_bytes(), 0).unwrap().node
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn rules(text: &str) -> Ruleset {
    Ruleset::parse(&format!("{{\"rules\": {text}}}"), Unjudged::Refuses).unwrap()
}

#[test]
fn admins_bypass_the_rules() {
    for (ruleset, caller, may) in [
        (Ruleset::Open, Caller::Client, true),
        (Ruleset::Open, Caller::Admin, true),
        (Ruleset::Locked, Caller::Client, false),
        (Ruleset::Locked, Caller::Admin, true),
        (rules("{}"), Caller::Client, false),
        (rules(r#"{".validate": false}"#), Caller::Admin, true),
    ] {
        let (null, one) = (Node::NULL, node("1"));
        assert_eq!(ruleset.may_read(caller, &Path::ROOT, &null), may);
        assert_eq!(ruleset.may_write(caller, &Path::ROOT, &null, &one), may);
        assert_eq!(ruleset.may_write_anything(caller), may);
    }
}

#[test]
fn a_condition_holds_for_all_below() {
    let rules = rules(
        r#"{
            "open": {".read": true, ".write": "true", "shut": {".read": false, ".write": false}},
            "lists": {"$list": {".read": true, "own": {".write": true}}, "hidden": {}}
        }"#,
    );
    for (place, read, write) in [
        ("", false, false),
        ("other", false, false),
        ("open", true, true),
        ("open/shut/deep", true, true),
        ("lists", false, false),
        ("lists/a", true, false),
        ("lists/a/b", true, false),
        ("lists/a/own/b", true, true),
        ("lists/hidden", false, false),
        ("lists/hidden/own", false, false),
    ] {
        let place = path(place);
        assert_eq!(rules.may_read(Caller::Client, &place, &Node::NULL), read, "{place}");
        assert_eq!(rules.may_write(Caller::Client, &place, &Node::NULL, &Node::NULL), write, "{place}");
    }
    assert!(rules.may_write_anything(Caller::Client));
}

#[test]
fn every_validation_of_what_is_written_has_to_hold() {
    let rules = rules(
        r#"{".write": true, "a": {"no": {".validate": false}, "$other": {"never": {".validate": false}, "x": {}}},
            "b": {".validate": false, "c": {}}}"#,
    );
    for (place, after, may) in [
        ("a/x", r#"{"a":{"x":1}}"#, true),
        ("a/no", r#"{"a":{"no":1}}"#, false),
        ("a/no/deeper", r#"{"a":{"no":{"deeper":1}}}"#, false),
        ("a/no", r#"{"a":{"x":1}}"#, true),
        ("a", r#"{"a":{"no":1}}"#, false),
        ("", r#"{"a":{"no":{"x":1}}}"#, false),
        ("a", r#"{"a":{"x":{"ever":1},"y":1}}"#, true),
        ("a", r#"{"a":{"x":{"ever":1},"y":{"never":1}}}"#, false),
        ("", r#"{"b":{"c":1}}"#, false),
        ("b/c", r#"{"b":{"c":1}}"#, false),
        ("b/c", "null", true),
        // What is beside the place is not written.
        ("a/x", r#"{"a":{"x":1,"no":1},"b":1}"#, true),
    ] {
        let found = rules.may_write(Caller::Client, &path(place), &Node::NULL, &node(after));
        assert_eq!(found, may, "{place} {after}");
    }
}

#[test]
fn rules_are_given_back_with_and_without_their_comments() {
    let text =
        "{ \"rules\": // all\n { \".read\": \"a\n b\", \"é\": {\".indexOn\": [\"x\", \"y\"], \".write\": true} } }";
    let rules = Ruleset::parse(text, Unjudged::Admits).unwrap();
    assert_eq!(rules.text(), text);
    assert_eq!(rules.plain_text(), r#"{"rules":{".read":"a\n b","é":{".indexOn":["x","y"],".write":true}}}"#);
}

#[test]
fn expressions_are_decided_for_in_one_way_or_the_other() {
    let text = r#"{"rules": {".read": "auth != null", "a": {".write": "auth != null", ".validate": "now > 0"}}}"#;
    for (unjudged, may) in [(Unjudged::Admits, true), (Unjudged::Refuses, false)] {
        let rules = Ruleset::parse(text, unjudged).unwrap();
        assert_eq!(rules.may_read(Caller::Client, &path("a"), &Node::NULL), may);
        assert_eq!(rules.may_write(Caller::Client, &path("a"), &Node::NULL, &node(r#"{"a":1}"#)), may);
        assert!(!rules.may_write(Caller::Client, &path("b"), &Node::NULL, &node(r#"{"b":1}"#)));
        assert_eq!((rules.may_write_anything(Caller::Client), rules.unjudged(), rules.text()), (may, 3, text));
    }
}

#[test]
fn indices_are_those_of_the_nearest_level() {
    let rules = rules(
        r#"{".indexOn": "x", "list": {".indexOn": ["a", "b/c", ".value", ".priority"],
            "$any": {".indexOn": "d"}, "named": {}}}"#,
    );
    let child = |text| Order::Child(path(text));
    for (place, order, indexed) in [
        ("list", child("a"), true),
        ("list", child("b/c"), true),
        ("list", child("b"), false),
        ("list", Order::Value, true),
        ("list", Order::Key, true),
        ("", child("x"), true),
        ("", Order::Value, false),
        ("list/1", child("d"), true),
        ("list/named", child("d"), false),
        ("list/1/deeper", child("d"), false),
        ("other", child("x"), false),
        ("other", Order::Priority, true),
    ] {
        assert_eq!(rules.indexes(&path(place), &order), indexed, "{place} {order:?}");
    }
    assert!(!Ruleset::Open.indexes(&path("list"), &child("a")) && Ruleset::Open.indexes(&path("list"), &Order::Key));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = r#"{
  "rules": { // the rules
    ".read": 1, ".raed": true,
    "é": 1, "a.b": {},
    "$a": {"$a": {}, ".indexOn": [1, "", "x.y"]},
    "$b": {}, "$1": {},
    "c": {".indexOn": true, ".validate": null}, "c": {}
  },
  "more": {}, "rules": {}
}"#;
    let errors = Ruleset::parse(text, Unjudged::Admits).unwrap_err();
    let expect = r#"Line 3, column 14: ".read" has to be a string or a boolean
Line 3, column 17: ".raed" is unknown: there are .read, .write, .validate and .indexOn
Line 4, column 10: "é" has to be an object
Line 4, column 13: key "a.b" holds a character that is not allowed: . $ # [ ] / or a control character
Line 5, column 12: "$a" is the name of a wildcard above already
Line 5, column 35: ".indexOn" has to be a string or an array of strings
Line 5, column 38: "" is nothing to index: it has to be a child's path or .value
Line 5, column 42: "x.y" is nothing to index: it has to be a child's path or .value
Line 6, column 5: "$b" stands beside "$a": there is one wildcard to a level
Line 6, column 15: "$1" stands beside "$b": there is one wildcard to a level
Line 6, column 15: "$1" is no name of a wildcard: after $ come letters, digits and _
Line 7, column 23: ".indexOn" has to be a string or an array of strings
Line 7, column 42: ".validate" has to be a string or a boolean
Line 7, column 49: "c" is there twice
Line 9, column 3: "more" is unknown: there is nothing beside "rules"
Line 9, column 15: "rules" is there twice"#;
    assert_eq!(errors.to_string(), expect);
}

#[test]
fn what_is_no_file_of_rules_is_refused() {
    for (text, error) in [
        ("", "Line 1, column 1: Parse error: the text ends where a value is expected"),
        ("{\n  \"rules\": {,}}", "Line 2, column 13: Parse error: expected a name in double quotes"),
        ("[]", "Line 1, column 1: the rules have to be an object with the one member \"rules\""),
        ("{}", "Line 1, column 1: \"rules\" is missing"),
        (r#"{"rules": true}"#, "Line 1, column 11: \"rules\" has to be an object"),
    ] {
        assert_eq!(Ruleset::parse(text, Unjudged::Admits).unwrap_err().to_string(), error, "{text}");
    }
    for ruleset in [Ruleset::Open, Ruleset::Locked] {
        let same = Ruleset::parse(ruleset.text(), Unjudged::Refuses).unwrap();
        let may = ruleset == Ruleset::Open;
        assert_eq!(same.may_read(Caller::Client, &Path::ROOT, &Node::NULL), may);
        assert_eq!(same.may_write(Caller::Client, &Path::ROOT, &Node::NULL, &node("1")), may);
    }
}
