//! News in the words of an event stream, found once for all who see them the same way.
//!
//! The writer hands out events and must not wait: it makes a [`Telling`] of each, and the first connection that comes to
//! it writes the text. Must not know: who listens, and how much of it waits.

use bytes::Bytes;
use hearth_database::json::{self, Form, Layout};
use hearth_database::{Event, Location, News, Node, Path};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// From so many bytes on, a text is written on a thread of its own, so that other connections go on.
const WORTH_A_THREAD: u64 = 64 * 1024;
/// What an event costs besides its data.
const OVERHEAD: u64 = 64;
/// With so many views, or twice as many as there were after the last time, those that nobody has any more are looked
/// for.
const SWEEP_FROM: usize = 64;

/// What database, where, and in which form.
type Key = (String, Location, bool);

/// All views that someone has.
#[derive(Debug, Default)]
pub(super) struct Views(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    views: HashMap<Key, Weak<View>>,
    /// After the last sweep.
    left: usize,
}

impl Views {
    /// The view of all who see `location` of a database in `form`.
    pub(super) fn view(&self, database: &str, location: &Location, form: Form) -> Arc<View> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { views, left } = &mut *known;
        let key = (database.to_owned(), location.clone(), form == Form::Export);
        if let Some(view) = views.get(&key).and_then(Weak::upgrade) {
            return view;
        }
        if views.len() >= SWEEP_FROM.max(*left * 2) {
            views.retain(|_, view| view.strong_count() > 0);
            *left = views.len();
        }
        let view = Arc::new(View { location: location.clone(), form, last: Mutex::default() });
        views.insert(key, Arc::downgrade(&view));
        view
    }
}

/// How some clients see the database.
#[derive(Debug)]
pub(super) struct View {
    location: Location,
    form: Form,
    /// What was told last: the engine hands an event to all who hear it in a row.
    last: Mutex<Weak<Telling>>,
}

impl View {
    /// The one telling of `event` that all of the view share.
    pub(super) fn telling(self: &Arc<Self>, event: &Arc<Event>) -> Arc<Telling> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(telling) = last.upgrade().filter(|telling| Arc::ptr_eq(&telling.event, event)) {
            return telling;
        }
        let weight = OVERHEAD
            + match &event.news {
                News::Put(_, node) => node.weight(),
                News::Patch { parts, .. } => parts.iter().map(|(_, node)| OVERHEAD + node.weight()).sum(),
            };
        let telling =
            Arc::new(Telling { event: Arc::clone(event), view: Arc::clone(self), weight, words: OnceLock::new() });
        *last = Arc::downgrade(&telling);
        telling
    }
}

/// An event, and its text once somebody has needed it.
#[derive(Debug)]
pub(super) struct Telling {
    event: Arc<Event>,
    view: Arc<View>,
    weight: u64,
    words: OnceLock<Option<Bytes>>,
}

impl Telling {
    /// About how many bytes its text has.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// Its text; none if in this form nothing has changed.
    pub(super) async fn words(self: Arc<Self>) -> Option<Bytes> {
        if let Some(words) = self.words.get() {
            return words.clone();
        }
        if self.weight < WORTH_A_THREAD {
            return self.write();
        }
        // If that panicked, so would it here, and the connection would end.
        tokio::task::spawn_blocking(move || self.write()).await.unwrap_or_default()
    }

    fn write(&self) -> Option<Bytes> {
        self.words.get_or_init(|| write(&self.event.news, &self.view).map(Bytes::from)).clone()
    }
}

/// The first event of a stream: all there is.
pub(in crate::database) fn first_event(node: &Node, form: Form) -> Vec<u8> {
    put("/", &json::encode(node, form, Layout::Compact))
}

fn put(path: &str, data: &[u8]) -> Vec<u8> {
    event("put", path, data)
}

fn event(name: &str, path: &str, data: &[u8]) -> Vec<u8> {
    let path = Value::from(path).to_string();
    [b"event: ", name.as_bytes(), b"\ndata: {\"path\":", path.as_bytes(), b",\"data\":", data, b"}\n\n"].concat()
}

fn write(news: &News, view: &View) -> Option<Vec<u8>> {
    let (base, form) = (&view.location.path, view.form);
    let encode = |node: &Node| json::encode(node, form, Layout::Compact);
    if view.location.priority {
        return match news {
            News::Put(at, node) if at.path == *base && at.priority => Some(put("/", &encode(node))),
            News::Put(at, node) if at.path == *base => Some(put("/", &encode(&node.priority().into()))),
            // What has changed lies below.
            News::Put(..) | News::Patch { .. } => None,
        };
    }
    // Values have no priorities to show.
    let shown = |at: &Location| !at.priority || form == Form::Export;
    match news {
        News::Put(at, node) => shown(at).then(|| put(&relative(at, base).to_string(), &encode(node))),
        News::Patch { path, parts } => {
            // Of a change that reaches farther the client is told what is below its own place.
            let from = if base.contains(path) { path } else { base };
            let mut data = b"{".to_vec();
            for (part, node) in parts.iter().filter(|(part, _)| shown(part)) {
                let name = relative(&part.below(path), from).to_string();
                if data.len() > 1 {
                    data.push(b',');
                }
                data.extend_from_slice(Value::from(name.trim_start_matches('/')).to_string().as_bytes());
                data.push(b':');
                data.extend_from_slice(&encode(node));
            }
            data.push(b'}');
            let path = relative(&from.clone().into(), base).to_string();
            (data.len() > 2).then(|| event("patch", &path, &data))
        }
    }
}

