//! Patterns of channel ids: `news`, `room-*`, `user_{uid}`. Must not know: what they allow.

use crate::path::ChannelId;

/// Text in which `*` stands for anything, and `{uid}` for the account of whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Anything,
    Uid,
}

/// What stands for the account.
const UID: &str = "{uid}";

impl Pattern {
    /// Reads a pattern; `None` if it is empty, or has braces that are not those of `{uid}`.
    pub fn parse(source: &str) -> Option<Self> {
        if source.is_empty() {
            return None;
        }
        let mut pieces = Vec::new();
        for (index, between) in source.split(UID).enumerate() {
            if between.contains(['{', '}']) {
                return None;
            }
            if index > 0 {
                pieces.push(Piece::Uid);
            }
            for (index, text) in between.split('*').enumerate() {
                if index > 0 {
                    pieces.push(Piece::Anything);
                }
                if !text.is_empty() {
                    pieces.push(Piece::Text(text.as_bytes().to_vec()));
                }
            }
        }
        Some(Self(pieces))
    }

    /// Whether it names an account, and so means nothing to those who have none.
    pub fn names_uid(&self) -> bool {
        self.0.contains(&Piece::Uid)
    }

    /// Whether `id` is one of its channels. One that names an account has none without `uid`.
    pub fn matches(&self, id: &ChannelId, uid: Option<&str>) -> bool {
        let uid = uid.filter(|uid| !uid.is_empty()).map(str::as_bytes);
        // As globs are matched: of what `*` has taken only the last one ever has to take more.
        let (mut pieces, mut rest) = (self.0.as_slice(), id.as_bytes());
        let mut again: Option<(&[Piece], &[u8])> = None;
        loop {
            let step = match pieces.split_first() {
                None => rest.is_empty().then_some((pieces, rest)),
                Some((Piece::Anything, after)) => {
                    again = Some((after, rest));
                    Some((after, rest))
                }
                Some((Piece::Text(text), after)) => rest.strip_prefix(text.as_slice()).map(|rest| (after, rest)),
                Some((Piece::Uid, after)) => uid.and_then(|uid| rest.strip_prefix(uid)).map(|rest| (after, rest)),
            };
            match (step, again) {
                (Some(([], [])), _) => return true,
                (Some((next, left)), _) => (pieces, rest) = (next, left),
                (None, Some((after, [_, shorter @ ..]))) => {
                    (pieces, rest) = (after, shorter);
                    again = Some((after, shorter));
                }
                (None, Some((_, [])) | None) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches() {
        for (pattern, uid, id, expect) in [
            ("news", None, "news", true),
            ("news", None, "news2", false),
            ("news", None, "", false),
            ("*", None, "", true),
            ("*", None, "a/b", true),
            ("room-*", None, "room-", true),
            ("room-*", None, "Room-1", false),
            ("*-a*b", None, "x-aab-ab", true),
            ("*-a*b", None, "x-aab-aba", false),
            ("*a", None, "aaa", true),
            ("**", None, "x", true),
            ("user_{uid}", Some("u1"), "user_u1", true),
            ("user_{uid}", Some("u1"), "user_u12", false),
            ("user_{uid}", Some("u1"), "user_{uid}", false),
            ("user_{uid}", None, "user_", false),
            ("user_{uid}", Some(""), "user_", false),
            ("{uid}/*", Some("u"), "u/x", true),
            // An account's id is taken as it is.
            ("user_{uid}", Some("*"), "user_u1", false),
            ("*{uid}", Some("ab"), "aab", true),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&ChannelId::new(id.as_bytes()), uid), expect, "{pattern:?} {uid:?} {id}");
        }
    }

    #[test]
    fn what_is_none() {
        for source in ["", "{", "user_{email}", "{uid", "uid}"] {
            assert_eq!(Pattern::parse(source), None, "{source}");
        }
        assert!(Pattern::parse("a{uid}").unwrap().names_uid() && !Pattern::parse("uid*").unwrap().names_uid());
    }
}
