//! The ceremonies, by the test vectors of the specification and by an authenticator in software.

use super::testing::{Authenticator, Manner, ORIGIN, RP_ID, bytes, map, number, text};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// WebAuthn Level 3, section 16: of each kind of passkey what comes of making and of showing it, in hexadecimal.
const VECTORS: &str = include_str!("vectors.json");

fn unhex(value: &Value) -> Vec<u8> {
    let digits: Vec<u32> = value.as_str().unwrap().chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

/// Answers to this challenge.
fn answered<T>(relying_party: &RelyingParty, challenge: &[u8], run: impl FnOnce(Expected<'_>) -> T) -> T {
    let is_challenge = |said: &[u8]| if said == challenge { Ok(()) } else { Err(Refused::Challenge) };
    run(Expected { relying_party, is_challenge: &is_challenge })
}

#[test]
fn the_specifications_own_vectors_hold() {
    let relying_party = RelyingParty::new("example.org", &[]).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.len(), 15);
    // Whether a vector's user was verified is drawn by lot; that is what is looked at last.
    let verified = |data: &[u8]| if data[32] & 4 != 0 { Ok(()) } else { Err(Refused::NotVerified) };
    for vector in &vectors {
        let name = vector["name"].as_str().unwrap();
        let field = |of: &str, field: &str| unhex(&vector[of][field]);
        let [client_data, object] = ["clientDataJSON", "attestationObject"].map(|name| field("registration", name));
        let said = Registration { client_data: &client_data, attestation_object: &object };
        let made = answered(&relying_party, &field("registration", "challenge"), |expected| register(expected, said));
        let data = match name {
            "none-es256-crossOrigin" | "none-es256-topOrigin" => {
                assert_eq!(made, Err(Refused::CrossOrigin), "{name}");
                continue;
            }
            "packed-es384" | "packed-es512" | "packed-ed448" => {
                assert_eq!(made, Err(Refused::PublicKey), "{name}");
                continue;
            }
            _ => attested(&object).unwrap(),
        };
        assert_eq!(made.map(|made| made.id), verified(data).map(|()| unhex(&vector["credentialId"])));
        let data = AuthenticatorData::read(data).unwrap();
        let kept = Credential {
            public_key: data.credential.unwrap().public_key.to_vec(),
            sign_count: 0,
            backup_eligible: data.is_eligible_for_backup(),
            backed_up: false,
        };
        let [client_data, authenticator_data, mut signature] =
            ["clientDataJSON", "authenticatorData", "signature"].map(|name| field("authentication", name));
        let challenge = field("authentication", "challenge");
        let show = |signature: &[u8]| {
            let said = Assertion { client_data: &client_data, authenticator_data: &authenticator_data, signature };
            answered(&relying_party, &challenge, |expected| authenticate(expected, &kept, said)).map(drop)
        };
        assert_eq!(show(&signature), verified(&authenticator_data), "{name}");
        *signature.last_mut().unwrap() ^= 1;
        assert_eq!(show(&signature), Err(Refused::Signature), "{name}");
    }
}

#[test]
fn a_new_passkey_is_as_it_was_asked_for() {
    let relying_party = RelyingParty::new(RP_ID, &[ORIGIN.to_owned()]).unwrap();
    let authenticator = Authenticator::new(b"passkey");
    let with = |change: &dyn Fn(&mut Manner)| {
        let mut manner = Manner::default();
        change(&mut manner);
        manner
    };
    let hmac = map(&[(number(1), number(4)), (number(3), number(5)), (number(-1), bytes(&[1; 32]))]);
    let no_algorithm = map(&[(number(1), number(2)), (number(-1), number(1))]);
    let nested = [0x81].repeat(100_000);
    for (name, manner, expected) in [
        ("as it should be", with(&|_| ()), Ok(())),
        ("attested by somebody", with(&|m| m.format = "packed".to_owned()), Ok(())),
        ("backed up", with(&|m| m.flags |= 0b11000), Ok(())),
        ("another ceremony", with(&|m| m.ceremony = Some("webauthn.get".to_owned())), Err(Refused::Ceremony)),
        ("another origin", with(&|m| m.origin = "https://example.com.evil".to_owned()), Err(Refused::Origin)),
        ("inside another page", with(&|m| m.cross_origin = true), Err(Refused::CrossOrigin)),
        ("another relying party", with(&|m| m.rp_id = "app.example.com".to_owned()), Err(Refused::RelyingParty)),
        ("nobody there", with(&|m| m.flags = 0b100), Err(Refused::NotPresent)),
        ("whoever was there", with(&|m| m.flags = 0b1), Err(Refused::NotVerified)),
        ("backed up, and cannot be", with(&|m| m.flags |= 0b10000), Err(Refused::AuthenticatorData)),
        ("a secret for a key", with(&|m| m.key = Some(hmac.clone())), Err(Refused::PublicKey)),
        ("a key for nothing", with(&|m| m.key = Some(no_algorithm.clone())), Err(Refused::PublicKey)),
        ("a key that is none", with(&|m| m.key = Some(number(1))), Err(Refused::PublicKey)),
        (
            "no statement, and one",
            with(&|m| m.statement = map(&[(text("x"), number(1))])),
            Err(Refused::AttestationObject),
        ),
        ("a statement that is none", with(&|m| m.statement = number(1)), Err(Refused::AttestationObject)),
        ("a deep statement", with(&|m| m.statement = nested.clone()), Err(Refused::TooLong)),
        ("a statement that is deep", with(&|m| m.statement = nested[..20].to_vec()), Err(Refused::AttestationObject)),
        ("something after it", with(&|m| m.trailing = vec![0]), Err(Refused::AttestationObject)),
        ("much after it", with(&|m| m.trailing = vec![0; 1 << 20]), Err(Refused::TooLong)),
    ] {
        let challenge = STANDARD.encode(b"the challenge");
        let (client_data, object) = authenticator.make(&challenge, &manner);
        let said = Registration { client_data: &client_data, attestation_object: &object };
        let made = answered(&relying_party, b"the challenge", |expected| register(expected, said));
        assert_eq!(made.as_ref().map(|made| made.id == authenticator.id), expected.as_ref().map(|()| true), "{name}");
        let other = answered(&relying_party, b"another", |expected| register(expected, said));
        assert!(other.is_err(), "{name}");
    }
}

#[test]
fn no_part_of_an_attestation_object_will_do() {
    let relying_party = RelyingParty::new(RP_ID, &[ORIGIN.to_owned()]).unwrap();
    for (id, expected) in [
        (vec![], Err(Refused::CredentialId)),
        (vec![7; LONGEST_ID], Ok(())),
        (vec![7; LONGEST_ID + 1], Err(Refused::CredentialId)),
    ] {
        let (client_data, object) = Authenticator::new(&id).make("", &Manner::default());
        let said = |attestation_object| Registration { client_data: &client_data, attestation_object };
        let made = |object| answered(&relying_party, b"", |expected| register(expected, said(object))).map(drop);
        assert_eq!(made(&object), expected, "{} bytes", id.len());
        for length in 0..object.len() {
            assert_eq!(made(&object[..length]), Err(Refused::AttestationObject), "{length} bytes");
        }
    }
    let without = |name: &str| {
        let fields = [("fmt", text("none")), ("attStmt", map(&[])), ("authData", bytes(&[0; 37]))];
        let fields = fields.into_iter().filter(|(known, _)| *known != name);
        map(&fields.map(|(name, value)| (text(name), value)).collect::<Vec<_>>())
    };
    assert_eq!(attested(&without("")), Ok(&[0; 37][..]));
    for name in ["fmt", "attStmt", "authData"] {
        assert_eq!(attested(&without(name)), Err(Refused::AttestationObject), "{name}");
    }
}

#[test]
fn a_passkey_is_shown_as_it_was_made() {
    let relying_party = RelyingParty::new(RP_ID, &[ORIGIN.to_owned()]).unwrap();
    let authenticator = Authenticator::new(b"passkey");
    let other = Authenticator::new(b"passkey");
    let (client_data, object) = authenticator.make("", &Manner::default());
    let said = Registration { client_data: &client_data, attestation_object: &object };
    let kept = answered(&relying_party, b"", |expected| register(expected, said)).unwrap().credential;
    let show = |by: &Authenticator, kept: &Credential, change: &dyn Fn(&mut Manner)| {
        let mut manner = Manner::default();
        change(&mut manner);
        let (client_data, authenticator_data, signature) = by.show("", &manner);
        let said =
            Assertion { client_data: &client_data, authenticator_data: &authenticator_data, signature: &signature };
        answered(&relying_party, b"", |expected| authenticate(expected, kept, said)).map(|shown| shown.credential)
    };
    assert_eq!(show(&authenticator, &kept, &|_| ()), Ok(kept.clone()));
    for (name, by, change, expected) in [
        ("another key", &other, &(|_: &mut Manner| ()) as &dyn Fn(&mut Manner), Refused::Signature),
        ("making one", &authenticator, &|m| m.ceremony = Some("webauthn.create".to_owned()), Refused::Ceremony),
        ("another origin", &authenticator, &|m| m.origin = "https://evil.example".to_owned(), Refused::Origin),
        ("inside another page", &authenticator, &|m| m.cross_origin = true, Refused::CrossOrigin),
        ("another relying party", &authenticator, &|m| m.rp_id = "evil.example".to_owned(), Refused::RelyingParty),
        ("nobody there", &authenticator, &|m| m.flags = 0b100, Refused::NotPresent),
        ("whoever was there", &authenticator, &|m| m.flags = 0b1, Refused::NotVerified),
        ("can be backed up now", &authenticator, &|m| m.flags |= 0b1000, Refused::Backup),
        ("something after it", &authenticator, &|m| m.trailing = vec![0], Refused::AuthenticatorData),
        ("much after it", &authenticator, &|m| m.trailing = vec![0; 1 << 20], Refused::TooLong),
    ] {
        assert_eq!(show(by, &kept, change), Err(expected), "{name}");
    }
    let backed = |backed_up| Credential { backup_eligible: true, backed_up, ..kept.clone() };
    assert_eq!(show(&authenticator, &backed(false), &|m| m.flags |= 0b11000), Ok(backed(true)));
    for (before, now, expected) in [
        (0, 0, Ok(0)),
        (0, 1, Ok(1)),
        (1, 9, Ok(9)),
        (1, 1, Err(Refused::Counter)),
        (9, 1, Err(Refused::Counter)),
        (1, 0, Err(Refused::Counter)),
    ] {
        let kept = Credential { sign_count: before, ..kept.clone() };
        let shown = show(&authenticator, &kept, &|m| m.sign_count = now);
        assert_eq!(shown.map(|credential| credential.sign_count), expected, "{before}, then {now}");
    }
}
