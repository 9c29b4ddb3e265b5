//! Operations in emulator mode, over HTTP.

use super::*;
use crate::auth::ServiceError;
use crate::auth::service::Asked;
use crate::storage::Durability;
use futures_util::FutureExt;
use hearth_auth::store::Scope;

#[tokio::test]
async fn an_anonymous_sign_in_to_the_byte() {
    let house = House::emulator();
    let got = house.sign_up().await;
    assert_eq!(got.headers["content-type"], "application/json");
    let (id, token) = (got.text("localId"), got.text("idToken"));
    let refresh = got.text("refreshToken");
    let order = ["kind", "localId", "idToken", "refreshToken", "expiresIn"];
    assert_eq!(got.json().as_object().unwrap().keys().collect::<Vec<_>>(), order);
    assert_eq!(
        got.text,
        format!(
            r#"{{"kind":"identitytoolkit#SignupNewUserResponse","localId":"{id}","idToken":"{token}","refreshToken":"{refresh}","expiresIn":"3600"}}"#
        ),
        "compact"
    );
    assert_eq!(part(&token, 0), r#"{"alg":"none","typ":"JWT"}"#);
    assert_eq!(
        part(&token, 1),
        format!(
            r#"{{"provider_id":"anonymous","auth_time":1893456000,"user_id":"{id}","firebase":{{"identities":{{}},"sign_in_provider":"anonymous"}},"iat":1893456000,"exp":1893459600,"aud":"demo","iss":"https://securetoken.google.com/demo","sub":"{id}"}}"#
        )
    );
    assert!(token.ends_with('.') && token.matches('.').count() == 2);
    let refresh = base64::engine::general_purpose::STANDARD.decode(refresh).unwrap();
    assert_eq!(
        String::from_utf8(refresh).unwrap(),
        format!(
            r#"{{"_AuthEmulatorRefreshToken":"DO NOT MODIFY","localId":"{id}","provider":"anonymous","extraClaims":{{}},"projectId":"demo"}}"#
        )
    );
    assert_eq!(id, House::emulator().sign_up().await.text("localId"), "a seed repeats ids");
}

#[tokio::test]
async fn errors_of_operations_have_no_status() {
    let house = House::emulator();
    let got = house.post("accounts:lookup", json!({})).await;
    let expected = r#"{
  "error": {
    "code": 400,
    "message": "MISSING_ID_TOKEN",
    "errors": [
      {
        "message": "MISSING_ID_TOKEN",
        "reason": "invalid",
        "domain": "global"
      }
    ]
  }
}"#;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (400, expected));
    let got = house.post("accounts:update", json!({"idToken": "x", "provider": []})).await;
    assert_eq!(got.error(), (501, "provider is not implemented yet.".to_owned()));
    assert_eq!(got.json()["error"]["status"], "NOT_IMPLEMENTED");
}

