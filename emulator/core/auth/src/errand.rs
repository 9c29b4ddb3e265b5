//! What an operation cannot do by itself, because it takes long: it says so, and is run again once it is done.
//!
//! An operation that lacks an outcome ends with [`Error::Errands`]; nothing it wrote is kept. The shell runs the errands
//! where they hold up nobody and runs the operation again, with the same time, the same random bytes, and the
//! [`Outcomes`]. Must not know: operations, threads.

use crate::entropy::Entropy;
use crate::errors::Error;
use crate::inquiry::{Inquired, Inquiry};
use crate::oidc::{Issuer, ProviderKeys};
use crate::password::{Hashing, Password, Secret, Verdict};
use std::sync::Arc;

/// Something that takes long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To hash a new password.
    Hash(Password),
    /// To see whether a password is the kept one.
    Verify(Password, Secret),
    /// To ask a function of the app.
    Ask(Question),
    /// To have the keys of an identity provider, and what it says of itself.
    ProviderKeys(KeysWanted),
    /// To ask an identity provider.
    Inquire(Inquiry),
}

/// Which keys of an identity provider are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysWanted {
    /// Whose.
    pub issuer: Issuer,
    /// The one that a token names, if it names one.
    pub key_id: Option<String>,
}

/// What is sent to a function of the app: by POST, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where it is.
    pub url: String,
    /// The JSON.
    pub body: String,
}

/// What a function of the app replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An answer.
    Answered {
        /// HTTP's status.
        status: u16,
        /// The body.
        text: String,
    },
    /// Nothing in time.
    TimedOut,
    /// It cannot be reached.
    Failed,
}

/// What came of an errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Errand::Hash`].
    Hashed(Secret),
    /// Of [`Errand::Verify`].
    Verified(Verdict),
    /// Of [`Errand::Ask`].
    Replied(Reply),
    /// Of [`Errand::ProviderKeys`]; nothing if they cannot be had. The wanted one need not be among them.
    ProviderKeys(Option<Arc<ProviderKeys>>),
    /// Of [`Errand::Inquire`].
    Inquired(Inquired),
}

/// What is known of an operation's errands.
#[derive(Clone, Debug, Default)]
pub struct Outcomes(Vec<(Errand, Outcome)>);

impl Outcomes {
    /// Adds what came of an errand.
    pub fn add(&mut self, errand: Errand, outcome: Outcome) {
        self.0.push((errand, outcome));
    }

    /// What a function of the app replied.
    ///
    /// # Errors
    /// [`Error::Errands`] where it has to be asked first.
    pub fn ask(&self, question: Question) -> Result<Reply, Error> {
        let errand = Errand::Ask(question);
        match self.of(&errand) {
            Some(Outcome::Replied(reply)) => Ok(reply.clone()),
            Some(Outcome::Hashed(_) | Outcome::Verified(_) | Outcome::ProviderKeys(_) | Outcome::Inquired(_))
            | None => Err(Error::Errands(vec![errand])),
        }
    }

    /// The keys of an identity provider.
    ///
    /// # Errors
    /// [`Error::Errands`] where they have to be fetched first, [`Error::ProviderUnavailable`] if they cannot be had.
    pub fn provider_keys(&self, wanted: KeysWanted) -> Result<Arc<ProviderKeys>, Error> {
        let errand = Errand::ProviderKeys(wanted);
        match self.of(&errand) {
            Some(Outcome::ProviderKeys(keys)) => keys.clone().ok_or(Error::ProviderUnavailable),
            Some(Outcome::Hashed(_) | Outcome::Verified(_) | Outcome::Replied(_) | Outcome::Inquired(_)) | None => {
                Err(Error::Errands(vec![errand]))
            }
        }
    }

    /// What identity providers answer to inquiries, in their order.
    ///
    /// # Errors
    /// [`Error::Errands`] with all that have to be asked first.
    pub fn inquire<const N: usize>(&self, inquiries: [Inquiry; N]) -> Result<[Inquired; N], Error> {
        let errands = inquiries.map(Errand::Inquire);
        let done = errands.each_ref().map(|errand| match self.of(errand) {
            Some(Outcome::Inquired(inquired)) => Some(inquired.clone()),
            Some(Outcome::Hashed(_) | Outcome::Verified(_) | Outcome::Replied(_) | Outcome::ProviderKeys(_)) | None => {
                None
            }
        });
        if done.iter().all(Option::is_some) {
            return Ok(done.map(Option::unwrap_or_default));
        }
        Err(Error::Errands(errands.into()))
    }

