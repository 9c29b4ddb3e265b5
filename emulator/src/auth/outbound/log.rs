//! What an emulator tells its developer in the place of its users. Must not know: why something is sent.

use hearth_auth::code::RequestType;
use hearth_auth::operations::{Message, phone::Purpose};

/// Tells it.
pub(super) fn tell(message: &Message) {
    tracing::info!("{}", text(message));
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
                // The official emulator has none; it is sent by servers.
                RequestType::RevertSecondFactorAddition => {
                    format!("To remove the second factor of {email}, follow this link: {link}")
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
