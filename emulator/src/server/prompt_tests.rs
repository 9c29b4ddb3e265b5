//! What is answered at once, what goes to the HTTP library, and what becomes of those who keep it waiting.

use super::*;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);

/// Repeats what is posted to `/echo`.
struct Echo;

impl Prompt for Echo {
    fn awaits(&self, head: &Whole<'_>) -> bool {
        head.method == "POST" && head.target == "/echo"
    }

    fn answer(&self, request: &Whole<'_>, answers: &mut Answers) -> bool {
        let answers_it = self.awaits(request);
        if answers_it {
            answers.ok(Some(("x-own", "1")), &Lines(b"x-all: 2\r\n".to_vec()), request.body);
        }
        answers_it
    }
}

struct Place {
    client: DuplexStream,
    stop: CancellationToken,
    serving: JoinHandle<Left>,
}

/// With so much room between the two.
fn place(room: usize) -> Place {
    let (client, mut server) = duplex(room);
    let stop = CancellationToken::new();
    let until = stop.clone();
    let serving = tokio::spawn(async move { serve(&mut server, &Echo, PATIENCE, &until).await });
    Place { client, stop, serving }
}

fn post(body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The same as the answer has it, without the date.
fn answer_to(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nx-own: 1\r\nx-all: 2\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn without_dates(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
}

/// What a client hears that says `text` in pieces of so many bytes, and what is left to the library.
async fn told(text: &str, piece: usize) -> (String, Left) {
    let Place { client, serving, .. } = place(64);
    let (mut reader, mut writer) = tokio::io::split(client);
    let text = text.to_owned();
    let telling = tokio::spawn(async move {
        for piece in text.as_bytes().chunks(piece) {
            if writer.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = writer.shutdown().await;
    });
    let mut heard = Vec::new();
    reader.read_to_end(&mut heard).await.unwrap();
    telling.await.unwrap();
    (without_dates(&heard), serving.await.unwrap())
}

#[tokio::test]
async fn requests_are_answered_in_whatever_pieces_they_come() {
    let long = "x".repeat(10_000);
    let bodies = ["one", "", "three\r\n\r\n", long.as_str()];
    let requests: String = bodies.iter().map(|body| post(body)).collect();
    let answers: String = bodies.iter().map(|body| answer_to(body)).collect();
    for piece in [1, 7, 100, 100_000] {
        let (heard, left) = told(&requests, piece).await;
        assert!(heard == answers, "in pieces of {piece}: {heard}");
        assert_eq!(left, Left::Over);
    }
}

#[tokio::test]
async fn answers_have_a_date() {
    let mut answers = Answers::default();
    answers.ok(None, &Lines(Vec::new()), b"x");
    let text = String::from_utf8(answers.bytes).unwrap();
    let date = text.strip_prefix("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ndate: ").unwrap();
    let date = httpdate::parse_http_date(date.strip_suffix("\r\n\r\nx").unwrap()).unwrap();
    let ago = std::time::SystemTime::now().duration_since(date).unwrap();
    assert!(ago < Duration::from_secs(60), "{ago:?}");
}

/// What cannot be answered at once goes to the library as it is, with what comes after it.
#[tokio::test]
async fn everything_else_goes_to_the_library_untouched() {
    let large = format!("POST /echo HTTP/1.1\r\ncontent-length: {ROOM}\r\n\r\n");
    let many: String = (0..=FIELDS).map(|number| format!("x-{number}: 1\r\n")).collect();
    for other in [
        "GET /echo HTTP/1.1\r\n\r\n",
        "POST /other HTTP/1.1\r\ncontent-length: 2\r\n\r\nab",
        // Refused before its body is waited for.
        "POST /other HTTP/1.1\r\ncontent-length: 2\r\n\r\n",
        "POST /echo#a HTTP/1.1\r\n\r\n",
        "POST http://a/echo HTTP/1.1\r\n\r\n",
        "POST /ec\u{e4}ho HTTP/1.1\r\n\r\n",
        "POST /echo HTTP/1.0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nConnection: close\r\n\r\n",
        "POST /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 1\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nContent-Length: +2\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nContent-Length: 18446744073709551618\r\n\r\nab",
        &large,
        &format!("POST /echo HTTP/1.1\r\n{many}\r\n"),
        "POST /echo HTTP/1.1\r\n folded: 1\r\n\r\n",
        "\u{1}",
    ] {
        let (heard, left) = told(&(post("before") + other + "after"), 100_000).await;
        assert_eq!(heard, answer_to("before"), "{other:?}");
        let Left::ToHttp(begun) = left else { panic!("{other:?}") };
        assert!(begun.starts_with(&other.as_bytes()[..1]), "{other:?}: {begun:?}");
        assert!((other.to_owned() + "after").as_bytes().starts_with(&begun), "{other:?}: {begun:?}");
    }
    // A head without end is the library's to refuse.
    let (_, left) = told(&format!("POST /echo HTTP/1.1\r\nx: {}", "x".repeat(10 * ROOM)), 1000).await;
    assert!(matches!(left, Left::ToHttp(begun) if (ROOM..2 * ROOM).contains(&begun.len())));
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_not_waited_for_and_who_is_slow_goes_to_the_library() {
    let (one, two) = (post("x"), post("xy"));
    for (said, begun) in [("", None), (one.get(..9).unwrap(), Some(9)), (two.get(..52).unwrap(), Some(52))] {
        let mut place = place(1 << 20);
        tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
        // Each answer begins the time anew.
        place.client.write_all(post("x").as_bytes()).await.unwrap();
        let begins = Instant::now();
        place.client.write_all(said.as_bytes()).await.unwrap();
        let left = place.serving.await.unwrap();
        assert_eq!(begins.elapsed().as_secs(), PATIENCE.as_secs(), "{said}");
        let lengths = if let Left::ToHttp(read) = left { Some(read.len()) } else { None };
        assert_eq!(lengths, begun, "{said}");
    }
}

#[tokio::test]
async fn a_stop_ends_what_is_idle_and_leaves_what_has_begun() {
    for (said, begun) in [("", false), ("POST ", true)] {
        let mut place = place(1 << 20);
        place.client.write_all((post("x") + said).as_bytes()).await.unwrap();
        let mut heard = vec![0; 100];
        assert!(place.client.read(&mut heard).await.unwrap() > 0);
        place.stop.cancel();
        assert_eq!(matches!(place.serving.await.unwrap(), Left::ToHttp(_)), begun, "{said:?}");
    }
    // Nobody goes on for as long as it always has something to say.
    let place = place(64);
    place.stop.cancel();
    let (mut reader, mut writer) = tokio::io::split(place.client);
    let telling = tokio::spawn(async move { while writer.write_all(post("x").as_bytes()).await.is_ok() {} });
    let mut heard = Vec::new();
    let _ = reader.read_to_end(&mut heard).await;
    drop(reader);
    place.serving.await.unwrap();
    telling.await.unwrap();
}
