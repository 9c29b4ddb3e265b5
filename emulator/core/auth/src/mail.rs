//! What users read: the emails and text messages that carry codes, made from templates. Must not know: how they travel.
//!
//! Placeholders are Firebase's: `%APP_NAME%`, `%EMAIL%`, `%NEW_EMAIL%`, `%LINK%`, `%SECOND_FACTOR%`, and `%CODE%` in
//! text messages.

use crate::code::{OobCode, RequestType};
use std::collections::BTreeMap;

/// What stands for an app that has told no name.
const NO_NAME: &str = "your account";
const SMS: &str = "%CODE% is your verification code for %APP_NAME%.";

/// An email that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The recipient's address.
    pub to: String,
    /// A line.
    pub subject: String,
    /// For readers that show no HTML.
    pub text: String,
    /// The same, formatted; `None` if a template has text alone.
    pub html: Option<String>,
}

/// What an admin says of a kind of email; the rest is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The line.
    pub subject: Option<String>,
    /// The text. Without HTML beside it the email is text alone.
    pub text: Option<String>,
    /// The HTML; what placeholders stand for is escaped.
    pub html: Option<String>,
}

/// All templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    /// The app's name, as its users know it.
    pub app_name: Option<String>,
    /// Emails by [`name`] of their kind.
    pub emails: BTreeMap<&'static str, Template>,
    /// Text messages.
    pub sms: Option<String>,
}

/// Every kind of email.
pub const KINDS: [RequestType; 6] = [
    RequestType::PasswordReset,
    RequestType::VerifyEmail,
    RequestType::RecoverEmail,
    RequestType::EmailSignin,
    RequestType::VerifyAndChangeEmail,
    RequestType::RevertSecondFactorAddition,
];

/// What Identity Toolkit calls a kind of email.
pub fn name(kind: RequestType) -> &'static str {
    match kind {
        RequestType::PasswordReset => "PASSWORD_RESET",
        RequestType::VerifyEmail => "VERIFY_EMAIL",
        RequestType::RecoverEmail => "RECOVER_EMAIL",
        RequestType::EmailSignin => "EMAIL_SIGNIN",
        RequestType::VerifyAndChangeEmail => "VERIFY_AND_CHANGE_EMAIL",
        RequestType::RevertSecondFactorAddition => "REVERT_SECOND_FACTOR_ADDITION",
    }
}

/// Our own words for a kind of email.
struct Words {
    subject: &'static str,
    /// What happened.
    news: &'static str,
    /// What the link does.
    button: &'static str,
    /// What to do if it is a mistake.
    otherwise: &'static str,
}

const IGNORE: &str = "If you did not ask for this, you can ignore this email.";

fn words(kind: RequestType) -> Words {
    match kind {
        RequestType::PasswordReset => Words {
            subject: "Choose a new password for %APP_NAME%",
            news: "Somebody asked for a new password for %APP_NAME% with the address %EMAIL%.",
            button: "Choose a new password",
            otherwise: IGNORE,
        },
        RequestType::VerifyEmail => Words {
            subject: "Confirm your email address for %APP_NAME%",
            news: "Please confirm that %EMAIL% is your address for %APP_NAME%.",
            button: "Confirm the address",
            otherwise: IGNORE,
        },
        RequestType::RecoverEmail => Words {
            subject: "Your email address for %APP_NAME% was changed",
            news: "The address of your account at %APP_NAME% is no longer %EMAIL%.",
            button: "Put the address back",
            otherwise: "If you changed it yourself, there is nothing to do.",
        },
        RequestType::EmailSignin => Words {
            subject: "Sign in to %APP_NAME%",
            news: "Somebody asked for a link to sign in to %APP_NAME% as %EMAIL%.",
            button: "Sign in",
            otherwise: IGNORE,
        },
        RequestType::VerifyAndChangeEmail => Words {
            subject: "Confirm your new email address for %APP_NAME%",
            news: "Please confirm that your address for %APP_NAME% shall be %NEW_EMAIL% instead of %EMAIL%.",
            button: "Confirm the new address",
            otherwise: IGNORE,
        },
        RequestType::RevertSecondFactorAddition => Words {
            subject: "A second factor was added at %APP_NAME%",
            news: "Signing in to %APP_NAME% as %EMAIL% now also asks for %SECOND_FACTOR%.",
            button: "Remove the second factor",
            otherwise: "If you added it yourself, there is nothing to do.",
        },
    }
}

impl Templates {
    /// The email that carries a code. One that changes an address goes to the new address.
    pub fn letter(&self, code: &OobCode) -> Letter {
        let words = words(code.request_type);
        let own = self.emails.get(name(code.request_type));
        let app_name = self.app_name.as_deref().unwrap_or(NO_NAME);
        let new_email = code.new_email.as_deref().unwrap_or_default();
        let factor = code.added_factor.as_ref().map(|added| added.described()).unwrap_or_default();
        let values = [
            ("%APP_NAME%", app_name),
            ("%EMAIL%", &code.email),
            ("%NEW_EMAIL%", new_email),
            ("%LINK%", &code.oob_link),
            ("%SECOND_FACTOR%", &factor),
        ];
        let subject = own.and_then(|own| own.subject.as_deref()).unwrap_or(words.subject);
        let own_text = own.and_then(|own| own.text.as_deref());
        let text = own_text.map_or_else(|| words.text(), str::to_owned);
        let html = match own.and_then(|own| own.html.as_deref()) {
            Some(html) => Some(html.to_owned()),
            None if own_text.is_some() => None,
            None => Some(words.html()),
        };
        let escaped = values.map(|(name, value)| (name, escape(value)));
        let escaped: Vec<_> = escaped.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Letter {
            to: if new_email.is_empty() { code.email.clone() } else { new_email.to_owned() },
            // A subject is one line, whatever an app is called.
            subject: fill(subject, &values).replace(['\r', '\n'], " "),
            text: fill(&text, &values),
            html: html.map(|html| fill(&html, &escaped)),
        }
    }

