//! Passwords that another system has hashed: Firebase's own scrypt, and what `accounts:batchCreate` and
//! `firebase auth:import` take besides. They verify; the next sign-in hashes them anew.
//!
//! The parameters are those of the Identity Toolkit's upload request; where it leaves the order of salt and password
//! open, a plain hash has the salt first and an HMAC the password, as the Admin SDKs' own tests do. Must not know:
//! accounts.

use super::{Password, Secret, Verdict};
use crate::errors::Error;
use aes::Aes256;
use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use pbkdf2::pbkdf2_hmac;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// How a kept secret begins that is one of these.
pub(super) const MARK: &str = "$imported$";
/// Firebase's scrypt makes a key of so many bytes, of which the first half is used.
const SCRYPT_KEY: usize = 64;
/// The most memory that a hash may take, in bytes.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;
/// The most rounds of a plain hash, as Firebase has it.
const MOST_HASH_ROUNDS: u32 = 8192;
/// The most rounds of PBKDF2, as Firebase has it.
const MOST_PBKDF_ROUNDS: u32 = 120_000;
/// The longest derived key, in bytes.
const LONGEST_KEY: usize = 1024;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const READS_STANDARD: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
const READS_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);

/// The parameters of an upload. Bytes are base64, in either alphabet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parameters {
    /// Which way.
    pub hash_algorithm: Option<String>,
    /// The key of an HMAC, and what Firebase's scrypt encrypts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer_key: Option<String>,
    /// What comes between salt and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt_separator: Option<String>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number")]
    pub rounds: Option<u32>,
    /// Firebase's scrypt: the binary logarithm of its cost.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number")]
    pub memory_cost: Option<u32>,
    /// Plain scrypt: its cost.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number")]
    pub cpu_mem_cost: Option<u32>,
    /// Plain scrypt: its parallelism.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number")]
    pub parallelization: Option<u32>,
    /// Plain scrypt: the size of its blocks.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number")]
    pub block_size: Option<u32>,
    /// Plain scrypt: bytes of the hash.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number")]
    pub dk_len: Option<u32>,
    /// Whether salt or password come first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash_order: Option<PasswordHashOrder>,
    /// Of Argon2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argon2_parameters: Option<Argon2Parameters>,
}

/// Whether salt or password come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PasswordHashOrder {
    /// As the algorithm has it.
    UnspecifiedOrder,
    /// The salt.
    SaltAndPassword,
    /// The password.
    PasswordAndSalt,
}

/// The parameters of Argon2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Argon2Parameters {
    /// `ARGON2_D`, `ARGON2_I` or `ARGON2_ID`.
    pub hash_type: Option<String>,
    /// Bytes of the hash.
    pub hash_length_bytes: Option<u32>,
    /// Lanes.
    pub parallelism: Option<u32>,
    /// Passes.
    pub iterations: Option<u32>,
    /// KiB of memory.
    pub memory_cost_kib: Option<u32>,
    /// `VERSION_10` or `VERSION_13`.
    pub version: Option<String>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub associated_data: Option<String>,
}

/// Why passwords cannot be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not said how they were hashed.
    #[error("MISSING_HASH_ALGORITHM")]
    NoAlgorithm,
    /// In a way that is not known.
    #[error("INVALID_HASH_ALGORITHM")]
    Algorithm,
    /// There is no key, or it is no base64.
    #[error("INVALID_HASH_KEY")]
    Key,
    /// It is no base64.
    #[error("INVALID_HASH_SALT_SEPARATOR")]
    SaltSeparator,
    /// Too few or too many.
    #[error("INVALID_HASH_ROUNDS")]
    Rounds,
    /// Too little or too much.
    #[error("INVALID_HASH_MEMORY_COST")]
    MemoryCost,
    /// Too little or too much.
    #[error("INVALID_HASH_PARALLELIZATION")]
    Parallelization,
    /// Too small or too large.
    #[error("INVALID_HASH_BLOCK_SIZE")]
    BlockSize,
    /// Too short or too long.
    #[error("INVALID_HASH_DERIVED_KEY_LENGTH")]
    DerivedKeyLength,
}

