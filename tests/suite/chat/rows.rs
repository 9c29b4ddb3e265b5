//! Every row of the protocol, as it goes over the wire.

use super::{House, SECRET};
use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::transcript::Transcript;
use serde_json::json;

#[tokio::test]
async fn every_endpoint_answers_in_the_envelope() {
    let house = House::with(Mode::Emulator, json!({"origins": ["https://a.example", "https://b.example"]})).await;
    let ann = house.person("ann", "red").await;
    let eve = house.person("eve", "blue").await;
    let plain = house.sign_in("uid-of-somebody", json!({"more": 1})).await;
    for known in [&ann, &eve, &plain] {
        house.token(known).await;
    }
    let mut seen = Transcript::default();
    let (notifier, b) = (("authorization", SECRET), ("origin", "https://b.example"));
    let (ann, eve, plain) =
        (("authorization", ann.as_str()), ("authorization", eve.as_str()), ("authorization", plain.as_str()));
    let bob = r#"{"username":"bob","user_group":"red"}"#;
    for (method, path, headers, body) in [
        ("OPTIONS", "/messages", &[b][..], ""),
        ("OPTIONS", "/elsewhere", &[("origin", "https://c.example")], ""),
        ("GET", "/healthz", &[b], ""),
        ("GET", "/healthz/", &[], ""),
        ("POST", "/user", &[], bob),
        ("POST", "/user", &[("authorization", "another secret")], bob),
        ("POST", "/user", &[notifier], bob),
        ("POST", "/user", &[notifier], bob),
        ("POST", "/user", &[notifier], "{"),
        ("POST", "/user", &[notifier], r#"["tom","red"]"#),
        ("POST", "/user", &[notifier], r#"{"username":"tom"}"#),
        ("POST", "/user", &[notifier], r#"{"username":"","user_group":"red"}"#),
        ("GET", "/ws_token", &[], ""),
        ("GET", "/ws_token", &[("authorization", "Bearer x")], ""),
        ("GET", "/ws_token", &[("authorization", "Basic x")], ""),
        ("GET", "/ws_token", &[ann, b], ""),
        ("GET", "/ws_token", &[plain], ""),
        ("GET", "/ws", &[], ""),
        ("GET", "/ws?token=x", &[], ""),
        ("GET", "/messages?from=ann&to=bob", &[], ""),
        ("GET", "/messages?from=ann&to=bob", &[ann], ""),
        ("GET", "/messages?from=ann&to=bob&skip=99999999999999999", &[ann], ""),
        ("GET", "/messages?from=ann&to=bob&skip=-1", &[ann], ""),
        ("GET", "/messages?from=ann&to=bob&skip=1e3", &[ann], ""),
        ("GET", "/messages?from=bob&to=ann", &[ann], ""),
        ("GET", "/messages?to=bob", &[ann], ""),
        ("GET", "/messages?from=ann", &[ann], ""),
        ("GET", "/messages?from=ann&to=nobody", &[ann], ""),
        ("GET", "/messages?from=ann&to=eve", &[ann], ""),
        ("GET", "/messages?from=ann&to=../users/bob", &[ann], ""),
        ("GET", "/connections", &[], ""),
        ("GET", "/connections", &[ann], ""),
        ("GET", "/connections", &[eve], ""),
        ("GET", "/connections", &[plain], ""),
        ("GET", "/connections?after=ann", &[ann], ""),
        ("GET", "/", &[], ""),
        ("GET", "/elsewhere", &[ann], ""),
        ("GET", "/user", &[notifier], ""),
        ("DELETE", "/messages", &[ann], ""),
        ("POST", "/ws_token", &[ann], ""),
    ] {
        let answer = house.ask(method, path, headers, body).await;
        let told: Vec<_> = headers.iter().filter(|(name, _)| *name == "origin").collect();
        let who = match headers.iter().find(|(name, _)| *name == "authorization") {
            Some(one) if *one == ann => " (ann)",
            Some(one) if *one == eve => " (eve)",
            Some(one) if *one == plain => " (somebody)",
            Some(one) if *one == notifier => " (notifier)",
            Some(_) => " (refused)",
            None => "",
        };
        seen.add(&format!("{method} {path}{who} {told:?} {body}"), &answer);
    }
    let token = house.token(ann.1).await;
    seen.add("GET /ws with a good token, but no WebSocket", &house.get(&format!("/ws?token={token}"), "").await);
    assert!(house.try_open(&token).await.is_ok());
    seen.check("chat_endpoints");
    house.stop().await;
}

#[tokio::test]
async fn every_frame_is_as_told() {
    let house = House::new().await;
    let ann = house.person("ann", "red").await;
    let mut seen = Transcript::default();
    house.token(&house.person("eve", "blue").await).await;
    let token = house.token(&ann).await;
    let (_, head) = super::socket::handshake(house.suite.address(Service::Chat), &token).await;
    seen.note(&format!("# handshake\n\n{}", undated(&head)));
    let (_, head) = super::socket::handshake(house.suite.address(Service::Chat), &token).await;
    seen.note(&format!("# handshake with a used token\n\n{}", undated(&head)));
    let mut ann = house.open(&ann).await;
    let mut bob = house.join("bob", "red").await;
    seen.note(&format!("bob connects; ann < {}", ann.text().await));
    for text in [
        r#"{"username_from":"ann","username_to":"bob","message":"hello"}"#,
        r#"{"username_to":"bob","image_path":"/images/1.png"}"#,
        r#"{"username_from":"ann","username_to":"bob","message":"both \"\u0000\n","image_path":"/2.png","other":1}"#,
    ] {
        house.suite.advance(1234).await;
        ann.send(text).await;
        let (own, his) = (ann.text().await, bob.text().await);
        assert_eq!(own, his);
        seen.note(&format!("ann > {text}\nann < {own}\nbob < {his}"));
    }
    for text in [
        "",
        "hello",
        "[]",
        "{",
        r#"{"username_to":"bob"}"#,
        r#"{"username_to":"bob","message":""}"#,
        r#"{"message":"hello"}"#,
        r#"{"username_to":"nobody","message":"hello"}"#,
        r#"{"username_to":"eve","message":"hello"}"#,
        r#"{"username_to":"a/b.c#","message":"hello"}"#,
        r#"{"username_from":"bob","username_to":"ann","message":"hello"}"#,
        r#"{"username_to":"bob","message":7}"#,
    ] {
        ann.send(text).await;
        seen.note(&format!("ann > {text}\nann < {}", ann.text().await));
    }
    for (field, length) in [("message", 16 * 1024 + 1), ("image_path", 2 * 1024 + 1)] {
        ann.send(json!({"username_to": "bob", field: "x".repeat(length)}).to_string()).await;
        seen.note(&format!("ann > {field} of {length} bytes\nann < {}", ann.text().await));
    }
    bob.close().await;
    seen.note(&format!("bob disconnects; ann < {}", ann.text().await));
    ann.send("x".repeat(128 * 1024 + 1)).await;
    seen.note(&format!("ann > a frame that is too long; closed: {:?}", ann.closed().await));
    let authorization = house.person("ann", "red").await;
    seen.add("GET /messages?from=ann&to=bob", &house.get("/messages?from=ann&to=bob", &authorization).await);
    seen.check("chat_frames");
    house.stop().await;
}

/// A head without the machine's time.
fn undated(head: &str) -> String {
    head.lines().filter(|line| !line.is_empty() && !line.starts_with("date: ")).collect::<Vec<_>>().join("\n")
}