    fn of(&self, wanted: &Errand) -> Option<&Outcome> {
        self.0.iter().find(|(errand, _)| errand == wanted).map(|(_, outcome)| outcome)
    }
}

/// How passwords are hashed: at once where that is cheap, or by errands.
#[derive(Clone, Copy, Debug)]
pub struct Passwords<'a> {
    /// The server's way to hash.
    pub hashing: Hashing,
    /// What has been done already.
    pub outcomes: &'a Outcomes,
}

impl Passwords<'_> {
    /// What is to be kept of new passwords, in their order.
    ///
    /// # Errors
    /// [`Error::Errands`] with all that have to be hashed first.
    pub fn hash_all(&self, passwords: Vec<Password>, entropy: &dyn Entropy) -> Result<Vec<Secret>, Error> {
        if self.hashing.is_cheap() {
            return passwords.iter().map(|password| self.hashing.hash(password, entropy)).collect();
        }
        let errands: Vec<_> = passwords.into_iter().map(Errand::Hash).collect();
        let done = errands.iter().filter_map(|errand| match self.outcomes.of(errand) {
            Some(Outcome::Hashed(secret)) => Some(secret.clone()),
            Some(Outcome::Verified(_) | Outcome::Replied(_) | Outcome::ProviderKeys(_) | Outcome::Inquired(_))
            | None => None,
        });
        let done: Vec<_> = done.collect();
        if done.len() == errands.len() { Ok(done) } else { Err(Error::Errands(errands)) }
    }

    /// What is to be kept of a new password.
    ///
    /// # Errors
    /// [`Error::Errands`] where it has to be hashed first.
    pub fn hash(&self, password: Password, entropy: &dyn Entropy) -> Result<Secret, Error> {
        self.hash_all(vec![password], entropy)?.pop().ok_or_else(|| Error::Hashing("nothing was hashed".to_owned()))
    }

    /// Whether a password is the kept one.
    ///
    /// # Errors
    /// [`Error::Errands`] where that has to be found out first.
    pub fn verify(&self, password: Password, secret: Secret) -> Result<Verdict, Error> {
        if self.hashing.is_cheap() {
            return Ok(self.hashing.verify(&password, &secret));
        }
        let errand = Errand::Verify(password, secret);
        match self.outcomes.of(&errand) {
            Some(Outcome::Verified(verdict)) => Ok(*verdict),
            Some(Outcome::Hashed(_) | Outcome::Replied(_) | Outcome::ProviderKeys(_) | Outcome::Inquired(_)) | None => {
                Err(Error::Errands(vec![errand]))
            }
        }
    }
}

/// Runs an errand that needs the processor alone.
///
/// # Errors
/// The password cannot be hashed.
pub fn run(errand: &Errand, hashing: Hashing, entropy: &dyn Entropy) -> Result<Outcome, Error> {
    Ok(match errand {
        Errand::Hash(password) => Outcome::Hashed(hashing.hash(password, entropy)?),
        Errand::Verify(password, secret) => Outcome::Verified(hashing.verify(password, secret)),
        // These need a network.
        Errand::Ask(_) => Outcome::Replied(Reply::Failed),
        Errand::ProviderKeys(_) => Outcome::ProviderKeys(None),
        Errand::Inquire(_) => Outcome::Inquired(Inquired::Silent),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Counting;

    #[test]
    fn what_takes_long_is_asked_for_once() {
        let entropy = Counting::default();
        let mut outcomes = Outcomes::default();
        let ask = |outcomes: &Outcomes| {
            let passwords = Passwords { hashing: Hashing::Argon2id, outcomes };
            let secret = passwords.hash(Password::tried("secret"), &entropy)?;
            passwords.verify(Password::tried("secret"), secret)
        };
        for _ in 0..2 {
            let Err(Error::Errands(errands)) = ask(&outcomes) else { panic!("an errand is wanted") };
            for errand in errands {
                let outcome = run(&errand, Hashing::Argon2id, &entropy).unwrap();
                outcomes.add(errand, outcome);
            }
        }
        assert_eq!(ask(&outcomes), Ok(Verdict::Right));
    }

    #[test]
    fn what_is_cheap_is_done_at_once() {
        let passwords = Passwords { hashing: Hashing::Fake, outcomes: &Outcomes::default() };
        let secret = passwords.hash(Password::tried("secret"), &Counting::default()).unwrap();
        assert!(secret.hash.starts_with("fakeHash:salt=fakeSalt") && secret.hash.ends_with(":password=secret"));
        assert_eq!(passwords.verify(Password::tried("secret"), secret), Ok(Verdict::Right));
    }
}
