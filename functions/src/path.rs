//! A request's path in parts.

use http::Uri;
use percent_encoding::percent_decode_str;

/// The decoded segments of a path; none if one of them is not UTF-8. A slash at the end makes an empty last segment.
pub(crate) fn segments(uri: &Uri) -> Option<Vec<String>> {
    let path = uri.path();
    let segments = path.strip_prefix('/').unwrap_or(path).split('/');
    segments.map(|segment| percent_decode_str(segment).decode_utf8().ok().map(|text| text.into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_after_they_are_parted() {
        let check = |uri: &'static str, expect: Option<&[&str]>| {
            assert_eq!(
                segments(&Uri::from_static(uri)).as_deref(),
                expect
                    .map(<[_]>::to_vec)
                    .as_deref()
                    .map(|e| e.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
                    .as_deref(),
                "{uri}"
            );
        };
        check("/", Some(&[""]));
        check("/a/b?c/d", Some(&["a", "b"]));
        check("/a%2Fb/%C3%A9+/", Some(&["a/b", "é+", ""]));
        check("/a//b", Some(&["a", "", "b"]));
        check("/%ff", None);
    }
}
