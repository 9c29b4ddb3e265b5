//! Paths: what is read is printed and read again as the same, and leads to what is put there.

use hearth_database::{Key, Leaf, Location, Node, Path};

pub(crate) fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = Key::new(text) {
        assert_eq!(key.as_str(), text);
        assert!(Path::parse(text).is_ok_and(|path| path.keys() == [key]), "a key is a path");
    }
    let Ok(location) = Location::parse(text) else {
        assert!(Path::parse(text).is_err(), "a path is a location");
        return;
    };
    assert_eq!(Location::parse(&location.to_string()).as_ref(), Ok(&location));
    let path = location.path;
    assert!(path.depth() <= 32, "deeper than a tree may be");
    assert_eq!(Path::parse(text).is_ok(), !location.priority);
    assert_eq!(Path::parse(&path.to_string()).as_ref(), Ok(&path));
    let tree = Node::NULL.set(&path, Leaf::Int(1).into());
    assert_eq!(tree.get(&path), &Leaf::Int(1).into());
    assert_eq!(tree.depth(), path.depth());
    assert!(tree.set(&path, Node::NULL).is_null(), "nothing is left");
    for (depth, key) in path.keys().iter().enumerate() {
        assert_eq!(Key::new(key.as_str()).as_ref(), Ok(key));
        let below = path.skip(depth);
        assert_eq!(below.depth() + depth, path.depth());
    }
}
