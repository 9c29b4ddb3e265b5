//! firebase.json's `server` and `auth`: which proxies are believed, how often something may be tried, and how emails and
//! text messages leave. Must not know: how any of it is carried out.

use super::secret::Secret;
use crate::server::client_address::TrustedProxies;
use hearth_auth::mail::{self, Template, Templates};
use hearth_auth::operations::guard::Limits;
use hearth_auth::throttle::Limit;
use http::Uri;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// How emails and text messages leave a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Who carries emails; nobody, unless it is said.
    pub emails: Option<EmailCarrier>,
    /// Who carries text messages.
    pub texts: Option<WebhookSettings>,
    /// What they say.
    pub templates: Templates,
}

/// Who carries emails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailCarrier {
    /// A mail server.
    Smtp(SmtpSettings),
    /// A program of the app's own.
    Webhook(WebhookSettings),
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSettings {
    /// Its name, which its certificate has to bear.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: SmtpSecurity,
    /// The name to sign in with, if it wants one.
    pub user: Option<String>,
    /// The password for it.
    pub password: Secret,
    /// Certificates that are trusted beside the usual ones, in PEM.
    pub ca_file: Option<PathBuf>,
    /// From whom emails are, such as `Example <noreply@example.com>`.
    pub sender: String,
    /// To whom answers go.
    pub reply_to: Option<String>,
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// By TLS from the first byte.
    Tls,
    /// By TLS after a greeting in the clear; without it nothing is sent.
    StartTls,
    /// Not at all.
    None,
}

/// A program that is called by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Where it is.
    pub url: String,
    /// What its calls are signed with.
    pub secret: Secret,
}

/// Secrets, which are not in firebase.json.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// For the mail server.
    pub smtp_password: Secret,
    /// For webhooks.
    pub webhook: Secret,
}

/// What `auth` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthSection {
    /// Scheme and host of links in emails.
    pub public_url: Option<String>,
    /// How often something may be tried.
    pub limits: Limits,
    /// How emails and text messages leave.
    pub delivery: DeliverySettings,
}

/// Reads `server`.
///
/// # Errors
/// What is wrong, with the path of the key.
pub fn server(section: Option<&Value>, warnings: &mut Vec<String>) -> Result<TrustedProxies, String> {
    let Some(section) = section else { return Ok(TrustedProxies::default()) };
    let section = Section::of(section, "server")?;
    section.warn_of_others(&["trustedProxies"], warnings);
    let Some(list) = section.get("trustedProxies") else { return Ok(TrustedProxies::default()) };
    let list = list.as_array().ok_or("server.trustedProxies is not a list")?;
    let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    let texts = texts.ok_or("server.trustedProxies holds something that is no text")?;
    TrustedProxies::parse(texts).map_err(|text| {
        format!("server.trustedProxies: {text:?} is neither an address nor a network such as 10.0.0.0/8")
    })
}

/// Reads `auth`. Files count from `folder`.
///
/// # Errors
/// What is wrong or missing, with the path of the key.
pub fn auth(
    section: Option<&Value>,
    secrets: &Secrets,
    folder: &Path,
    warnings: &mut Vec<String>,
) -> Result<AuthSection, String> {
    let Some(section) = section else { return Ok(AuthSection::default()) };
    let section = Section::of(section, "auth")?;
    section.warn_of_others(&["publicUrl", "appName", "limits", "email", "sms", "triggers", "passkeys"], warnings);
    let public_url = section.text("publicUrl")?.map(|url| origin(&url, "auth.publicUrl")).transpose()?;
    let mut delivery = DeliverySettings::default();
    delivery.templates.app_name = section.text("appName")?;
    if let Some(email) = section.section("email")? {
        email.warn_of_others(&["sender", "replyTo", "smtp", "webhook", "templates"], warnings);
        delivery.emails = emails(&email, secrets, folder, warnings)?;
        read_templates(&email, &mut delivery.templates, warnings)?;
    }
    if let Some(sms) = section.section("sms")? {
        sms.warn_of_others(&["webhook", "text"], warnings);
        delivery.texts = sms.text("webhook")?.map(|url| webhook(&url, &sms.key("webhook"), secrets)).transpose()?;
        delivery.templates.sms = sms.text("text")?;
        if delivery.templates.sms.as_ref().is_some_and(|text| !text.contains("%CODE%")) {
            return Err("auth.sms.text does not say %CODE%".to_owned());
        }
    }
    if delivery.emails.is_some() && public_url.is_none() {
        return Err("auth.publicUrl is missing; the links in emails lead there".to_owned());
    }
    Ok(AuthSection { public_url, limits: limits(&section, warnings)?, delivery })
}

