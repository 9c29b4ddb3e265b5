//! What clients send of an authenticator: under which names, in which alphabet. Must not know: what it means.
//!
//! There are two forms of it. Browsers and SDKs send `PublicKeyCredential.toJSON` (WebAuthn, section 5.1.9): `id`,
//! `rawId`, `response.clientDataJSON`. Google's API description (Identity Toolkit v2) has `credentialId`,
//! `authenticatorAttestationResponse` or `authenticatorAssertionResponse`, and in it `clientDataJson`. Apple's and the
//! browsers' SDKs of Firebase write base64, browsers themselves base64url; both are read, with padding and without.

use crate::errors::Error;
use crate::passkey::{LONGEST_ID, Refused};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

/// base64url, padded or not.
const EITHER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Where the rest is, in each of the forms.
const INNER: [&str; 3] = ["response", "authenticatorAttestationResponse", "authenticatorAssertionResponse"];

/// What a client sends of an authenticator.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Response {
    pub(super) id: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Response {
    /// The passkey's id, as it is kept. All that name it have to name the same.
    ///
    /// # Errors
    /// There is none, or it is none.
    pub(super) fn credential_id(&self) -> Result<String, Error> {
        let others = ["rawId", "credentialId"].iter().filter_map(|name| self.rest.get(*name)?.as_str());
        let mut named = self.id.as_deref().into_iter().chain(others).filter(|id| !id.is_empty()).map(canonical);
        let id = named.next().flatten().ok_or(Error::InvalidCredentialId)?;
        match named.all(|other| other.as_ref() == Some(&id)) {
            true => Ok(id),
            false => Err(Error::InvalidCredentialId),
        }
    }

    /// `clientDataJSON`.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn client_data(&self) -> Result<Vec<u8>, Refused> {
        let given = self.inner("clientDataJSON").or_else(|| self.inner("clientDataJson"));
        given.and_then(decode).ok_or(Refused::Missing("clientDataJSON"))
    }

    /// Another part, which is in base64.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn part(&self, name: &'static str) -> Result<Vec<u8>, Refused> {
        self.inner(name).and_then(decode).ok_or(Refused::Missing(name))
    }

    /// The user handle, if there is one: passkeys that browsers cannot find by themselves have none.
    ///
    /// # Errors
    /// It is not in base64.
    pub(super) fn user_handle(&self) -> Result<Option<Vec<u8>>, Refused> {
        let given = self.inner("userHandle").filter(|handle| !handle.is_empty());
        given.map(|handle| decode(handle).ok_or(Refused::Missing("userHandle"))).transpose()
    }

    fn inner(&self, name: &str) -> Option<&str> {
        INNER.iter().find_map(|of| self.rest.get(*of)?.get(name)?.as_str())
    }
}

/// An id in base64 of either alphabet as it is kept: in base64url without padding, as browsers write it.
pub(super) fn canonical(id: &str) -> Option<String> {
    let bytes = decode(id).filter(|bytes| (1..=LONGEST_ID).contains(&bytes.len()))?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    EITHER.decode(text.replace('+', "-").replace('/', "_")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Response {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_id_has_many_forms() {
        for (response, expected) in [
            (json!({"id": "-_-_"}), Ok("-_-_")),
            (json!({"id": "+/+/"}), Ok("-_-_")),
            (json!({"id": "AQ=="}), Ok("AQ")),
            (json!({"credentialId": "AQ"}), Ok("AQ")),
            (json!({"rawId": "AQ=="}), Ok("AQ")),
            (json!({"id": "", "rawId": "AQ"}), Ok("AQ")),
            (json!({"id": "AQ", "rawId": "AQ==", "credentialId": "AQ"}), Ok("AQ")),
            (json!({"id": "AQ", "rawId": "Ag"}), Err(Error::InvalidCredentialId)),
            (json!({"id": "AQ", "rawId": "?"}), Err(Error::InvalidCredentialId)),
            (json!({"id": "a credential"}), Err(Error::InvalidCredentialId)),
            (json!({"id": "A"}), Err(Error::InvalidCredentialId)),
            (json!({"id": "A".repeat(1368)}), Err(Error::InvalidCredentialId)),
            (json!({"id": ""}), Err(Error::InvalidCredentialId)),
            (json!({"rawId": 1}), Err(Error::InvalidCredentialId)),
            (json!({}), Err(Error::InvalidCredentialId)),
        ] {
            assert_eq!(read(response.clone()).credential_id(), expected.map(str::to_owned), "{response}");
        }
    }

    #[test]
    fn parts_are_where_either_form_has_them() {
        for (response, expected) in [
            (json!({"response": {"clientDataJSON": "e30="}}), Ok(b"{}".to_vec())),
            (json!({"authenticatorAttestationResponse": {"clientDataJson": "e30"}}), Ok(b"{}".to_vec())),
            (json!({"authenticatorAssertionResponse": {"clientDataJSON": "e30"}}), Ok(b"{}".to_vec())),
            (json!({"clientDataJSON": "e30"}), Err(Refused::Missing("clientDataJSON"))),
            (json!({"response": {"clientDataJSON": {}}}), Err(Refused::Missing("clientDataJSON"))),
            (json!({"response": "e30"}), Err(Refused::Missing("clientDataJSON"))),
            (json!({"response": {"clientDataJSON": "e 3 0"}}), Err(Refused::Missing("clientDataJSON"))),
        ] {
            assert_eq!(read(response.clone()).client_data(), expected, "{response}");
        }
        let response = read(json!({"response": {"signature": "-w", "userHandle": ""}}));
        assert_eq!(response.part("signature"), Ok(vec![0xfb]));
        assert_eq!(response.part("authenticatorData"), Err(Refused::Missing("authenticatorData")));
        assert_eq!(response.user_handle(), Ok(None));
        let wrong = read(json!({"response": {"userHandle": "?"}}));
        assert_eq!(wrong.user_handle(), Err(Refused::Missing("userHandle")));
    }
}
