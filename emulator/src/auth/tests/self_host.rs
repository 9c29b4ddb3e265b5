//! What a server in earnest accepts, and above all what it refuses.

use super::*;
use crate::auth::service::Asked;
use crate::storage::Durability;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use hearth_auth::operations::Call;
use hearth_auth::operations::update::update;
use hearth_auth::store::Store;
use hearth_auth::token::{Tokens, UnusableKey, VerifyingKey};
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};

/// A server with a key that the test knows, and a token of it.
pub(super) struct Server {
    pub(super) house: House,
    private: Vec<u8>,
    public: Vec<u8>,
    pub(super) id: String,
    pub(super) token: String,
}

pub(super) async fn server() -> Server {
    let storage = Storage::memory();
    let house = House::open(&storage, false);
    let file = storage.open("auth", super::super::migrations::MIGRATIONS).unwrap();
    let private: Vec<u8> = file
        .writer
        .query_row("SELECT pkcs1 FROM signing_key WHERE purpose = 'id_token'", [], |row| row.get(0))
        .unwrap();
    let public = KeyPair::from_der(&private).unwrap().public_key().as_ref().to_vec();
    let got = house.sign_up().await;
    Server { house, private, public, id: got.text("localId"), token: got.text("idToken") }
}

impl Server {
    /// The token with its header and claims changed, signed by `key` with `algorithm`.
    pub(super) fn forge(
        &self,
        key: &EncodingKey,
        algorithm: Algorithm,
        change: impl FnOnce(&mut Value, &mut Value),
    ) -> String {
        let [mut header, mut claims] = [0, 1].map(|index| serde_json::from_str(&part(&self.token, index)).unwrap());
        change(&mut header, &mut claims);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let signature = sign(input.as_bytes(), key, algorithm).unwrap();
        format!("{input}.{signature}")
    }

    /// Its key, for another one's tests.
    pub(super) fn key(&self) -> EncodingKey {
        EncodingKey::from_rsa_der(&self.private)
    }

    pub(super) fn own(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        self.forge(&EncodingKey::from_rsa_der(&self.private), Algorithm::RS256, change)
    }
}

#[tokio::test]
async fn tokens_are_signed_and_verify() {
    let server = server().await;
    let header: Value = serde_json::from_str(&part(&server.token, 0)).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
    assert_eq!(header["kid"].as_str().unwrap().len(), 40);
    assert_eq!(server.house.verify(&server.token).await, Ok(server.id.clone()));
    assert_eq!(server.house.verify(&server.own(|_, _| ())).await, Ok(server.id.clone()), "forging works");
}

