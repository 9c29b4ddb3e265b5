//! Files of rules: read, or refused with a place in the text for everything that is wrong; what is read judges whatever
//! it is asked, and says why.

use hearth_database::{Auth, Caller, Leaf, Node, Order, Path, Query, Ruleset};
use serde_json::json;

pub(crate) fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let rules = match Ruleset::parse(text) {
        Ok(rules) => rules,
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused, and nothing is wrong");
            let lines = text.matches('\n').count() + 1;
            for error in &errors.0 {
                assert!((1..=lines).contains(&error.line) && error.column > 0, "{error:#} is not in the text");
            }
            return;
        }
    };
    assert_eq!(Ruleset::parse(rules.text()).as_ref(), Ok(&rules));
    let claims = json!({ "email": "u@example.org", "level": 3, "firebase": { "sign_in_provider": "password" } });
    let user = claims.as_object().map(|claims| Caller::client(Auth::of_token("u", claims)));
    let callers = [Some(Caller::ANYONE), user];
    for path in ["", "a", "a/b", "users/u/name"].map(|path| Path::parse(path).expect("a path")) {
        let after = Node::NULL.set(&path, Leaf::Int(1).into());
        let query = Query { order: Order::Child(path.clone()), ..Query::default() };
        assert!(rules.may_read(&Caller::Admin, &path, &query, &after, 1));
        assert!(rules.may_write(&Caller::Admin, &path, &after, &after, 1));
        for caller in callers.iter().flatten() {
            let may_write = rules.may_write(caller, &path, &Node::NULL, &after, 1);
            assert!(!may_write || rules.may_write_anything(caller), "it may write something");
            let explained = rules.explain_write(caller, &path, &Node::NULL, &after, 1);
            assert_eq!(explained.allowed(), may_write, "{explained}");
            let explained = rules.explain_read(caller, &path, &query, &after, 1);
            assert_eq!(explained.allowed(), rules.may_read(caller, &path, &query, &after, 1), "{explained}");
            assert!(explained.compact(1024).len() <= 1024);
            let above = rules.may_read(caller, &Path::ROOT, &query, &after, 1);
            assert!(!above || rules.may_read(caller, &path, &query, &after, 1), "who may read all may read a part");
        }
        rules.indexes(&path, &Order::Value);
        rules.indexes(&path, &Order::Child(path.clone()));
    }
}
