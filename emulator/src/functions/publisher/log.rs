//! Writes to the log what would be published.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hearth_functions::ports::{ChannelInfo, NotPublished, Publisher};

/// Writes updates to the log instead of sending them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogPublisher;

impl Publisher for LogPublisher {
    /// Always works. Nothing was published and nobody listens, and that is what it says.
    fn publish<'a>(&'a self, channel: &'a str, message: Bytes) -> BoxFuture<'a, Result<ChannelInfo, NotPublished>> {
        tracing::info!(channel, message = %String::from_utf8_lossy(&message), "not sent: updates go to the log");
        let info =
            ChannelInfo { channel: channel.to_owned(), published_messages: 0, stored_messages: 0, subscribers: 0 };
        Box::pin(std::future::ready(Ok(info)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_log_takes_everything_and_says_that_nobody_heard() {
        let info = LogPublisher.publish("abcde", Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!((info.channel.as_str(), info.published_messages, info.subscribers), ("abcde", 0, 0));
    }
}
