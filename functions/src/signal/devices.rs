//! Which devices are connected, and where what is sent to them goes.
//!
//! A device has one stream: a newer one takes the place of an older one, whose end then concerns nobody. Must not know:
//! who may connect, or what is sent.

use super::refusal::Refusal;
use super::settings::Settings;
use crate::feed::Outlet;
use std::collections::{BTreeMap, HashMap};

/// The devices of all users.
pub(super) struct Devices {
    settings: Settings,
    users: HashMap<String, BTreeMap<String, Device>>,
    /// Those that have been replaced and are not yet over included.
    streams: usize,
    last_id: u64,
}

struct Device {
    id: u64,
    outlet: Outlet,
}

/// A device that has been connected.
pub(super) struct Connected {
    /// The stream's own id.
    pub(super) id: u64,
    /// The stream it takes the place of, to be closed.
    pub(super) older: Option<Outlet>,
}

impl Devices {
    /// None yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, users: HashMap::new(), streams: 0, last_id: 0 }
    }

    /// Connects a device; it counts until [`Devices::gone`].
    pub(super) fn connect(&mut self, user: &str, device: &str, outlet: Outlet) -> Result<Connected, Refusal> {
        let devices = self.users.get(user);
        let replaces = devices.is_some_and(|devices| devices.contains_key(device));
        if !replaces && devices.is_some_and(|devices| devices.len() >= self.settings.most_devices) {
            return Err(Refusal::Devices);
        }
        if self.streams >= self.settings.most_streams {
            return Err(Refusal::Streams);
        }
        self.streams += 1;
        self.last_id += 1;
        let id = self.last_id;
        let devices = self.users.entry(user.to_owned()).or_default();
        let older = devices.insert(device.to_owned(), Device { id, outlet });
        Ok(Connected { id, older: older.map(|device| device.outlet) })
    }

    /// A stream is over.
    pub(super) fn gone(&mut self, user: &str, device: &str, id: u64) {
        self.streams -= 1;
        let Some(devices) = self.users.get_mut(user) else { return };
        if devices.get(device).is_some_and(|device| device.id == id) {
            devices.remove(device);
        }
        if devices.is_empty() {
            self.users.remove(user);
        }
    }

    /// The user's devices, sorted.
    pub(super) fn of(&self, user: &str) -> Vec<String> {
        let devices = self.users.get(user).into_iter().flatten();
        devices.filter(|(_, device)| device.outlet.is_open()).map(|(name, _)| name.clone()).collect()
    }

    /// Where what is sent to a device goes.
    pub(super) fn find(&self, user: &str, device: &str) -> Option<Outlet> {
        let device = self.users.get(user)?.get(device)?;
        device.outlet.is_open().then(|| device.outlet.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::feed;

    fn devices(most_streams: usize, most_devices: usize) -> Devices {
        Devices::new(Settings { most_streams, most_devices, identified_readers: false })
    }

    #[test]
    fn the_newer_stream_of_a_device_wins_and_the_older_ones_end_changes_nothing() {
        let mut devices = devices(10, 10);
        let (first, _first_feed) = feed(1000);
        let (second, second_feed) = feed(1000);
        let older = devices.connect("ann", "phone", first.clone()).unwrap();
        assert!(older.older.is_none());
        let newer = devices.connect("ann", "phone", second.clone()).unwrap();
        assert!(newer.older.is_some_and(|outlet| outlet.is(&first)));
        devices.gone("ann", "phone", older.id);
        assert_eq!(devices.of("ann"), ["phone"]);
        assert!(devices.find("ann", "phone").is_some_and(|outlet| outlet.is(&second)));
        // It has gone before anybody was told.
        drop(second_feed);
        assert!(devices.of("ann").is_empty() && devices.find("ann", "phone").is_none());
        devices.gone("ann", "phone", newer.id);
        assert!(devices.users.is_empty() && devices.streams == 0);
    }

    #[test]
    fn everything_is_bounded() {
        let mut devices = devices(4, 2);
        let mut feeds = Vec::new();
        let mut connect = |devices: &mut Devices, user: &str, device: &str| {
            let (outlet, feed) = feed(1000);
            feeds.push(feed);
            devices.connect(user, device, outlet).map(|connected| connected.id)
        };
        let first = connect(&mut devices, "ann", "b").unwrap();
        connect(&mut devices, "ann", "a").unwrap();
        assert_eq!(connect(&mut devices, "ann", "c"), Err(Refusal::Devices));
        // A device that is there may always come again, as long as there is room for streams at all.
        let second = connect(&mut devices, "ann", "b").unwrap();
        connect(&mut devices, "ben", "a").unwrap();
        assert_eq!(connect(&mut devices, "ann", "b"), Err(Refusal::Streams));
        assert_eq!(connect(&mut devices, "cleo", "a"), Err(Refusal::Streams));
        devices.gone("ann", "b", first);
        assert_eq!(
            (devices.of("ann"), devices.of("ben"), devices.of("cleo")),
            (vec!["a".into(), "b".into()], vec!["a".into()], vec![])
        );
        devices.gone("ann", "b", second);
        connect(&mut devices, "ann", "c").unwrap();
        assert_eq!(devices.of("ann"), ["a", "c"]);
    }
}
