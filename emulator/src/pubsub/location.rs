//! Which place a request is for, by nginx's rules: an exact path goes first, then the longest prefix if it says so,
//! then regular expressions in their order, then the longest prefix.
//!
//! Must not know: what is done there.

use super::expression::{Asked, Expression};
use super::settings::{PublisherSettings, Role, SubscriberSettings};
use hearth_pubsub::path::ChannelPath;
use regex::bytes::{Captures, Regex, RegexBuilder};
use std::borrow::Cow;

/// A place.
#[derive(Clone, Debug)]
pub struct Location {
    /// The paths it is for.
    pub matcher: Matcher,
    /// The channels that a request names there.
    pub channels_path: Expression,
    /// What is done there.
    pub role: Role,
}

impl Location {
    /// Its settings, if it is a publishers' place.
    pub(super) fn publisher(&self) -> Option<&PublisherSettings> {
        match &self.role {
            Role::Publisher(settings) => Some(settings),
            Role::Subscriber(_) | Role::Presence(_) | Role::Statistics | Role::Tickets(_) => None,
        }
    }

    /// Its settings, if it is a place of those who listen, be it to messages or to presence.
    pub(super) fn subscriber(&self) -> Option<&SubscriberSettings> {
        match &self.role {
            Role::Subscriber(settings) | Role::Presence(settings) => Some(settings),
            Role::Publisher(_) | Role::Statistics | Role::Tickets(_) => None,
        }
    }
}

/// A location's paths, as nginx writes them.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// `= /path`
    Exact(Vec<u8>),
    /// `/path`, or `^~ /path`, which no regular expression goes before.
    Prefix {
        /// What paths begin with.
        path: Vec<u8>,
        /// It is final.
        last_word: bool,
    },
    /// `~ regex`, or `~* regex` for any letter case; matches anywhere in a path.
    Regex(Regex),
}

impl Matcher {
    pub(super) fn exact(path: &str) -> Self {
        Self::Exact(path.as_bytes().to_vec())
    }

    /// Everything after `mark`, which may stand anywhere in a path.
    pub(super) fn after(mark: &str) -> Self {
        match regex(&format!("{}(.*)", regex_text(mark)), false) {
            Ok(regex) => Self::Regex(regex),
            Err(_) => Self::Prefix { path: mark.as_bytes().to_vec(), last_word: false },
        }
    }

    /// Reads what stands between `location` and `{` in an nginx configuration.
    ///
    /// # Errors
    /// It is no path, or no regular expression.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        let (modifier, path) = source.trim().split_once(char::is_whitespace).unwrap_or(("", source.trim()));
        let path = path.trim();
        let absolute = |path: &str| {
            if path.starts_with('/') {
                Ok(path.as_bytes().to_vec())
            } else {
                Err(format!("{path:?} does not begin with /"))
            }
        };
        match modifier {
            "" => Ok(Self::Prefix { path: absolute(path)?, last_word: false }),
            "=" => Ok(Self::Exact(absolute(path)?)),
            "^~" => Ok(Self::Prefix { path: absolute(path)?, last_word: true }),
            "~" | "~*" => Ok(Self::Regex(regex(path, modifier == "~*")?)),
            other => Err(format!("{other:?} is none of =, ^~, ~, ~*")),
        }
    }

    /// Its regular expression, if it is one.
    pub(super) fn regex(&self) -> Option<&Regex> {
        match self {
            Self::Regex(regex) => Some(regex),
            Self::Exact(_) | Self::Prefix { .. } => None,
        }
    }
}

/// A regular expression over bytes.
pub(super) fn regex(source: &str, any_case: bool) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(source);
    builder.unicode(false).case_insensitive(any_case).dot_matches_new_line(true);
    builder.build().map_err(|error| error.to_string().lines().last().unwrap_or_default().to_owned())
}

fn regex_text(text: &str) -> String {
    regex::escape(text)
}

/// The place for a path, and what its regular expression has caught.
pub(super) fn find<'l, 'p>(
    locations: &'l [Location],
    path: &'p [u8],
) -> Option<(usize, &'l Location, Option<Captures<'p>>)> {
    let mut longest: Option<(usize, &Location, usize, bool)> = None;
    for (index, location) in locations.iter().enumerate() {
        match &location.matcher {
            Matcher::Exact(exact) if exact == path => return Some((index, location, None)),
            Matcher::Prefix { path: prefix, last_word } if path.starts_with(prefix) => {
                if longest.is_none_or(|(.., length, _)| prefix.len() > length) {
                    longest = Some((index, location, prefix.len(), *last_word));
                }
            }
            Matcher::Exact(_) | Matcher::Prefix { .. } | Matcher::Regex(_) => {}
        }
    }
    let longest = longest.map(|(index, location, _, last_word)| ((index, location, None), last_word));
    if let Some((found, true)) = longest {
        return Some(found);
    }
    let by_regex = locations.iter().enumerate().find_map(|(index, location)| {
        let captures = location.matcher.regex()?.captures(path)?;
        Some((index, location, Some(captures)))
    });
    by_regex.or(longest.map(|(found, _)| found))
}

