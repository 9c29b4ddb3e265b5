//! What reaches users outside of the app. An emulator tells its developer instead; a server cannot send anything yet.
//! Must not know: why something is sent.

use hearth_auth::code::RequestType;
use hearth_auth::operations::{Delivers, Message, phone::Purpose};

/// How emails and text messages leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outbound {
    /// They are written to the log.
    Log,
    /// They don't: operations that would send one refuse it.
    Nowhere,
}

impl Outbound {
    /// What can be sent.
    pub(super) fn delivers(self) -> Delivers {
        match self {
            Self::Log => Delivers { emails: true, texts: true },
            Self::Nowhere => Delivers { emails: false, texts: false },
        }
    }

    /// Sends it.
    pub(super) fn send(self, message: &Message) {
        match self {
            Self::Log => tracing::info!("{}", text(message)),
            // A code is a secret.
            Self::Nowhere => tracing::warn!("a message to a user could not be sent"),
        }
    }
}

/// The words are the official emulator's, for which tools look.
fn text(message: &Message) -> String {
    match message {
        Message::Email(code) => {
            let (email, link) = (&code.email, &code.oob_link);
            match code.request_type {
                RequestType::EmailSignin => format!("To sign in as {email}, follow this link: {link}"),
                RequestType::PasswordReset => {
                    format!("To reset the password for {email}, follow this link: {link}&newPassword=NEW_PASSWORD_HERE")
                }
                RequestType::VerifyEmail => format!("To verify the email address {email}, follow this link: {link}"),
                RequestType::VerifyAndChangeEmail => {
                    let new = code.new_email.as_deref().unwrap_or_default();
                    format!("To verify and change the email address from {email} to {new}, follow this link: {link}")
                }
                RequestType::RecoverEmail => {
                    format!("To reset your email address to {email}, follow this link: {link}")
                }
            }
        }
        Message::Text { phone_number, code, purpose } => match purpose {
            Purpose::FirstFactor => format!("To verify the phone number {phone_number}, use the code {code}."),
            Purpose::Enrollment => format!("To enroll MFA with {phone_number}, use the code {code}."),
            Purpose::SecondFactor => format!("To sign in with MFA using {phone_number}, use the code {code}."),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn developers_read_what_tools_look_for() {
        let [phone_number, code] = ["+1", "123456"].map(str::to_owned);
        let message = Message::Text { phone_number, code, purpose: Purpose::FirstFactor };
        assert_eq!(text(&message), "To verify the phone number +1, use the code 123456.");
    }
}