/// `location` as seen from `base`, which is at or above it.
fn relative(location: &Location, base: &Path) -> Location {
    Location { path: location.path.skip(base.depth()), priority: location.priority }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_database::Version;

    fn node(text: &str) -> Node {
        json::parse(text.as_bytes(), 0).unwrap().node
    }

    fn check(place: &str, form: Form, news: News, expect: Option<&str>) {
        let views = Views::default();
        let view = views.view("n", &Location::parse(place).unwrap(), form);
        let found = write(&news, &view).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(found.as_deref(), expect, "{place} {news:?}");
    }

    fn put_news(location: &str, text: &str) -> News {
        News::Put(Location::parse(location).unwrap(), node(text))
    }

    fn patch(path: &str, parts: &[(&str, &str)]) -> News {
        let parts = parts.iter().map(|(part, text)| (Location::parse(part).unwrap(), node(text))).collect();
        News::Patch { path: Path::parse(path).unwrap(), parts }
    }

    #[test]
    fn paths_are_relative_to_the_request() {
        let put = |path: &str, data: &str| format!("event: put\ndata: {{\"path\":\"{path}\",\"data\":{data}}}\n\n");
        let patched = |path: &str, data: &str| put(path, data).replace("event: put", "event: patch");
        for (place, news, expect) in [
            ("", put_news("", "null"), put("/", "null")),
            ("a", put_news("a", r#"{"b":[1]}"#), put("/", r#"{"b":[1]}"#)),
            ("a", put_news("a/b \"/c", "1"), put("/b \\\"/c", "1")),
            ("a", patch("a", &[("b", "1"), ("c/d", "null")]), patched("/", r#"{"b":1,"c/d":null}"#)),
            ("", patch("a/b", &[("c", "1")]), patched("/a/b", r#"{"c":1}"#)),
            ("a/b", patch("a", &[("b/c", "1"), ("b/d/e", "2")]), patched("/", r#"{"c":1,"d/e":2}"#)),
            ("a", patch("a", &[("b", "1"), ("c/.priority", "2")]), patched("/", r#"{"b":1}"#)),
        ] {
            check(place, Form::Value, news, Some(&expect));
        }
        check("a", Form::Value, patch("a", &[("c/.priority", "2")]), None);
    }

    #[test]
    fn priorities_are_told_in_the_export_form_and_to_those_who_ask_for_them() {
        let put = |path: &str, data: &str| format!("event: put\ndata: {{\"path\":\"{path}\",\"data\":{data}}}\n\n");
        check("a", Form::Value, put_news("a/b/.priority", "1"), None);
        check("a", Form::Export, put_news("a/b/.priority", "1"), Some(&put("/b/.priority", "1")));
        let ranked = r#"{".value":1,".priority":2}"#;
        check("a", Form::Export, put_news("a", ranked), Some(&put("/", ranked)));
        check("a", Form::Value, put_news("a", r#"{".value":1,".priority":2}"#), Some(&put("/", "1")));
        check("a/.priority", Form::Value, put_news("a/.priority", "3"), Some(&put("/", "3")));
        check("a/.priority", Form::Value, put_news("a", r#"{".value":1,".priority":2}"#), Some(&put("/", "2")));
        check("a/.priority", Form::Value, put_news("a/b/.priority", "1"), None);
        check("a/.priority", Form::Value, patch("a", &[("b", "1")]), None);
    }

    #[test]
    fn who_sees_alike_shares_one_text() {
        let views = Views::default();
        let location = Location::parse("a").unwrap();
        let (one, same) = (views.view("n", &location, Form::Value), views.view("n", &location, Form::Value));
        let event = |data: &str| Arc::new(Event::new(Version::default(), put_news("a", data)));
        let (first, second) = (event("1"), event("2"));
        let told = one.telling(&first);
        assert!(Arc::ptr_eq(&told, &same.telling(&first)) && !Arc::ptr_eq(&told, &one.telling(&second)));
        assert_eq!(told.write().unwrap().as_ptr(), told.write().unwrap().as_ptr());
        for other in [views.view("m", &location, Form::Value), views.view("n", &location, Form::Export)] {
            assert!(!Arc::ptr_eq(&one, &other));
        }
        // Views that nobody has are forgotten.
        for number in 0..1000 {
            views.view(&number.to_string(), &location, Form::Value);
            assert!(views.0.lock().unwrap().views.len() <= SWEEP_FROM);
        }
    }
}
