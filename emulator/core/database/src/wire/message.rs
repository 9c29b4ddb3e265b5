//! What a text asks for.
//!
//! A text is `{"t":"c","d":{"t":…}}`, about the connection, or `{"t":"d","d":{"r":…,"a":…,"b":…}}`, a request. The data
//! of a request becomes a node at once, without a tree of JSON values in between. Must not know: what is done about it.

use super::query;
use super::status::Refusal;
use crate::query::Query;
use crate::tree::{Location, Path, Unresolved, json};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A text, read.
#[expect(clippy::large_enum_variant, reason = "almost all are requests, and none is kept")]
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// The client asks whether the server is there.
    Ping,
    /// About a change of the transport, or nothing a server need know.
    OtherControl,
    /// A request, and the number its answer carries.
    Request(u64, Result<Request, Refusal>),
}

/// A request.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    /// Nothing to do: statistics, and App Check, which is not enforced.
    Nothing,
    Authenticate(Credential),
    Unauthenticate,
    Listen {
        target: Target,
        known: Option<String>,
    },
    Unlisten(Target),
    Get(Path, Query),
    Set {
        location: Location,
        data: Unresolved,
        hash: Option<String>,
    },
    Update {
        location: Location,
        parts: json::Update,
        hash: Option<String>,
    },
    OnDisconnectSet(Location, Unresolved),
    OnDisconnectUpdate(Path, json::Update),
    OnDisconnectCancel(Path),
}

/// What is listened to, and under which name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) path: Path,
    pub(super) query: Query,
    /// The query as it was sent, for the client to recognise.
    pub(super) text: Option<Box<str>>,
    /// Not 0.
    pub(super) tag: Option<u32>,
}

/// Who a client says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What the credential is said to be.
    pub kind: Kind,
    /// The credential.
    pub token: String,
    /// The rules shall be evaluated with this JSON as `auth`: an object, or `null` for nobody. For admins only.
    pub auth_override: Option<String>,
}

/// Kinds of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JWT (`auth`).
    IdToken,
    /// Anything else, as an OAuth 2 access token (`gauth`).
    AccessToken,
}

#[derive(Deserialize)]
struct Envelope<'t> {
    #[serde(borrow)]
    t: Cow<'t, str>,
    #[serde(borrow)]
    d: Inner<'t>,
}

#[derive(Deserialize)]
struct Inner<'t> {
    #[serde(borrow, default)]
    t: Cow<'t, str>,
    r: Option<u64>,
    #[serde(borrow, default)]
    a: Cow<'t, str>,
    #[serde(borrow)]
    b: Option<&'t RawValue>,
}

/// All members that bodies have.
#[derive(Default, Deserialize)]
struct Body<'t> {
    p: Option<String>,
    /// `null` is data too.
    #[serde(borrow, default, deserialize_with = "present")]
    d: Option<&'t RawValue>,
    h: Option<String>,
    #[serde(borrow)]
    q: Option<&'t RawValue>,
    t: Option<u32>,
    cred: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    authvar: Option<&'t RawValue>,
    #[serde(default)]
    noauth: bool,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a text.
///
/// # Errors
/// It is no message of the protocol; the words say why.
pub(super) fn parse(text: &str) -> Result<Message, String> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| format!("not a message: {error}"))?;
    match (&*envelope.t, envelope.d) {
        ("c", control) if control.t == "p" => Ok(Message::Ping),
        ("c", _) => Ok(Message::OtherControl),
        ("d", Inner { r: Some(number), a, b, .. }) => Ok(Message::Request(number, request(&a, b))),
        ("d", _) => Err("not a message: a request has no number".to_owned()),
        (kind, _) => Err(format!("not a message: unknown type {kind:?}")),
    }
}

/// The number of the request that begins so, if it can be seen.
pub(super) fn number_in(head: &str) -> Option<u64> {
    let (_, after) = head.split_once("\"r\":")?;
    let digits = after.trim_start();
    digits.get(..digits.find(|character: char| !character.is_ascii_digit())?)?.parse().ok()
}

fn request(action: &str, body: Option<&RawValue>) -> Result<Request, Refusal> {
    let body: Body<'_> = match body {
        Some(body) => serde_json::from_str(body.get())
            .map_err(|error| Refusal::failure(format!("Invalid request; the body cannot be read: {error}.")))?,
        None => Body::default(),
    };
    match action {
        "q" => body.target().map(|target| Request::Listen { target, known: body.h }),
        "n" => body.target().map(Request::Unlisten),
        "g" => Ok(Request::Get(body.path()?, body.query()?)),
        "p" => {
            let location = body.location()?;
            let data = body.data(location.path.depth())?;
            Ok(Request::Set { location, data, hash: body.h })
        }
        "m" => {
            let location = body.location()?;
            let parts = body.parts(location.path.depth())?;
            Ok(Request::Update { location, parts, hash: body.h })
        }
        "o" => {
            let location = body.location()?;
            let data = body.data(location.path.depth())?;
            Ok(Request::OnDisconnectSet(location, data))
        }
        "om" => {
            let path = body.path()?;
            let parts = body.parts(path.depth())?;
            Ok(Request::OnDisconnectUpdate(path, parts))
        }
        "oc" => Ok(Request::OnDisconnectCancel(body.path()?)),
        "auth" => body.credential(Kind::IdToken),
        "gauth" => body.credential(Kind::AccessToken),
        "unauth" => Ok(Request::Unauthenticate),
        "s" | "appcheck" | "unappeck" => Ok(Request::Nothing),
        _ => Err(Refusal::failure(format!("Unknown action {action:?}."))),
    }
}

