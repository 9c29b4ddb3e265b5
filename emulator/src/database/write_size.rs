//! How much a write may change: `writeSizeLimit`.
//!
//! Firebase estimates how long a write will take it, and refuses one that is over the limit. Here the estimate is of
//! size alone, so that the same write always has the same answer: the bytes of JSON that a write removes and adds count
//! as [`PACE`] of them a second. Must not know: HTTP.

use hearth_database::{Change, Location, Node, Unresolved, Write};

/// Bytes a second. With it `large` is about as much as one request may bring.
const PACE: u64 = 4 * 1024 * 1024;

/// For how long a write may be estimated to take
/// (firebase.google.com/docs/reference/rest/database, `writeSizeLimit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteSizeLimit {
    /// A second.
    Tiny,
    /// Ten seconds.
    Small,
    /// Thirty seconds.
    Medium,
    /// A minute.
    Large,
    /// As long as it likes.
    Unlimited,
}

impl WriteSizeLimit {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Tiny, Self::Small, Self::Medium, Self::Large, Self::Unlimited]
            .into_iter()
            .find(|limit| limit.name() == text)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Unlimited => "unlimited",
        }
    }

    /// Whether `write` is within the limit while the tree is `root`.
    pub(super) fn admits(self, write: &Write, root: &Node) -> bool {
        let seconds = match self {
            Self::Tiny => 1,
            Self::Small => 10,
            Self::Medium => 30,
            Self::Large => 60,
            Self::Unlimited => return true,
        };
        let path = &write.location.path;
        let size = match &write.change {
            // A priority is small, whatever it belongs to.
            _ if write.location.priority => 0,
            Change::Set(data) => root.get(path).weight() + data.weight(),
            Change::Push(data) => data.weight(),
            Change::Remove => root.get(path).weight(),
            Change::Update(parts) => {
                let base = root.get(path);
                let part_size = |(location, data): &(Location, Unresolved)| {
                    let there = if location.priority { 0 } else { base.get(&location.path).weight() };
                    there + data.weight()
                };
                parts.iter().map(part_size).sum()
            }
        };
        size <= seconds * PACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_database::{Caller, json};

    #[test]
    fn what_is_removed_counts_as_what_is_added() {
        let text = "x".repeat(1024 * 1024);
        let root = json::parse(format!(r#"{{"a":{{"b":"{text}","c":"{text}"}},"d":"{text}"}}"#).as_bytes(), 0);
        let root = root.unwrap().node;
        let data = |count| {
            let parts: Vec<_> = (0..count).map(|i| format!(r#""{i}":"{text}""#)).collect();
            json::parse(format!("{{{}}}", parts.join(",")).as_bytes(), 0).unwrap()
        };
        let update = |text: &str| Change::Update(json::parse_update(text.as_bytes(), 0).unwrap().unwrap());
        let check = |path: &str, change: Change, limit: WriteSizeLimit, admits: bool| {
            let location = Location::parse(path).unwrap();
            let write = Write { caller: Caller::Client, location, if_match: None, change };
            assert_eq!(limit.admits(&write, &root), admits, "{path} {limit:?}");
        };
        check("", Change::Remove, WriteSizeLimit::Tiny, true);
        check("e", Change::Set(data(3)), WriteSizeLimit::Tiny, true);
        check("e", Change::Set(data(4)), WriteSizeLimit::Tiny, false);
        check("a", Change::Set(data(2)), WriteSizeLimit::Tiny, false);
        check("a", Change::Set(data(2)), WriteSizeLimit::Small, true);
        check("a", Change::Push(data(3)), WriteSizeLimit::Tiny, true);
        check("a/.priority", Change::Set(json::parse(b"1", 0).unwrap()), WriteSizeLimit::Tiny, true);
        check("a", update(r#"{"b":null,"c/d":1,".priority":2}"#), WriteSizeLimit::Tiny, true);
        check("", update(&format!(r#"{{"a":null,"d":"{text}"}}"#)), WriteSizeLimit::Tiny, false);
        check("", Change::Set(data(200)), WriteSizeLimit::Large, true);
        check("", Change::Set(data(250)), WriteSizeLimit::Large, false);
        check("", Change::Set(data(250)), WriteSizeLimit::Unlimited, true);
    }

    #[test]
    fn limits_have_names() {
        for name in ["tiny", "small", "medium", "large", "unlimited"] {
            assert_eq!(WriteSizeLimit::parse(name).map(WriteSizeLimit::name), Some(name));
        }
        assert_eq!(WriteSizeLimit::parse("huge"), None);
    }
}