fn emails(
    email: &Section<'_>,
    secrets: &Secrets,
    folder: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<EmailCarrier>, String> {
    let sender = email.text("sender")?;
    match (email.section("smtp")?, email.text("webhook")?) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err("auth.email has both smtp and webhook; one of them carries emails".to_owned()),
        (None, Some(url)) => Ok(Some(EmailCarrier::Webhook(webhook(&url, &email.key("webhook"), secrets)?))),
        (Some(smtp), None) => {
            smtp.warn_of_others(&["host", "port", "security", "user", "caFile"], warnings);
            let (security, port) = match smtp.text("security")?.as_deref() {
                Some("tls") => (SmtpSecurity::Tls, 465),
                Some("starttls") | None => (SmtpSecurity::StartTls, 587),
                Some("none") => (SmtpSecurity::None, 25),
                Some(_) => return Err("auth.email.smtp.security is none of tls, starttls, none".to_owned()),
            };
            let port = match smtp.get("port") {
                None => port,
                Some(given) => given
                    .as_u64()
                    .and_then(|port| u16::try_from(port).ok())
                    .filter(|port| *port != 0)
                    .ok_or("auth.email.smtp.port is not a port number (1 to 65535)")?,
            };
            let settings = SmtpSettings {
                host: smtp.text("host")?.ok_or("auth.email.smtp.host is missing")?,
                port,
                security,
                user: smtp.text("user")?,
                password: secrets.smtp_password.clone(),
                ca_file: smtp.text("caFile")?.map(|file| folder.join(file)),
                sender: sender.ok_or("auth.email.sender is missing; emails are from somebody")?,
                reply_to: email.text("replyTo")?,
            };
            if settings.user.is_some() && settings.password.reveal().is_empty() {
                return Err(format!(
                    "auth.email.smtp.user has no password: {SMTP_PASSWORD} or smtp.password in .runtimeconfig.json"
                ));
            }
            let is_here = matches!(settings.host.as_str(), "localhost" | "127.0.0.1" | "::1");
            if settings.user.is_some() && security == SmtpSecurity::None && !is_here {
                return Err(
                    "auth.email.smtp.security \"none\" would show the password to everyone on the way".to_owned()
                );
            }
            Ok(Some(EmailCarrier::Smtp(settings)))
        }
    }
}

/// The environment variable of the mail server's password.
pub const SMTP_PASSWORD: &str = "HEARTH_SMTP_PASSWORD";
/// The environment variable of the webhooks' secret.
pub const WEBHOOK_SECRET: &str = "HEARTH_WEBHOOK_SECRET";

/// A webhook's URL, whose calls are signed.
pub(super) fn webhook(url: &str, key: &str, secrets: &Secrets) -> Result<WebhookSettings, String> {
    let parsed = url.parse::<Uri>().ok();
    let is_http =
        |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty());
    if !parsed.is_some_and(|uri| is_http(&uri)) {
        return Err(format!("{key} is not an http or https URL"));
    }
    if secrets.webhook.reveal().is_empty() {
        return Err(format!("{key} has no secret: {WEBHOOK_SECRET} or webhook.secret in .runtimeconfig.json"));
    }
    Ok(WebhookSettings { url: url.to_owned(), secret: secrets.webhook.clone() })
}

fn read_templates(email: &Section<'_>, templates: &mut Templates, warnings: &mut Vec<String>) -> Result<(), String> {
    let Some(section) = email.section("templates")? else { return Ok(()) };
    section.warn_of_others(&mail::KINDS.map(mail::name), warnings);
    for name in mail::KINDS.map(mail::name) {
        let Some(own) = section.section(name)? else { continue };
        own.warn_of_others(&["subject", "text", "html"], warnings);
        let template = Template { subject: own.text("subject")?, text: own.text("text")?, html: own.text("html")? };
        for (part, text) in [("text", &template.text), ("html", &template.html)] {
            if text.as_ref().is_some_and(|text| !text.contains("%LINK%")) {
                return Err(format!("{} does not say %LINK%", own.key(part)));
            }
        }
        templates.emails.insert(name, template);
    }
    Ok(())
}

