//! Members of a group see each other come and go.

use super::House;
use hearth::config::settings::Mode;
use serde_json::json;

#[tokio::test]
async fn a_group_sees_first_and_last_sockets_only() {
    let house = House::new().await;
    let mut ann = house.join("ann", "red").await;
    let mut eve = house.join("eve", "blue").await;
    let bob = house.person("bob", "red").await;
    let (one, mut other) = (house.open(&bob).await, house.open(&bob).await);
    assert_eq!(ann.json().await, json!({"username": "bob", "active": true}));
    one.close().await;
    // Had the end of one socket been told, it would come before this.
    other.say("ann", "still here").await;
    assert_eq!(ann.heard().await.1, "still here");
    let connections = house.get("/connections", &bob).await.json();
    assert_eq!(
        connections["result"],
        json!([{"username": "ann", "active": true}, {"username": "bob", "active": true}])
    );
    // Without a goodbye.
    drop(other);
    assert_eq!(ann.json().await, json!({"username": "bob", "active": false}));
    let connections = house.get("/connections", &bob).await.json();
    assert_eq!(
        connections["result"],
        json!([{"username": "ann", "active": true}, {"username": "bob", "active": false}])
    );
    eve.say("eve", "all quiet").await;
    assert_eq!(eve.heard().await.1, "all quiet");
    house.stop().await;
}

#[tokio::test]
async fn groups_may_write_to_each_other_where_that_is_configured() {
    let house = House::with(Mode::Emulator, json!({"acrossGroups": true})).await;
    let mut ann = house.join("ann", "red").await;
    let mut eve = house.join("eve", "blue").await;
    ann.say("eve", "hello").await;
    assert_eq!(eve.heard().await, ("ann".to_owned(), "hello".to_owned()));
    let eve = house.person("eve", "blue").await;
    let page = house.get("/messages?from=eve&to=ann", &eve).await;
    assert_eq!(page.json()["result"][0]["message"], "hello", "{}", page.text());
    assert_eq!(house.get("/connections", &eve).await.json()["result"], json!([{"username": "eve", "active": true}]));
    house.stop().await;
}
