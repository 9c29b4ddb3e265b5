//! A message to a user, written and addressed. Must not know: who carries it.

use crate::clock::Millis;
use hearth_auth::mail::{self, Letter, Templates};
use hearth_auth::operations::Message;
use hearth_auth::operations::phone::Purpose;
use serde_json::{Value, json};
use std::fmt;

/// What a parcel weighs besides its text, about.
const OVERHEAD: usize = 1024;

/// Something that is carried to a user.
pub(super) struct Parcel {
    /// The same for every attempt.
    pub(super) id: String,
    /// When it was asked for.
    pub(super) at: Millis,
    /// The email; `None` for a text message.
    pub(super) letter: Option<Letter>,
    /// What webhooks are told.
    pub(super) told: String,
}

impl fmt::Debug for Parcel {
    /// Its text holds a code.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Parcel").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Parcel {
    pub(super) fn new(message: &Message, templates: &Templates, project: &str, id: String, at: Millis) -> Self {
        let (letter, told) = match message {
            Message::Email(code) => {
                let letter = templates.letter(code);
                let told = json!({
                    "type": "email",
                    "project": project,
                    "requestType": mail::name(code.request_type),
                    "to": letter.to,
                    "subject": letter.subject,
                    "text": letter.text,
                    "html": letter.html,
                    "email": code.email,
                    "newEmail": code.new_email,
                    "oobCode": code.oob_code,
                    "oobLink": code.oob_link,
                });
                (Some(letter), told)
            }
            Message::Text { phone_number, code, purpose } => {
                let purpose = match purpose {
                    Purpose::FirstFactor => "FIRST_FACTOR",
                    Purpose::Enrollment => "ENROLLMENT",
                    Purpose::SecondFactor => "SECOND_FACTOR",
                };
                let told = json!({
                    "type": "sms",
                    "project": project,
                    "purpose": purpose,
                    "to": phone_number,
                    "text": templates.sms(code),
                    "code": code,
                });
                (None, told)
            }
        };
        Self { id, at, letter, told: without_nulls(told).to_string() }
    }

    /// About so much memory.
    pub(super) fn bytes(&self) -> usize {
        let letter =
            self.letter.as_ref().map_or(0, |letter| letter.text.len() + letter.html.as_ref().map_or(0, String::len));
        OVERHEAD + self.told.len() + letter
    }
}

/// What is not there is not named.
fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
