//! AWS Signature Version 4, verified
//! (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
//!
//! Must not know: what the request asks for.

use crate::ports::Millis;
use crate::request::HttpRequest;
use chrono::NaiveDateTime;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// A request may be so much older or newer than now.
const MOST_SKEW: Millis = 5 * 60 * 1000;
/// What is not escaped in a canonical request.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same in a path.
const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// The secrets by key id.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys(BTreeMap<String, String>);

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}

impl Keys {
    /// Reads `id:secret,id:secret`; an empty text has none, and nobody is let in.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (id, secret) = pair.split_once(':')?;
            (!id.is_empty() && !secret.is_empty()).then(|| (id.to_owned(), secret.to_owned()))
        };
        let keys: BTreeMap<_, _> = pairs.map(pair).collect::<Option<_>>()?;
        (!keys.is_empty()).then_some(Self(keys))
    }
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is none.
    Missing,
    /// It is not what one has to be.
    Incomplete(&'static str),
    /// Nobody has this key.
    UnknownKey,
    /// It was made too long ago, or will be.
    Expired,
    /// It is not that of this request.
    Mismatch,
}

/// Who says that he signed, whether he did or not.
pub(super) fn claimed_key(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, rest) = header.split_once("Credential=")?;
    rest.split(['/', ',']).next().filter(|id| !id.is_empty())
}

/// The parts of an `Authorization` header.
struct Parts<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed: &'a str,
    signature: &'a str,
}

fn parse(header: &str) -> Result<Parts<'_>, Denied> {
    let rest = header.strip_prefix(ALGORITHM).ok_or(Denied::Incomplete("Algorithm"))?;
    let field = |name: &'static str| {
        let mut fields = rest.split(',').filter_map(|field| field.trim().split_once('='));
        fields.find_map(|(key, value)| (key == name).then_some(value)).ok_or(Denied::Incomplete(name))
    };
    let credential: [&str; 5] =
        field("Credential")?.split('/').collect::<Vec<_>>().try_into().map_err(|_| Denied::Incomplete("Credential"))?;
    let [key, date, region, service, "aws4_request"] = credential else {
        return Err(Denied::Incomplete("Credential"));
    };
    Ok(Parts { key, date, region, service, signed: field("SignedHeaders")?, signature: field("Signature")? })
}

/// Verifies that `request` was signed for `service` by one who has a key, about `now`.
pub(super) fn verify(
    request: &HttpRequest,
    body: &[u8],
    service: &str,
    keys: &Keys,
    now: Millis,
) -> Result<(), Denied> {
    let header = request.headers.get(AUTHORIZATION).ok_or(Denied::Missing)?;
    let parts = parse(header.to_str().map_err(|_| Denied::Incomplete("Authorization"))?)?;
    let secret = keys.0.get(parts.key).ok_or(Denied::UnknownKey)?;
    let date = request.header(&DATE).ok_or(Denied::Incomplete("X-Amz-Date"))?;
    let signed_at = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ")
        .map_err(|_| Denied::Incomplete("X-Amz-Date"))?
        .and_utc()
        .timestamp_millis();
    let signed_at = Millis::try_from(signed_at).map_err(|_| Denied::Expired)?;
    if now.abs_diff(signed_at) > MOST_SKEW || !date.starts_with(parts.date) {
        return Err(Denied::Expired);
    }
    if parts.service != service {
        return Err(Denied::Mismatch);
    }
    let canonical = canonical(request, body, parts.signed)?;
    let scope = format!("{}/{}/{}/aws4_request", parts.date, parts.region, parts.service);
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [parts.date, parts.region, parts.service, "aws4_request"] {
        key = mac(&key, part)?.finalize().into_bytes().to_vec();
    }
    let signature = unhex(parts.signature).ok_or(Denied::Mismatch)?;
    // In constant time.
    mac(&key, &to_sign)?.verify_slice(&signature).map_err(|_| Denied::Mismatch)
}

fn mac(key: &[u8], text: &str) -> Result<Hmac<Sha256>, Denied> {
    // A key of any length is one.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Denied::Mismatch)?;
    mac.update(text.as_bytes());
    Ok(mac)
}

