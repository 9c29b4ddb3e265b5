//! A service's section of firebase.json, read strictly: all mistakes are collected, and a key that nobody asked for is
//! one.

use serde_json::{Map, Value};

/// A section that is being read.
#[derive(Debug)]
pub(crate) struct Section {
    name: &'static str,
    rest: Map<String, Value>,
    mistakes: Vec<String>,
}

impl Section {
    /// The section `name`.
    pub(crate) fn new(name: &'static str, section: Map<String, Value>) -> Self {
        Self { name, rest: section, mistakes: Vec::new() }
    }

    /// A number from one to `most`, or `default`.
    pub(crate) fn count(&mut self, key: &str, default: usize, most: usize) -> usize {
        let Some(value) = self.rest.remove(key) else { return default };
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.filter(|count| (1..=most).contains(count)).unwrap_or_else(|| {
            self.mistakes.push(format!("{}.{key} is not a whole number from 1 to {most}", self.name));
            default
        })
    }

    /// True or false, or `default`.
    pub(crate) fn flag(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.rest.remove(key) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.mistakes.push(format!("{}.{key} is not true or false", self.name));
            default
        })
    }

    /// A text, if there is one.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        match self.rest.remove(key)? {
            Value::String(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.mistake(key, "is not a string");
                None
            }
        }
    }

    /// A list of texts, if there is one.
    pub(crate) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.rest.remove(key)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = value.as_array().and_then(|list| list.iter().map(text).collect());
        if texts.is_none() {
            self.mistake(key, "is not a list of strings");
        }
        texts
    }

    /// Something else is wrong with a key.
    pub(crate) fn mistake(&mut self, key: &str, problem: &str) {
        self.mistakes.push(format!("{}.{key} {problem}", self.name));
    }

    /// `value`, which has been read from the section.
    ///
    /// # Errors
    /// What is wrong with the section, a line each.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, Vec<String>> {
        let mut unknown: Vec<_> = self.rest.keys().map(|key| format!("{}.{key} is not known", self.name)).collect();
        unknown.sort_unstable();
        self.mistakes.extend(unknown);
        if self.mistakes.is_empty() { Ok(value) } else { Err(self.mistakes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_that_is_wrong_is_said() {
        let check = |section: Value, expect: Result<(usize, bool), &[&str]>| {
            let mut reading = Section::new("s", section.as_object().unwrap().clone());
            let read = (reading.count("most", 7, 10), reading.flag("open", true));
            let expect = expect.map_err(|mistakes| mistakes.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
            assert_eq!(reading.finish(read), expect, "{section}");
        };
        check(json!({}), Ok((7, true)));
        check(json!({"most": 10, "open": false}), Ok((10, false)));
        let [most, open] = ["s.most is not a whole number from 1 to 10", "s.open is not true or false"];
        check(json!({"most": 11, "open": "yes"}), Err(&[most, open]));
        check(json!({"most": 0, "other": 1, "port": 1}), Err(&[most, "s.other is not known", "s.port is not known"]));
        check(json!({"most": 1.5}), Err(&[most]));
    }

    #[test]
    fn texts_are_read() {
        let check = |section: Value, expect: Value, mistakes: &[&str]| {
            let mut reading = Section::new("s", section.as_object().unwrap().clone());
            assert_eq!(json!([reading.text("one"), reading.texts("many")]), expect, "{section}");
            assert_eq!(reading.finish(()).err().unwrap_or_default(), mistakes, "{section}");
        };
        check(json!({}), json!([null, null]), &[]);
        check(json!({"one": "a", "many": ["b", "c"]}), json!(["a", ["b", "c"]]), &[]);
        let mistakes = ["s.one is not a string", "s.many is not a list of strings"];
        check(json!({"one": 1, "many": ["b", 2]}), json!([null, null]), &mistakes);
        check(json!({"one": null, "many": "b"}), json!([null, null]), &mistakes);
    }
}