/// A way to hash, with its parameters checked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Scrypt { key: Vec<u8>, separator: Vec<u8>, rounds: u32, memory_cost: u8 },
    StandardScrypt { log_n: u8, block_size: u32, parallelization: u32, length: usize },
    Hmac(Function, Vec<u8>),
    Hash(Function, u32),
    Pbkdf2(Function, u32),
    Bcrypt,
    Argon2 { algorithm: Algorithm, version: Version, params: argon2::Params },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// A number, or the text of one.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wire {
        Number(u32),
        Text(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Wire::Number(number)) => Ok(Some(number)),
        Some(Wire::Text(text)) => text.parse().map(Some).map_err(|_| D::Error::custom("must be a number")),
    }
}

/// Bytes in either alphabet of base64.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    READS_URL_SAFE.decode(text).or_else(|_| READS_STANDARD.decode(text)).ok()
}

impl Parameters {
    /// Whether it is said how passwords were hashed.
    pub fn are_given(&self) -> bool {
        self.hash_algorithm.as_ref().is_some_and(|name| !name.is_empty())
    }

    /// Checks everything that doesn't depend on a password.
    ///
    /// # Errors
    /// The first parameter that cannot be used.
    pub fn check(&self) -> Result<(), Unusable> {
        self.way().map(|_| ())
    }

    /// What is kept of a hash and its salt, both base64.
    pub fn secret(&self, hash: &str, salt: Option<&str>) -> Secret {
        let kept = Kept { parameters: self.clone(), salt: salt.unwrap_or_default().to_owned(), hash: hash.to_owned() };
        // Our own structure always becomes JSON.
        let json = serde_json::to_vec(&kept).unwrap_or_default();
        Secret { hash: format!("{MARK}{}", READS_URL_SAFE.encode(json)), salt: None }
    }

    fn way(&self) -> Result<Way, Unusable> {
        let key = || self.signer_key.as_deref().and_then(bytes).filter(|key| !key.is_empty()).ok_or(Unusable::Key);
        let hmac = |function| Ok(Way::Hmac(function, key()?));
        let hash = |function| match self.rounds.unwrap_or(0) {
            rounds @ 0..=MOST_HASH_ROUNDS => Ok(Way::Hash(function, rounds.max(1))),
            _ => Err(Unusable::Rounds),
        };
        let pbkdf2 = |function| match self.rounds.unwrap_or(0) {
            rounds @ 1..=MOST_PBKDF_ROUNDS => Ok(Way::Pbkdf2(function, rounds)),
            _ => Err(Unusable::Rounds),
        };
        match self.hash_algorithm.as_deref().filter(|name| !name.is_empty()).ok_or(Unusable::NoAlgorithm)? {
            "SCRYPT" => self.scrypt(key()?),
            "STANDARD_SCRYPT" => self.standard_scrypt(),
            "HMAC_SHA512" => hmac(Function::Sha512),
            "HMAC_SHA256" => hmac(Function::Sha256),
            "HMAC_SHA1" => hmac(Function::Sha1),
            "HMAC_MD5" => hmac(Function::Md5),
            "SHA512" => hash(Function::Sha512),
            "SHA256" => hash(Function::Sha256),
            "SHA1" => hash(Function::Sha1),
            "MD5" => hash(Function::Md5),
            "PBKDF_SHA1" => pbkdf2(Function::Sha1),
            "PBKDF2_SHA256" => pbkdf2(Function::Sha256),
            "BCRYPT" => Ok(Way::Bcrypt),
            "ARGON2" => self.argon2(),
            _ => Err(Unusable::Algorithm),
        }
    }

    fn scrypt(&self, key: Vec<u8>) -> Result<Way, Unusable> {
        let rounds = self.rounds.filter(|rounds| (1..=8).contains(rounds)).ok_or(Unusable::Rounds)?;
        let memory_cost = self.memory_cost.filter(|cost| (1..=14).contains(cost)).ok_or(Unusable::MemoryCost)?;
        let memory_cost = u8::try_from(memory_cost).map_err(|_| Unusable::MemoryCost)?;
        let separator = self.salt_separator.as_deref().unwrap_or_default();
        let separator = bytes(separator).ok_or(Unusable::SaltSeparator)?;
        Ok(Way::Scrypt { key, separator, rounds, memory_cost })
    }