impl Body<'_> {
    fn text(&self) -> Result<&str, Refusal> {
        self.p.as_deref().ok_or_else(|| Refusal::failure("Invalid request; there is no path p."))
    }

    fn path(&self) -> Result<Path, Refusal> {
        Ok(Path::parse(self.text()?)?)
    }

    fn location(&self) -> Result<Location, Refusal> {
        Ok(Location::parse(self.text()?)?)
    }

    fn query(&self) -> Result<Query, Refusal> {
        self.q.map_or(Ok(Query::default()), |query| query::parse(query.get()))
    }

    fn target(&self) -> Result<Target, Refusal> {
        let text = self.q.map(|query| query.get().into());
        let tag = self.t.filter(|tag| *tag != 0);
        Ok(Target { path: self.path()?, query: self.query()?, text, tag })
    }

    fn sent(&self) -> Result<&str, Refusal> {
        self.d.map(RawValue::get).ok_or_else(|| Refusal::failure("Invalid request; there is no data d."))
    }

    fn data(&self, depth: usize) -> Result<Unresolved, Refusal> {
        Ok(json::parse(self.sent()?.as_bytes(), depth)?)
    }

    fn parts(&self, depth: usize) -> Result<json::Update, Refusal> {
        let parts = json::parse_update(self.sent()?.as_bytes(), depth)?;
        parts.ok_or_else(|| json::JsonError::NotAnObject.into())
    }

    fn credential(self, kind: Kind) -> Result<Request, Refusal> {
        let token = self.cred.ok_or_else(|| Refusal::failure("Invalid request; there is no credential cred."))?;
        let auth_override =
            if self.noauth { Some("null".to_owned()) } else { self.authvar.map(|value| value.get().to_owned()) };
        Ok(Request::Authenticate(Credential { kind, token, auth_override }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Status;

    fn check(text: &str, expect: Result<Message, &str>) {
        match (parse(text), expect) {
            (Err(words), Err(expect)) => assert!(words.contains(expect), "{text}: {words}"),
            (found, expect) => assert_eq!(found, expect.map_err(str::to_owned), "{text}"),
        }
    }

    #[test]
    fn what_is_no_message_is_told_why() {
        for (text, words) in [
            ("", "EOF"),
            ("[]", "invalid length"),
            (r#"{"t":"d"}"#, "missing field `d`"),
            (r#"{"t":"x","d":{}}"#, "unknown type \"x\""),
            (r#"{"t":"d","d":{"a":"s"}}"#, "no number"),
            (r#"{"t":"d","d":{"r":-1,"a":"s"}}"#, "invalid value"),
        ] {
            check(text, Err(words));
        }
        check(r#"{"t":"c","d":{"t":"p","d":{}}}"#, Ok(Message::Ping));
        check(r#"{"t":"c","d":{"t":"n","d":{}}}"#, Ok(Message::OtherControl));
    }

    #[test]
    fn a_request_that_cannot_be_understood_is_refused_by_its_number() {
        for (action, body, words) in [
            ("nope", "{}", "Unknown action \"nope\"."),
            ("p", r#"{"p":"/a"}"#, "Invalid request; there is no data d."),
            ("p", r#"{"d":1}"#, "Invalid request; there is no path p."),
            ("p", r#"{"p":"/a.b","d":1}"#, "Invalid path; "),
            ("p", r#"{"p":5,"d":1}"#, "Invalid request; the body cannot be read: "),
            ("p", r#"{"p":"/a","d":{"a.b":1}}"#, "Invalid data; key \"a.b\" holds a character that is not allowed"),
            ("m", r#"{"p":"/a","d":null}"#, "Invalid data; an update must be an object."),
            ("m", r#"{"p":"/a","d":5}"#, "Invalid data; an update must be an object."),
            ("q", r#"{"p":"/a","q":{"l":0}}"#, "Invalid query; the limit l must be a positive integer."),
            ("auth", "{}", "Invalid request; there is no credential cred."),
        ] {
            let text = format!(r#"{{"t":"d","d":{{"r":7,"a":"{action}","b":{body}}}}}"#);
            match parse(&text) {
                Ok(Message::Request(7, Err(Refusal(Status::Failure, found)))) => {
                    assert!(found.starts_with(words), "{text}: {found}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn credentials_are_read_with_what_shall_stand_for_them() {
        for (body, expect) in [
            (r#"{"cred":"c"}"#, None),
            (r#"{"cred":"c","authvar":{"uid":"u"}}"#, Some(r#"{"uid":"u"}"#)),
            (r#"{"cred":"c","authvar":null}"#, Some("null")),
            (r#"{"cred":"c","noauth":true}"#, Some("null")),
        ] {
            let expect =
                Credential { kind: Kind::AccessToken, token: "c".to_owned(), auth_override: expect.map(str::to_owned) };
            let text = format!(r#"{{"t":"d","d":{{"r":7,"a":"gauth","b":{body}}}}}"#);
            check(&text, Ok(Message::Request(7, Ok(Request::Authenticate(expect)))));
        }
    }

    #[test]
    fn the_number_of_a_cut_off_request_can_be_seen() {
        assert_eq!(number_in(r#"{"t":"d","d":{"r":12,"a":"p"#), Some(12));
        assert_eq!(number_in(r#"{"t":"d","d":{"r":12"#), None);
        assert_eq!(number_in("{}"), None);
    }
}