#[tokio::test]
async fn an_account_lives_by_either_name_of_every_operation() {
    let house = House::emulator();
    const V3: &str = "/www.googleapis.com/identitytoolkit/v3/relyingparty";
    for names in [
        ["accounts:signUp", "accounts:lookup", "accounts:update", "accounts:delete"]
            .map(|name| format!("{V1}/{name}?key=k")),
        ["signupNewUser", "getAccountInfo", "setAccountInfo", "deleteAccount"].map(|name| format!("{V3}/{name}?key=k")),
    ] {
        let [sign_up, lookup, update, delete] = names;
        let got = house.post(&sign_up, json!({})).await;
        let (id, token) = (got.text("localId"), got.text("idToken"));
        let got = house.post(&update, json!({"idToken": token, "displayName": "N", "photoUrl": "P"})).await;
        let expected = json!({
            "kind": "identitytoolkit#SetAccountInfoResponse", "localId": id, "displayName": "N", "photoUrl": "P",
        });
        assert_eq!((got.status.as_u16(), got.json()), (200, expected));
        let got = house.post(&lookup, json!({"idToken": token})).await;
        let expected = json!({"kind": "identitytoolkit#GetAccountInfoResponse", "users": [{
            "localId": id, "displayName": "N", "photoUrl": "P", "createdAt": "1893456000000",
            "lastLoginAt": "1893456000000", "lastRefreshAt": "2030-01-01T00:00:00.000Z",
        }]});
        assert_eq!((got.status.as_u16(), got.json()), (200, expected));
        let got = house.post(&delete, json!({"idToken": token})).await;
        assert_eq!(got.text, r#"{"kind":"identitytoolkit#DeleteAccountResponse"}"#);
        assert_eq!(house.post(&lookup, json!({"idToken": token})).await.error(), (400, "USER_NOT_FOUND".to_owned()));
    }
    let got = house.admin("POST", &format!("{V3}/downloadAccount"), json!({"maxResults": 1})).await;
    assert_eq!(got.error(), (400, "INSUFFICIENT_PERMISSION".to_owned()));
    house.admin("POST", "projects/other/accounts", json!({"localId": "a"})).await;
    let body = json!({"target_project_id": "other", "maxResults": 1});
    let got = house.admin("POST", &format!("{V3}/downloadAccount"), body).await;
    assert_eq!((got.json()["users"][0]["localId"].as_str(), got.text("nextPageToken").as_str()), (Some("a"), "a"));
    let got = house.send(Request::get(format!("{V3}/getProjectConfig?key=k")), Body::empty()).await;
    assert_eq!(got.text, r#"{"projectId":"12345","authorizedDomains":["localhost"]}"#);
}

#[tokio::test]
async fn an_admin_manages_accounts() {
    let house = House::emulator();
    let got = house.admin("POST", "projects/demo/accounts", json!({"localId": "a", "email": "A@b"})).await;
    let expected = r#"{"kind":"identitytoolkit#SignupNewUserResponse","localId":"a","email":"a@b"}"#;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (200, expected));
    let got = house.admin("POST", "projects/demo/accounts", json!({"localId": "a"})).await;
    assert_eq!(got.error(), (400, "DUPLICATE_LOCAL_ID".to_owned()));
    let body = json!({"localId": "a", "customAttributes": "{\"sub\":1}"});
    let got = house.admin("POST", "projects/demo/accounts:update", body).await;
    assert_eq!(got.error(), (400, "FORBIDDEN_CLAIM : sub".to_owned()));
    house.admin("POST", "projects/demo/accounts", json!({"localId": "b", "disabled": true})).await;
    let list = "projects/demo/accounts:batchGet?maxResults=1";
    let got = house.admin("GET", list, json!({})).await;
    assert_eq!((got.json()["users"][0]["email"].as_str(), got.text("nextPageToken").as_str()), (Some("a@b"), "a"));
    let got = house.admin("GET", &format!("{list}&next_page_token=a"), json!({})).await;
    assert_eq!(got.json()["users"][0]["localId"], "b");
    let got = house.admin("GET", "projects/demo/accounts:batchGet?maxResults=x", json!({})).await;
    assert_eq!(got.status.as_u16(), 400);
    let got = house.admin("POST", "projects/demo/accounts:batchDelete", json!({"localIds": ["a", "b"]})).await;
    assert_eq!(got.json()["errors"][0]["localId"], "a");
    let got = house.admin("POST", "projects/demo/accounts:query", json!({"returnUserInfo": false})).await;
    assert_eq!(got.text, r#"{"recordsCount":"1"}"#);
    let delete = Request::delete("/emulator/v1/projects/demo/accounts").header("content-type", "application/json");
    let got = house.send(delete, "not JSON").await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (200, "{}"), "a body with DELETE means nothing");
    let got = house.admin("POST", "projects/demo/accounts:lookup", json!({"localId": ["a"]})).await;
    assert_eq!(got.text, r#"{"kind":"identitytoolkit#GetAccountInfoResponse"}"#);
}

#[tokio::test]
async fn the_emulators_settings_change_piecemeal() {
    let house = House::emulator();
    let path = "/emulator/v1/projects/demo/config";
    let got = house.send(Request::patch(path), r#"{"signIn":{"allowDuplicateEmails":true}}"#).await;
    let changed =
        r#"{"signIn":{"allowDuplicateEmails":true},"emailPrivacyConfig":{"enableImprovedEmailPrivacy":false}}"#;
    assert_eq!(got.text, changed);
    assert_eq!(house.send(Request::get(path), Body::empty()).await.text, changed);
    let got = house.send(Request::patch(path), r#"{"signIn":{}}"#).await;
    let initial =
        r#"{"signIn":{"allowDuplicateEmails":false},"emailPrivacyConfig":{"enableImprovedEmailPrivacy":false}}"#;
    assert_eq!(got.text, initial, "a change of nothing puts everything back");
    let got = house.send(Request::patch(path), r#"{"signIn":{"allowDuplicateEmails":1}}"#).await;
    let complaint = "Invalid JSON payload received. /signIn/allowDuplicateEmails must be boolean";
    assert_eq!(got.error(), (400, complaint.to_owned()));
}

#[tokio::test]
async fn tokens_are_refreshed_by_form_or_json() {
    let house = House::emulator();
    let got = house.sign_up().await;
    let (id, refresh) = (got.text("localId"), got.text("refreshToken"));
    house.advance(10).await;
    let encoded = refresh.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let form = Request::post(TOKEN).header("content-type", "application/x-www-form-urlencoded");
    let by_form = house.send(form, format!("grant_type=refresh_token&refresh_token={encoded}")).await;
    let by_json = house.post(TOKEN, json!({"grantType": "refresh_token", "refresh_token": refresh})).await;
    assert_eq!(by_form.text, by_json.text);
    let order = ["id_token", "access_token", "expires_in", "refresh_token", "token_type", "user_id", "project_id"];
    assert_eq!(by_json.json().as_object().unwrap().keys().collect::<Vec<_>>(), order);
    let token = by_json.text("id_token");
    let expected = json!({
        "expires_in": "3600", "refresh_token": refresh, "token_type": "Bearer", "user_id": id, "project_id": "12345",
        "id_token": token, "access_token": token,
    });
    assert_eq!((by_json.status.as_u16(), by_json.json()), (200, expected));
    let claims: Value = serde_json::from_str(&part(&token, 1)).unwrap();
    assert_eq!((&claims["iat"], &claims["auth_time"]), (&json!(1_893_456_010), &json!(1_893_456_000)));
    let got = house.post(TOKEN, json!({"refresh_token": "malformedToken"})).await;
    assert_eq!(got.error(), (400, "INVALID_REFRESH_TOKEN".to_owned()), "before the grant is looked at");
    house.admin("POST", "accounts:update", json!({"localId": id, "disableUser": true})).await;
    let got = house.post(TOKEN, json!({"grantType": "refresh_token", "refresh_token": refresh})).await;
    assert_eq!(got.error(), (400, "USER_DISABLED".to_owned()));
}

#[tokio::test]
async fn every_change_of_an_account_counts_for_its_tokens_at_once() {
    let house = House::emulator();
    let got = house.sign_up().await;
    let (id, token) = (got.text("localId"), got.text("idToken"));
    let update = async |change: Value| {
        let mut body = json!({"localId": id});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(house.admin("POST", "accounts:update", body).await.status.as_u16(), 200);
    };
    assert_eq!(house.verify(&token).await, Ok(id.clone()));
    update(json!({"disableUser": true})).await;
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
    update(json!({"disableUser": false})).await;
    assert_eq!(house.verify(&token).await, Ok(id.clone()));
    update(json!({"validSince": 1_893_456_001})).await;
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
    update(json!({"validSince": 1_893_456_000})).await;
    assert_eq!(house.verify(&token).await, Ok(id.clone()));
    house.advance(3599).await;
    assert_eq!(house.verify(&token).await, Ok(id.clone()));
    house.advance(1).await;
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Expired));
    assert_eq!(house.post("accounts:delete", json!({"idToken": token})).await.status.as_u16(), 200);
    let got = house.sign_up().await;
    let (id, token) = (got.text("localId"), got.text("idToken"));
    assert_eq!(house.verify(&token).await, Ok(id.clone()));
    house.admin("POST", "accounts:delete", json!({"localId": id})).await;
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
}

#[tokio::test]
async fn an_emulator_takes_only_its_own_unsigned_tokens() {
    let house = House::emulator();
    let token = house.sign_up().await.text("idToken");
    let forge = |header: &str, change: &dyn Fn(&mut Value), signature: &str| {
        let mut claims: Value = serde_json::from_str(&part(&token, 1)).unwrap();
        change(&mut claims);
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{signature}", encode(header), encode(&claims.to_string()))
    };
    const NONE: &str = r#"{"alg":"none","typ":"JWT"}"#;
    for (token, expected) in [
        (forge(r#"{"alg":"HS256","typ":"JWT"}"#, &|_| (), "c2ln"), TokenRefused::Signature),
        (forge(NONE, &|claims| claims["sub"] = json!("nobody"), ""), TokenRefused::Account),
        (forge(NONE, &|claims| claims["aud"] = json!("other"), ""), TokenRefused::Project),
        (
            forge(NONE, &|claims| claims["iss"] = json!("https://securetoken.google.com/other"), ""),
            TokenRefused::Project,
        ),
        (forge(NONE, &|claims| claims["firebase"]["tenant"] = json!("t"), ""), TokenRefused::Account),
        ("owner".to_owned(), TokenRefused::Malformed),
    ] {
        assert_eq!(house.verify(&token).await, Err(expected), "{token}");
    }
}

#[tokio::test]
async fn accounts_and_settings_survive_a_restart_and_new_ids_are_new() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::directory(folder.path(), Durability::Power).unwrap();
    let house = House::open(&storage, true);
    let got = house.sign_up().await;
    let (id, token) = (got.text("localId"), got.text("idToken"));
    house
        .send(Request::patch("/emulator/v1/projects/demo/config"), r#"{"signIn":{"allowDuplicateEmails":true}}"#)
        .await;
    house.service.close().await;
    let got = house.post("accounts:signUp", json!({})).await;
    assert_eq!(got.error(), (503, "the server is stopping".to_owned()));
    assert_eq!(got.json()["error"]["status"], "UNAVAILABLE");
    house.service.close().await;
    drop(house);

    let house = House::open(&storage, true);
    assert_eq!(house.verify(&token).await, Ok(id.clone()));
    let got = house.send(Request::get("/emulator/v1/projects/demo/config"), Body::empty()).await;
    assert_eq!(got.json()["signIn"]["allowDuplicateEmails"], true);
    assert_ne!(house.sign_up().await.text("localId"), id, "though the seed is the same");
}

#[tokio::test]
async fn many_sign_up_at_once() {
    let house = House::emulator();
    let all = futures_util::future::join_all((0..300).map(|_| house.sign_up())).await;
    let ids: std::collections::HashSet<_> = all.iter().map(|got| got.text("localId")).collect();
    assert_eq!(ids.len(), 300);
    let all = futures_util::future::join_all(
        (0..20).map(|_| house.admin("POST", "projects/demo/accounts", json!({"email": "same@b"}))),
    )
    .await;
    let taken = all.iter().filter(|got| got.status.as_u16() == 400 && got.error().1 == "EMAIL_EXISTS").count();
    assert_eq!(taken, 19);
}

#[tokio::test]
async fn the_purge_takes_what_is_old_and_anonymous() {
    let house = House::emulator();
    let old = futures_util::future::join_all((0..5).map(|_| house.sign_up())).await;
    house.admin("POST", "accounts:signUp", json!({"email": "a@b"})).await;
    house.advance(100).await;
    let kept = house.sign_up().await.text("idToken");
    let grant = json!({"grantType": "refresh_token", "refreshToken": old[0].text("refreshToken")});
    let refreshed = house.post(TOKEN, grant).await.text("id_token");
    let before = MANUAL_START + 50_000;
    assert_eq!(house.service.delete_anonymous(before, 3).await, Ok(3));
    let (one, two) =
        tokio::join!(house.service.delete_anonymous(before, 1000), house.service.delete_anonymous(before, 1000));
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    assert!(house.verify(&kept).await.is_ok() && house.verify(&refreshed).await.is_ok());
    assert_eq!(house.verify(&old[1].text("idToken")).await, Err(TokenRefused::Account));
    let got = house.admin("POST", "projects/demo/accounts:query", json!({})).await;
    assert_eq!(got.text("recordsCount"), "3");
}

#[tokio::test]
async fn a_full_queue_is_said_to_be_full() {
    let house = House::emulator();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let asked = || Asked::itself(Scope::project("demo"));
    let hold = house.service.write(asked(), move |_, _| {
        // An error means that the test let go, which is what is waited for.
        let _ = held.lock().unwrap().recv();
        Ok(())
    });
    assert_eq!(hold.now_or_never(), None);
    let push = || house.service.write(asked(), |_, _| Ok(())).now_or_never();
    let refused = (0..10_000).find_map(|_| push());
    assert_eq!(refused, Some(Err(ServiceError::Busy)));
    let got = house.post("accounts:signUp", json!({})).await;
    assert_eq!(got.error(), (503, "too many operations are waiting".to_owned()));
    drop(release);
    house.service.close().await;
    assert_eq!(push(), Some(Err(ServiceError::Stopped)));
}