    fn standard_scrypt(&self) -> Result<Way, Unusable> {
        // The Admin SDKs and the CLI name the cost differently.
        let cost = self.cpu_mem_cost.or(self.memory_cost).filter(|cost| cost.is_power_of_two() && *cost > 1);
        let cost = cost.ok_or(Unusable::MemoryCost)?;
        let block_size = self.block_size.filter(|size| (1..=256).contains(size)).ok_or(Unusable::BlockSize)?;
        let parallelization =
            self.parallelization.filter(|lanes| (1..=64).contains(lanes)).ok_or(Unusable::Parallelization)?;
        let length = self.dk_len.and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| (1..=LONGEST_KEY).contains(length)).ok_or(Unusable::DerivedKeyLength)?;
        if 128 * u64::from(block_size) * u64::from(cost) > MOST_MEMORY {
            return Err(Unusable::MemoryCost);
        }
        let log_n = u8::try_from(cost.trailing_zeros()).map_err(|_| Unusable::MemoryCost)?;
        Ok(Way::StandardScrypt { log_n, block_size, parallelization, length })
    }

    fn argon2(&self) -> Result<Way, Unusable> {
        let given = self.argon2_parameters.as_ref().ok_or(Unusable::Algorithm)?;
        let algorithm = match given.hash_type.as_deref() {
            Some("ARGON2_D") => Algorithm::Argon2d,
            Some("ARGON2_I") => Algorithm::Argon2i,
            Some("ARGON2_ID") => Algorithm::Argon2id,
            _ => return Err(Unusable::Algorithm),
        };
        let version = match given.version.as_deref() {
            Some("VERSION_10") => Version::V0x10,
            None | Some("VERSION_13" | "VERSION_UNSPECIFIED") => Version::V0x13,
            Some(_) => return Err(Unusable::Algorithm),
        };
        let memory = given.memory_cost_kib.filter(|kib| u64::from(*kib) * 1024 <= MOST_MEMORY);
        let mut builder = ParamsBuilder::new();
        builder
            .m_cost(memory.ok_or(Unusable::MemoryCost)?)
            .t_cost(given.iterations.filter(|passes| (1..=16).contains(passes)).ok_or(Unusable::Rounds)?)
            .p_cost(given.parallelism.filter(|lanes| (1..=16).contains(lanes)).ok_or(Unusable::Parallelization)?);
        let length = given.hash_length_bytes.and_then(|length| usize::try_from(length).ok());
        builder.output_len(length.filter(|length| *length <= LONGEST_KEY).ok_or(Unusable::DerivedKeyLength)?);
        if let Some(data) = given.associated_data.as_deref().filter(|data| !data.is_empty()) {
            let data = bytes(data).ok_or(Unusable::Key)?;
            builder.data(AssociatedData::new(&data).map_err(|_| Unusable::Key)?);
        }
        Ok(Way::Argon2 { algorithm, version, params: builder.build().map_err(|_| Unusable::MemoryCost)? })
    }

    /// Salt and password in their order, for functions that take them as one text.
    fn joined(&self, password: &[u8], salt: &[u8], salt_first: bool) -> Vec<u8> {
        let separator = self.salt_separator.as_deref().and_then(bytes).unwrap_or_default();
        let salt_first = match self.password_hash_order {
            None | Some(PasswordHashOrder::UnspecifiedOrder) => salt_first,
            Some(PasswordHashOrder::SaltAndPassword) => true,
            Some(PasswordHashOrder::PasswordAndSalt) => false,
        };
        if salt_first { [salt, &separator, password].concat() } else { [password, &separator, salt].concat() }
    }
}

/// What is kept of an imported password.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    parameters: Parameters,
    salt: String,
    hash: String,
}

