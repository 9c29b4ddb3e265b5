//! The MD5 digests by which clients check that messages arrived whole.

use super::super::signature::hex;
use crate::queues::{AttributeValue, MessageAttribute};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use std::collections::BTreeMap;

/// That of a text.
pub(super) fn of_body(body: &str) -> String {
    hex(&Md5::digest(body))
}

/// That of attributes, if there are any: by name, each with its type, and value, and their lengths
/// (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html).
pub(super) fn of_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    let part = |bytes: &[u8]| {
        // Messages are far shorter.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes(), bytes].concat()
    };
    for (name, MessageAttribute { data_type, value }) in attributes {
        digest.update(part(name.as_bytes()));
        digest.update(part(data_type.as_bytes()));
        match value {
            AttributeValue::Text(text) => {
                digest.update([1]);
                digest.update(part(text.as_bytes()));
            }
            AttributeValue::Binary(base64) => {
                digest.update([2]);
                digest.update(part(&STANDARD.decode(base64).unwrap_or_default()));
            }
        }
    }
    Some(hex(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(of_body(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(of_body("This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        assert_eq!(of_attributes(&BTreeMap::new()), None);
    }
}
