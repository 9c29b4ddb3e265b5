//! The section `chat` of firebase.json, and the secret beside it.

use super::origins::Origins;
use crate::section::Section;
use http::{HeaderValue, Uri};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The secret that the service of notifications and this one share: `HEARTH_CHAT_NOTIFICATION_AUTH`.
const SECRET: &str = "NOTIFICATION_AUTH";

/// What can be set.
#[derive(Debug)]
pub(super) struct Settings {
    /// `origins`: the pages that may call. Without it the emulator lets every page, a self-hosted server none.
    pub(super) origins: Origins,
    /// `verificationUrl`: who says who is asking, in place of this suite's Auth.
    pub(super) verification: Option<Uri>,
    /// `notificationUrl`: who is told of each message.
    pub(super) notification: Option<Uri>,
    /// `emotivesUrl`: what links in notifications begin with.
    pub(super) link: String,
    /// `acrossGroups`: whether users of different groups may write to each other.
    pub(super) across_groups: bool,
    /// What the service of notifications says to create users, and is told with each notification.
    pub(super) secret: Option<HeaderValue>,
}

impl Settings {
    /// Reads the section.
    pub(super) fn read(
        section: Map<String, Value>,
        secrets: &BTreeMap<String, String>,
        emulator: bool,
    ) -> Result<Self, Vec<String>> {
        let mut section = Section::new("chat", section);
        let origins = origins(&mut section, emulator);
        let verification = url(&mut section, "verificationUrl");
        let notification = url(&mut section, "notificationUrl");
        let link = section.text("emotivesUrl").unwrap_or_default();
        let across_groups = section.flag("acrossGroups", false);
        let secret = secrets.get(SECRET).filter(|secret| !secret.is_empty()).and_then(|secret| {
            let header = HeaderValue::from_str(secret).ok().filter(|header| header.to_str().is_ok());
            if header.is_none() {
                section.mistake(SECRET, "(HEARTH_CHAT_NOTIFICATION_AUTH) holds what no header can");
            }
            header.map(|mut header| {
                header.set_sensitive(true);
                header
            })
        });
        section.finish(Self { origins, verification, notification, link, across_groups, secret })
    }
}

fn origins(section: &mut Section, emulator: bool) -> Origins {
    let Some(listed) = section.texts("origins") else {
        return if emulator { Origins::Any } else { Origins::Listed(Vec::new()) };
    };
    let headers: Vec<_> = listed.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if headers.len() < listed.len() {
        section.mistake("origins", "holds what no header can");
    }
    Origins::Listed(headers)
}

fn url(section: &mut Section, key: &str) -> Option<Uri> {
    let text = section.text(key)?;
    let url = text.parse::<Uri>().ok().filter(|url| url.host().is_some() && url.scheme().is_some());
    if url.is_none() {
        section.mistake(key, "is not a URL");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(section: &Value, secret: &str, emulator: bool) -> Result<Settings, Vec<String>> {
        let secrets = BTreeMap::from([(SECRET.to_owned(), secret.to_owned())]);
        Settings::read(section.as_object().unwrap().clone(), &secrets, emulator)
    }

    #[test]
    fn everything_has_a_default() {
        let settings = read(&json!({}), "", true).unwrap();
        assert_eq!((&settings.origins, &settings.secret), (&Origins::Any, &None));
        assert!(settings.verification.is_none() && settings.notification.is_none() && !settings.across_groups);
        let settings = read(&json!({"origins": ["https://a.example"], "acrossGroups": true}), "s", false).unwrap();
        assert_eq!(settings.origins, Origins::Listed(vec![HeaderValue::from_static("https://a.example")]));
        assert!(settings.across_groups && settings.secret.is_some_and(|secret| secret == "s"));
        assert_eq!(read(&json!({}), "s", false).unwrap().origins, Origins::Listed(Vec::new()));
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        let section = json!({"origins": ["a\n"], "verificationUrl": "/user", "notificationUrl": 1, "emotivesUrl": [],
            "acrossGroups": 1, "port": 1});
        assert_eq!(
            read(&section, "a\n", true).unwrap_err(),
            [
                "chat.origins holds what no header can",
                "chat.verificationUrl is not a URL",
                "chat.notificationUrl is not a string",
                "chat.emotivesUrl is not a string",
                "chat.acrossGroups is not true or false",
                "chat.NOTIFICATION_AUTH (HEARTH_CHAT_NOTIFICATION_AUTH) holds what no header can",
                "chat.port is not known",
            ]
        );
        assert_eq!(read(&json!({"origins": "a"}), "", true).unwrap_err(), ["chat.origins is not a list of strings"]);
    }
}
