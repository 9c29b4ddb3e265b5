//! How many listen to a channel, for those who want to be told when that changes. Must not know: who they are.

use super::Channels;
use super::events::Kind;
use crate::channel::Channel;
use crate::message::Publication;
use crate::path::ChannelId;
use crate::subscriber::Outlet;

impl<S: Outlet> Channels<S> {
    /// Notes from now on whose number of subscribers changes.
    pub fn recount(&mut self) {
        self.recounted.get_or_insert_default();
    }

    /// Whether some number may have changed since the last [`Channels::take_recounted`].
    pub fn has_recounted(&self) -> bool {
        self.recounted.as_ref().is_some_and(|recounted| !recounted.is_empty())
    }

    /// The channels whose number of subscribers may have changed since the last call, with that number.
    pub fn take_recounted(&mut self) -> Vec<(ChannelId, usize)> {
        let ids = self.recounted.as_mut().map(std::mem::take).unwrap_or_default();
        ids.into_iter().map(|id| (id.clone(), self.subscribers_of(&id))).collect()
    }

    /// How many subscriptions a channel has; none if it does not exist.
    pub fn subscribers_of(&self, id: &ChannelId) -> usize {
        self.channel_of(id).map_or(0, Channel::subscribers)
    }

    /// The last message that a channel stores.
    pub fn newest(&self, id: &ChannelId) -> Option<&Publication> {
        self.channel_of(id)?.newest()
    }

    /// Whether the channel exists.
    pub fn exists(&self, id: &ChannelId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn count_anew(&mut self, kind: Kind, channel: &ChannelId) {
        let Some(recounted) = &mut self.recounted else { return };
        match kind {
            Kind::ClientSubscribed | Kind::ClientUnsubscribed => {
                recounted.insert(channel.clone());
            }
            Kind::ChannelCreated | Kind::ChannelDestroyed => {}
        }
    }

    fn channel_of(&self, id: &ChannelId) -> Option<&Channel<S>> {
        self.channels.get(*self.by_id.get(id)?)
    }
}
