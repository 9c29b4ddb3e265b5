//! Which function a path means. Must not know: requests, answers, or how a function is run.

/// What there is to find.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routes<'a> {
    /// The one project that is served.
    pub(super) project: &'a str,
    /// Where functions of short paths are; `None` without short paths.
    pub(super) short_region: Option<&'a str>,
    /// Whether background functions can be run by POST.
    pub(super) triggers: bool,
}

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/{project}/{region}/{name}` and below.
    Function {
        /// `{region}-{name}`.
        key: String,
        /// What follows the name, at least `/`.
        rest: &'a str,
    },
    /// `/{name}` and below: the same, but where there is no such function it is a path like any other.
    Short {
        /// `{region}-{name}`.
        key: String,
        /// What follows the name, at least `/`.
        rest: &'a str,
    },
    /// `/functions/projects/{project}/triggers/{key}`: runs a background function.
    Trigger {
        /// `{region}-{name}`, with the generation or without.
        key: &'a str,
    },
    /// `/functions/projects/{project}/trigger_multicast`: tells the functions that wait for it of an event.
    Multicast,
    /// Nothing.
    Nothing,
}

impl Routes<'_> {
    /// Reads a path.
    pub(super) fn find<'a>(&self, path: &'a str) -> Route<'a> {
        let Some(inner) = path.strip_prefix('/') else { return Route::Nothing };
        if let Some(trigger) = inner.strip_prefix("functions/projects/")
            && self.triggers
        {
            let within = trigger.strip_prefix(self.project).unwrap_or_default();
            return match within.strip_prefix("/triggers/") {
                Some(key) if !key.is_empty() && !key.contains('/') => Route::Trigger { key },
                None if within == "/trigger_multicast" => Route::Multicast,
                Some(_) | None => Route::Nothing,
            };
        }
        if let Some(within) = inner.strip_prefix(self.project).and_then(|rest| rest.strip_prefix('/'))
            && let Some((region, name)) = within.split_once('/')
        {
            let (name, rest) = first_segment(name);
            if !region.is_empty() && !name.is_empty() {
                return Route::Function { key: format!("{region}-{name}"), rest };
            }
        }
        let (name, rest) = first_segment(inner);
        match self.short_region {
            Some(region) if !name.is_empty() => Route::Short { key: format!("{region}-{name}"), rest },
            Some(_) | None => Route::Nothing,
        }
    }
}

/// The text before the first slash, and the rest from there on; `/` if there is none.
fn first_segment(path: &str) -> (&str, &str) {
    path.find('/').and_then(|at| path.split_at_checked(at)).unwrap_or((path, "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMULATOR: Routes<'_> = Routes { project: "demo", short_region: None, triggers: true };
    const SELF_HOST: Routes<'_> = Routes { project: "demo", short_region: Some("us-central1"), triggers: false };

    fn check(routes: Routes<'_>, cases: &[(&str, Route<'_>)]) {
        for (path, expect) in cases {
            assert_eq!(routes.find(path), *expect, "{path}");
        }
    }

    fn function<'a>(key: &str, rest: &'a str) -> Route<'a> {
        Route::Function { key: key.to_owned(), rest }
    }

    fn short<'a>(key: &str, rest: &'a str) -> Route<'a> {
        Route::Short { key: key.to_owned(), rest }
    }

    #[test]
    fn the_emulators_paths() {
        check(
            EMULATOR,
            &[
                ("/demo/us-central1/f", function("us-central1-f", "/")),
                ("/demo/us-central1/f/", function("us-central1-f", "/")),
                ("/demo/us-central1/f/a/b", function("us-central1-f", "/a/b")),
                ("/demo/us-central1/f//a", function("us-central1-f", "//a")),
                ("/demo/europe-west1/f", function("europe-west1-f", "/")),
                ("/demo/us-central1/", Route::Nothing),
                ("/demo/us-central1", Route::Nothing),
                ("/demo//f", Route::Nothing),
                ("/other/us-central1/f", Route::Nothing),
                ("/demo2/us-central1/f", Route::Nothing),
                ("/Demo/us-central1/f", Route::Nothing),
                ("/f", Route::Nothing),
                ("/", Route::Nothing),
                ("*", Route::Nothing),
                ("/functions/projects/demo/triggers/us-central1-p-0", Route::Trigger { key: "us-central1-p-0" }),
                ("/functions/projects/demo/triggers/us-central1-p", Route::Trigger { key: "us-central1-p" }),
                ("/functions/projects/demo/triggers/", Route::Nothing),
                ("/functions/projects/demo/triggers/a/b", Route::Nothing),
                ("/functions/projects/other/triggers/us-central1-p-0", Route::Nothing),
                ("/functions/projects/demo/trigger_multicast", Route::Multicast),
                ("/functions/projects/demo/trigger_multicast/", Route::Nothing),
                ("/functions/projects/other/trigger_multicast", Route::Nothing),
                ("/functions/projects//trigger_multicast", Route::Nothing),
            ],
        );
    }

    #[test]
    fn short_paths_beside_the_long_ones() {
        check(
            SELF_HOST,
            &[
                ("/demo/us-central1/f/a", function("us-central1-f", "/a")),
                ("/f", short("us-central1-f", "/")),
                ("/f/a/b", short("us-central1-f", "/a/b")),
                ("/demo", short("us-central1-demo", "/")),
                ("/", Route::Nothing),
                ("/functions/projects/demo/triggers/x", short("us-central1-functions", "/projects/demo/triggers/x")),
            ],
        );
    }
}
