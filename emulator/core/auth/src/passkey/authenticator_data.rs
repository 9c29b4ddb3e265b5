//! What an authenticator says of a ceremony (WebAuthn, section 6.1): for whom, how its user was there, how often it has
//! signed, and of a new passkey its id and key. Must not know: what is expected.

use super::cbor;

/// Bytes of the hash at the beginning.
const HASH: usize = 32;
/// Bytes of the authenticator model's id.
const AAGUID: usize = 16;

/// Somebody was there.
const UP: u8 = 1;
/// It was the owner.
const UV: u8 = 1 << 2;
/// The passkey can be backed up.
const BE: u8 = 1 << 3;
/// The passkey is backed up.
const BS: u8 = 1 << 4;
/// A new passkey follows.
const AT: u8 = 1 << 6;
/// Extensions follow.
const ED: u8 = 1 << 7;

/// What an authenticator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AuthenticatorData<'b> {
    /// SHA-256 of the relying party's id.
    pub(super) rp_id_hash: &'b [u8],
    flags: u8,
    /// How often it has signed, or 0 where it does not count.
    pub(super) sign_count: u32,
    /// The new passkey.
    pub(super) credential: Option<Attested<'b>>,
}

/// A new passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attested<'b> {
    /// Its id.
    pub(super) id: &'b [u8],
    /// Its key, as COSE has it.
    pub(super) public_key: &'b [u8],
}

impl<'b> AuthenticatorData<'b> {
    /// `None` unless it is that, from the first byte to the last.
    pub(super) fn read(bytes: &'b [u8]) -> Option<Self> {
        let (rp_id_hash, rest) = bytes.split_at_checked(HASH)?;
        let (flags, rest) = rest.split_first()?;
        let (count, mut rest) = rest.split_first_chunk()?;
        let mut credential = None;
        if flags & AT != 0 {
            let (_, tail) = rest.split_at_checked(AAGUID)?;
            let (length, tail) = tail.split_first_chunk()?;
            let (id, key) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let (_, after) = cbor::first(key)?;
            let (public_key, _) = key.split_at_checked(key.len().checked_sub(after.len())?)?;
            credential = Some(Attested { id, public_key });
            rest = after;
        }
        if flags & ED != 0 {
            let (extensions, after) = cbor::first(rest)?;
            extensions.map()?;
            rest = after;
        }
        let data = Self { rp_id_hash, flags: *flags, sign_count: u32::from_be_bytes(*count), credential };
        // What cannot be backed up is not.
        (rest.is_empty() && (data.is_eligible_for_backup() || !data.is_backed_up())).then_some(data)
    }

    /// Somebody was there.
    pub(super) fn user_was_present(&self) -> bool {
        self.flags & UP != 0
    }

    /// It was the owner, by a finger, a face or a PIN.
    pub(super) fn user_was_verified(&self) -> bool {
        self.flags & UV != 0
    }

    /// The passkey can be backed up: it is one that may be on several devices.
    pub(super) fn is_eligible_for_backup(&self) -> bool {
        self.flags & BE != 0
    }

    /// The passkey is backed up.
    pub(super) fn is_backed_up(&self) -> bool {
        self.flags & BS != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_accounted_for() {
        let head = |flags: u8| [&[7; HASH][..], &[flags, 0, 0, 1, 2]].concat();
        let attested =
            |id: &[u8], key: &[u8]| [&[9; AAGUID][..], &[0, u8::try_from(id.len()).unwrap()], id, key].concat();
        let with = |flags: u8, tail: &[u8]| [&head(flags), tail].concat();
        let good = with(UP | UV | AT, &attested(b"id", &[0xa1, 1, 2]));
        let data = AuthenticatorData::read(&good).unwrap();
        let credential = Attested { id: b"id", public_key: &[0xa1, 1, 2] };
        assert_eq!((data.sign_count, data.credential), (258, Some(credential)));
        assert!(data.user_was_present() && data.user_was_verified() && !data.is_backed_up());
        for length in 0..good.len() {
            assert_eq!(AuthenticatorData::read(&good[..length]), None, "{length} bytes");
        }
        for (name, bytes, expected) in [
            ("nothing more", head(UP), true),
            ("extensions", with(UP | ED, &[0xa0]), true),
            ("both", with(UP | AT | ED, &attested(b"", &[0xa0, 0xa1, 0x61, b'x', 0xf5])), true),
            ("backed up", head(UP | BE | BS), true),
            ("backed up, and cannot be", head(UP | BS), false),
            ("something after it", with(UP, &[0]), false),
            ("something after the extensions", with(UP | ED, &[0xa0, 0]), false),
            ("something after the passkey", with(UP | AT, &attested(b"id", &[0xa0, 0])), false),
            ("extensions that are no map", with(UP | ED, &[0x80]), false),
            ("an id that is longer than all", with(UP | AT, &[&[9; AAGUID][..], &[0xff, 0xff, 1]].concat()), false),
        ] {
            assert_eq!(AuthenticatorData::read(&bytes).is_some(), expected, "{name}");
        }
    }
}