/// Whether the secret is one of these.
pub(super) fn is_imported(secret: &Secret) -> bool {
    secret.hash.starts_with(MARK)
}

/// Whether the password is the one that was hashed. It is always kept in a way that new ones are not.
pub(super) fn verify(password: &Password, secret: &Secret) -> Result<Verdict, Error> {
    let damaged = || Error::Hashing("a password that was imported is damaged".to_owned());
    let kept = secret.hash.strip_prefix(MARK).and_then(|kept| READS_URL_SAFE.decode(kept).ok());
    let kept: Kept = kept.and_then(|kept| serde_json::from_slice(&kept).ok()).ok_or_else(damaged)?;
    let way = kept.parameters.way().map_err(|unusable| Error::Hashing(unusable.to_string()))?;
    let (hash, salt) = bytes(&kept.hash).zip(bytes(&kept.salt)).ok_or_else(damaged)?;
    let matches = way.matches(&kept.parameters, password.text().as_bytes(), &salt, &hash);
    Ok(if matches { Verdict::Outdated } else { Verdict::Wrong })
}

impl Way {
    fn matches(&self, parameters: &Parameters, password: &[u8], salt: &[u8], hash: &[u8]) -> bool {
        if hash.is_empty() || hash.len() > LONGEST_KEY {
            return false;
        }
        match self {
            Self::Scrypt { key, separator, rounds, memory_cost } => {
                firebase_scrypt(password, &[salt, separator].concat(), key, *rounds, *memory_cost)
                    .is_some_and(|made| same(&made, hash))
            }
            Self::StandardScrypt { log_n, block_size, parallelization, length } => {
                let mut made = vec![0; *length];
                scrypt::Params::new(*log_n, *block_size, *parallelization)
                    .is_ok_and(|params| scrypt::scrypt(password, salt, &params, &mut made).is_ok() && same(&made, hash))
            }
            Self::Hmac(function, key) => {
                same_or_hex(&function.hmac(key, &parameters.joined(password, salt, false)), hash)
            }
            Self::Hash(function, rounds) => {
                let first = function.hash(&parameters.joined(password, salt, true));
                same_or_hex(&(1..*rounds).fold(first, |made, _| function.hash(&made)), hash)
            }
            Self::Pbkdf2(function, rounds) => {
                let mut made = vec![0; hash.len()];
                match function {
                    Function::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, *rounds, &mut made),
                    Function::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut made),
                    Function::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, *rounds, &mut made),
                    Function::Md5 => pbkdf2_hmac::<Md5>(password, salt, *rounds, &mut made),
                }
                same(&made, hash)
            }
            Self::Bcrypt => {
                let text = std::str::from_utf8(hash).unwrap_or_default();
                bcrypt::verify(password, text).unwrap_or(false)
            }
            Self::Argon2 { algorithm, version, params } => {
                let mut made = vec![0; params.output_len().unwrap_or(hash.len())];
                let hasher = Argon2::new(*algorithm, *version, params.clone());
                hasher.hash_password_into(password, salt, &mut made).is_ok() && same(&made, hash)
            }
        }
    }
}

/// Firebase's way: the key that scrypt derives encrypts the project's signer key (AES-256 in counter mode).
fn firebase_scrypt(password: &[u8], salt: &[u8], signer_key: &[u8], rounds: u32, memory_cost: u8) -> Option<Vec<u8>> {
    let mut derived = [0; SCRYPT_KEY];
    let params = scrypt::Params::new(memory_cost, rounds, 1).ok()?;
    scrypt::scrypt(password, salt, &params, &mut derived).ok()?;
    let mut cipher = Ctr128BE::<Aes256>::new_from_slices(derived.get(..32)?, &[0; 16]).ok()?;
    let mut hash = signer_key.to_vec();
    cipher.apply_keystream(&mut hash);
    Some(hash)
}

