//! Connections: who gets in, what they are answered, what others can do with them.

use super::*;
use hearth_tests::transcript::Transcript;

async fn manage(suite: &Suite, method: &str, path: &str, body: &str) -> Answer {
    suite.ask(Service::Gateway, method, path, &[], body).await
}

#[tokio::test]
async fn a_ping_is_answered_through_its_queue_and_everything_else_by_default() {
    let suite = start(json!({})).await;
    let mut client = Client::connect(&suite, "/dev?userId=stepan").await;
    for (text, answer) in [
        (r#"{"action":"ping","name":"Stepan"}"#, "pong, Stepan!"),
        (r#"{"action":"ping"}"#, "pong"),
        (r#"{"action":"other"}"#, "not implemented"),
        (r#"{"action":"$connect"}"#, "not implemented"),
        (r#"{"action":"$disconnect"}"#, "not implemented"),
        (r#"{"action":["ping"]}"#, "not implemented"),
        ("ping", "not implemented"),
        ("", "not implemented"),
    ] {
        assert_eq!(client.ask(text).await, answer, "{text}");
    }
    until_empty(&suite, "NotifyConnection").await;
    suite.stop().await;
}

async fn until_empty(suite: &Suite, queue: &str) {
    tokio::time::timeout(PATIENCE, async { while counts(suite, queue).await != [0; 3] {} }).await.unwrap();
}

#[tokio::test]
async fn a_connection_has_a_record_until_it_ends_however_it_ends() {
    let suite = start(json!({})).await;
    for end in ["close", "abort", "delete", "queue"] {
        let mut client = Client::connect(&suite, "/dev?userId=a.b%2F%C5%BE").await;
        let [id] = connections(&suite).await.try_into().unwrap();
        assert_eq!((id.len(), id.ends_with('=')), (16, true), "{id}");
        let record = json!({"ConnectionId": id, "UserId": "a.b/ž", "Created": "2030-01-01T00:00:00.000Z"});
        assert_eq!(kept(&suite, &format!("connections/{id}")).await, record);
        assert_eq!(counts(&suite, "DeleteConnection").await, [0, 0, 1]);
        match end {
            "close" => client.0.close(None).await.unwrap(),
            "abort" => drop(client),
            "delete" => {
                let answer = manage(&suite, "DELETE", &format!("/dev/@connections/{id}"), "").await;
                assert_eq!((answer.status.as_u16(), answer.text()), (204, ""));
                assert_eq!(client.closed().await, Some(1000));
            }
            _ => {
                send(&suite, "DeleteConnection", &json!({"connectionId": id}).to_string()).await;
                assert_eq!((client.text().await.as_str(), client.closed().await), ("$disconnect", Some(1000)));
            }
        }
        until_connections(&suite, 0).await;
        until_empty(&suite, "DeleteConnection").await;
        assert_eq!((kept(&suite, "users").await, kept(&suite, "pending").await), (Value::Null, Value::Null), "{end}");
    }
    suite.stop().await;
}

#[tokio::test]
async fn who_may_not_connect_is_told_at_the_upgrade() {
    let suite = start(json!({"stages": ["dev", "$default"]})).await;
    let long = format!("/dev?userId={}", "x".repeat(257));
    for (path, expect) in [
        ("/dev?userId=a", 101),
        ("/$default?userId=a", 101),
        ("/dev", 400),
        ("/dev?userId=", 400),
        (long.as_str(), 400),
        ("/prod?userId=a", 403),
        ("/dev%2F..%2Fprod?userId=a", 403),
        ("/dev/prod?userId=a", 403),
        ("/?userId=a", 403),
    ] {
        assert_eq!(status(&suite, path).await, expect, "{path}");
    }
    suite.stop().await;

    let suite = start(json!({"authorizer": "idToken"})).await;
    let (uid, bearer) = suite.sign_up().await;
    let token = bearer.strip_prefix("Bearer ").unwrap();
    for (path, expect) in [
        (format!("/dev?token={token}"), 101),
        (format!("/dev?token={token}&userId={uid}"), 101),
        (format!("/dev?token={token}&userId=another"), 403),
        (format!("/dev?userId={uid}"), 403),
        (format!("/dev?userId={uid}&token=forged"), 403),
    ] {
        assert_eq!(status(&suite, &path).await, expect, "{path}");
    }
    suite.stop().await;

    // Self-hosted, an ID token is needed unless something else is configured.
    let suite = start_as(Mode::SelfHost, json!({})).await;
    assert_eq!(status(&suite, "/dev?userId=a").await, 403);
    suite.stop().await;
}

#[tokio::test]
async fn a_user_hears_on_all_connections() {
    let suite = start(json!({})).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::connect(&suite, "/dev?userId=ann").await);
    }
    let mut other = Client::connect(&suite, "/dev?userId=ann2").await;
    send(&suite, "NotifyUser", r#"{"userId":"ann","data":"hello"}"#).await;
    for client in &mut clients {
        assert_eq!(client.text().await, "hello");
    }
    assert_eq!(other.ask("{}").await, "not implemented");
    // What is not understood is dropped, and what goes to nobody is no error.
    for (queue, body) in [
        ("NotifyUser", "nonsense"),
        ("NotifyUser", r#"{"userId":"nobody","data":"x"}"#),
        ("NotifyConnection", r#"{"connectionId":"nobody","data":"x"}"#),
        ("NotifyConnection", r#"{"connectionId":7}"#),
    ] {
        send(&suite, queue, body).await;
        until_empty(&suite, queue).await;
    }
    suite.stop().await;
}

#[tokio::test]
async fn frames_and_messages_have_limits() {
    let suite = start(json!({})).await;
    let frame = |first: u8, length: usize| {
        let length = u32::try_from(length).unwrap();
        let mut frame = vec![first, 0xff, 0, 0, 0, 0];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(std::iter::repeat_n(b'x', length as usize));
        frame
    };
    let kilobytes = 1024;
    for (frames, expect) in [
        (vec![frame(0x81, 32 * kilobytes)], None),
        (vec![frame(0x81, 32 * kilobytes + 1)], Some(1009)),
        (
            vec![
                frame(0x01, 32 * kilobytes),
                frame(0, 32 * kilobytes),
                frame(0, 32 * kilobytes),
                frame(0x80, 32 * kilobytes),
            ],
            None,
        ),
        (
            vec![
                frame(0x01, 32 * kilobytes),
                frame(0, 32 * kilobytes),
                frame(0, 32 * kilobytes),
                frame(0, 32 * kilobytes),
                frame(0x80, 1),
            ],
            Some(1009),
        ),
        (vec![frame(0x82, 10)], Some(1003)),
    ] {
        let (mut stream, _) = upgrade(suite.address(Service::Gateway), "/dev?userId=a").await;
        for frame in frames {
            stream.write_all(&frame).await.unwrap();
        }
        let mut client = Client(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
        match expect {
            None => assert_eq!(client.text().await, "not implemented"),
            Some(code) => assert_eq!(client.closed().await, Some(code)),
        }
    }
    suite.stop().await;
}

#[tokio::test]
async fn connections_are_managed_as_api_gateway_has_it() {
    let suite = start(json!({})).await;
    let mut client = Client::connect(&suite, "/dev?userId=a").await;
    let [id] = connections(&suite).await.try_into().unwrap();
    let path = format!("/dev/@connections/{id}");
    let escaped = format!("/dev/%40connections/{}", id.replace('=', "%3D"));
    let long = "x".repeat(128 * 1024 + 1);
    let mut seen = Transcript::default();
    let forged = format!("/prod/@connections/{id}");
    for (case, method, path, body) in [
        ("a post", "POST", path.as_str(), "hello"),
        ("a connection", "GET", path.as_str(), ""),
        ("too long a post", "POST", path.as_str(), long.as_str()),
        ("another method", "PUT", path.as_str(), ""),
        ("a post by another stage", "POST", forged.as_str(), "hello"),
        ("a look by another stage", "GET", forged.as_str(), ""),
        ("an end by another stage", "DELETE", forged.as_str(), ""),
        ("an end", "DELETE", path.as_str(), ""),
        ("another end", "DELETE", path.as_str(), ""),
        ("a post to what has ended", "POST", path.as_str(), "hello"),
        ("no such connection", "GET", "/dev/@connections/nonsense", ""),
        ("no upgrade", "GET", "/dev?userId=a", ""),
        ("no such path", "GET", "/dev/a/b", ""),
        ("the time", "POST", "/token", ""),
        ("the older protocol", "POST", "/", "Action=ListQueues"),
    ] {
        if case == "a post by another stage" {
            assert_eq!(manage(&suite, "POST", &escaped, "again").await.status, 200);
        }
        let answer = manage(&suite, method, path, body).await;
        seen.add(case, &answer);
    }
    assert_eq!([client.text().await, client.text().await], ["hello", "again"]);
    assert_eq!(client.closed().await, Some(1000));
    let (_, head) = upgrade(suite.address(Service::Gateway), "/dev").await;
    seen.note(&head.replace("\r\n", "\n"));
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]");
    settings.add_filter(r"date: .*", "date: [date]");
    settings.bind(|| seen.check("gateway_connections"));

    // What is no text is refused.
    let client = Client::connect(&suite, "/dev?userId=a").await;
    let [id] = connections(&suite).await.try_into().unwrap();
    let path = format!("/dev/@connections/{id}");
    let address = suite.address(Service::Gateway);
    let answer = hearth_tests::client::send(address, "POST", &path, &[], &b"\xff\xfe"[..]).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-amzn-errortype")), (400, "BadRequestException"));
    drop(client);
    suite.stop().await;
}
