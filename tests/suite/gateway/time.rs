//! What happens by the clock.

use super::*;

const MINUTE: u64 = 60_000;

#[tokio::test]
async fn a_connection_is_told_and_closed_after_fifteen_minutes() {
    let suite = start(json!({})).await;
    let mut client = Client::connect(&suite, "/dev?userId=a").await;
    suite.advance(9 * MINUTE).await;
    assert_eq!(client.ask(r#"{"action":"ping"}"#).await, "pong");
    suite.advance(6 * MINUTE - 1).await;
    assert_eq!(client.ask(r#"{"action":"ping"}"#).await, "pong");
    suite.advance(1).await;
    assert_eq!((client.text().await.as_str(), client.closed().await), ("$disconnect", Some(1000)));
    assert_eq!(connections(&suite).await, Vec::<String>::new());
    assert_eq!(counts(&suite, "DeleteConnection").await, [0; 3]);
    suite.stop().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_ten_minutes() {
    let suite = start(json!({})).await;
    let mut silent = Client::connect(&suite, "/dev?userId=a").await;
    let mut lively = Client::connect(&suite, "/dev?userId=b").await;
    suite.advance(5 * MINUTE).await;
    assert_eq!(lively.ask("x").await, "not implemented");
    suite.advance(5 * MINUTE).await;
    assert_eq!(silent.closed().await, Some(1001));
    until_connections(&suite, 1).await;
    assert_eq!(lively.ask("x").await, "not implemented");
    suite.stop().await;
}

#[tokio::test]
async fn no_connection_lasts_longer_than_two_hours() {
    let suite = start(json!({"deleteConnectionSeconds": false})).await;
    let mut client = Client::connect(&suite, "/dev?userId=a").await;
    for _ in 0..13 {
        suite.advance(9 * MINUTE).await;
        assert_eq!(client.ask("x").await, "not implemented");
    }
    suite.advance(3 * MINUTE - 1).await;
    assert_eq!(client.ask("x").await, "not implemented");
    suite.advance(1).await;
    assert_eq!(client.closed().await, Some(1001));
    until_connections(&suite, 0).await;
    suite.stop().await;
}

#[tokio::test]
async fn limits_may_be_others() {
    let suite = start(json!({"limits": {"idleSeconds": 2, "connectionSeconds": 3, "messageBytes": 10}})).await;
    let mut client = Client::connect(&suite, "/dev?userId=a").await;
    suite.advance(1500).await;
    assert_eq!(client.ask("x").await, "not implemented");
    suite.advance(1499).await;
    assert_eq!(client.ask("x").await, "not implemented");
    suite.advance(1).await;
    assert_eq!(client.closed().await, Some(1001));
    let mut client = Client::connect(&suite, "/dev?userId=a").await;
    client.send("12345678901").await;
    assert_eq!(client.closed().await, Some(1009));
    suite.stop().await;
}

#[tokio::test]
async fn what_cannot_be_deleted_is_a_dead_letter_after_four_receives() {
    let suite = start(json!({})).await;
    for body in [r#"{"connectionId":"gone="}"#, "nonsense"] {
        send(&suite, "DeleteConnection", body).await;
    }
    until_in_flight(&suite).await;
    for _ in 0..3 {
        suite.advance(30_000).await;
        assert_eq!(counts(&suite, "DeleteConnection").await, [0, 2, 0]);
        assert_eq!(counts(&suite, "DeleteConnectionDeadLetter").await, [0; 3]);
    }
    suite.advance(30_000).await;
    assert_eq!(counts(&suite, "DeleteConnection").await, [0; 3]);
    let letters = receive(&suite, "DeleteConnectionDeadLetter").await;
    assert_eq!(letters.len(), 2);
    for letter in letters {
        assert_eq!(letter["Attributes"]["ApproximateReceiveCount"], "5", "{letter}");
        let source = "arn:aws:sqs:us-east-1:000000000000:DeleteConnection";
        assert_eq!(letter["Attributes"]["DeadLetterQueueSourceArn"], source);
    }
    suite.stop().await;
}

/// The consumer has tried both once.
async fn until_in_flight(suite: &Suite) {
    tokio::time::timeout(PATIENCE, async { while counts(suite, "DeleteConnection").await != [0, 2, 0] {} })
        .await
        .unwrap();
}
