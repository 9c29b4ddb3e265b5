//! Tokens of identity providers that users have revoked: what the provider is asked, and what is answered.

use super::issuer::{Answer, CLIENT, Issuer};
use super::*;
use hearth_auth::idp_config::OauthIdpConfig;
use hearth_auth::operations::idp_configs;

const PATH: &str = "/identitytoolkit.googleapis.com/v2/accounts:revokeToken?key=k";
const SILENT: &str = "UNAVAILABLE : The identity provider does not answer as it should. Try again later.";

/// A server that knows the issuer as `oidc.test`, and the ID token of a user who has come by it.
async fn house(issuer: &Issuer, secret: &str) -> (House, String) {
    let house = House::self_host();
    let config = json!({
        "oauthIdpConfigId": "oidc.test", "issuer": issuer.url, "clientId": CLIENT, "clientSecret": secret,
        "enabled": true,
    });
    house.privileged(None, |store, call, body| idp_configs::create::<OauthIdpConfig>(store, call, body), config).await;
    let post_body = format!("providerId=oidc.test&id_token={}", issuer.token(|_, _| ()));
    let body = json!({"requestUri": "http://localhost", "postBody": post_body});
    let token = house.post("accounts:signInWithIdp", body).await.text("idToken");
    (house, token)
}

fn body(token: &str, kind: &str) -> Value {
    json!({"providerId": "oidc.test", "tokenType": kind, "token": "t&1", "idToken": token})
}

#[tokio::test]
async fn a_provider_is_asked_to_revoke_what_it_has_given() {
    let issuer = Issuer::start().await;
    issuer.answer("/revoke", Answer::Text(200, ""));
    issuer.answer("/token", Answer::Json(200, json!({"access_token": "a", "refresh_token": "r"})));
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("app:s"));
    for (secret, kind, authorization, expected) in [
        ("", "ACCESS_TOKEN", "", "token=t%261&token_type_hint=access_token&client_id=app"),
        ("s", "REFRESH_TOKEN", basic.as_str(), "token=t%261&token_type_hint=refresh_token&client_id=app"),
        ("s", "1", basic.as_str(), "token=t%261&token_type_hint=refresh_token&client_id=app"),
        ("s", "CODE", basic.as_str(), "token=r&token_type_hint=refresh_token&client_id=app"),
        ("s", "3", basic.as_str(), "token=r&token_type_hint=refresh_token&client_id=app"),
    ] {
        let (house, token) = house(&issuer, secret).await;
        issuer.take_requests();
        let got = house.post(PATH, body(&token, kind)).await;
        assert_eq!((got.status, got.text.as_str()), (StatusCode::OK, "{}"), "{kind}");
        let mut sent = issuer.take_requests();
        let last = sent.pop().unwrap();
        assert_eq!((last.path.as_str(), last.body.as_str()), ("/revoke", expected), "{kind}");
        assert_eq!(last.authorization, authorization, "{kind}");
        let codes: Vec<_> = sent.iter().map(|sent| (sent.path.as_str(), sent.body.as_str())).collect();
        match kind {
            "CODE" | "3" => {
                assert_eq!(codes, [("/token", "grant_type=authorization_code&code=t%261&client_id=app")]);
            }
            _ => assert_eq!(codes, []),
        }
    }
    let (house, token) = house(&issuer, "s").await;
    let mut with_uri = body(&token, "CODE");
    with_uri["redirectUri"] = "https://app.example.com/back".into();
    issuer.take_requests();
    assert_eq!(house.post(PATH, with_uri).await.status, StatusCode::OK);
    let sent = issuer.take_requests();
    assert!(sent[0].body.contains("redirect_uri=https%3A%2F%2Fapp.example.com%2Fback"), "{}", sent[0].body);
}

#[tokio::test]
async fn what_a_provider_refuses_is_refused() {
    let issuer = Issuer::start().await;
    let (house, token) = house(&issuer, "s").await;
    let refused = |why: &str| (400, format!("INVALID_IDP_RESPONSE : The provider refuses: {why}."));
    let silent = || (503, SILENT.to_owned());
    for (path, answer, expected) in [
        ("/revoke", Answer::Json(400, json!({"error": "invalid_token"})), refused("invalid_token")),
        ("/revoke", Answer::Json(401, json!({"error": "invalid_client"})), refused("invalid_client")),
        ("/revoke", Answer::Json(400, json!({"error": "<script>"})), refused("it does not say why")),
        ("/revoke", Answer::Text(403, "no"), refused("it does not say why")),
        ("/revoke", Answer::Text(500, "secret"), silent()),
        ("/revoke", Answer::Redirect, silent()),
        ("/revoke", Answer::Huge, silent()),
        ("/token", Answer::Json(400, json!({"error": "invalid_grant"})), refused("invalid_grant")),
        ("/token", Answer::Json(200, json!({})), silent()),
        ("/token", Answer::Text(200, "<html>"), silent()),
        ("/token", Answer::Json(500, json!({})), silent()),
    ] {
        issuer.answer("/revoke", Answer::Text(200, ""));
        issuer.answer("/token", Answer::Json(200, json!({"access_token": "a"})));
        let name = format!("{path} {answer:?}");
        issuer.answer(path, answer);
        assert_eq!(house.post(PATH, body(&token, "CODE")).await.error(), expected, "{name}");
    }
    let stranger = house.sign_up().await.text("idToken");
    issuer.take_requests();
    let got = house.post(PATH, body(&stranger, "ACCESS_TOKEN")).await;
    assert_eq!(got.error(), (400, "OPERATION_NOT_ALLOWED : The user has no identity at this provider.".to_owned()));
    assert!(issuer.take_requests().is_empty(), "nobody is asked for a stranger");
}
