//! What is known of an issuer's keys, and when it is asked again. Must not know: how it is asked.
//!
//! An issuer is asked when its keys are old, and when a token names one that is not among them, but then only so often:
//! a stranger's made-up key ids have nobody asked.

use super::keys::ProviderKeys;
use crate::Millis;
use std::sync::Arc;

const SECOND: Millis = 1000;
/// An issuer that does not say for how long its keys are good is asked again after so long.
const USUAL_AGE: Millis = 60 * 60 * SECOND;
/// However short a life an issuer gives them, keys are kept for so long.
const SHORTEST_AGE: Millis = 60 * SECOND;
/// However long a life an issuer gives them, it is asked again after so long.
const LONGEST_AGE: Millis = 24 * 60 * 60 * SECOND;
/// While an issuer does not answer, its old keys are good for so much longer.
const GRACE: Millis = 60 * 60 * SECOND;
/// For an unknown key an issuer is asked so long after the last time at the earliest.
const PAUSE: Millis = 30 * SECOND;
/// An issuer that has not answered is left alone for so long.
const PAUSE_AFTER_FAILURE: Millis = 10 * SECOND;

/// What is known of an issuer's keys.
#[derive(Clone, Debug, Default)]
pub struct KnownKeys {
    keys: Option<Fetched>,
    failed_at: Option<Millis>,
}

#[derive(Clone, Debug)]
struct Fetched {
    keys: Arc<ProviderKeys>,
    at: Millis,
    until: Millis,
}

/// What is to be done for keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These are to be used. The one that is wanted may still not be among them.
    Use(Arc<ProviderKeys>),
    /// The issuer is to be asked.
    Fetch,
    /// There are none, and it is too early to ask again.
    GoWithout,
}

impl KnownKeys {
    /// What is to be done for a token that names this key, or none.
    pub fn step(&self, key_id: Option<&str>, now: Millis) -> Step {
        let rests = self.failed_at.is_some_and(|at| now < at.saturating_add(PAUSE_AFTER_FAILURE));
        match &self.keys {
            None if rests => Step::GoWithout,
            None => Step::Fetch,
            Some(known) if now < known.until => {
                let may_ask = !rests && now >= known.at.saturating_add(PAUSE);
                if known.keys.have(key_id) || !may_ask { Step::Use(Arc::clone(&known.keys)) } else { Step::Fetch }
            }
            Some(_) if !rests => Step::Fetch,
            Some(known) if now < known.until.saturating_add(GRACE) => Step::Use(Arc::clone(&known.keys)),
            Some(_) => Step::GoWithout,
        }
    }

    /// The issuer has answered. `max_age` is what it says of the answer's life, in seconds.
    pub fn fetched(&mut self, keys: ProviderKeys, max_age: Option<u64>, now: Millis) {
        let age = max_age.map_or(USUAL_AGE, |seconds| seconds.saturating_mul(SECOND));
        let until = now.saturating_add(age.clamp(SHORTEST_AGE, LONGEST_AGE));
        *self = Self { keys: Some(Fetched { keys: Arc::new(keys), at: now, until }), failed_at: None };
    }

    /// The issuer has not answered, or not with keys.
    pub fn failed(&mut self, now: Millis) {
        self.failed_at = Some(now);
    }
}

/// For how many seconds an answer is good, by its `Cache-Control` and its `Age` (RFC 9111, sections 4.2 and 5.2.2).
pub fn max_age(cache_control: &str, age: Option<&str>) -> Option<u64> {
    let mut directives = cache_control.split(',').map(|directive| directive.trim().to_ascii_lowercase());
    if directives.clone().any(|directive| matches!(directive.as_str(), "no-store" | "no-cache")) {
        return Some(0);
    }
    let seconds = directives.find_map(|directive| {
        directive.strip_prefix("max-age=").and_then(|seconds| seconds.trim_matches('"').parse::<u64>().ok())
    })?;
    Some(seconds.saturating_sub(age.and_then(|age| age.trim().parse().ok()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(id: &str) -> ProviderKeys {
        let set = format!(r#"{{"keys":[{{"kty":"RSA","kid":"{id}","n":"AQAB","e":"AQAB"}}]}}"#);
        ProviderKeys::parse(set.as_bytes()).unwrap()
    }

    fn named(step: Step) -> &'static str {
        match step {
            Step::Use(keys) if keys.have(Some("k")) => "use",
            Step::Use(_) => "use others",
            Step::Fetch => "fetch",
            Step::GoWithout => "none",
        }
    }

    #[test]
    fn an_issuer_is_asked_when_it_has_to_be() {
        let mut known = KnownKeys::default();
        assert_eq!(named(known.step(Some("k"), 0)), "fetch");
        known.failed(0);
        assert_eq!(named(known.step(Some("k"), 9_999)), "none");
        assert_eq!(named(known.step(Some("k"), 10_000)), "fetch");
        known.fetched(keys("k"), Some(600), 100_000);
        for (id, now, expected) in [
            (Some("k"), 100_000, "use"),
            (None, 100_000, "use"),
            (Some("k"), 699_999, "use"),
            (Some("x"), 129_999, "use"),
            (Some("x"), 130_000, "fetch"),
            (Some("k"), 700_000, "fetch"),
        ] {
            assert_eq!(named(known.step(id, now)), expected, "{id:?} {now}");
        }
        known.failed(700_000);
        for (id, now, expected) in
            [(Some("k"), 700_001, "use"), (Some("x"), 700_001, "use"), (Some("k"), 710_000, "fetch")]
        {
            assert_eq!(named(known.step(id, now)), expected, "{id:?} {now}");
        }
        known.failed(4_300_000);
        assert_eq!(named(known.step(Some("k"), 4_299_999)), "use");
        assert_eq!(named(known.step(Some("k"), 4_300_000)), "none", "the grace is over");
        known.fetched(keys("y"), None, 5_000_000);
        assert_eq!(named(known.step(Some("y"), 5_000_000)), "use others");
    }

    #[test]
    fn a_life_has_bounds() {
        for (age, until) in [(Some(0), 60_000), (Some(61), 61_000), (None, 3_600_000), (Some(u64::MAX), 86_400_000)] {
            let mut known = KnownKeys::default();
            known.fetched(keys("k"), age, 0);
            assert_eq!(named(known.step(Some("k"), until - 1)), "use", "{age:?}");
            assert_eq!(named(known.step(Some("k"), until)), "fetch", "{age:?}");
        }
    }

    #[test]
    fn an_answer_says_how_long_it_is_good() {
        for (control, age, expected) in [
            ("public, max-age=300, must-revalidate", None, Some(300)),
            ("Max-Age=\"300\"", Some("100"), Some(200)),
            ("max-age=5", Some("10"), Some(0)),
            ("no-store, max-age=300", None, Some(0)),
            ("max-age=x", None, None),
            ("s-maxage=5", None, None),
            ("", None, None),
        ] {
            assert_eq!(max_age(control, age), expected, "{control}");
        }
    }
}
