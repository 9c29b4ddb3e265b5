//! Queues as AWS clients speak them, over raw requests.

use super::*;
use futures_util::future::join_all;
use hearth_tests::transcript::Transcript;

async fn create(suite: &Suite, queue: &str, attributes: Value) {
    let answer = sqs(suite, "CreateQueue", &json!({"QueueName": queue, "Attributes": attributes})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn every_operation_answers_as_its_model_has_it() {
    let suite = start(json!({})).await;
    let mut seen = Transcript::default();
    let queue = url(&suite, "q");
    let mut handles: Vec<String> = Vec::new();
    for (operation, body) in [
        ("CreateQueue", json!({"QueueName": "q", "Attributes": {"VisibilityTimeout": "60"}, "tags": {"a.b/c": "d"}})),
        ("CreateQueue", json!({"QueueName": "q"})),
        ("CreateQueue", json!({"QueueName": "q", "Attributes": {"VisibilityTimeout": "61"}})),
        ("CreateQueue", json!({"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true"}})),
        ("CreateQueue", json!({"QueueName": "a/b"})),
        ("CreateQueue", json!({})),
        ("GetQueueUrl", json!({"QueueName": "q"})),
        ("GetQueueUrl", json!({"QueueName": "none"})),
        ("ListQueues", json!({})),
        ("ListQueues", json!({"QueueNamePrefix": "Notify", "MaxResults": 1})),
        ("ListQueues", json!({"QueueNamePrefix": "Notify", "MaxResults": 1, "NextToken": "Tm90aWZ5Q29ubmVjdGlvbg=="})),
        ("ListQueues", json!({"QueueNamePrefix": "zzz"})),
        ("ListQueueTags", json!({"QueueUrl": queue})),
        ("TagQueue", json!({"QueueUrl": queue, "Tags": {"e": "f"}})),
        ("UntagQueue", json!({"QueueUrl": queue, "TagKeys": ["e"]})),
        (
            "SendMessage",
            json!({"QueueUrl": queue, "MessageBody": "one", "MessageAttributes": {
            "n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": "AAE="}}}),
        ),
        ("SendMessage", json!({"QueueUrl": queue, "MessageBody": "later", "DelaySeconds": 5})),
        ("SendMessage", json!({"QueueUrl": queue})),
        ("SendMessage", json!({"QueueUrl": "http://elsewhere/000000000000/none", "MessageBody": "x"})),
        ("ReceiveMessage", json!({"QueueUrl": queue, "AttributeNames": ["All"], "MessageAttributeNames": ["All"]})),
        ("ReceiveMessage", json!({"QueueUrl": queue})),
        ("ReceiveMessage", json!({"QueueUrl": queue, "MaxNumberOfMessages": 11})),
        ("GetQueueAttributes", json!({"QueueUrl": queue, "AttributeNames": ["All"]})),
        ("GetQueueAttributes", json!({"QueueUrl": queue})),
        ("GetQueueAttributes", json!({"QueueUrl": queue, "AttributeNames": ["Nonsense"]})),
        (
            "SetQueueAttributes",
            json!({"QueueUrl": queue, "Attributes": {"RedrivePolicy":
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":"2"}"#}}),
        ),
        (
            "SetQueueAttributes",
            json!({"QueueUrl": queue, "Attributes": {"RedrivePolicy":
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:NotifyUser","maxReceiveCount":"2"}"#}}),
        ),
        ("ListDeadLetterSourceQueues", json!({"QueueUrl": url(&suite, "NotifyUser")})),
        ("ChangeMessageVisibility", json!({"QueueUrl": queue, "ReceiptHandle": "[handle]", "VisibilityTimeout": 0})),
        ("ChangeMessageVisibility", json!({"QueueUrl": queue, "ReceiptHandle": "[handle]", "VisibilityTimeout": 0})),
        ("ChangeMessageVisibility", json!({"QueueUrl": queue, "ReceiptHandle": "forged", "VisibilityTimeout": 0})),
        ("DeleteMessage", json!({"QueueUrl": queue, "ReceiptHandle": "[handle]"})),
        ("DeleteMessage", json!({"QueueUrl": queue, "ReceiptHandle": "[handle]"})),
        ("DeleteMessage", json!({"QueueUrl": queue, "ReceiptHandle": "forged"})),
        (
            "SendMessageBatch",
            json!({"QueueUrl": queue, "Entries": [
            {"Id": "a", "MessageBody": "two"}, {"Id": "b", "MessageBody": "\u{1}"}]}),
        ),
        ("SendMessageBatch", json!({"QueueUrl": queue, "Entries": []})),
        (
            "SendMessageBatch",
            json!({"QueueUrl": queue, "Entries": [{"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "x"}]}),
        ),
        ("SendMessageBatch", json!({"QueueUrl": queue, "Entries": [{"Id": "a b", "MessageBody": "x"}]})),
        ("SendMessageBatch", json!({"QueueUrl": queue, "Entries": vec![json!({"Id": "a", "MessageBody": "x"}); 11]})),
        ("ReceiveMessage", json!({"QueueUrl": queue})),
        (
            "ChangeMessageVisibilityBatch",
            json!({"QueueUrl": queue, "Entries": [
            {"Id": "a", "ReceiptHandle": "[handle]", "VisibilityTimeout": 90}, {"Id": "b", "ReceiptHandle": "forged"}]}),
        ),
        (
            "DeleteMessageBatch",
            json!({"QueueUrl": queue, "Entries": [
            {"Id": "a", "ReceiptHandle": "[handle]"}, {"Id": "b", "ReceiptHandle": "forged"}]}),
        ),
        ("PurgeQueue", json!({"QueueUrl": queue})),
        ("DeleteQueue", json!({"QueueUrl": queue})),
        ("DeleteQueue", json!({"QueueUrl": queue})),
        ("AddPermission", json!({})),
        ("Nonsense", json!({})),
        ("ListQueues", json!([])),
    ] {
        let text = body.to_string();
        let body = serde_json::from_str(&text.replace("[handle]", handles.last().map_or("", |handle| handle))).unwrap();
        let answer = sqs(&suite, operation, &body).await;
        if let Some(handle) = answer.json().pointer("/Messages/0/ReceiptHandle").and_then(Value::as_str) {
            handles.push(handle.to_owned());
        }
        seen.add(&format!("{operation} {text}"), &answer);
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]");
    settings.add_filter(r"http://(localhost|127.0.0.1|\[::1\]):\d+", "[base]");
    settings.add_filter(r#""ReceiptHandle":"[A-Za-z0-9+/=]{60,}""#, r#""ReceiptHandle":"[handle]""#);
    // It counts the port's digits.
    settings.add_filter(r"content-length: \d+", "content-length: [length]");
    settings.bind(|| seen.check("gateway_queues"));
    suite.stop().await;
}

#[tokio::test]
async fn visibility_delay_and_retention_follow_the_clock() {
    let suite = start(json!({})).await;
    create(&suite, "q", json!({"VisibilityTimeout": "10", "DelaySeconds": "5", "MessageRetentionPeriod": "60"})).await;
    send(&suite, "q", "a").await;
    assert_eq!((counts(&suite, "q").await, receive(&suite, "q").await.len()), ([0, 0, 1], 0));
    suite.advance(4999).await;
    assert_eq!(receive(&suite, "q").await.len(), 0);
    suite.advance(1).await;
    let [first] = receive(&suite, "q").await.try_into().unwrap();
    assert_eq!((counts(&suite, "q").await, receive(&suite, "q").await.len()), ([0, 1, 0], 0));
    suite.advance(10_000).await;
    let [second] = receive(&suite, "q").await.try_into().unwrap();
    assert_eq!(second["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(second["MessageId"], first["MessageId"]);
    // The first receipt no longer counts.
    let delete = |message: &Value| json!({"QueueUrl": url(&suite, "q"), "ReceiptHandle": message["ReceiptHandle"]});
    assert_eq!(sqs(&suite, "DeleteMessage", &delete(&first)).await.status, 200);
    assert_eq!(counts(&suite, "q").await, [0, 1, 0]);
    assert_eq!(sqs(&suite, "DeleteMessage", &delete(&second)).await.status, 200);
    assert_eq!(counts(&suite, "q").await, [0; 3]);

    send(&suite, "q", "b").await;
    suite.advance(59_999).await;
    assert_eq!(counts(&suite, "q").await, [1, 0, 0]);
    suite.advance(1).await;
    assert_eq!(counts(&suite, "q").await, [0; 3]);
    assert_eq!(kept(&suite, "queues/held/q").await, Value::Null);
    suite.stop().await;
}

#[tokio::test]
async fn a_message_that_is_not_hidden_comes_once_in_an_answer() {
    let suite = start(json!({})).await;
    create(&suite, "q", json!({"VisibilityTimeout": "0"})).await;
    send(&suite, "q", "a").await;
    for receives in ["1", "2"] {
        suite.advance(1).await;
        let [message] = receive(&suite, "q").await.try_into().unwrap();
        assert_eq!(message["Attributes"]["ApproximateReceiveCount"], receives);
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_long_poll_is_answered_by_a_message_or_the_clock() {
    let suite = start(json!({})).await;
    create(&suite, "q", json!({})).await;
    let body = |seconds: u32| json!({"QueueUrl": url(&suite, "q"), "WaitTimeSeconds": seconds, "VisibilityTimeout": 0});
    let twenty = body(20);
    let wait = sqs(&suite, "ReceiveMessage", &twenty);
    let (answer, ()) = tokio::join!(wait, send(&suite, "q", "a"));
    assert_eq!(answer.json()["Messages"][0]["Body"], "a");
    assert_eq!(sqs(&suite, "PurgeQueue", &json!({"QueueUrl": url(&suite, "q")})).await.status, 200);

    // One that was delayed, and then nothing.
    let delayed = json!({"QueueUrl": url(&suite, "q"), "MessageBody": "b", "DelaySeconds": 7});
    assert_eq!(sqs(&suite, "SendMessage", &delayed).await.status, 200);
    let moving = async {
        // The poll may come before or after a step; in the end all its seconds are over.
        for _ in 0..4 {
            suite.advance(10_000).await;
        }
    };
    let (answer, ()) = tokio::join!(sqs(&suite, "ReceiveMessage", &twenty), moving);
    assert_eq!(answer.json()["Messages"][0]["Body"], "b");
    assert_eq!(sqs(&suite, "PurgeQueue", &json!({"QueueUrl": url(&suite, "q")})).await.status, 200);
    let mut empty = Box::pin(sqs(&suite, "ReceiveMessage", &twenty));
    let answer = loop {
        tokio::select! {
            answer = &mut empty => break answer,
            () = suite.advance(1000) => {}
        }
    };
    drop(empty);
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "{}"));
    suite.stop().await;
}

#[tokio::test]
async fn many_messages_are_each_received_once() {
    const MESSAGES: usize = 10_000;
    let suite = start(json!({})).await;
    create(&suite, "q", json!({"VisibilityTimeout": "43200"})).await;
    let batch = |start: usize| {
        let entry = |n: usize| json!({"Id": n.to_string(), "MessageBody": (start + n).to_string()});
        json!({"QueueUrl": url(&suite, "q"), "Entries": (0..10).map(entry).collect::<Vec<_>>()})
    };
    let senders = (0..8).map(|sender| {
        let (suite, batch) = (&suite, &batch);
        async move {
            for start in (sender * 10..MESSAGES).step_by(80) {
                assert_eq!(sqs(suite, "SendMessageBatch", &batch(start)).await.status, 200);
            }
        }
    });
    join_all(senders).await;
    assert_eq!(counts(&suite, "q").await, [MESSAGES as u64, 0, 0]);
    let receivers = (0..8).map(|_| async {
        let mut bodies = Vec::new();
        loop {
            let messages = receive(&suite, "q").await;
            if messages.is_empty() {
                return bodies;
            }
            bodies.extend(messages.iter().map(|message| message["Body"].as_str().unwrap().parse::<usize>().unwrap()));
        }
    });
    let mut bodies: Vec<usize> = join_all(receivers).await.concat();
    bodies.sort_unstable();
    assert!(bodies.iter().copied().eq(0..MESSAGES), "{} messages", bodies.len());
    suite.stop().await;
}

#[tokio::test]
async fn hostile_requests_are_refused_and_harm_nobody() {
    let suite = start(json!({})).await;
    let target = [("x-amz-target", "AmazonSQS.SendMessage")];
    let ask = |body: String| {
        let suite = &suite;
        async move { suite.ask(Service::Gateway, "POST", "/", &target, &body).await.status.as_u16() }
    };
    let long = |bytes: usize| json!({"QueueUrl": "q/NotifyUser", "MessageBody": "x".repeat(bytes)}).to_string();
    for (body, expect) in [
        ("{".to_owned(), 400),
        ("[".repeat(100_000), 400),
        ("null".to_owned(), 400),
        (r#"{"QueueUrl":"../../connections","MessageBody":"x"}"#.to_owned(), 400),
        (r#"{"QueueUrl":"q/..","MessageBody":"x"}"#.to_owned(), 400),
        (r#"{"QueueUrl":"q/a.b","MessageBody":"x"}"#.to_owned(), 400),
        (long(1024 * 1024 + 1), 400),
        (long(3 * 1024 * 1024), 413),
        (long(1024 * 1024), 200),
    ] {
        assert_eq!(ask(body).await, expect);
    }
    let unsigned = start_as(Mode::SelfHost, json!({})).await;
    let answer = sqs(&unsigned, "ListQueues", &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-amzn-query-error")),
        (403, "MissingAuthenticationToken;Sender")
    );
    let answer = unsigned.ask(Service::Gateway, "POST", "/dev/@connections/a=", &[], "x").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-amzn-errortype")),
        (403, "MissingAuthenticationTokenException")
    );
    let forged = "AWS4-HMAC-SHA256 Credential=AKID/20300101/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date;\
                  x-amz-target, Signature=00";
    let headers =
        [("x-amz-target", "AmazonSQS.ListQueues"), ("x-amz-date", "20300101T000000Z"), ("authorization", forged)];
    let answer = unsigned.ask(Service::Gateway, "POST", "/", &headers, "{}").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-amzn-query-error")), (403, "SignatureDoesNotMatch;Sender"));
    unsigned.stop().await;
    suite.stop().await;
}