/// The path percent-decoded, adjacent slashes merged, as nginx matches it.
pub(super) fn normalized(path: &str) -> Cow<'_, [u8]> {
    let mut bytes: Cow<'_, [u8]> = percent_encoding::percent_decode_str(path).into();
    if bytes.windows(2).any(|pair| pair == b"//") {
        bytes.to_mut().dedup_by(|one, other| *one == b'/' && *other == b'/');
    }
    bytes
}

/// The channels a request names. A value that nginx has decoded is decoded again, as in the original.
pub(super) fn channels(location: &Location, asked: &Asked<'_>) -> ChannelPath {
    ChannelPath::decode(&location.channels_path.value(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::PubsubSettings;
    use http::{HeaderMap, Method, Uri};

    /// The place's number and its channels.
    fn found(locations: &[Location], target: &str) -> Option<(usize, ChannelPath)> {
        let uri: Uri = target.parse().unwrap();
        let path = normalized(uri.path());
        let (index, location, captures) = find(locations, &path)?;
        let headers = HeaderMap::new();
        let target = uri.path_and_query().unwrap().as_str();
        let asked = Asked { method: &Method::GET, target, headers: &headers, path: &path, captures };
        Some((index, channels(location, &asked)))
    }

    const PUBLISHER: usize = 0;
    const SUBSCRIBER: usize = 1;
    const STATISTICS: usize = 2;

    fn check(target: &str, place: usize, channels: &str) {
        let locations = PubsubSettings::pogify("").locations;
        let expect = (place, ChannelPath::parse(channels.as_bytes()));
        assert_eq!(found(&locations, target), Some(expect), "{target}");
    }

    #[test]
    fn places() {
        check("/pub?id=a", PUBLISHER, "a");
        check("/pub", PUBLISHER, "");
        check("/pub?x=1&ID=a/b&id=c", PUBLISHER, "a/b");
        check("/pub?id=a=b", PUBLISHER, "a=b");
        check("/%70ub?id", PUBLISHER, "");
        check("/sub/a.b1/c", SUBSCRIBER, "a.b1/c");
        check("/x/sub/a", SUBSCRIBER, "a");
        check("/pub/sub/a?id=b", SUBSCRIBER, "a");
        check("/sub/a/sub/b", SUBSCRIBER, "a/sub/b");
        check("/sub/", SUBSCRIBER, "");
        check("//sub///a", SUBSCRIBER, "a");
        check("/sub/a%0Ab", SUBSCRIBER, "a\nb");
        check("/channels-stats", STATISTICS, "");
        check("/channels-stats?id=ALL", STATISTICS, "ALL");
        for elsewhere in ["/", "/sub", "/pub/", "/publish", "/channels-stats/x", "/subs/a"] {
            assert_eq!(found(&PubsubSettings::pogify("").locations, elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn arguments_are_decoded_once_and_paths_twice() {
        check("/pub?id=%2541+b", PUBLISHER, "%41+b");
        check("/sub/%2541+b%252Fc", SUBSCRIBER, "A+b/c");
    }

    #[test]
    fn the_order_is_nginxs() {
        let locations: Vec<_> = ["/", "/a", "^~ /a/final", "~ ^/a/.*x$", "~* ^/A/(.*)", "= /a/b"]
            .iter()
            .map(|source| Location {
                matcher: Matcher::parse(source).unwrap(),
                channels_path: Expression::literal("c"),
                role: Role::Statistics,
            })
            .collect();
        for (target, place) in
            [("/q", 0), ("/ab", 1), ("/a/final/x", 2), ("/a/bx", 3), ("/a/b", 5), ("/a/c", 4), ("/A/", 4)]
        {
            assert_eq!(found(&locations, target).map(|(index, _)| index), Some(place), "{target}");
        }
        for (source, mistake) in [("a", "does not begin"), ("? /a", "none of"), ("~ (", "unclosed group")] {
            assert!(Matcher::parse(source).unwrap_err().contains(mistake), "{source}");
        }
    }
}
