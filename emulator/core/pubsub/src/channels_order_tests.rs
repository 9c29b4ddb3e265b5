//! Order and completeness: what each listener reads is a contiguous part of its channels, or says where a gap is.

use super::*;
use std::collections::BTreeMap;

const EPOCH: u64 = 5;

fn numbered(server: &mut Server) {
    let framing = Framing { server_ids: Some(EPOCH), ..Framing::default() };
    server.terms.framing = server.channels.framing(framing);
}

fn back(id: &str) -> Resume {
    Resume { last_event_id: Some(id.into()), ..Resume::default() }
}

fn reads(server: &mut Server, path: &str, resume: &Resume) -> String {
    let text = server.subscribe_as(path, resume, false).unwrap().1.text();
    text.strip_prefix(OPEN).unwrap().to_owned()
}

#[test]
fn who_comes_back_gets_what_it_missed_whatever_its_backtrack() {
    let mut server = server(Settings { max_messages_stored_per_channel: NonZeroUsize::new(2), ..roomy() });
    numbered(&mut server);
    assert_eq!(reads(&mut server, "a.b1/b", &Resume::default()), "id: 5-0\n\n");
    for (path, body) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")] {
        server.publish(path, body).unwrap();
    }
    // By channel as they were named they would be 3, 4, 2: an id that goes back would lose some.
    let rest = "id: 5-3\ndata: 3\n\nid: 5-4\ndata: 4\n\nid: 5-4\n\n";
    assert_eq!(reads(&mut server, "a.b1/b", &back("5-2")), rest);
    assert_eq!(reads(&mut server, "a.b1/b", &back("5-1")), format!("id: 5-2\ndata: 2\n\n{rest}"));
    let gap = "event: gap\ndata: {\"channel\":\"a\",\"lost\":\"5-1\"}\n\n";
    assert_eq!(reads(&mut server, "a.b1/b", &back("5-0")), format!("{gap}id: 5-2\ndata: 2\n\n{rest}"));
    assert_eq!(reads(&mut server, "b", &back("5-4")), "id: 5-4\n\n");
    assert_eq!(reads(&mut server, "a.b1", &back("mine")), "id: 5-4\ndata: 4\n\nid: 5-4\n\n");
}

#[test]
fn another_epoch_and_a_message_that_was_not_stored_are_gaps() {
    let mut server = server(roomy());
    numbered(&mut server);
    server.publish("a", "1").unwrap();
    let all = "event: gap\ndata: {\"channel\":\"a\",\"lost\":null}\n\nid: 5-1\ndata: 1\n\nid: 5-1\n\n";
    assert_eq!(reads(&mut server, "a", &back("4-1")), all);
    assert_eq!(reads(&mut server, "a", &back("5-2")), all);
    server.channels.publish(&ids("a"), &publication("2"), false, 0).unwrap();
    let gap = "event: gap\ndata: {\"channel\":\"a\",\"lost\":\"5-2\"}\n\nid: 5-2\n\n";
    assert_eq!(reads(&mut server, "a", &back("5-1")), gap);
    server.now = 1000;
    let gap = "event: gap\ndata: {\"channel\":\"a\",\"lost\":\"5-2\"}\n\nid: 5-2\n\n";
    assert_eq!(reads(&mut server, "a", &back("5-0")), gap);
}

#[test]
fn a_channel_that_was_made_anew_in_between_may_have_lost_something() {
    let mut server = server(roomy());
    numbered(&mut server);
    server.publish("a", "1").unwrap();
    server.publish("a", "2").unwrap();
    server.channels.delete(&ids("a"), None, 0).unwrap();
    server.publish("a", "3").unwrap();
    let rest = "id: 5-3\ndata: 3\n\nid: 5-3\n\n";
    let gap = "event: gap\ndata: {\"channel\":\"a\",\"lost\":null}\n\n";
    assert_eq!(reads(&mut server, "a", &back("5-1")), format!("{gap}{rest}"));
    assert_eq!(reads(&mut server, "a", &back("5-2")), rest);
}

/// A small generator, so that a failing seed can be run again.
struct Chance(fastrand::Rng);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound)
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A listener as an EventSource is one: it keeps the last id it was given, and comes back with it.
struct Listener {
    path: String,
    last_id: Option<String>,
    connection: Option<(SubscriberId, Ears)>,
    /// By channel: what it knows to have, `None` before its first connection.
    has: BTreeMap<String, u64>,
}

