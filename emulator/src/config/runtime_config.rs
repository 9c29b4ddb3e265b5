//! .runtimeconfig.json: secrets and toggles of the functions, in the form `firebase functions:config:get` writes.

use super::secret::Secret;
use serde_json::{Map, Value};

/// What the runtime configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// `jwt.secret`: signs session tokens.
    pub jwt_secret: Option<String>,
    /// `pubsub.url`: another pubsub server.
    pub pubsub_url: Option<String>,
    /// `pubsub.secret`: what publishers show.
    pub pubsub_secret: Option<String>,
    /// `smtp.password`: for the mail server.
    pub smtp_password: Option<Secret>,
    /// `webhook.secret`: signs the calls of webhooks.
    pub webhook_secret: Option<Secret>,
    /// `toggles.skip_auth`.
    pub skip_auth: Option<bool>,
    /// `toggles.skip_rate_limit`.
    pub skip_rate_limit: Option<bool>,
    /// `toggles.log_pubsub`.
    pub log_pubsub: Option<bool>,
    /// `purge.sessions`: a schedule.
    pub purge_sessions: Option<String>,
    /// `purge.accounts`: a schedule.
    pub purge_accounts: Option<String>,
    /// `purge.anonymous_days`.
    pub anonymous_days: Option<u32>,
    /// What should be said to the user about it.
    pub warnings: Vec<String>,
}

/// Reads `text`. Values may be strings, as functions' configuration has them (`"true"`), or plain JSON.
///
/// # Errors
/// What is wrong, with the path of the key.
pub fn parse(text: &str) -> Result<RuntimeConfig, String> {
    let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(root) = root else { return Err("the file does not hold an object".to_owned()) };
    let mut parsed = RuntimeConfig::default();
    for (section, values) in &root {
        let values = values.as_object().ok_or_else(|| format!("{section} is not an object"))?;
        parsed.read_section(section, values)?;
    }
    Ok(parsed)
}

impl RuntimeConfig {
    fn read_section(&mut self, section: &str, values: &Map<String, Value>) -> Result<(), String> {
        for (key, value) in values {
            let path = format!("{section}.{key}");
            match path.as_str() {
                "jwt.secret" => self.jwt_secret = Some(string(value, &path)?).filter(|secret| !secret.is_empty()),
                "pubsub.url" => self.pubsub_url = Some(string(value, &path)?).filter(|url| !url.is_empty()),
                "pubsub.secret" => self.pubsub_secret = Some(string(value, &path)?),
                "smtp.password" => self.smtp_password = Some(Secret::new(string(value, &path)?)),
                "webhook.secret" => self.webhook_secret = Some(Secret::new(string(value, &path)?)),
                "toggles.skip_auth" => self.skip_auth = Some(boolean(value, &path)?),
                "toggles.skip_rate_limit" => self.skip_rate_limit = Some(boolean(value, &path)?),
                "toggles.log_pubsub" => self.log_pubsub = Some(boolean(value, &path)?),
                "purge.sessions" => self.purge_sessions = Some(string(value, &path)?),
                "purge.accounts" => self.purge_accounts = Some(string(value, &path)?),
                "purge.anonymous_days" => self.anonymous_days = Some(number(value, &path)?),
                _ => self.warnings.push(format!(".runtimeconfig.json: {path} is ignored: an unknown key")),
            }
        }
        Ok(())
    }
}

fn string(value: &Value, path: &str) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{path} is not a string"))
}

fn boolean(value: &Value, path: &str) -> Result<bool, String> {
    let boolean = value.as_bool().or_else(|| value.as_str()?.parse().ok());
    boolean.ok_or_else(|| format!("{path} is neither true nor false"))
}

fn number(value: &Value, path: &str) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| format!("{path} is not a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_plain_values_mean_the_same() {
        let plain = r#"{"jwt": {"secret": "s"}, "toggles": {"skip_auth": false}, "purge": {"anonymous_days": 7}}"#;
        let strings =
            r#"{"jwt": {"secret": "s"}, "toggles": {"skip_auth": "false"}, "purge": {"anonymous_days": "7"}}"#;
        let parsed = parse(plain).unwrap();
        assert_eq!(Ok(parsed.clone()), parse(strings));
        assert_eq!((parsed.skip_auth, parsed.anonymous_days), (Some(false), Some(7)));
    }

    #[test]
    fn an_empty_jwt_secret_is_none() {
        assert_eq!(parse(r#"{"jwt": {"secret": ""}, "pubsub": {"secret": ""}}"#).unwrap().jwt_secret, None);
    }

    #[test]
    fn mistakes_name_their_key() {
        for (text, error) in [
            (r#"{"jwt": "x"}"#, "jwt is not an object"),
            (r#"{"jwt": {"secret": 1}}"#, "jwt.secret is not a string"),
            (r#"{"toggles": {"skip_auth": "maybe"}}"#, "toggles.skip_auth is neither true nor false"),
            (r#"{"purge": {"anonymous_days": -1}}"#, "purge.anonymous_days is not a whole number"),
        ] {
            assert_eq!(parse(text), Err(error.to_owned()));
        }
        assert_eq!(
            parse(r#"{"twitter": {"key": "x"}}"#).unwrap().warnings,
            [".runtimeconfig.json: twitter.key is ignored: an unknown key"]
        );
    }
}