fn limits(auth: &Section<'_>, warnings: &mut Vec<String>) -> Result<Limits, String> {
    let mut limits = Limits::default();
    match auth.get("limits") {
        None => return Ok(limits),
        Some(Value::Bool(false)) => return Ok(Limits::NONE),
        Some(_) => {}
    }
    let Some(section) = auth.section("limits")? else { return Ok(limits) };
    section.warn_of_others(&["address", "account", "project"], warnings);
    for (of, fields) in [
        (
            "address",
            &mut [
                ("signUps", &mut limits.address_sign_ups),
                ("passwords", &mut limits.address_passwords),
                ("codes", &mut limits.address_codes),
                ("emails", &mut limits.address_emails),
                ("texts", &mut limits.address_texts),
                ("refreshTokens", &mut limits.address_refresh_tokens),
            ][..],
        ),
        (
            "account",
            &mut [
                ("passwords", &mut limits.account_passwords),
                ("passwordsFromAnywhere", &mut limits.account_passwords_from_anywhere),
                ("codes", &mut limits.account_codes),
                ("emails", &mut limits.account_emails),
                ("texts", &mut limits.account_texts),
            ],
        ),
        ("project", &mut [("emails", &mut limits.project_emails), ("texts", &mut limits.project_texts)]),
    ] {
        let Some(section) = section.section(of)? else { continue };
        section.warn_of_others(&fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(), warnings);
        for (name, field) in fields {
            match section.get(name) {
                None => {}
                Some(Value::Bool(false)) => **field = None,
                Some(value) => {
                    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                    let wrong = || format!("{} is neither a number (so many an hour) nor false", section.key(name));
                    **field = Some(Limit(number.ok_or_else(wrong)?));
                }
            }
        }
    }
    Ok(limits)
}

/// Scheme and host of a URL that has nothing else.
pub(super) fn origin(url: &str, key: &str) -> Result<String, String> {
    let wrong = || format!("{key} is not a URL of scheme and host, such as https://auth.example.com");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !url.contains(['#', '@']);
    if is_bare && !authority.host().is_empty() { Ok(format!("{scheme}://{authority}")) } else { Err(wrong()) }
}

/// An object of firebase.json, and where it is.
pub(super) struct Section<'v> {
    fields: &'v Map<String, Value>,
    path: String,
}