#[tokio::test]
async fn every_other_token_is_refused_everywhere() {
    let server = server().await;
    let other_key = EncodingKey::from_rsa_der(&self::server().await.private);
    let public_as_secret = EncodingKey::from_secret(&server.public);
    let now = json!(MANUAL_START / 1000);
    let after = |seconds: u64| json!(MANUAL_START / 1000 + seconds);
    let own = |change: &dyn Fn(&mut Value, &mut Value)| server.own(change);
    let unsigned = {
        let claims: Value = serde_json::from_str(&part(&server.token, 1)).unwrap();
        Tokens::Unsigned.encode(claims.as_object().unwrap()).unwrap()
    };
    let (signed, signature) = server.token.rsplit_once('.').unwrap();
    let tampered = {
        let claims = part(&server.token, 1).replace("anonymous", "google.com");
        format!("{}.{}.{signature}", signed.split('.').next().unwrap(), URL_SAFE_NO_PAD.encode(claims))
    };
    let invalid = "INVALID_ID_TOKEN";
    for (name, token, refused, code) in [
        ("alg none", unsigned, TokenRefused::Signature, invalid),
        ("no signature", format!("{signed}."), TokenRefused::Signature, invalid),
        ("tampered", tampered, TokenRefused::Signature, invalid),
        (
            "HS256 with the public key",
            server.forge(&public_as_secret, Algorithm::HS256, |header, _| header["alg"] = json!("HS256")),
            TokenRefused::Signature,
            invalid,
        ),
        (
            "HS256 said to be RS256",
            server.forge(&public_as_secret, Algorithm::HS256, |_, _| ()),
            TokenRefused::Signature,
            invalid,
        ),
        (
            "RS512 of the right key",
            server.forge(&EncodingKey::from_rsa_der(&server.private), Algorithm::RS512, |header, _| {
                header["alg"] = json!("RS512");
            }),
            TokenRefused::Signature,
            invalid,
        ),
        ("another key", server.forge(&other_key, Algorithm::RS256, |_, _| ()), TokenRefused::Signature, invalid),
        ("unknown kid", own(&|header, _| header["kid"] = json!("../key")), TokenRefused::Signature, invalid),
        ("no kid", own(&|header, _| header["kid"] = Value::Null), TokenRefused::Signature, invalid),
        ("another project's", own(&|_, claims| claims["aud"] = json!("other")), TokenRefused::Project, invalid),
        (
            "another issuer's",
            own(&|_, claims| claims["iss"] = json!("https://session.firebase.google.com/demo")),
            TokenRefused::Project,
            invalid,
        ),
        ("expired", own(&|_, claims| claims["exp"] = now.clone()), TokenRefused::Expired, "TOKEN_EXPIRED"),
        ("issued tomorrow", own(&|_, claims| claims["iat"] = after(61)), TokenRefused::Malformed, invalid),
        ("signed in tomorrow", own(&|_, claims| claims["auth_time"] = after(61)), TokenRefused::Malformed, invalid),
        ("nobody's", own(&|_, claims| claims["sub"] = json!("")), TokenRefused::Malformed, invalid),
        ("owner", "owner".to_owned(), TokenRefused::Malformed, invalid),
    ] {
        assert_eq!(server.house.verify(&token).await, Err(refused), "{name}");
        for operation in ["accounts:lookup", "accounts:update", "accounts:delete"] {
            let got = server.house.post(operation, json!({"idToken": token})).await;
            assert_eq!(got.error(), (400, code.to_owned()), "{name} {operation}");
        }
    }
    assert_eq!(server.house.verify(&own(&|_, claims| claims["iat"] = after(60))).await, Ok(server.id.clone()));
    let unknown = own(&|_, claims| {
        claims["sub"] = json!("x");
        claims["user_id"] = json!("x");
    });
    assert_eq!(server.house.verify(&unknown).await, Err(TokenRefused::Account));
}

#[tokio::test]
async fn nobody_is_an_admin() {
    let house = House::self_host();
    for token in ["owner", "OWNER", "ya29.any", "x"] {
        for path in ["accounts:signUp", "projects/demo/accounts", "projects/demo/accounts:query"] {
            let request =
                Request::post(format!("{V1}/{path}?key=k")).header("authorization", format!("Bearer {token}"));
            assert_eq!(house.send(request, "{}").await.status.as_u16(), 401, "{token} {path}");
        }
    }
    for path in ["projects/demo/accounts", "projects/demo/accounts:query", "projects/demo/accounts:lookup"] {
        let (status, message) = house.post(path, json!({})).await.error();
        assert!(status == 400 && message.starts_with("INSUFFICIENT_PERMISSION"), "{path}: {message}");
    }
    let got = house.send(Request::get(format!("{V1}/projects/demo/accounts:batchGet?key=k")), Body::empty()).await;
    assert_eq!(got.status.as_u16(), 400);
    assert_eq!(house.post("accounts:signUp", json!({"localId": "x"})).await.status.as_u16(), 400);
    let got = house.post("accounts:signUp", json!({"tenantId": "t"})).await;
    assert_eq!(got.error(), (400, "INVALID_TENANT_ID".to_owned()));
}

