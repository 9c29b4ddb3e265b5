//! What is asked and told of channels, in three forms: one channel, a group, the server's sums.
//!
//! Must not know: how it was counted, nor how it is written.

use crate::channel::ChannelInfo;
use crate::path::{ChannelId, ChannelPath};

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The machine's name.
    pub name: String,
    /// The process's id.
    pub pid: u32,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The whole server in sums.
    Summary,
    /// Every channel whose id starts with this.
    StartingWith(Vec<u8>),
    /// These channels.
    Named(Vec<ChannelId>),
}

impl Query {
    /// Reads a channel path: none is the summary; the first `ALL` or id with a `*` decides; else the ids are meant.
    pub fn from_path(path: &ChannelPath) -> Self {
        let ids = path.ids();
        match ids.iter().find(|id| id.is_pattern()) {
            Some(id) => {
                let prefix = id.as_bytes().split(|&byte| byte == b'*').next().unwrap_or_default();
                Self::StartingWith(if prefix == b"ALL" && prefix == id.as_bytes() {
                    Vec::new()
                } else {
                    prefix.to_vec()
                })
            }
            None if ids.is_empty() => Self::Summary,
            None => Self::Named(ids),
        }
    }
}

/// What every group and summary begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The machine's name.
    pub hostname: String,
    /// Now, in seconds since the epoch.
    pub time: u64,
    /// How many channels there are, wildcard channels apart.
    pub channels: usize,
    /// How many wildcard channels there are.
    pub wildcard_channels: usize,
    /// Seconds since the start.
    pub uptime: u64,
}

/// The whole server in sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Machine, time, channels.
    pub head: Head,
    /// Messages published since the start.
    pub published_messages: u64,
    /// Messages stored now.
    pub stored_messages: usize,
    /// Connected subscribers, however many channels each has.
    pub subscribers: usize,
    /// The process's id.
    pub pid: u32,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// One channel.
    Channel(ChannelInfo),
    /// Several channels.
    Group(Head, Vec<ChannelInfo>),
    /// The server.
    Summary(Summary),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_queries() {
        let named = |ids: &[&str]| Query::Named(ids.iter().map(|id| ChannelId::new(id.as_bytes())).collect());
        for (path, expect) in [
            ("", Query::Summary),
            ("ALL", Query::StartingWith(Vec::new())),
            ("a/ALL/b*", Query::StartingWith(Vec::new())),
            ("*", Query::StartingWith(Vec::new())),
            ("a*", Query::StartingWith(b"a".to_vec())),
            ("ALL*", Query::StartingWith(b"ALL".to_vec())),
            ("b*c/a*", Query::StartingWith(b"b".to_vec())),
            ("a", named(&["a"])),
            ("a.b3/c", named(&["a", "c"])),
        ] {
            assert_eq!(Query::from_path(&ChannelPath::parse(path.as_bytes())), expect, "{path:?}");
        }
    }
}
