//! The section `presence` of firebase.json.

use crate::section::Section;
use serde_json::{Map, Value};

/// No setting allows more streams than this.
const MOST: usize = 1_000_000;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// `maxStreams`: of all users together.
    pub(super) most_streams: usize,
    /// `maxSubscribersPerUser`.
    pub(super) most_subscribers: usize,
    /// `identifiedSubscribers`: whether a subscriber has to say who he is. The original leaves that to the proxy before
    /// it, so the emulator does not ask; a self-hosted server does.
    pub(super) identified_subscribers: bool,
}

impl Settings {
    /// Reads the section.
    pub(super) fn read(section: Map<String, Value>, emulator: bool) -> Result<Self, Vec<String>> {
        let mut section = Section::new("presence", section);
        let settings = Self {
            most_streams: section.count("maxStreams", 50_000, MOST),
            most_subscribers: section.count("maxSubscribersPerUser", 10_000, MOST),
            identified_subscribers: section.flag("identifiedSubscribers", !emulator),
        };
        section.finish(settings)
    }
}
