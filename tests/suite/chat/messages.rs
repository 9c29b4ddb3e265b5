//! Messages are stored, delivered in the order of storage, and read in pages.

use super::House;
use serde_json::{Value, json};

fn texts(page: &Value) -> Vec<usize> {
    let messages = page["result"].as_array().unwrap();
    messages.iter().map(|message| message["message"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn pages_stay_where_they_are() {
    let house = House::new().await;
    let ann = house.person("ann", "red").await;
    let mut socket = house.open(&ann).await;
    house.token(&house.person("bob", "red").await).await;
    let page = async |skip: &str| {
        let answer = house.get(&format!("/messages?from=ann&to=bob{skip}"), &ann).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        (texts(&answer.json()), answer.header("x-total-count").to_owned())
    };
    assert_eq!(page("").await, (vec![], "0".to_owned()));
    for number in 0..120 {
        socket.say("bob", &number.to_string()).await;
        socket.heard().await;
    }
    let (first, second) = (page("").await.0, page("&skip=50").await.0);
    assert_eq!((first.clone(), second.clone()), ((0..50).collect(), (50..100).collect()));
    assert_eq!(page("&skip=100").await, ((100..120).collect(), "120".to_owned()));
    assert_eq!(page("&skip=119").await.0, [119]);
    assert_eq!(page("&skip=120").await.0, [0; 0]);
    assert_eq!(page("&skip=18446744073709551615").await.0, [0; 0]);
    for number in 120..130 {
        socket.say("bob", &number.to_string()).await;
        socket.heard().await;
    }
    assert_eq!((page("").await.0, page("&skip=50").await.0), (first, second));
    assert_eq!(page("&skip=100").await, ((100..130).collect(), "130".to_owned()));
    house.stop().await;
}

#[tokio::test]
async fn both_see_the_same_messages_in_the_same_order() {
    let house = House::new().await;
    let names = ["ann", "bob"];
    let mut known = Vec::new();
    for name in names {
        known.push(house.person(name, "red").await);
        house.token(&known[known.len() - 1]).await;
    }
    let mut sockets = Vec::new();
    for (name, other) in [("ann", "bob"), ("bob", "ann"), ("ann", "bob"), ("bob", "ann")] {
        sockets.push((house.open(&known[usize::from(name == "bob")]).await, other));
    }
    // What was told of presence before.
    assert_eq!(sockets[0].0.json().await, json!({"username": "bob", "active": true}));
    let talks = sockets.into_iter().enumerate().map(|(number, (mut socket, other))| async move {
        for text in 0..25 {
            socket.say(other, &format!("{number}-{text}")).await;
        }
        let mut heard = Vec::new();
        while heard.len() < 100 {
            heard.push(socket.json().await);
        }
        heard
    });
    let heard = futures_util::future::join_all(talks).await;
    assert!(heard.iter().all(|one| *one == heard[0]));
    let mut stored = Vec::new();
    for skip in [0, 50] {
        let page = house.get(&format!("/messages?from=bob&to=ann&skip={skip}"), &known[1]).await.json();
        stored.extend(page["result"].as_array().unwrap().clone());
    }
    assert_eq!(stored, heard[0]);
    let ids: std::collections::BTreeSet<_> = stored.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 100);
    house.stop().await;
}

#[tokio::test]
async fn one_may_write_to_oneself_and_to_those_who_are_away() {
    let house = House::new().await;
    let mut ann = house.join("ann", "red").await;
    house.token(&house.person("bob", "red").await).await;
    ann.say("ann", "note").await;
    assert_eq!(ann.heard().await, ("ann".to_owned(), "note".to_owned()));
    ann.say("bob", "later").await;
    assert_eq!(ann.heard().await, ("ann".to_owned(), "later".to_owned()));
    let mut bob = house.join("bob", "red").await;
    assert_eq!(ann.json().await, json!({"username": "bob", "active": true}));
    bob.say("ann", "here").await;
    assert_eq!(bob.heard().await, ("bob".to_owned(), "here".to_owned()));
    assert_eq!(ann.heard().await, ("bob".to_owned(), "here".to_owned()));
    house.stop().await;
}
