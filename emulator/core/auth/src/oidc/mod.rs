//! OpenID Connect as one who relies on it: who an issuer is, which keys it has, and what its ID tokens say.
//!
//! Sources: OpenID Connect Core 1.0 (sections 2, 3.1.3.7), OpenID Connect Discovery 1.0 (sections 3, 4), RFC 7517, RFC
//! 7518, RFC 8725. Must not know: accounts, nor how something is fetched.

mod endpoints;
mod issuer;
mod keys;
mod known;
mod token;

pub use endpoints::Endpoints;
pub use issuer::Issuer;
pub use keys::{ProviderKeys, UnusableKeys};
pub use known::{KnownKeys, Step, max_age};
pub(crate) use token::{Disbelieved, Expected, Nonce, ProviderToken, is_hash_of};
