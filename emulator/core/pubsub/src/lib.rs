//! Push stream channels without I/O: messages, templates, subscribers.
