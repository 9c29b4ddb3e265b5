//! Which place a request is for, by the rules of the configuration the original runs with: a regular expression
//! `/sub/(.*)` that matches anywhere in the path, then `/pub` and `/channels-stats`.
//!
//! Must not know: what is done there.

use hearth_pubsub::path::ChannelPath;
use http::Uri;

/// Where a request goes, and the channels it names there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// `/pub?id=`
    Publisher(ChannelPath),
    /// `/sub/`
    Subscriber(ChannelPath),
    /// `/channels-stats[?id=]`
    Statistics(ChannelPath),
    /// Any other path.
    Elsewhere,
}

const SUBSCRIBER: &[u8] = b"/sub/";

impl Location {
    /// Reads a request's target.
    pub(super) fn of(uri: &Uri) -> Self {
        let path = normalized(uri.path());
        if let Some(start) = path.windows(SUBSCRIBER.len()).position(|part| part == SUBSCRIBER) {
            // The path was decoded once by now, and the channel path is decoded again, as in the original.
            return Self::Subscriber(ChannelPath::decode(path.get(start + SUBSCRIBER.len()..).unwrap_or_default()));
        }
        match path.as_slice() {
            b"/pub" => Self::Publisher(ChannelPath::decode(id_argument(uri.query()))),
            b"/channels-stats" => Self::Statistics(ChannelPath::decode(id_argument(uri.query()))),
            _ => Self::Elsewhere,
        }
    }
}

/// The path percent-decoded, adjacent slashes merged, as nginx matches it.
fn normalized(path: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    bytes.dedup_by(|one, other| *one == b'/' && *other == b'/');
    bytes
}

/// The raw value of the first `id=`, its name in any letter case.
fn id_argument(query: Option<&str>) -> &[u8] {
    let mut arguments = query.unwrap_or_default().split('&').filter_map(|argument| argument.split_once('='));
    arguments.find(|(name, _)| name.eq_ignore_ascii_case("id")).map_or(&[], |(_, value)| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, expect: Location) {
        assert_eq!(Location::of(&target.parse().unwrap()), expect, "{target}");
    }

    fn path(text: &str) -> ChannelPath {
        ChannelPath::parse(text.as_bytes())
    }

    #[test]
    fn places() {
        check("/pub?id=a", Location::Publisher(path("a")));
        check("/pub", Location::Publisher(path("")));
        check("/pub?x=1&ID=a/b&id=c", Location::Publisher(path("a/b")));
        check("/pub?id=a=b", Location::Publisher(path("a=b")));
        check("/%70ub?id", Location::Publisher(path("")));
        check("/sub/a.b1/c", Location::Subscriber(path("a.b1/c")));
        check("/x/sub/a", Location::Subscriber(path("a")));
        check("/pub/sub/a?id=b", Location::Subscriber(path("a")));
        check("/sub/", Location::Subscriber(path("")));
        check("//sub///a", Location::Subscriber(path("a")));
        check("/channels-stats", Location::Statistics(path("")));
        check("/channels-stats?id=ALL", Location::Statistics(path("ALL")));
        for elsewhere in ["/", "/sub", "/pub/", "/publish", "/channels-stats/x", "/subs/a"] {
            check(elsewhere, Location::Elsewhere);
        }
    }

    #[test]
    fn arguments_are_decoded_once_and_paths_twice() {
        check("/pub?id=%2541+b", Location::Publisher(path("%41+b")));
        check("/sub/%2541+b%252Fc", Location::Subscriber(path("A+b/c")));
    }
}
