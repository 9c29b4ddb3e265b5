//! Passkeys as WebAuthn (Level 3, sections 7.1 and 7.2) has them: what a browser and an authenticator say is read, byte
//! by byte, and verified. Must not know: accounts, requests, where passkeys are kept.
//!
//! Reading order: `relying_party` (for whom), `challenge`, `client_data`, `authenticator_data` over `cbor`, `key`; here
//! the two ceremonies. Attestation, by which a maker vouches for its authenticators, is not asked for and not looked at.

mod authenticator_data;
mod cbor;
pub mod challenge;
mod client_data;
mod key;
mod relying_party;
#[cfg(test)]
pub(crate) mod testing;

pub use key::ALGORITHMS;
pub use relying_party::{RelyingParty, Unusable};

use authenticator_data::AuthenticatorData;
use client_data::{Ceremony, ClientData};
use key::PublicKey;
use sha2::{Digest, Sha256};

/// The longest id of a passkey, in bytes (WebAuthn, section 4).
pub const LONGEST_ID: usize = 1023;
/// The longest answer that is looked at, in bytes; a long one, with an attestation, has some five thousand.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Why what was said is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A part of the answer is not there, or not in base64.
    #[error("{0} is missing or not base64")]
    Missing(&'static str),
    /// The answer is too long.
    #[error("The response is too long")]
    TooLong,
    /// What the client says cannot be read.
    #[error("clientDataJSON cannot be read")]
    ClientData,
    /// It was made for something else.
    #[error("clientDataJSON is of another ceremony")]
    Ceremony,
    /// It comes from a page or an app that is not known.
    #[error("The origin is not one of those expected")]
    Origin,
    /// It comes from a page inside a page of another origin.
    #[error("Cross-origin responses are not accepted")]
    CrossOrigin,
    /// The challenge was not made by this server, or for something or somebody else.
    #[error("The challenge does not match")]
    Challenge,
    /// The challenge was made too long ago.
    #[error("The challenge has expired")]
    Expired,
    /// The challenge has been answered.
    #[error("The challenge has been used")]
    Used,
    /// What came of making a passkey cannot be read.
    #[error("attestationObject cannot be read")]
    AttestationObject,
    /// What the authenticator says cannot be read.
    #[error("authenticatorData cannot be read")]
    AuthenticatorData,
    /// It was made for another relying party.
    #[error("authenticatorData is for another relying party")]
    RelyingParty,
    /// Nobody was there.
    #[error("The user was not present")]
    NotPresent,
    /// The authenticator has not found out who was there.
    #[error("The user was not verified")]
    NotVerified,
    /// No passkey was made.
    #[error("There is no credential in attestationObject")]
    NoCredential,
    /// The passkey's id is another one than the answer's, or none.
    #[error("The credential's id does not match")]
    CredentialId,
    /// The key is for an algorithm that was not asked for, or is no key of it.
    #[error("The credential's public key is not of an algorithm that was asked for")]
    PublicKey,
    /// The passkey belongs to another user.
    #[error("The user handle does not match")]
    UserHandle,
    /// The signature is not by the passkey's key.
    #[error("The signature does not verify")]
    Signature,
    /// The authenticator has signed less often than before: there are two of it.
    #[error("The signature counter went back")]
    Counter,
    /// The passkey can be backed up and could not, or the other way round.
    #[error("The credential's backup eligibility changed")]
    Backup,
}

/// What is expected of an answer.
#[derive(Clone, Copy)]
pub struct Expected<'e> {
    /// For whom it has to be.
    pub relying_party: &'e RelyingParty,
    /// Whether its challenge is right.
    pub is_challenge: &'e dyn Fn(&[u8]) -> Result<(), Refused>,
}

/// What is kept of a passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its key, as COSE has it.
    pub public_key: Vec<u8>,
    /// How often it had signed, as of last time; 0 if its authenticator does not count.
    pub sign_count: u32,
    /// It can be backed up, and so be on several devices.
    pub backup_eligible: bool,
    /// It is backed up.
    pub backed_up: bool,
}

/// A passkey that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: Vec<u8>,
    /// What is to be kept of it.
    pub credential: Credential,
    /// The challenge that was answered.
    pub challenge: Vec<u8>,
}

/// A passkey that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// What is to be kept of it from now on.
    pub credential: Credential,
    /// The challenge that was answered.
    pub challenge: Vec<u8>,
}

/// What came of making a passkey.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'b> {
    /// `clientDataJSON`.
    pub client_data: &'b [u8],
    /// `attestationObject`.
    pub attestation_object: &'b [u8],
}

