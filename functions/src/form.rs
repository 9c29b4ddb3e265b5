//! Text encoded as forms are: queries, and bodies of `application/x-www-form-urlencoded`.

use percent_encoding::percent_decode_str;

/// The first value of `name`, decoded; empty if it is there without one.
pub(crate) fn value(text: &str, name: &str) -> Option<String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}
