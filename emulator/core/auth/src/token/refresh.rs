//! What a refresh token stands for. An emulator's token says it itself, in base64; a server's token is an opaque key to
//! it. Must not know: ID tokens.

use crate::store::Scope;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the official emulator writes into its own refresh tokens.
const MARK: &str = "DO NOT MODIFY";

/// Encodes with padding, decodes with or without, as Node does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Whose tokens it renews, and what goes into them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefreshToken {
    /// The account's project and tenant.
    pub scope: Scope,
    /// The account's id.
    pub local_id: String,
    /// How the user signed in.
    pub provider: String,
    /// The claims of the session.
    pub extra_claims: Map<String, Value>,
    /// The second factor that was shown.
    pub second_factor: Option<SecondFactor>,
}

/// A second factor that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// The factor's id in its account.
    pub identifier: String,
    /// Its kind: `phone`, `totp`.
    pub provider: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "_AuthEmulatorRefreshToken")]
    mark: String,
    local_id: String,
    provider: String,
    #[serde(default)]
    extra_claims: Map<String, Value>,
    project_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    second_factor: Option<SecondFactor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
}

impl RefreshToken {
    /// The emulator's form.
    pub fn encode(&self) -> String {
        let Self { scope, local_id, provider, extra_claims, second_factor } = self.clone();
        let Scope { project: project_id, tenant: tenant_id } = scope;
        let wire =
            Wire { mark: MARK.to_owned(), local_id, provider, extra_claims, project_id, second_factor, tenant_id };
        // Text and maps with text keys cannot fail to become JSON.
        BASE64.encode(serde_json::to_vec(&wire).unwrap_or_default())
    }

    /// Reads the emulator's form.
    pub fn decode(text: &str) -> Option<Self> {
        let standard: String = text
            .chars()
            .map(|c| {
                if c == '-' {
                    '+'
                } else if c == '_' {
                    '/'
                } else {
                    c
                }
            })
            .collect();
        let wire: Wire = serde_json::from_slice(&BASE64.decode(standard).ok()?).ok()?;
        let Wire { mark, local_id, provider, extra_claims, project_id, second_factor, tenant_id } = wire;
        let scope = Scope { project: project_id, tenant: tenant_id.filter(|tenant| !tenant.is_empty()) };
        (!mark.is_empty()).then_some(Self { scope, local_id, provider, extra_claims, second_factor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(tenant: Option<&str>) -> RefreshToken {
        RefreshToken {
            scope: Scope { project: "demo".to_owned(), tenant: tenant.map(str::to_owned) },
            local_id: "u".to_owned(),
            provider: "anonymous".to_owned(),
            extra_claims: json!({"a": "ÿ?>"}).as_object().cloned().unwrap_or_default(),
            second_factor: None,
        }
    }

    #[test]
    fn the_emulators_form_is_fixed_to_the_byte() {
        for (tenant, json) in [
            (
                None,
                r#"{"_AuthEmulatorRefreshToken":"DO NOT MODIFY","localId":"u","provider":"anonymous","extraClaims":{"a":"ÿ?>"},"projectId":"demo"}"#,
            ),
            (
                Some("t"),
                r#"{"_AuthEmulatorRefreshToken":"DO NOT MODIFY","localId":"u","provider":"anonymous","extraClaims":{"a":"ÿ?>"},"projectId":"demo","tenantId":"t"}"#,
            ),
        ] {
            assert_eq!(token(tenant).encode(), BASE64.encode(json));
            assert_eq!(RefreshToken::decode(&token(tenant).encode()), Some(token(tenant)));
        }
    }

    #[test]
    fn base64url_without_padding_is_read_too() {
        let text = token(None).encode().replace('+', "-").replace('/', "_").replace('=', "");
        assert_eq!(RefreshToken::decode(&text), Some(token(None)));
    }

    #[test]
    fn what_the_emulator_did_not_write_is_refused() {
        for text in ["", "malformedToken", "e30=", &BASE64.encode("5"), &BASE64.encode(r#"{"localId":"u"}"#)] {
            assert_eq!(RefreshToken::decode(text), None, "{text}");
        }
    }
}
