//! The section `signal` of firebase.json.

use crate::section::Section;
use serde_json::{Map, Value};

/// No setting allows more streams than this.
const MOST: usize = 1_000_000;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// `maxStreams`: of all users together.
    pub(super) most_streams: usize,
    /// `maxDevicesPerUser`.
    pub(super) most_devices: usize,
    /// `identifiedReaders`: whether a list of devices is for those only who say who they are. The original leaves that
    /// to the proxy before it, so the emulator does not ask; a self-hosted server does.
    pub(super) identified_readers: bool,
}

impl Settings {
    /// Reads the section.
    pub(super) fn read(section: Map<String, Value>, emulator: bool) -> Result<Self, Vec<String>> {
        let mut section = Section::new("signal", section);
        let settings = Self {
            most_streams: section.count("maxStreams", 50_000, MOST),
            most_devices: section.count("maxDevicesPerUser", 1_000, MOST),
            identified_readers: section.flag("identifiedReaders", !emulator),
        };
        section.finish(settings)
    }
}
