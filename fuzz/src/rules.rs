//! Files of rules: read, or refused with a place in the text for everything that is wrong.

use hearth_database::{Caller, Leaf, Node, Order, Path, Ruleset, Unjudged};

pub(crate) fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let rules = match Ruleset::parse(text, Unjudged::Admits) {
        Ok(rules) => rules,
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused, and nothing is wrong");
            let lines = text.matches('\n').count() + 1;
            for error in &errors.0 {
                assert!((1..=lines).contains(&error.line) && error.column > 0, "{error} is not in the text");
            }
            assert!(Ruleset::parse(text, Unjudged::Refuses).is_err(), "read, if expressions are false");
            return;
        }
    };
    assert_eq!(Ruleset::parse(rules.text(), Unjudged::Admits).as_ref(), Ok(&rules));
    let strict = Ruleset::parse(text, Unjudged::Refuses).expect("it was read before");
    for path in ["", "a", "a/b", "users/u/name"].map(|path| Path::parse(path).expect("a path")) {
        let after = Node::NULL.set(&path, Leaf::Int(1).into());
        for rules in [&rules, &strict] {
            assert!(
                rules.may_read(Caller::Admin, &path, &after) && rules.may_write(Caller::Admin, &path, &after, &after)
            );
            let may_write = rules.may_write(Caller::Client, &path, &Node::NULL, &after);
            assert!(!may_write || rules.may_write_anything(Caller::Client), "it may write something");
            rules.indexes(&path, &Order::Value);
            rules.indexes(&path, &Order::Child(path.clone()));
        }
        let reads = |rules: &Ruleset| rules.may_read(Caller::Client, &path, &after);
        assert!(reads(&rules) || !reads(&strict), "more is allowed if expressions are false");
    }
}
