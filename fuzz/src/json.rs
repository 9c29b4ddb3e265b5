//! JSON to trees: what is read is printed and read again as the same.

use hearth_database::json::{self, Form, Layout};
use hearth_database::{Node, Unresolved};

const NOW: u64 = 1_700_000_000_000;

pub(crate) fn target(bytes: &[u8]) {
    // As data of a node so deep.
    let (depth, text) = match bytes.split_first() {
        Some((depth, text)) => (usize::from(depth % 33), text),
        None => (0, bytes),
    };
    if let Ok(data) = json::parse(text, depth) {
        assert!(data.depth() + depth <= 32, "deeper than a tree may be");
        stored_and_read_again(&data, depth);
        if let Ok(node) = data.resolve(&Node::NULL, NOW) {
            printed_and_read_again(&node, depth);
        }
    }
    if let Ok(Some(parts)) = json::parse_update(text, depth) {
        for (location, data) in parts {
            let depth = depth + location.path.depth();
            assert!(depth <= 32, "a path that is too deep");
            stored_and_read_again(&data, depth);
        }
    }
}

/// With its server values.
fn stored_and_read_again(data: &Unresolved, depth: usize) {
    let text = json::to_unresolved_text(data);
    let again = json::parse(text.as_bytes(), depth).expect("what was written is read");
    // The places of server values may come in another order.
    same(&again.node, &data.node, &text);
    assert_eq!(json::to_unresolved_text(&again), text);
}

/// A whole number of more than 53 bits may be read as a double and then, as it is printed, as an integer: nobody can
/// tell one from the other.
fn same(again: &Node, node: &Node, text: &str) {
    assert_eq!(json::to_text(again, Form::Export), json::to_text(node, Form::Export), "{text}");
    assert_eq!(again.hash(), node.hash(), "{text}");
    assert_eq!(again.weight(), node.weight(), "{text}");
}

fn printed_and_read_again(node: &Node, depth: usize) {
    let text = json::to_text(node, Form::Export);
    let again = json::parse(text.as_bytes(), depth).expect("what was printed is read");
    let again = again.resolve(&Node::NULL, NOW).expect("nothing is left to resolve");
    same(&again, node, &text);
    for (form, layout) in [(Form::Value, Layout::Compact), (Form::Export, Layout::Pretty)] {
        let text = json::encode(node, form, layout);
        serde_json::from_slice::<serde_json::Value>(&text).expect("JSON");
    }
    let shallow = json::encode_shallow(node, None, 3, Layout::Compact);
    serde_json::from_slice::<serde_json::Value>(&shallow).expect("JSON");
}
