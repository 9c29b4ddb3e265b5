//! Changes of settings that name what they change: `updateMask`, a comma list of dotted paths. Must not know: what the
//! settings mean.

use serde_json::{Map, Value};

/// Gives `settings` those fields of `change` that the mask names. A path that `change` has not is left out, as is one
/// that leads through something that is no object.
pub(super) fn apply(mask: &str, settings: &mut Value, change: &Value) {
    for path in mask.split(',').filter(|path| !path.is_empty()) {
        if let Some(found) = found(change, path)
            && let Some(place) = place(settings, path)
        {
            *place = found.clone();
        }
    }
}

/// As [`apply`], but a path that `change` has not takes away what is there, as Google has it.
pub(super) fn replace(mask: &str, settings: &mut Value, change: &Value) {
    for path in mask.split(',').filter(|path| !path.is_empty()) {
        if let Some(place) = place(settings, path) {
            *place = found(change, path).cloned().unwrap_or_default();
        }
    }
}

fn found<'v>(change: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(change, |value, field| value.as_object()?.get(field))
}

/// Where a path leads, objects on the way being made.
fn place<'v>(settings: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    path.split('.').try_fold(settings, |value, field| {
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        Some(value.as_object_mut()?.entry(field).or_insert(Value::Null))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mask_names_what_changes() {
        for (mask, change, expected) in [
            ("a", json!({"a": 2, "b": {"c": 2}}), json!({"a": 2, "b": {"c": 1}, "l": [1]})),
            ("b.c,a", json!({"a": 2, "b": {"c": 2}}), json!({"a": 2, "b": {"c": 2}, "l": [1]})),
            ("b", json!({"b": {"d": 2}}), json!({"a": 1, "b": {"d": 2}, "l": [1]})),
            ("b.d.e", json!({"b": {"d": {"e": 2}}}), json!({"a": 1, "b": {"c": 1, "d": {"e": 2}}, "l": [1]})),
            ("x,b.x,a.0,l.0", json!({"a": "text", "l": [2]}), json!({"a": 1, "b": {"c": 1}, "l": [1]})),
            ("a.b", json!({"a": {"b": 2}}), json!({"a": 1, "b": {"c": 1}, "l": [1]})),
            (",", json!({"": 2}), json!({"a": 1, "b": {"c": 1}, "l": [1]})),
        ] {
            let mut settings = json!({"a": 1, "b": {"c": 1}, "l": [1]});
            apply(mask, &mut settings, &change);
            assert_eq!(settings, expected, "{mask}");
        }
    }

    #[test]
    fn what_a_mask_names_can_be_taken_away() {
        let mut settings = json!({"a": 1, "b": {"c": 1, "d": 1}});
        replace("a,b.c,b.d,e.f", &mut settings, &json!({"b": {"d": 2}}));
        assert_eq!(settings, json!({"a": null, "b": {"c": null, "d": 2}, "e": {"f": null}}));
    }
}
