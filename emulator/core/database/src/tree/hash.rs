//! The hash of a node, which is also its ETag: equal exactly for equal data, priorities included.
//!
//! (`hash()` of LeafNode and ChildrenNode in the JavaScript SDK.)

use super::leaf::{Leaf, Priority};
use super::node::{Branch, Node, View};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest as _, Sha1};

/// A SHA-1.
pub(super) type Digest = [u8; 20];

/// The ETag of nothing.
const NULL_ETAG: &str = "null_etag";

impl Node {
    /// The hash as clients send it: base64 of a SHA-1; nothing has the empty one.
    pub fn hash(&self) -> String {
        self.digest().map_or_else(String::new, |digest| BASE64_STANDARD.encode(digest))
    }

    /// The ETag that the REST API gives it; nothing has `null_etag`.
    pub fn etag(&self) -> String {
        self.digest().map_or_else(|| NULL_ETAG.to_owned(), |digest| BASE64_STANDARD.encode(digest))
    }

    fn digest(&self) -> Option<Digest> {
        match self.view() {
            View::Null => None,
            View::Leaf(leaf) => Some(leaf_digest(leaf, self.priority())),
            View::Branch(branch) => self.derived().map(|kept| *kept.digest.get_or_init(|| branch_digest(branch))),
        }
    }
}

fn leaf_digest(leaf: &Leaf, priority: Option<&Priority>) -> Digest {
    let mut hash = Sha1::new();
    add_priority(&mut hash, priority);
    add_leaf(&mut hash, leaf);
    hash.finalize().into()
}

fn branch_digest(branch: &Branch) -> Digest {
    let mut children: Vec<_> = branch.children.iter().collect();
    // They stand in key order already, and the sort is stable.
    if children.iter().any(|(_, child)| child.priority().is_some()) {
        children.sort_by(|(_, one), (_, other)| Priority::compare(one.priority(), other.priority()));
    }
    let mut hash = Sha1::new();
    add_priority(&mut hash, branch.priority.as_ref());
    for (key, child) in children {
        if let Some(digest) = child.digest() {
            hash.update(":");
            hash.update(key.as_str());
            hash.update(":");
            hash.update(BASE64_STANDARD.encode(digest));
        }
    }
    hash.finalize().into()
}

fn add_priority(hash: &mut Sha1, priority: Option<&Priority>) {
    if let Some(priority) = priority {
        hash.update("priority:");
        add_leaf(hash, priority.leaf());
        hash.update(":");
    }
}

fn add_leaf(hash: &mut Sha1, leaf: &Leaf) {
    match leaf {
        Leaf::Bool(true) => hash.update("boolean:true"),
        Leaf::Bool(false) => hash.update("boolean:false"),
        Leaf::Int(_) | Leaf::Double(_) => {
            hash.update("number:");
            hash.update(format!("{:016x}", leaf.as_f64().unwrap_or_default().to_bits()));
        }
        Leaf::Text(text) => {
            hash.update("string:");
            hash.update(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tree::{Node, Path, json};

    #[test]
    fn a_hash_is_the_clients() {
        for (text, hash) in [
            ("null", ""),
            ("{}", ""),
            ("true", "E5z61QM0lN/U2WsOnusszCTkR8M="),
            (r#""abc""#, "dC6T6AgOHZEfclb8j/idGrWJNe0="),
            (r#""""#, "Ki0Xy0V6morg0TO3Sxi/jwugYDQ="),
            ("1", "YPVfR2bXt/lcDjiQZ8pOkAd3qkQ="),
            ("1.5", "4MftviR9Z/2MQCMkjh2RNbvlLJc="),
            ("1e21", "rZwDOBGJ9Z0+flzyrCWzeSigSyE="),
            (r#"{"a":1}"#, "gIphxiFGusLh2VwSNVKSvNu90m4="),
            (r#"{"a":1,"b":"x"}"#, "jRI9dwRS9sb4SWm8uuoN7+xBk4g="),
            ("[1,2]", "fOnL2UowZBFe3bI9YA5uUzua3N8="),
            (r#"{".value":5,".priority":1}"#, "oUSZ9VFwUrevB81K4PcN+7BHDJw="),
            (r#"{".value":"s",".priority":"p"}"#, "qWfe4qRYiqXk/gBz0Ux3iOkCrBU="),
            (r#"{"a":{".value":1,".priority":2},"b":{".value":2,".priority":1}}"#, "/3lk7Vfl5OYG6Kw2SkiPXNeExPw="),
            (r#"{"a":1,".priority":3}"#, "4dRhArPugqejHTgU57/GghV01fk="),
            (r#"{"9":2,"10":1,"a":3}"#, "m2yjQlTp8QU+bhHk6ou4o/HIgZ0="),
        ] {
            let node = json::parse(text.as_bytes(), 0).unwrap().node;
            assert_eq!(node.hash(), hash, "{text}");
            assert_eq!(node.etag(), if hash.is_empty() { "null_etag" } else { hash }, "{text}");
        }
    }

    #[test]
    fn a_hash_once_known_does_not_outlive_a_change() {
        let at = |text| Path::parse(text).unwrap();
        let one = Node::NULL.set(&at("a/b"), json::parse(b"1", 0).unwrap().node);
        let hash = one.hash();
        let two = one.set(&at("a/b"), json::parse(b"2", 0).unwrap().node);
        assert_ne!(two.hash(), hash);
        assert_eq!(two.set(&at("a/b"), one.find("a/b").clone()).hash(), hash);
        assert_ne!(one.with_priority(crate::Priority::new(crate::Leaf::Int(1))).hash(), hash);
    }
}
