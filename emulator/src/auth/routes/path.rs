//! Patterns of paths: `/v1/projects/{project}/accounts:lookup`. Must not know: which paths there are.

use super::Params;
use percent_encoding::percent_decode_str;

/// Whom `path` names, if it has the form of `pattern`. A segment `{name}` or `{name}:verb` of the pattern stands for
/// any text, which may be empty for the tenant: imports name the project itself that way.
pub(super) fn matches(pattern: &str, path: &str) -> Option<Params> {
    let mut params = Params::default();
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let found = percent_decode_str(segments.next()?).decode_utf8().ok()?;
        match wanted.strip_prefix('{').and_then(|wanted| wanted.split_once('}')) {
            None if found == wanted => {}
            None => return None,
            Some((name, verb)) => {
                let value = found.strip_suffix(verb)?;
                if value.is_empty() && name != "tenant" {
                    return None;
                }
                params.set(name, value);
            }
        }
    }
    segments.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str, expected: Option<(Option<&str>, Option<&str>)>) {
        let found = matches(pattern, path).map(|params| (params.project, params.tenant));
        let expected = expected.map(|(project, tenant)| (project.map(str::to_owned), tenant.map(str::to_owned)));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn a_path_has_the_form_of_a_pattern_or_not() {
        check("/", "/", Some((None, None)));
        check("/a/b:c", "/a/b:c", Some((None, None)));
        check("/a/b:c", "/a/b%3Ac", Some((None, None)));
        check("/a/b:c", "/a/b:c/", None);
        check("/a/b:c", "/a/b", None);
        check("/p/{project}/a", "/p/demo/a", Some((Some("demo"), None)));
        check("/p/{project}/a", "/p/de%2Fmo/a", Some((Some("de/mo"), None)));
        check("/p/{project}/a", "/p//a", None);
        check("/p/{project}:q", "/p/example.com:demo:q", Some((Some("example.com:demo"), None)));
        check("/p/{project}:q", "/p/demo:r", None);
        check("/p/{project}/t/{tenant}/a", "/p/demo/t/x/a", Some((Some("demo"), Some("x"))));
        check("/p/{project}/t/{tenant}/a", "/p/demo/t//a", Some((Some("demo"), None)));
        check("/p/{project}/a", "/p/%ff/a", None);
    }
}