/// The request as it is signed: with the hash of the body that came, whatever a header says of it.
fn canonical(request: &HttpRequest, body: &[u8], signed: &str) -> Result<String, Denied> {
    let names: Vec<&str> = signed.split(';').collect();
    let must_be_signed = |name: &str| name == HOST.as_str() || name.starts_with("x-amz-");
    let all_signed = request.headers.keys().filter(|name| must_be_signed(name.as_str()));
    if !names.contains(&HOST.as_str()) || !all_signed.map(HeaderName::as_str).all(|name| names.contains(&name)) {
        return Err(Denied::Incomplete("SignedHeaders"));
    }
    let path = utf8_percent_encode(request.uri.path(), ESCAPED_IN_PATH);
    let mut text =
        format!("{}\n{path}\n{}\n", request.method, canonical_query(request.uri.query().unwrap_or_default()));
    for name in names {
        let mut values = Vec::new();
        for value in request.headers.get_all(name) {
            let value = value.to_str().map_err(|_| Denied::Mismatch)?;
            values.push(value.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        }
        let _ = writeln!(text, "{name}:{}", values.join(","));
    }
    let _ = write!(text, "\n{signed}\n{}", hex(&Sha256::digest(body)));
    Ok(text)
}

fn canonical_query(query: &str) -> String {
    let escape = |text: &str| utf8_percent_encode(&percent_decode_str(text).decode_utf8_lossy(), ESCAPED).to_string();
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (escape(key), escape(value))
    };
    let mut pairs: Vec<_> = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
    pairs.sort();
    pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let bytes = text.as_bytes().chunks(2).map(|pair| {
        let [high, low] = pair else { return None };
        u8::try_from(digit(high)? << 4 | digit(low)?).ok()
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderValue, Method};

    /// The example of the documentation: `GET` of `iam`'s ListUsers on 30 August 2015.
    const EXAMPLE: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date, \
        Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    /// 2015-08-30T12:36:00Z.
    const THEN: Millis = 1_440_938_160_000;

    fn example(authorization: &str) -> HttpRequest {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", authorization),
        ];
        let header = |(name, value): (&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        HttpRequest {
            method: Method::GET,
            uri: "/?Version=2010-05-08&Action=ListUsers".parse().unwrap(),
            headers: headers.into_iter().map(header).collect(),
            body: Ok(Bytes::new()),
        }
    }

    fn keys() -> Keys {
        Keys::parse("other:x, AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").unwrap()
    }

    #[test]
    fn the_documented_example_verifies() {
        assert_eq!(verify(&example(EXAMPLE), b"", "iam", &keys(), THEN), Ok(()));
        assert_eq!(verify(&example(EXAMPLE), b"", "iam", &keys(), THEN + MOST_SKEW), Ok(()));
        assert_eq!(claimed_key(&example(EXAMPLE).headers), Some("AKIDEXAMPLE"));
    }

    #[test]
    fn everything_else_does_not() {
        let check = |change: fn(&mut HttpRequest), expect: Denied| {
            let mut request = example(EXAMPLE);
            change(&mut request);
            assert_eq!(verify(&request, b"", "iam", &keys(), THEN), Err(expect));
        };
        check(|request| drop(request.headers.remove(AUTHORIZATION)), Denied::Missing);
        check(|request| request.method = Method::POST, Denied::Mismatch);
        check(|request| request.uri = "/?Action=ListUsers".parse().unwrap(), Denied::Mismatch);
        check(|request| drop(request.headers.insert(HOST, HeaderValue::from_static("b"))), Denied::Mismatch);
        let unsigned = |request: &mut HttpRequest| {
            request.headers.insert("x-amz-target", HeaderValue::from_static("AmazonSQS.PurgeQueue"));
        };
        check(unsigned, Denied::Incomplete("SignedHeaders"));
        check(|request| *request = example("Bearer x"), Denied::Incomplete("Algorithm"));
        check(|request| *request = example("AWS4-HMAC-SHA256 Credential=a/b"), Denied::Incomplete("Credential"));
        check(|request| *request = example(&EXAMPLE.replace("AKID", "")), Denied::UnknownKey);
        check(|request| *request = example(&EXAMPLE.replace("5d67", "5d68")), Denied::Mismatch);
        check(|request| *request = example(&EXAMPLE.replace("5d67", "zz")), Denied::Mismatch);
        check(|request| *request = example(&EXAMPLE.replace("20150830", "20150831")), Denied::Expired);
        assert_eq!(verify(&example(EXAMPLE), b"x", "iam", &keys(), THEN), Err(Denied::Mismatch));
        assert_eq!(verify(&example(EXAMPLE), b"", "sqs", &keys(), THEN), Err(Denied::Mismatch));
        for now in [THEN - MOST_SKEW - 1, THEN + MOST_SKEW + 1] {
            assert_eq!(verify(&example(EXAMPLE), b"", "iam", &keys(), now), Err(Denied::Expired));
        }
    }

    #[test]
    fn keys_are_pairs() {
        for wrong in ["", "a", "a:", ":b", "a:b,c"] {
            assert_eq!(Keys::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{:?}", keys()).contains("wJalr"));
    }
}
