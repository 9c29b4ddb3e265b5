//! Tokens: of what strangers send, a server that signs accepts the one token that was signed and no other; one that does
//! not sign accepts what says that it is not signed.
//!
//! An input is a token, or its header, its claims and its signature, one to a line: these are encoded.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hearth_auth::token::refresh::RefreshToken;
use hearth_auth::token::{Key, KeyRing, Keys, Signer, Tokens, VerifyingKey, named_tenant};
use std::sync::{Arc, LazyLock};

const PROJECT: &str = "demo";
/// A while after the token was signed.
const NOW: u64 = 1_893_456_060_000;
/// The public half of a key whose private half is gone.
const PUBLIC: &str = "MIIBCgKCAQEAttrpSwqHnDmUL96XyuwtqTfCzrZeMlUzkOF6HxxsbKBryDzTFPIeEUq3dV1SHgLwajrW4nxCe2q3dnXbmMtMAaAxDQS7/sC4yaaaYw+cghyqDKZpUDDfekSwmSCmGi8pFYOWtoeaRadZceKpKHtzIyEfshdfPq3zU0KfVv+KsUs9LV1lC/idfDKi4nuLpyjXlqZ6PdwXGatAkhvk6vvq6BBrdmA6X5mwHgk4eZPj3MH4VeVdjUPLVyCE56rtRht6uL6x4GVlMvIy2lihWYgqZA85yZcmKyLVH3bYf5VSM64e/bBAP2/SH2zDKWlKoPy/uqnnSKjEiN99vb73hPZp9wIDAQAB";
/// All that it has signed.
const GENUINE: &str = include_str!("../../tests/corpus/fuzz/tokens/genuine");

static SIGNED: LazyLock<Tokens> = LazyLock::new(|| Tokens::Signed(Keys { id_tokens: ring(), session_cookies: ring() }));

struct Gone;

impl Signer for Gone {
    fn sign(&self, _input: &[u8]) -> Result<Vec<u8>, String> {
        Err("the private half is gone".to_owned())
    }
}

fn ring() -> KeyRing {
    let public = STANDARD.decode(PUBLIC).expect("base64");
    let key = Key::new(VerifyingKey::new("k1", &public).expect("a key"), 0, Box::new(Gone));
    KeyRing::new(vec![Arc::new(key)], 0)
}

pub(crate) fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let encoded = encoded(text);
    let token = encoded.as_deref().unwrap_or(text);
    signed(token);
    unsigned(token);
    named_tenant(token);
    if let Some(refresh) = RefreshToken::decode(token) {
        assert_eq!(RefreshToken::decode(&refresh.encode()), Some(refresh));
    }
}

fn encoded(text: &str) -> Option<String> {
    let mut lines = text.splitn(3, '\n');
    let (header, claims, signature) = (lines.next()?, lines.next()?, lines.next()?);
    Some(format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
}

fn signed(token: &str) {
    assert!(SIGNED.claimed(token).is_err(), "a server that signs takes nobody at his word");
    let Ok(found) = SIGNED.authenticate(token, PROJECT) else {
        assert!(token != GENUINE, "the genuine token is accepted");
        return;
    };
    assert_eq!(token, GENUINE, "forged");
    assert!(found.valid_at(NOW).is_ok());
    assert!(SIGNED.authenticate(token, "other").is_err(), "another project's");
}

fn unsigned(token: &str) {
    let Ok(found) = Tokens::Unsigned.authenticate(token, PROJECT) else { return };
    let again = Tokens::Unsigned.encode(&found.claims).expect("nothing has to be signed");
    assert_eq!(Tokens::Unsigned.authenticate(&again, PROJECT).as_ref(), Ok(&found));
    assert!(!found.subject.is_empty());
    assert!(SIGNED.authenticate(&again, PROJECT).is_err(), "an unsigned token passes for a signed one");
}
