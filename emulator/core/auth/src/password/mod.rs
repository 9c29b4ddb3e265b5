//! Passwords: how a server keeps them, and whether one is right.
//!
//! Real hashing takes tens of milliseconds, so that an operation never does it itself: it asks for an
//! [`Errand`](crate::errand::Errand). Must not know: accounts, threads.

mod argon2id;
mod fake;
pub mod imported;

use crate::entropy::Entropy;
use crate::errors::Error;
use std::fmt;

/// The fewest characters of a password, as UTF-16 units.
pub const SHORTEST: usize = 6;

/// A password in clear. It does not appear in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password that may become an account's.
    ///
    /// # Errors
    /// It is too short.
    pub fn new(text: &str) -> Result<Self, Error> {
        if text.encode_utf16().count() < SHORTEST {
            return Err(Error::WeakPassword);
        }
        Ok(Self::tried(text))
    }

    /// A password with which somebody tries to sign in, or which comes from elsewhere.
    pub fn tried(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password")
    }
}

/// What is kept of a password: an account's `passwordHash` and `salt`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The hash, in a form that says how it was made.
    pub hash: String,
    /// The salt, where it is not a part of the hash.
    pub salt: Option<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Whether a kept hash names its way: this server's own exports, and those of emulators.
pub fn says_how_it_was_made(hash: &str) -> bool {
    ["$argon2id$", imported::MARK, fake::MARK].iter().any(|mark| hash.starts_with(mark))
}

/// Whether a password is the one that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Right,
    /// It is, but it was kept in a way that new passwords are not: it should be hashed anew.
    Outdated,
    /// It is another, or nothing can be said.
    Wrong,
}

/// How a server hashes new passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// Not at all: the password can be read from the record, as in the official emulator. For emulators only.
    Fake,
    /// Argon2id (RFC 9106).
    Argon2id,
}

impl Hashing {
    /// Whether hashing takes no time worth speaking of.
    pub fn is_cheap(self) -> bool {
        match self {
            Self::Fake => true,
            Self::Argon2id => false,
        }
    }

    /// What is to be kept of a new password.
    ///
    /// # Errors
    /// The password cannot be hashed.
    pub fn hash(self, password: &Password, entropy: &dyn Entropy) -> Result<Secret, Error> {
        match self {
            Self::Fake => Ok(fake::hash(password, fake::salt(entropy))),
            Self::Argon2id => argon2id::hash(password, entropy),
        }
    }

    /// Whether the password is the one that was kept.
    pub fn verify(self, password: &Password, secret: &Secret) -> Verdict {
        if imported::is_imported(secret) {
            // A damaged one is nobody's.
            return imported::verify(password, secret).unwrap_or(Verdict::Wrong);
        }
        let outdated = |verdict| if verdict == Verdict::Right { Verdict::Outdated } else { verdict };
        match (self, secret.hash.starts_with(fake::MARK)) {
            (Self::Fake, true) => fake::verify(password, secret),
            (Self::Argon2id, true) => outdated(fake::verify(password, secret)),
            (Self::Fake, false) => outdated(argon2id::verify(password, secret)),
            (Self::Argon2id, false) => argon2id::verify(password, secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Counting;

    #[test]
    fn what_was_hashed_is_recognised_and_nothing_else() {
        for hashing in [Hashing::Fake, Hashing::Argon2id] {
            let entropy = Counting::default();
            let password = Password::new("correct horse").unwrap();
            let [one, two] = [(); 2].map(|()| hashing.hash(&password, &entropy).unwrap());
            assert_ne!(one.hash, two.hash, "every password has its own salt");
            assert_eq!(hashing.verify(&password, &one), Verdict::Right);
            assert_eq!(hashing.verify(&Password::tried("correct house"), &one), Verdict::Wrong);
            let damaged = Secret { hash: format!("{}x", one.hash), salt: one.salt };
            assert_eq!(hashing.verify(&password, &damaged), Verdict::Wrong);
        }
    }

    #[test]
    fn a_password_has_six_characters() {
        for (text, expected) in [("12345", false), ("123456", true), ("éééééé", true), ("😀😀😀", true)] {
            assert_eq!(Password::new(text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn neither_passwords_nor_hashes_are_shown() {
        let secret = Hashing::Fake.hash(&Password::tried("hunter2"), &Counting::default()).unwrap();
        assert_eq!(format!("{:?} {secret:?}", Password::tried("hunter2")), "Password Secret");
    }
}