impl Function {
    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::digest(bytes).to_vec(),
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        fn of<M: Mac + KeyInit>(key: &[u8], bytes: &[u8]) -> Vec<u8> {
            // Any length will do for a key.
            <M as KeyInit>::new_from_slice(key)
                .map(|mac| mac.chain_update(bytes).finalize().into_bytes().to_vec())
                .unwrap_or_default()
        }
        match self {
            Self::Md5 => of::<Hmac<Md5>>(key, bytes),
            Self::Sha1 => of::<Hmac<Sha1>>(key, bytes),
            Self::Sha256 => of::<Hmac<Sha256>>(key, bytes),
            Self::Sha512 => of::<Hmac<Sha512>>(key, bytes),
        }
    }
}

/// In a time that depends on the lengths only.
fn same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Some systems keep a hash as the text of its hexadecimal digits.
fn same_or_hex(made: &[u8], kept: &[u8]) -> bool {
    let hex = || made.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    same(made, kept) || same(hex().as_bytes(), &kept.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const PASSWORD: &str = "correct horse";

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    fn check(given: Value, password: &str, salt: &str, hash: &str) {
        let given = parameters(given);
        given.check().unwrap();
        let secret = given.secret(hash, Some(salt));
        assert!(is_imported(&secret));
        assert_eq!(verify(&Password::tried(password), &secret), Ok(Verdict::Outdated), "{given:?}");
        for other in ["", "Correct horse", "correct horse "] {
            assert_eq!(verify(&Password::tried(other), &secret), Ok(Verdict::Wrong), "{given:?} {other}");
        }
    }

    fn base64(bytes: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    #[test]
    fn firebases_scrypt_is_verified() {
        // The example of Firebase's own description of its scrypt.
        check(
            json!({
                "hashAlgorithm": "SCRYPT", "saltSeparator": "Bw==", "rounds": 8, "memoryCost": 14,
                "signerKey": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
            }),
            "user1password",
            "42xEC+ixf3L2lw==",
            "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        );
    }

    #[test]
    fn functions_agree_with_their_specifications() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // RFC 2202 and RFC 4231, test case 2.
        let hmac = |function: Function| hex(&function.hmac(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(hmac(Function::Md5), "750c783e6ab0b503eaa86e310a5db738");
        assert_eq!(hmac(Function::Sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(hmac(Function::Sha256), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        // RFC 1321 and FIPS 180-4.
        assert_eq!(hex(&Function::Md5.hash(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex(&Function::Sha1.hash(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        // RFC 6070: PBKDF2 with SHA-1, 4096 rounds.
        check(
            json!({"hashAlgorithm": "PBKDF_SHA1", "rounds": 4096}),
            "password",
            &base64(b"salt"),
            "SwB5AbdlSJq+rUnZJvch0GWkKcE=",
        );
        // RFC 7914, section 11: PBKDF2 with SHA-256, and section 12: scrypt.
        check(
            json!({"hashAlgorithm": "PBKDF2_SHA256", "rounds": 1}),
            "passwd",
            &base64(b"salt"),
            "VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd+8xfHG4RbHjC9UJESBB06GXgw==",
        );
        check(
            json!({
                "hashAlgorithm": "STANDARD_SCRYPT", "cpuMemCost": 1024, "blockSize": 8, "parallelization": 16,
                "dkLen": 64,
            }),
            "password",
            &base64(b"NaCl"),
            "/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA==",
        );
    }

    #[test]
    fn salt_and_password_have_an_order() {
        let salt = base64(b"NaCl");
        let sha256 = |text: &str| base64(&Function::Sha256.hash(text.as_bytes()));
        let hmac = |text: &str| base64(&Function::Sha256.hmac(b"secret", text.as_bytes()));
        let key = base64(b"secret");
        for (given, hash) in [
            (json!({"hashAlgorithm": "SHA256", "rounds": 1}), sha256("NaClcorrect horse")),
            (json!({"hashAlgorithm": "SHA256", "passwordHashOrder": "PASSWORD_AND_SALT"}), sha256("correct horseNaCl")),
            (
                json!({"hashAlgorithm": "SHA256", "saltSeparator": base64(b":"), "rounds": 2}),
                base64(&Function::Sha256.hash(&Function::Sha256.hash(b"NaCl:correct horse"))),
            ),
            (json!({"hashAlgorithm": "HMAC_SHA256", "signerKey": key}), hmac("correct horseNaCl")),
            (
                json!({"hashAlgorithm": "HMAC_SHA256", "signerKey": key, "passwordHashOrder": "SALT_AND_PASSWORD"}),
                hmac("NaClcorrect horse"),
            ),
        ] {
            check(given, PASSWORD, &salt, &hash);
        }
        // The Admin SDKs' tests keep an MD5 hash as its hexadecimal digits.
        let md5: String = Function::Md5.hash(b"NaClcorrect horse").iter().map(|byte| format!("{byte:02X}")).collect();
        check(json!({"hashAlgorithm": "MD5", "rounds": 0}), PASSWORD, &salt, &base64(md5.as_bytes()));
    }

    #[test]
    fn bcrypt_and_argon2_are_verified() {
        let hash = bcrypt::hash_with_salt(PASSWORD, 4, [7; 16]).unwrap().to_string();
        for hash in [hash.replacen("$2y$", "$2a$", 1), hash.replacen("$2y$", "$2b$", 1), hash.clone()] {
            check(json!({"hashAlgorithm": "BCRYPT"}), PASSWORD, "", &base64(hash.as_bytes()));
        }
        let mut made = [0; 32];
        let params = argon2::Params::new(64, 2, 1, Some(32)).unwrap();
        let hasher = Argon2::new(Algorithm::Argon2i, Version::V0x10, params);
        hasher.hash_password_into(PASSWORD.as_bytes(), b"NaClNaCl", &mut made).unwrap();
        check(
            json!({"hashAlgorithm": "ARGON2", "argon2Parameters": {
                "hashType": "ARGON2_I", "version": "VERSION_10", "hashLengthBytes": 32, "parallelism": 1,
                "iterations": 2, "memoryCostKib": 64,
            }}),
            PASSWORD,
            &base64(b"NaClNaCl"),
            &base64(&made),
        );
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let scrypt = |rounds: u32, memory: u32| {
            json!({
                "hashAlgorithm": "SCRYPT", "signerKey": "AAAA", "rounds": rounds, "memoryCost": memory,
            })
        };
        let standard = |cost: u32, block: u32, lanes: u32, length: u32| {
            json!({
                "hashAlgorithm": "STANDARD_SCRYPT", "memoryCost": cost, "blockSize": block, "parallelization": lanes,
                "dkLen": length,
            })
        };
        for (given, expected) in [
            (json!({}), Unusable::NoAlgorithm),
            (json!({"hashAlgorithm": "ROT13"}), Unusable::Algorithm),
            (json!({"hashAlgorithm": "HMAC_SHA1"}), Unusable::Key),
            (json!({"hashAlgorithm": "HMAC_SHA1", "signerKey": "*"}), Unusable::Key),
            (json!({"hashAlgorithm": "SHA1", "rounds": 8193}), Unusable::Rounds),
            (json!({"hashAlgorithm": "PBKDF_SHA1"}), Unusable::Rounds),
            (json!({"hashAlgorithm": "PBKDF2_SHA256", "rounds": 120_001}), Unusable::Rounds),
            (scrypt(0, 14), Unusable::Rounds),
            (scrypt(9, 14), Unusable::Rounds),
            (scrypt(8, 0), Unusable::MemoryCost),
            (scrypt(8, 15), Unusable::MemoryCost),
            (standard(1000, 8, 1, 64), Unusable::MemoryCost),
            (standard(1 << 20, 256, 1, 64), Unusable::MemoryCost),
            (standard(1024, 0, 1, 64), Unusable::BlockSize),
            (standard(1024, 8, 0, 64), Unusable::Parallelization),
            (standard(1024, 8, 1, 0), Unusable::DerivedKeyLength),
            (json!({"hashAlgorithm": "ARGON2"}), Unusable::Algorithm),
        ] {
            assert_eq!(parameters(given.clone()).check(), Err(expected), "{given}");
        }
    }
}