    /// The text message that carries digits.
    pub fn sms(&self, digits: &str) -> String {
        let app_name = self.app_name.as_deref().unwrap_or(NO_NAME);
        fill(self.sms.as_deref().unwrap_or(SMS), &[("%APP_NAME%", app_name), ("%CODE%", digits)])
    }
}

impl Words {
    fn text(&self) -> String {
        let Self { news, button, otherwise, .. } = self;
        format!("Hello,\n\n{news}\n\n{button}:\n%LINK%\n\n{otherwise}\n")
    }

    fn html(&self) -> String {
        let Self { news, button, otherwise, .. } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\"><body style=\"font: 16px/1.5 sans-serif; color: #222\">\n<p>Hello,</p>\n\
             <p>{news}</p>\n<p><a href=\"%LINK%\" style=\"display: inline-block; padding: 8px 16px; border-radius: 8px; \
             background: #1a56db; color: #fff; text-decoration: none\">{button}</a></p>\n<p>{otherwise}</p>\n\
             </body></html>\n"
        )
    }
}

/// Puts values in the place of their names, once: what a value holds is never a placeholder.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        filled.push_str(before);
        let known = after.split_once('%').and_then(|(name, after)| {
            let value = values.iter().find(|(known, _)| known.trim_matches('%') == name)?.1;
            Some((value, after))
        });
        rest = match known {
            Some((value, after)) => {
                filled.push_str(value);
                after
            }
            None => {
                filled.push('%');
                after
            }
        };
    }
    filled.push_str(rest);
    filled
}

fn escape(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(request_type: RequestType) -> OobCode {
        let [email, oob_code, oob_link] =
            ["a@b", "c", "https://auth.example/__/auth/action?a=b&c=d"].map(str::to_owned);
        OobCode { email, new_email: None, request_type, oob_code, oob_link, added_factor: None }
    }

    #[test]
    fn every_kind_says_who_is_asked_and_has_its_link() {
        let templates = Templates { app_name: Some("Tea & <Co>".to_owned()), ..Templates::default() };
        for kind in KINDS {
            let letter = templates.letter(&code(kind));
            let html = letter.html.unwrap();
            assert!(
                letter.subject.ends_with("Tea & <Co>") || letter.subject.contains("Tea & <Co> "),
                "{}",
                letter.subject
            );
            assert!(letter.text.contains("\nhttps://auth.example/__/auth/action?a=b&c=d\n"), "{}", letter.text);
            assert!(html.contains("href=\"https://auth.example/__/auth/action?a=b&amp;c=d\""), "{html}");
            assert!(html.contains("Tea &amp; &lt;Co&gt;") && !html.contains("<Co>"), "{html}");
            assert!(!letter.text.contains('%') && !html.contains('%'), "{}", letter.text);
            assert_eq!(letter.to, "a@b");
        }
    }

    #[test]
    fn a_new_address_gets_the_email_itself() {
        let code = OobCode { new_email: Some("n@b".to_owned()), ..code(RequestType::VerifyAndChangeEmail) };
        let letter = Templates::default().letter(&code);
        assert_eq!(letter.to, "n@b");
        assert!(letter.text.contains("shall be n@b instead of a@b"), "{}", letter.text);
    }

    #[test]
    fn an_admins_words_come_first() {
        let own = Template {
            subject: Some("Hi %EMAIL%\r\nBcc: x@y".to_owned()),
            text: Some("%LINK%".to_owned()),
            html: None,
        };
        let emails = BTreeMap::from([("PASSWORD_RESET", own)]);
        let templates = Templates { emails, ..Templates::default() };
        let letter = templates.letter(&code(RequestType::PasswordReset));
        assert_eq!((letter.subject.as_str(), letter.html), ("Hi a@b  Bcc: x@y", None));
        assert_eq!(letter.text, code(RequestType::PasswordReset).oob_link);
        assert!(templates.letter(&code(RequestType::VerifyEmail)).html.is_some());
    }

    #[test]
    fn values_are_no_templates() {
        for (template, expected) in [
            ("%A%", "%B%"),
            ("100 % %A%%", "100 % %B%%"),
            ("%%A%%", "%%B%%"),
            ("%C% %A", "%C% %A"),
            ("%B%", "<"),
            ("", ""),
        ] {
            assert_eq!(fill(template, &[("%A%", "%B%"), ("%B%", "<")]), expected, "{template}");
        }
        assert_eq!(Templates::default().sms("123456"), "123456 is your verification code for your account.");
    }
}
