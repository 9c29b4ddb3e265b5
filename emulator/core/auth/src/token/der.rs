//! As much of DER (X.690) as a public key and its certificate need. Must not know: what the values mean.

/// A tag, the length, the content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = length.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
    match (significant.as_slice(), u8::try_from(significant.len())) {
        ([], _) => element.push(0),
        ([short], _) if *short < 0x80 => element.push(*short),
        (long, count) => {
            element.push(0x80 | count.unwrap_or(0));
            element.extend(long);
        }
    }
    element.extend(content);
    element
}

/// An element whose content is other elements.
pub(super) fn elements(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// A sequence.
pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    elements(0x30, parts)
}

/// A number that is not negative, from its bytes, the most significant first.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = bytes.iter().skip_while(|byte| **byte == 0).copied().collect();
    // The first bit is the sign.
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    element(0x02, &content)
}

/// Bits, all of them used.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], bytes].concat())
}

/// The element at the beginning, if it has this tag: its content, and what comes after it.
pub(super) fn take(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..0x80 => (usize::from(*short), rest),
        long => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = length.iter().try_fold(0_usize, |sum, byte| Some(sum.checked_mul(256)? | usize::from(*byte)));
            (length?, rest)
        }
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

/// The two numbers of an RSA public key (PKCS#1): modulus and exponent, without leading zeros.
pub(super) fn rsa_public_key(pkcs1: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, _) = take(0x30, pkcs1)?;
    let (modulus, rest) = take(0x02, key)?;
    let (exponent, _) = take(0x02, rest)?;
    Some((modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent.strip_prefix(&[0]).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_shortest_form() {
        for (length, expected) in
            [(0, vec![4, 0]), (127, vec![4, 127]), (128, vec![4, 0x81, 128]), (256, vec![4, 0x82, 1, 0])]
        {
            let element = element(4, &vec![7; length]);
            assert_eq!(element[..element.len() - length], expected, "{length}");
            assert_eq!(take(4, &element).map(|(content, rest)| (content.len(), rest.len())), Some((length, 0)));
            assert_eq!((take(5, &element), take(4, &element[..element.len() - 1])), (None, None), "{length}");
        }
    }

    #[test]
    fn numbers_are_not_negative() {
        for (bytes, expected) in
            [(&[][..], &[2, 1, 0][..]), (&[0, 0, 5], &[2, 1, 5]), (&[0x80], &[2, 2, 0, 0x80]), (&[0x7f], &[2, 1, 0x7f])]
        {
            assert_eq!(unsigned(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_public_key_is_two_numbers() {
        let key = sequence(&[unsigned(&[0xff, 1]), unsigned(&[1, 0, 1])]);
        assert_eq!(rsa_public_key(&key), Some((&[0xff, 1][..], &[1, 0, 1][..])));
        for wrong in [&key[1..], &key[..5], &[], &[0x30, 0xff, 1], &[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1]] {
            assert_eq!(rsa_public_key(wrong), None, "{wrong:?}");
        }
    }
}