/// What came of showing a passkey.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'b> {
    /// `clientDataJSON`.
    pub client_data: &'b [u8],
    /// `authenticatorData`.
    pub authenticator_data: &'b [u8],
    /// `signature`.
    pub signature: &'b [u8],
}

/// Verifies what came of making a passkey (WebAuthn, section 7.1).
///
/// # Errors
/// It is not as expected; the first thing that is not.
pub fn register(expected: Expected<'_>, said: Registration<'_>) -> Result<Registered, Refused> {
    let Registration { client_data, attestation_object } = said;
    let challenge = challenge(expected, client_data, Ceremony::Registration)?;
    let data = attested(attestation_object)?;
    let data = AuthenticatorData::read(data).ok_or(Refused::AuthenticatorData)?;
    check(expected.relying_party, &data)?;
    let made = data.credential.ok_or(Refused::NoCredential)?;
    if made.id.is_empty() || made.id.len() > LONGEST_ID {
        return Err(Refused::CredentialId);
    }
    PublicKey::read(made.public_key).ok_or(Refused::PublicKey)?;
    verified(&data)?;
    let credential = Credential {
        public_key: made.public_key.to_vec(),
        sign_count: data.sign_count,
        backup_eligible: data.is_eligible_for_backup(),
        backed_up: data.is_backed_up(),
    };
    Ok(Registered { id: made.id.to_vec(), credential, challenge })
}

/// Verifies what came of showing the passkey of which `kept` is kept (WebAuthn, section 7.2).
///
/// # Errors
/// It is not as expected; the first thing that is not.
pub fn authenticate(expected: Expected<'_>, kept: &Credential, said: Assertion<'_>) -> Result<Authenticated, Refused> {
    let Assertion { client_data, authenticator_data, signature } = said;
    let challenge = challenge(expected, client_data, Ceremony::Authentication)?;
    fits(authenticator_data)?;
    let data = AuthenticatorData::read(authenticator_data).ok_or(Refused::AuthenticatorData)?;
    check(expected.relying_party, &data)?;
    if data.is_eligible_for_backup() != kept.backup_eligible {
        return Err(Refused::Backup);
    }
    let key = PublicKey::read(&kept.public_key).ok_or(Refused::PublicKey)?;
    let signed = [authenticator_data, &Sha256::digest(client_data)].concat();
    if !key.verifies(&signed, signature) {
        return Err(Refused::Signature);
    }
    if (data.sign_count != 0 || kept.sign_count != 0) && data.sign_count <= kept.sign_count {
        return Err(Refused::Counter);
    }
    verified(&data)?;
    let credential = Credential { sign_count: data.sign_count, backed_up: data.is_backed_up(), ..kept.clone() };
    Ok(Authenticated { credential, challenge })
}

/// The challenge that the client has answered, if that was the right one, of the right ceremony and from the right place.
fn challenge(expected: Expected<'_>, client_data: &[u8], ceremony: Ceremony) -> Result<Vec<u8>, Refused> {
    fits(client_data)?;
    let challenge = ClientData::read(client_data)?.challenge(ceremony, expected.relying_party.origins())?;
    (expected.is_challenge)(&challenge)?;
    Ok(challenge)
}

fn fits(answer: &[u8]) -> Result<(), Refused> {
    if answer.len() <= LONGEST_ANSWER { Ok(()) } else { Err(Refused::TooLong) }
}

/// What an attestation object (WebAuthn, section 6.5.4) has the authenticator say. Its statement has to be one, and none
/// where it says that there is none.
fn attested(object: &[u8]) -> Result<&[u8], Refused> {
    fits(object)?;
    let read = || {
        let object = cbor::whole(object)?.map()?;
        let statement = object.text("attStmt")?.clone().map()?;
        let is_none = object.text("fmt")?.text()? == "none";
        (!is_none || statement.is_empty()).then(|| object.text("authData")?.bytes())?
    };
    read().ok_or(Refused::AttestationObject)
}

/// What is checked of both ceremonies alike.
fn check(relying_party: &RelyingParty, data: &AuthenticatorData<'_>) -> Result<(), Refused> {
    if data.rp_id_hash != Sha256::digest(relying_party.id()).as_slice() {
        return Err(Refused::RelyingParty);
    }
    if !data.user_was_present() {
        return Err(Refused::NotPresent);
    }
    Ok(())
}

/// What is looked at last, so that nothing else is wrong where only this is.
fn verified(data: &AuthenticatorData<'_>) -> Result<(), Refused> {
    if data.user_was_verified() { Ok(()) } else { Err(Refused::NotVerified) }
}

#[cfg(test)]
mod tests;
