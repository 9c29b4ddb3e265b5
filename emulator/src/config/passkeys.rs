//! firebase.json's `auth.passkeys`: the domain that passkeys hold for, and who may ask for them. Must not know: how they
//! are verified.

use super::delivery::Section;
use hearth_auth::passkey::{RelyingParty, Unusable};
use serde_json::Value;

/// Reads `passkeys` of `auth`; nothing if it is not there.
///
/// # Errors
/// What is wrong or missing, with the path of the key.
pub fn read(auth: Option<&Value>, warnings: &mut Vec<String>) -> Result<Option<RelyingParty>, String> {
    let Some(auth) = auth.map(|auth| Section::of(auth, "auth")).transpose()? else { return Ok(None) };
    let Some(section) = auth.section("passkeys")? else { return Ok(None) };
    section.warn_of_others(&["rpId", "origins"], warnings);
    let id = section.text("rpId")?.ok_or("auth.passkeys.rpId is missing; it is the domain that passkeys hold for")?;
    let origins: Option<Vec<String>> = match section.get("origins") {
        None => Some(Vec::new()),
        Some(Value::Array(origins)) => origins.iter().map(|origin| origin.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    };
    let origins = origins.ok_or("auth.passkeys.origins is not a list of origins")?;
    let made = RelyingParty::new(&id, &origins).map_err(|unusable| match unusable {
        Unusable::Id => format!("auth.passkeys.rpId: {id:?} is not a domain, such as example.com"),
        Unusable::Origin => "auth.passkeys.origins holds something that is not an origin, such as \
                             https://app.example.com, http://localhost:5173 or android:apk-key-hash:…"
            .to_owned(),
    })?;
    Ok(Some(made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(auth: Value, expect: Result<Option<(&str, &[&str])>, &str>) {
        let read = read(Some(&auth), &mut Vec::new());
        let read = read.as_ref().map(|read| read.as_ref().map(|party| (party.id(), party.origins().to_vec())));
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let expect = expect.map(|expect| expect.map(|(id, origins)| (id, owned(origins))));
        assert_eq!(read.map_err(String::as_str), expect, "{auth}");
    }

    #[test]
    fn a_domain_and_who_may_ask_are_read() {
        check(json!({}), Ok(None));
        let section = |section: Value| json!({"passkeys": section});
        check(section(json!({"rpId": "example.com"})), Ok(Some(("example.com", &["https://example.com"]))));
        let both = section(json!({"rpId": "localhost", "origins": ["http://localhost:5173", "http://localhost:1/"]}));
        check(both, Ok(Some(("localhost", &["http://localhost:5173", "http://localhost:1"]))));
        let wrong = "auth.passkeys.origins holds something that is not an origin, such as https://app.example.com, \
                     http://localhost:5173 or android:apk-key-hash:…";
        for (given, problem) in [
            (json!(true), "auth.passkeys is not an object"),
            (json!({}), "auth.passkeys.rpId is missing; it is the domain that passkeys hold for"),
            (json!({"rpId": 1}), "auth.passkeys.rpId is not a string"),
            (
                json!({"rpId": "https://example.com"}),
                r#"auth.passkeys.rpId: "https://example.com" is not a domain, such as example.com"#,
            ),
            (json!({"rpId": "a.b", "origins": "https://a.b"}), "auth.passkeys.origins is not a list of origins"),
            (json!({"rpId": "a.b", "origins": [1]}), "auth.passkeys.origins is not a list of origins"),
            (json!({"rpId": "a.b", "origins": ["http://a.b"]}), wrong),
        ] {
            check(section(given), Err(problem));
        }
        let mut warnings = Vec::new();
        read(Some(&section(json!({"rpId": "a.b", "rpName": "x"}))), &mut warnings).unwrap();
        assert_eq!(warnings, ["firebase.json: auth.passkeys.rpName is ignored: an unknown key"]);
    }
}
