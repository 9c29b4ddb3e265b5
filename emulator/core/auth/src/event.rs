//! What is told of users that come and go: the legacy event of `functions.auth.user().onCreate` and `.onDelete`.
//!
//! Must not know: who is told, how, or when an event is written (see `operations::record`).

use crate::Millis;
use crate::account::{Account, iso};
use crate::entropy::Entropy;
use crate::store::Scope;
use serde_json::{Map, Value, json};

/// Whether a user has come or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The account is kept for the first time.
    Created,
    /// The account is gone.
    Deleted,
}

impl Kind {
    /// Firebase's name for it.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Created => "providers/firebase.auth/eventTypes/user.create",
            Self::Deleted => "providers/firebase.auth/eventTypes/user.delete",
        }
    }
}

/// An event on its way to one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// Its id, a UUID: the same for every attempt to deliver it, and for every receiver.
    pub id: String,
    /// Whose users the user was among.
    pub scope: Scope,
    /// The user's id.
    pub local_id: String,
    /// When it happened.
    pub at: Millis,
    /// The event as JSON: `eventId`, `eventType`, `resource`, `params`, `timestamp`, `data`.
    pub body: String,
}

impl UserEvent {
    /// What happened to `account` just now.
    pub fn new(kind: Kind, scope: &Scope, account: &Account, now: Millis, entropy: &dyn Entropy) -> Self {
        let id = uuid(entropy);
        let body = json!({
            "eventId": id,
            "eventType": kind.event_type(),
            "resource": {"name": format!("projects/{}", scope.project), "service": "firebaseauth.googleapis.com"},
            "params": {},
            "timestamp": iso(now),
            "data": user_record(account),
        });
        Self { id, scope: scope.clone(), local_id: account.local_id.clone(), at: now, body: body.to_string() }
    }
}

/// The account as functions see it (`UserRecord`). Neither passwords nor their hashes are in it.
fn user_record(account: &Account) -> Value {
    let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok()).map(iso);
    let claims = account.custom_attributes.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let metadata = json!({"creationTime": time(&account.created_at), "lastSignInTime": time(&account.last_login_at)});
    without_nulls(json!({
        "uid": account.local_id,
        "email": account.email,
        "emailVerified": account.email_verified,
        "displayName": account.display_name,
        "photoURL": account.photo_url,
        "phoneNumber": account.phone_number,
        "disabled": account.disabled,
        "metadata": without_nulls(metadata),
        "customClaims": claims.unwrap_or_else(|| Map::new().into()),
        "providerData": account.provider_user_info,
        "tenantId": account.tenant_id,
        "mfaInfo": account.mfa_info,
    }))
}

/// What is absent is left out.
fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

/// A random UUID (RFC 9562, version 4).
fn uuid(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    let random = u128::from_be_bytes(bytes);
    let id = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let part = |shift: u32, digits: usize| format!("{:0digits$x}", (id >> shift) & ((1 << (4 * digits)) - 1));
    [part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::ProviderUserInfo;

    /// All ones, or all zeroes.
    struct Always(u8);

    impl Entropy for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn ids_say_their_version() {
        for (byte, expect) in
            [(0, "00000000-0000-4000-8000-000000000000"), (255, "ffffffff-ffff-4fff-bfff-ffffffffffff")]
        {
            assert_eq!(uuid(&Always(byte)), expect);
        }
    }

    #[test]
    fn functions_are_told_of_a_user_as_of_firebases() {
        let scope = Scope { tenant: Some("t".to_owned()), ..Scope::project("demo") };
        let provider = ProviderUserInfo { provider_id: "g".to_owned(), raw_id: "1".to_owned(), ..Default::default() };
        let mut full = Account {
            local_id: "u".to_owned(),
            email: Some("a@b".to_owned()),
            email_verified: Some(true),
            display_name: Some("N".to_owned()),
            photo_url: Some("P".to_owned()),
            phone_number: Some("+1".to_owned()),
            password_hash: Some("never told".to_owned()),
            salt: Some("never told".to_owned()),
            disabled: Some(true),
            created_at: Some("1893456000000".to_owned()),
            last_login_at: Some("1893456000007".to_owned()),
            custom_attributes: Some(r#"{"a":1}"#.to_owned()),
            tenant_id: Some("t".to_owned()),
            ..Account::default()
        };
        full.upsert_provider(provider);
        let bare = Account { local_id: "u".to_owned(), ..Account::default() };
        for (kind, event_type, account, data) in [
            (
                Kind::Created,
                "providers/firebase.auth/eventTypes/user.create",
                full,
                json!({
                    "uid": "u", "email": "a@b", "emailVerified": true, "displayName": "N", "photoURL": "P",
                    "phoneNumber": "+1", "disabled": true, "customClaims": {"a": 1}, "tenantId": "t",
                    "metadata": {
                        "creationTime": "2030-01-01T00:00:00.000Z", "lastSignInTime": "2030-01-01T00:00:00.007Z",
                    },
                    "providerData": [{"providerId": "g", "rawId": "1"}],
                }),
            ),
            (
                Kind::Deleted,
                "providers/firebase.auth/eventTypes/user.delete",
                bare,
                json!({"uid": "u", "metadata": {}, "customClaims": {}}),
            ),
        ] {
            let event = UserEvent::new(kind, &scope, &account, 1_893_456_000_123, &Always(0));
            assert_eq!((event.local_id.as_str(), event.at), ("u", 1_893_456_000_123));
            let told: Value = serde_json::from_str(&event.body).unwrap();
            let expect = json!({
                "eventId": event.id, "eventType": event_type, "params": {}, "timestamp": "2030-01-01T00:00:00.123Z",
                "resource": {"name": "projects/demo", "service": "firebaseauth.googleapis.com"}, "data": data,
            });
            assert_eq!(told, expect);
        }
    }
}