impl<'v> Section<'v> {
    pub(super) fn of(value: &'v Value, path: &str) -> Result<Self, String> {
        let fields = value.as_object().ok_or_else(|| format!("{path} is not an object"))?;
        Ok(Self { fields, path: path.to_owned() })
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn section(&self, name: &str) -> Result<Option<Self>, String> {
        self.get(name).map(|value| Self::of(value, &self.key(name))).transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let text = |value: &Value| {
            value.as_str().map(str::to_owned).ok_or_else(|| format!("{} is not a string", self.key(name)))
        };
        Ok(self.get(name).map(text).transpose()?.filter(|text| !text.is_empty()))
    }

    pub(super) fn warn_of_others(&self, known: &[&str], warnings: &mut Vec<String>) {
        let others = self.fields.keys().filter(|key| !known.contains(&key.as_str()));
        warnings.extend(others.map(|key| format!("firebase.json: {} is ignored: an unknown key", self.key(key))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secrets() -> Secrets {
        Secrets { smtp_password: Secret::new("p"), webhook: Secret::new("w") }
    }

    fn read(section: Value) -> Result<(AuthSection, Vec<String>), String> {
        let mut warnings = Vec::new();
        let read = auth(Some(&section), &secrets(), Path::new("/etc/hearth"), &mut warnings)?;
        Ok((read, warnings))
    }

    #[test]
    fn a_mail_server_is_read() {
        let section = json!({
            "publicUrl": "https://auth.example.com/", "appName": "Example",
            "email": {
                "sender": "Example <noreply@example.com>", "replyTo": "help@example.com",
                "smtp": {"host": "smtp.example.com", "user": "u", "caFile": "ca.pem"},
                "templates": {"PASSWORD_RESET": {"subject": "S", "text": "T %LINK%"}},
            },
            "sms": {"webhook": "https://sms.example.com/x", "text": "%CODE%!"},
        });
        let (read, warnings) = read(section).unwrap();
        assert_eq!((read.public_url.as_deref(), warnings), (Some("https://auth.example.com"), vec![]));
        let Some(EmailCarrier::Smtp(smtp)) = read.delivery.emails else { panic!("a mail server") };
        assert_eq!((smtp.port, smtp.security), (587, SmtpSecurity::StartTls));
        assert_eq!((smtp.password.reveal(), smtp.ca_file.as_deref()), ("p", Some(Path::new("/etc/hearth/ca.pem"))));
        assert_eq!(format!("{:?}", smtp.password), "(a secret)");
        assert_eq!(read.delivery.texts.unwrap().url, "https://sms.example.com/x");
        assert_eq!(read.delivery.templates.emails["PASSWORD_RESET"].subject.as_deref(), Some("S"));
        assert_eq!(read.limits, Limits::default());
    }

    #[test]
    fn limits_are_read() {
        let section = json!({"limits": {"address": {"signUps": 5, "texts": false}, "project": {"emails": 0}}});
        let (read, _) = read(section).unwrap();
        let expected = Limits {
            address_sign_ups: Some(Limit(5)),
            address_texts: None,
            project_emails: Some(Limit(0)),
            ..Limits::default()
        };
        assert_eq!(read.limits, expected);
        assert_eq!(self::read(json!({"limits": false})).unwrap().0.limits, Limits::NONE);
    }

    #[test]
    fn mistakes_name_their_key() {
        let url = "https://auth.example.com";
        for (section, error) in [
            (json!(1), "auth is not an object"),
            (json!({"publicUrl": "auth.example.com"}), "auth.publicUrl is not a URL of scheme and host"),
            (json!({"publicUrl": "https://auth.example.com/x"}), "auth.publicUrl is not a URL of scheme and host"),
            (json!({"publicUrl": "https://a@b"}), "auth.publicUrl is not a URL of scheme and host"),
            (json!({"limits": {"address": {"signUps": "x"}}}), "auth.limits.address.signUps is neither"),
            (json!({"email": {"webhook": "https://x"}}), "auth.publicUrl is missing"),
            (json!({"email": {"webhook": "x"}}), "auth.email.webhook is not an http or https URL"),
            (json!({"publicUrl": url, "email": {"smtp": {}}}), "auth.email.smtp.host is missing"),
            (json!({"publicUrl": url, "email": {"smtp": {"host": "x"}}}), "auth.email.sender is missing"),
            (json!({"email": {"smtp": {}, "webhook": "http://x"}}), "auth.email has both"),
            (json!({"email": {"smtp": {"host": "x", "port": 0}}}), "auth.email.smtp.port is not a port number"),
            (json!({"email": {"smtp": {"host": "x", "security": "ssl"}}}), "auth.email.smtp.security is none of"),
            (
                json!({"email": {"sender": "a@b", "smtp": {"host": "x", "security": "none", "user": "u"}}}),
                "auth.email.smtp.security \"none\" would show the password",
            ),
            (
                json!({"email": {"templates": {"PASSWORD_RESET": {"text": "x"}}}}),
                "auth.email.templates.PASSWORD_RESET.text",
            ),
            (json!({"sms": {"text": "x"}}), "auth.sms.text does not say %CODE%"),
        ] {
            let found = read(section.clone()).unwrap_err();
            assert!(found.starts_with(error), "{section}: {found}");
        }
        let without =
            auth(Some(&json!({"sms": {"webhook": "https://x"}})), &Secrets::default(), Path::new("/"), &mut Vec::new());
        assert!(without.unwrap_err().starts_with("auth.sms.webhook has no secret"));
        let unknown = json!({"providers": {}, "email": {"from": "x"}});
        assert_eq!(
            read(unknown).unwrap().1,
            [
                "firebase.json: auth.providers is ignored: an unknown key",
                "firebase.json: auth.email.from is ignored: an unknown key"
            ]
        );
    }

    #[test]
    fn proxies_are_read() {
        let read = |section: Value| server(Some(&section), &mut Vec::new());
        assert!(!read(json!({"trustedProxies": ["127.0.0.1", "10.0.0.0/8"]})).unwrap().is_empty());
        assert!(read(json!({})).unwrap().is_empty());
        for section in [
            json!([]),
            json!({"trustedProxies": "x"}),
            json!({"trustedProxies": [1]}),
            json!({"trustedProxies": ["x"]}),
        ] {
            assert!(read(section).unwrap_err().starts_with("server"));
        }
    }
}
