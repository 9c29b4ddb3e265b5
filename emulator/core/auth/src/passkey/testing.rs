//! An authenticator in software, for tests: it says what a test wants it to say, and signs it. Must not know: how an
//! answer is verified.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where the tests' pages are.
pub(crate) const ORIGIN: &str = "https://app.example.com";
/// What their passkeys hold for.
pub(crate) const RP_ID: &str = "example.com";

fn head(major: u8, argument: u64) -> Vec<u8> {
    let short = match u8::try_from(argument) {
        Ok(short @ 0..=23) => return vec![major << 5 | short],
        Ok(short) => vec![24, short],
        Err(_) => [&[27][..], &argument.to_be_bytes()].concat(),
    };
    [&[major << 5 | short[0]], &short[1..]].concat()
}

/// A number in CBOR.
pub(crate) fn number(number: i64) -> Vec<u8> {
    if number < 0 { head(1, (-1 - number).unsigned_abs()) } else { head(0, number.unsigned_abs()) }
}

/// Bytes in CBOR.
pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len() as u64), bytes.to_vec()].concat()
}

/// Text in CBOR.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [head(3, text.len() as u64), text.as_bytes().to_vec()].concat()
}

/// A map in CBOR.
pub(crate) fn map(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let fields = fields.iter().flat_map(|(key, value)| [key.clone(), value.clone()]);
    [head(5, fields.clone().count() as u64 / 2), fields.flatten().collect()].concat()
}

/// An authenticator with one passkey.
pub(crate) struct Authenticator {
    pub(crate) id: Vec<u8>,
    pair: EcdsaKeyPair,
}

/// What is said beside the challenge.
#[derive(Clone)]
pub(crate) struct Manner {
    pub(crate) origin: String,
    pub(crate) rp_id: String,
    /// The ceremony, if it is not the right one.
    pub(crate) ceremony: Option<String>,
    pub(crate) cross_origin: bool,
    /// Beside whether a passkey follows.
    pub(crate) flags: u8,
    pub(crate) sign_count: u32,
    /// The key, if it is not its own.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) format: String,
    pub(crate) statement: Vec<u8>,
    /// What comes after all.
    pub(crate) trailing: Vec<u8>,
    /// What the passkey says of its user.
    pub(crate) user_handle: Option<Vec<u8>>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            origin: ORIGIN.to_owned(),
            rp_id: RP_ID.to_owned(),
            ceremony: None,
            cross_origin: false,
            flags: 0b101,
            sign_count: 0,
            key: None,
            format: "none".to_owned(),
            statement: map(&[]),
            trailing: Vec::new(),
            user_handle: None,
        }
    }
}

impl Manner {
    fn client_data(&self, right: &str, challenge: &str) -> Vec<u8> {
        let challenge = URL_SAFE_NO_PAD.encode(STANDARD.decode(challenge).unwrap());
        let ceremony = self.ceremony.as_deref().unwrap_or(right);
        let (origin, cross_origin) = (&self.origin, self.cross_origin);
        json!({"type": ceremony, "challenge": challenge, "origin": origin, "crossOrigin": cross_origin})
            .to_string()
            .into_bytes()
    }

    fn authenticator_data(&self, flags: u8, credential: &[u8]) -> Vec<u8> {
        let hash = Sha256::digest(&self.rp_id);
        [&hash[..], &[self.flags | flags], &self.sign_count.to_be_bytes(), credential].concat()
    }
}

impl Authenticator {
    /// One whose passkey has this id.
    pub(crate) fn new(id: &[u8]) -> Self {
        Self { id: id.to_vec(), pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap() }
    }

    /// Its id as browsers and accounts write it.
    pub(crate) fn name(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    fn cose(&self) -> Vec<u8> {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        map(&[
            (number(1), number(2)),
            (number(3), number(-7)),
            (number(-1), number(1)),
            (number(-2), bytes(x)),
            (number(-3), bytes(y)),
        ])
    }

    /// What comes of making the passkey: `clientDataJSON` and `attestationObject`. The challenge is as the server writes
    /// it.
    pub(crate) fn make(&self, challenge: &str, manner: &Manner) -> (Vec<u8>, Vec<u8>) {
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let key = manner.key.clone().unwrap_or_else(|| self.cose());
        let credential = [&[0; 16][..], &length, &self.id, &key].concat();
        let object = map(&[
            (text("fmt"), text(&manner.format)),
            (text("attStmt"), manner.statement.clone()),
            (text("authData"), bytes(&manner.authenticator_data(1 << 6, &credential))),
        ]);
        (manner.client_data("webauthn.create", challenge), [object, manner.trailing.clone()].concat())
    }

    /// What comes of showing the passkey: `clientDataJSON`, `authenticatorData` and `signature`.
    pub(crate) fn show(&self, challenge: &str, manner: &Manner) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let client_data = manner.client_data("webauthn.get", challenge);
        let data = manner.authenticator_data(0, &manner.trailing);
        let signed = [&data[..], &Sha256::digest(&client_data)].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        (client_data, data, signature.as_ref().to_vec())
    }

    /// [`Authenticator::make`] as browsers write it (`PublicKeyCredential.toJSON`).
    pub(crate) fn registration(&self, challenge: &str, manner: &Manner) -> Value {
        let (client_data, object) = self.make(challenge, manner);
        let response = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
            "transports": ["internal"],
        });
        json!({"id": self.name(), "rawId": self.name(), "type": "public-key", "response": response})
    }

    /// [`Authenticator::show`] as browsers write it.
    pub(crate) fn assertion(&self, challenge: &str, manner: &Manner) -> Value {
        let (client_data, data, signature) = self.show(challenge, manner);
        let mut response = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
        });
        if let Some(handle) = &manner.user_handle {
            response["userHandle"] = URL_SAFE_NO_PAD.encode(handle).into();
        }
        json!({"id": self.name(), "rawId": self.name(), "type": "public-key", "response": response})
    }
}