impl Listener {
    /// Reads so many bytes of what has come, as a connection that breaks does, and checks each message against
    /// `history`: by channel, all that was ever published, by its place.
    fn read(&mut self, share: u64, history: &BTreeMap<String, Vec<u64>>, seed: u64) {
        let Some((_, ears)) = &self.connection else { return };
        let text = ears.text();
        let length = usize::try_from(text.len() as u64 * share / 100).unwrap();
        let text = text.get(..length).unwrap_or(&text);
        let mut gaps = Vec::new();
        let (whole, _) = text.rsplit_once("\n\n").unwrap_or_default();
        for block in whole.split("\n\n") {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if field("event: ") == Some("gap") {
                let data: serde_json::Value = serde_json::from_str(field("data: ").unwrap()).unwrap();
                gaps.push(data["channel"].as_str().unwrap().to_owned());
                continue;
            }
            if let Some(data) = field("data: ") {
                let (channel, seq) = data.split_once(' ').unwrap();
                let seq: u64 = seq.parse().unwrap();
                let before = self.has.get(channel).copied().unwrap_or_default();
                assert!(seq > before, "seed {seed}: {channel} {seq} after {before}, twice or out of order");
                let skipped = history[channel].iter().any(|published| (before + 1..seq).contains(published));
                let told = gaps.iter().any(|gap| gap == channel);
                assert!(!skipped || told, "seed {seed}: {channel} {before} to {seq}, and nothing is said");
                self.has.insert(channel.to_owned(), seq);
            }
            if let Some(id) = field("id: ") {
                self.last_id = Some(id.to_owned());
                // What its other channels had up to here it has got, or was told of.
                let seq: u64 = id.split_once('-').unwrap().1.parse().unwrap();
                for name in self.path.split('/') {
                    let has = self.has.entry(name.to_owned()).or_insert(seq);
                    let missed =
                        history.get(name).into_iter().flatten().any(|published| (*has + 1..=seq).contains(published));
                    assert!(!missed || gaps.iter().any(|gap| gap == name), "seed {seed}: {name} {has} to {seq}");
                    *has = seq.max(*has);
                }
                if field("data: ").is_none() {
                    // Here what is old ends; a gap that was told is none of what comes live.
                    gaps.clear();
                }
            }
        }
    }
}

/// Publishers, disconnects, rings, lifetimes and deletions at random. A `contains(published)` above compares against
/// all that was ever published; so nothing may be skipped without a word.
#[test]
fn every_stream_is_contiguous_or_says_where_the_gap_is() {
    let (mut messages, mut comebacks, mut told) = (0, 0, 0);
    for seed in 0..300 {
        let mut chance = Chance(fastrand::Rng::with_seed(seed));
        let ring = NonZeroUsize::new(usize::try_from(chance.below(6)).unwrap());
        let mut server = server(Settings { max_messages_stored_per_channel: ring, ..roomy() });
        numbered(&mut server);
        let mut history: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut listeners: Vec<Listener> = ["a", "b", "a/b", "b/c", "a/b/c"]
            .map(|path| Listener { path: path.to_owned(), last_id: None, connection: None, has: BTreeMap::new() })
            .into();
        let mut seq = 0;
        for _ in 0..150 {
            server.now += chance.below(60);
            match chance.below(20) {
                0..10 => {
                    let name = NAMES[usize::try_from(chance.below(3)).unwrap()];
                    seq += 1;
                    history.entry(name.to_owned()).or_default().push(seq);
                    let message = publication(&format!("{name} {seq}"));
                    server.channels.publish(&ids(name), &message, chance.below(8) > 0, server.now).unwrap();
                    messages += 1;
                }
                10 if chance.below(4) == 0 => {
                    let name = NAMES[usize::try_from(chance.below(3)).unwrap()];
                    for listener in &mut listeners {
                        // Its stream ends here, or goes on without that channel: it comes back.
                        if let Some((id, _)) = &listener.connection {
                            server.channels.unsubscribe(*id, server.now);
                        }
                        listener.read(100, &history, seed);
                        listener.connection = None;
                    }
                    server.channels.delete(&ids(name), None, server.now).unwrap();
                }
                _ => {
                    let index = usize::try_from(chance.below(listeners.len() as u64)).unwrap();
                    let listener = &mut listeners[index];
                    if let Some((id, _)) = &listener.connection {
                        server.channels.unsubscribe(*id, server.now);
                        listener.read(chance.below(101), &history, seed);
                        listener.connection = None;
                    } else {
                        let resume = listener.last_id.as_deref().map(back).unwrap_or_default();
                        comebacks += u32::from(listener.last_id.is_some());
                        let connected = server.subscribe_as(&listener.path, &resume, false).unwrap();
                        told += connected.1.text().matches("event: gap").count();
                        // Whoever comes for the first time has no claim to anything before.
                        for name in listener.path.split('/').filter(|_| listener.last_id.is_none()) {
                            listener.has.insert(name.to_owned(), seq);
                        }
                        listener.connection = Some(connected);
                    }
                }
            }
        }
        for listener in &mut listeners {
            listener.read(100, &history, seed);
        }
    }
    assert!(messages > 20_000 && comebacks > 1000 && told > 500, "{messages} {comebacks} {told}");
}
