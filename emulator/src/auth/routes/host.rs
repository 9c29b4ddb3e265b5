//! Requests that were sent to one of Google's names, which somebody has pointed here: the name becomes the first segment
//! of the path, as the emulator has it. So SDKs that know no other name reach a self-hosted server. Must not know: which
//! paths there are.

use http::Uri;
use http::header::HOST;
use http::request::Parts;

/// The names that have a place in our paths.
const NAMES: [&str; 5] = [
    "identitytoolkit.googleapis.com",
    "securetoken.googleapis.com",
    "www.googleapis.com",
    "oauth2.googleapis.com",
    "accounts.google.com",
];

/// Puts the name before the path, unless it is there.
pub(super) fn into_path(head: &mut Parts) {
    let host = head.uri.host().or_else(|| head.headers.get(HOST)?.to_str().ok()?.split(':').next());
    let Some(name) = host.and_then(|host| NAMES.iter().find(|name| name.eq_ignore_ascii_case(host))) else { return };
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    if path.strip_prefix('/').is_some_and(|path| path.starts_with(name)) {
        return;
    }
    if let Ok(uri) = format!("/{name}{path}").parse::<Uri>() {
        head.uri = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn googles_names_become_a_part_of_the_path() {
        for (host, path, expected) in [
            ("identitytoolkit.googleapis.com", "/v1/a?b=c", "/identitytoolkit.googleapis.com/v1/a?b=c"),
            ("SecureToken.googleapis.com:443", "/v1/token", "/securetoken.googleapis.com/v1/token"),
            ("www.googleapis.com", "/www.googleapis.com/x", "/www.googleapis.com/x"),
            ("auth.example.com", "/v1/a", "/v1/a"),
            ("evil.googleapis.com", "/v1/a", "/v1/a"),
        ] {
            let mut head = Request::get(path).header("host", host).body(()).unwrap().into_parts().0;
            into_path(&mut head);
            assert_eq!(head.uri.to_string(), expected, "{host}");
        }
    }
}
