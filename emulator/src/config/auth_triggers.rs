//! firebase.json's `auth.triggers`: who is told of users that come and go. Must not know: how they are told.

use super::delivery::{Secrets, Section, WebhookSettings, origin, webhook};
use serde_json::Value;

/// Who is told of users that come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TriggerSettings {
    /// Functions emulators of Firebase suites, by scheme and host: their functions of `auth.user()` run.
    pub functions: Vec<String>,
    /// Programs that are called by HTTP.
    pub webhooks: Vec<WebhookSettings>,
}

/// Reads `triggers` of `auth`; without `secrets` (in an emulator, which sends nothing into the world) webhooks are left
/// out.
///
/// # Errors
/// What is wrong or missing, with the path of the key.
pub fn read(
    auth: Option<&Value>,
    secrets: Option<&Secrets>,
    warnings: &mut Vec<String>,
) -> Result<TriggerSettings, String> {
    let Some(auth) = auth.map(|auth| Section::of(auth, "auth")).transpose()? else {
        return Ok(TriggerSettings::default());
    };
    let Some(section) = auth.section("triggers")? else { return Ok(TriggerSettings::default()) };
    section.warn_of_others(&["functions", "webhook"], warnings);
    let functions = urls(&section, "functions")?;
    let functions = functions.iter().map(|url| origin(url, &section.key("functions"))).collect::<Result<_, _>>()?;
    let webhooks = match secrets {
        None => Vec::new(),
        Some(secrets) => {
            let urls = urls(&section, "webhook")?;
            urls.iter().map(|url| webhook(url, &section.key("webhook"), secrets)).collect::<Result<_, _>>()?
        }
    };
    Ok(TriggerSettings { functions, webhooks })
}

/// A URL, or a list of them.
fn urls<'v>(section: &Section<'v>, name: &str) -> Result<Vec<&'v str>, String> {
    let given = match section.get(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(urls)) => urls.iter().map(Value::as_str).collect(),
        Some(value) => value.as_str().map(|url| vec![url]),
    };
    given.ok_or_else(|| format!("{} is neither a URL nor a list of URLs", section.key(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;
    use serde_json::json;

    fn check(auth: Value, secret: Option<&str>, expect: Result<(&[&str], &[&str]), &str>) {
        let secrets = secret.map(|secret| Secrets { webhook: Secret::new(secret), ..Secrets::default() });
        let mut warnings = Vec::new();
        let read = read(Some(&auth), secrets.as_ref(), &mut warnings).map(|read| {
            let webhooks = read.webhooks.into_iter().map(|webhook| webhook.url).collect::<Vec<_>>();
            (read.functions, webhooks)
        });
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let expect = expect.map(|(functions, webhooks)| (owned(functions), owned(webhooks)));
        assert_eq!(read, expect.map_err(str::to_owned), "{auth}");
    }

    #[test]
    fn one_or_many_are_told() {
        let both = json!({"triggers": {
            "functions": "http://127.0.0.1:5001/", "webhook": ["https://a.example/x", "https://b.example"],
        }});
        let functions = &["http://127.0.0.1:5001"][..];
        check(both.clone(), Some("w"), Ok((functions, &["https://a.example/x", "https://b.example"])));
        check(both, None, Ok((functions, &[])));
        check(json!({}), Some("w"), Ok((&[], &[])));
        for (triggers, secret, problem) in [
            (json!(1), "w", "auth.triggers is not an object"),
            (json!({"functions": 1}), "w", "auth.triggers.functions is neither a URL nor a list of URLs"),
            (
                json!({"webhook": ["https://a.example", 1]}),
                "w",
                "auth.triggers.webhook is neither a URL nor a list of URLs",
            ),
            (
                json!({"functions": "http://127.0.0.1:5001/demo"}),
                "w",
                "auth.triggers.functions is not a URL of scheme and host, such as https://auth.example.com",
            ),
            (json!({"webhook": "a.example"}), "w", "auth.triggers.webhook is not an http or https URL"),
            (
                json!({"webhook": "https://a.example"}),
                "",
                "auth.triggers.webhook has no secret: HEARTH_WEBHOOK_SECRET or webhook.secret in .runtimeconfig.json",
            ),
        ] {
            check(json!({"triggers": triggers}), Some(secret), Err(problem));
        }
    }

    #[test]
    fn unknown_keys_are_warned_of() {
        let mut warnings = Vec::new();
        let auth = json!({"triggers": {"webhooks": []}});
        read(Some(&auth), None, &mut warnings).unwrap();
        assert_eq!(warnings, ["firebase.json: auth.triggers.webhooks is ignored: an unknown key"]);
    }
}
