//! Passkeys: of what strangers send, a new passkey is what its bytes say it is, and none is shown without a signature.
//!
//! An input is an attestation object. What the authenticator says in it is shown besides, unsigned.

use hearth_auth::passkey::{
    Assertion, Credential, Expected, LONGEST_ID, Registration, RelyingParty, authenticate, register,
};

const CREATED: &[u8] = br#"{"type":"webauthn.create","challenge":"AA","origin":"https://example.org"}"#;
const SHOWN: &[u8] = br#"{"type":"webauthn.get","challenge":"AA","origin":"https://example.org"}"#;

pub(crate) fn target(bytes: &[u8]) {
    let relying_party = RelyingParty::new("example.org", &[]).expect("a domain");
    let expected = Expected { relying_party: &relying_party, is_challenge: &|_| Ok(()) };
    let made = register(expected, Registration { client_data: CREATED, attestation_object: bytes });
    let Ok(made) = made else { return };
    assert!((1..=LONGEST_ID).contains(&made.id.len()));
    let contains = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(contains(&made.id) && contains(&made.credential.public_key), "it is from the bytes");
    let kept = Credential { sign_count: 0, ..made.credential };
    for signature in [&[][..], bytes] {
        let said = Assertion { client_data: SHOWN, authenticator_data: bytes, signature };
        assert!(authenticate(expected, &kept, said).is_err(), "nobody has signed it");
    }
}