#[tokio::test]
async fn there_is_no_emulators_surface() {
    let house = House::self_host();
    for (method, path) in [
        ("DELETE", "/emulator/v1/projects/demo/accounts"),
        ("POST", "/emulator/v1/projects/demo/accounts"),
        ("GET", "/emulator/v1/projects/demo/config"),
        ("GET", "/emulator/v1/projects/demo/oobCodes"),
        ("GET", "/emulator/action"),
        ("GET", "/"),
    ] {
        let request = Request::builder().method(method).uri(path).header("authorization", "Bearer owner");
        assert_eq!(house.send(request, Body::empty()).await.error(), (404, "Not Found".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn identities_are_not_taken_at_the_users_word() {
    let house = House::self_host();
    let token = house.sign_up().await.text("idToken");
    let info = json!({"providerId": "google.com", "rawId": "victim"});
    let got = house.post("accounts:update", json!({"idToken": token, "linkProviderUserInfo": info})).await;
    assert_eq!(got.error(), (400, "INSUFFICIENT_PERMISSION".to_owned()));
    let got =
        house.post("accounts:update", json!({"idToken": token, "disableUser": false, "customAttributes": "{}"})).await;
    assert_eq!(got.error(), (400, "INSUFFICIENT_PERMISSION".to_owned()));
    let body = json!({"idToken": token, "emailVerified": true, "phoneNumber": "+1", "email": "a@b"});
    house.advance(1).await;
    let got = house.post("accounts:update", body).await;
    let user = house.post("accounts:lookup", json!({"idToken": got.text("idToken")})).await.json()["users"][0].clone();
    assert_eq!((&user["emailVerified"], user.get("phoneNumber")), (&json!(false), None));
}

#[tokio::test]
async fn refresh_tokens_are_opaque_and_end_with_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
    let house = House::open(&storage, false);
    let got = house.sign_up().await;
    let (id, token, refresh) = (got.text("localId"), got.text("idToken"), got.text("refreshToken"));
    assert_eq!(URL_SAFE_NO_PAD.decode(&refresh).unwrap().len(), 48);
    house.service.close().await;
    drop(house);
    let bytes = std::fs::read(folder.path().join("auth.sqlite")).unwrap();
    assert!(!bytes.windows(refresh.len()).any(|window| window == refresh.as_bytes()), "only its hash is kept");

    let house = House::open(&storage, false);
    assert_eq!(house.verify(&token).await, Ok(id.clone()), "the key is kept");
    let exchange =
        async |refresh: &str| house.post(TOKEN, json!({"grantType": "refresh_token", "refreshToken": refresh})).await;
    house.advance(5).await;
    let got = exchange(&refresh).await;
    let refresh = got.text("refresh_token");
    let fresh = got.text("id_token");
    assert_eq!(house.verify(&fresh).await, Ok(id.clone()));
    let forged = r#"{"_AuthEmulatorRefreshToken":"DO NOT MODIFY","localId":"ID","provider":"anonymous","extraClaims":{},"projectId":"demo"}"#;
    let forged = base64::engine::general_purpose::STANDARD.encode(forged.replace("ID", &id));
    for (refresh, expected) in
        [("x", "INVALID_REFRESH_TOKEN"), (&*forged, "INVALID_REFRESH_TOKEN"), ("", "MISSING_REFRESH_TOKEN")]
    {
        assert_eq!(exchange(refresh).await.error(), (400, expected.to_owned()), "{refresh}");
    }
    let got = house.post("accounts:update", json!({"idToken": fresh, "validSince": "1"})).await;
    let renewed = got.text("refreshToken");
    assert_eq!(exchange(&refresh).await.error(), (400, "INVALID_REFRESH_TOKEN".to_owned()), "revoked");
    assert_eq!(exchange(&renewed).await.text("user_id"), id);
    let token = got.text("idToken");
    assert_eq!(house.post("accounts:delete", json!({"idToken": token})).await.status.as_u16(), 200);
    assert_eq!(exchange(&renewed).await.error(), (400, "INVALID_REFRESH_TOKEN".to_owned()));
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
}

#[tokio::test]
async fn a_refresh_token_that_is_used_again_ends_the_sign_in() {
    let house = House::self_host();
    let first = house.sign_up().await.text("refreshToken");
    let exchange =
        async |refresh: &str| house.post(TOKEN, json!({"grantType": "refresh_token", "refreshToken": refresh})).await;
    let second = exchange(&first).await.text("refresh_token");
    assert_ne!(second, first);
    house.advance(60).await;
    assert_eq!(exchange(&first).await.text("refresh_token"), second, "the answer may have been lost");
    house.advance(1).await;
    assert_eq!(exchange(&first).await.error(), (400, "TOKEN_EXPIRED".to_owned()), "stolen");
    for token in [&first, &second] {
        assert_eq!(exchange(token).await.error(), (400, "INVALID_REFRESH_TOKEN".to_owned()), "that is kept");
    }
}

#[test]
fn a_key_must_be_one() {
    for id in ["", "a\"b", "a/b"] {
        assert_eq!(VerifyingKey::new(id, &[]).unwrap_err(), UnusableKey::Id(id.to_owned()));
    }
    for bytes in [&[][..], &[0x30, 0], &[0x30, 6, 2, 1, 35, 2, 1, 3]] {
        assert_eq!(VerifyingKey::new("a", bytes).unwrap_err(), UnusableKey::Form);
    }
}

#[tokio::test]
async fn a_token_seen_before_is_judged_anew() {
    let server = server().await;
    let (house, id) = (&server.house, &server.id);
    let again = async |token: &str| [house.verify(token).await, house.verify(token).await];
    let (good, refused) = (Ok(id.clone()), Err(TokenRefused::Account));
    assert_eq!(again(&server.token).await, [good.clone(), good.clone()]);

    // Neither another key's token nor another text gains from it.
    let other = self::server().await;
    let signed_by_other = server.forge(&EncodingKey::from_rsa_der(&other.private), Algorithm::RS256, |_, _| ());
    let (signed, signature) = server.token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    for token in [signed_by_other, format!("{signed}."), format!("{signed}.{first}{}", signature.get(1..).unwrap())] {
        assert_eq!(again(&token).await, [Err(TokenRefused::Signature), Err(TokenRefused::Signature)], "{token}");
    }
    assert_eq!(again(&other.token).await, [Err(TokenRefused::Signature), Err(TokenRefused::Signature)]);
    assert_eq!(other.house.verify(&server.token).await, Err(TokenRefused::Signature), "of the first server");

    let change = async |body: Value| {
        let asked = Asked::itself(hearth_auth::store::Scope::project("demo"));
        let change = move |store: &mut dyn Store, call: &Call<'_>| {
            update(store, call, serde_json::from_value(body.clone()).unwrap())
        };
        house.service.write(asked, change).await.unwrap();
    };
    change(json!({"localId": id, "disableUser": true})).await;
    assert_eq!(again(&server.token).await, [refused.clone(), refused.clone()]);
    change(json!({"localId": id, "disableUser": false})).await;
    assert_eq!(house.verify(&server.token).await, good);
    change(json!({"localId": id, "validSince": (MANUAL_START / 1000 + 1).to_string()})).await;
    assert_eq!(again(&server.token).await, [refused.clone(), refused]);
    change(json!({"localId": id, "validSince": "1"})).await;
    assert_eq!(house.verify(&server.token).await, good);
    house.advance(3599).await;
    assert_eq!(house.verify(&server.token).await, good);
    house.advance(1).await;
    assert_eq!(again(&server.token).await, [Err(TokenRefused::Expired), Err(TokenRefused::Expired)]);
}

#[tokio::test]
async fn a_deleted_account_is_refused_at_once() {
    for house in [House::self_host(), House::emulator()] {
        let token = house.sign_up().await.text("idToken");
        assert!(house.verify(&token).await.is_ok() && house.verify(&token).await.is_ok());
        assert_eq!(house.post("accounts:delete", json!({"idToken": token})).await.status, StatusCode::OK);
        assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
    }
}
