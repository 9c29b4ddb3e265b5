//! The public key of a passkey: a COSE key (RFC 9052, section 7; RFC 9053), and what it verifies. Must not know: what is
//! signed.
//!
//! A key names the one algorithm it is for, and has to be of that algorithm's form; so nothing else is ever verified by
//! it.

use super::cbor::{self, Map};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};

/// The algorithms that are asked for, the one that is liked best first (IANA's numbers of COSE algorithms).
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

/// ECDSA on P-256 with SHA-256.
const ES256: i64 = -7;
/// EdDSA, here with Ed25519.
const EDDSA: i64 = -8;
/// RSASSA-PKCS1-v1_5 with SHA-256.
const RS256: i64 = -257;

/// Bytes of a coordinate of P-256, and of a key of Ed25519.
const COORDINATE: usize = 32;
/// A point follows in full (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;
/// Bytes of an RSA modulus.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// The most bytes of an RSA exponent.
const EXPONENT: usize = 8;

/// A key that verifies signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// A point of P-256.
    Es256(Vec<u8>),
    /// A key of Ed25519.
    EdDsa(Vec<u8>),
    /// Modulus and exponent.
    Rs256(Vec<u8>, Vec<u8>),
}

impl PublicKey {
    /// `None` unless it is a key for one of [`ALGORITHMS`], and of its form.
    pub(super) fn read(cose: &[u8]) -> Option<Self> {
        let map = cbor::whole(cose)?.map()?;
        let algorithm = map.number(3)?;
        if algorithm.is(ES256) && has(&map, 1, 2) && has(&map, -1, 1) {
            let [x, y] = [coordinate(&map, -2)?, coordinate(&map, -3)?];
            let point = [&[UNCOMPRESSED], x, y].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &point).ok()?;
            Some(Self::Es256(point))
        } else if algorithm.is(EDDSA) && has(&map, 1, 1) && has(&map, -1, 6) {
            let key = coordinate(&map, -2)?.to_vec();
            ParsedPublicKey::new(&ED25519, &key).ok()?;
            Some(Self::EdDsa(key))
        } else if algorithm.is(RS256) && has(&map, 1, 3) {
            let [n, e] = [map.number(-1)?.bytes()?, map.number(-2)?.bytes()?];
            let fits = MODULUS.contains(&n.len()) && (1..=EXPONENT).contains(&e.len());
            fits.then(|| Self::Rs256(n.to_vec(), e.to_vec()))
        } else {
            None
        }
    }

    /// Whether the signature is its own.
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature),
            Self::EdDsa(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
            Self::Rs256(n, e) => PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature),
        };
        verified.is_ok()
    }
}

fn has(map: &Map<'_>, key: i64, number: i64) -> bool {
    map.number(key).is_some_and(|value| value.is(number))
}

fn coordinate<'b>(map: &Map<'b>, key: i64) -> Option<&'b [u8]> {
    map.number(key)?.bytes().filter(|bytes| bytes.len() == COORDINATE)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bytes, map, number};
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    /// A COSE key of these numbers and bytes.
    fn cose(fields: &[(i64, Vec<u8>)]) -> Vec<u8> {
        map(&fields.iter().map(|(key, value)| (number(*key), value.clone())).collect::<Vec<_>>())
    }

    #[test]
    fn a_key_is_of_the_form_of_its_algorithm() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(COORDINATE);
        let ec = |kty: i64, alg: i64, crv: i64, x: &[u8], y: &[u8]| {
            cose(&[(1, number(kty)), (3, number(alg)), (-1, number(crv)), (-2, bytes(x)), (-3, bytes(y))])
        };
        let rsa = |kty: i64, alg: i64, n: usize, e: &[u8]| {
            cose(&[(1, number(kty)), (3, number(alg)), (-1, bytes(&vec![0xff; n])), (-2, bytes(e))])
        };
        let ed = Ed25519KeyPair::generate().unwrap();
        let ed = |kty: i64, alg: i64, crv: i64| {
            let key = bytes(ed.public_key().as_ref());
            cose(&[(1, number(kty)), (3, number(alg)), (-1, number(crv)), (-2, key)])
        };
        let mut trailing = ec(2, ES256, 1, x, y);
        trailing.push(0);
        for (name, key, expected) in [
            ("ES256", ec(2, ES256, 1, x, y), true),
            ("EdDSA", ed(1, EDDSA, 6), true),
            ("RS256", rsa(3, RS256, 256, &[1, 0, 1]), true),
            ("no algorithm", cose(&[(1, number(2)), (-1, number(1)), (-2, bytes(x)), (-3, bytes(y))]), false),
            ("algorithm 0", ec(2, 0, 1, x, y), false),
            ("ES384", ec(2, -35, 2, x, y), false),
            ("RS1", rsa(3, -65535, 256, &[1, 0, 1]), false),
            ("HS256", cose(&[(1, number(4)), (3, number(5)), (-1, bytes(x))]), false),
            ("a point that is an RSA key", ec(2, RS256, 1, x, y), false),
            ("an RSA key that is a point", rsa(3, ES256, 256, &[1, 0, 1]), false),
            ("another type", ec(3, ES256, 1, x, y), false),
            ("another curve", ec(2, ES256, 2, x, y), false),
            ("not on the curve", ec(2, ES256, 1, x, x), false),
            ("no point at all", ec(2, ES256, 1, &[0; 32], &[0; 32]), false),
            ("half a point", ec(2, ES256, 1, &x[1..], y), false),
            ("Ed25519 of another type", ed(2, EDDSA, 6), false),
            ("X25519", ed(1, EDDSA, 4), false),
            ("RSA of 1024 bits", rsa(3, RS256, 128, &[1, 0, 1]), false),
            ("RSA of 16384 bits", rsa(3, RS256, 2048, &[1, 0, 1]), false),
            ("RSA with a long exponent", rsa(3, RS256, 256, &[1; 9]), false),
            ("RSA without an exponent", rsa(3, RS256, 256, &[]), false),
            ("something after it", trailing, false),
            ("a list", vec![0x80], false),
            ("nothing", vec![], false),
        ] {
            assert_eq!(PublicKey::read(&key).is_some(), expected, "{name}");
        }
        let key = PublicKey::read(&ec(2, ES256, 1, x, y)).unwrap();
        let signature = pair.sign(&SystemRandom::new(), b"text").unwrap();
        assert!(key.verifies(b"text", signature.as_ref()) && !key.verifies(b"other", signature.as_ref()));
    }
}
