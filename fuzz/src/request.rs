//! A request from bytes: `METHOD target`, then headers, one to a line, then an empty line and a body. Must not know: who
//! answers.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};

pub(crate) fn request(bytes: &[u8]) -> Option<Request<Body>> {
    let blank = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match blank {
        Some(at) => (bytes.get(..at)?, bytes.get(at + 2..)?),
        None => (bytes, &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let method = Method::from_bytes(first.get(..space)?).ok()?;
    let target = Uri::try_from(first.get(space + 1..)?).ok()?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        let value = HeaderValue::from_bytes(line.get(colon + 1..)?.trim_ascii()).ok()?;
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_vec())).ok()
}
