//! Configurations of identity providers over HTTP: their paths, their parameters, who may see them, and that they are kept.

use super::*;
use crate::storage::Durability;

const V2: &str = "/identitytoolkit.googleapis.com/v2/projects/demo";

#[tokio::test]
async fn an_admin_keeps_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let open = || House::open(&Storage::directory(folder.path(), Durability::Process).unwrap(), true);
    let house = open();
    let saml = json!({
        "idpConfig": {"idpEntityId": "i", "ssoUrl": "https://a.b", "idpCertificates": [{"x509Certificate": "c"}]},
        "spConfig": {"spEntityId": "s", "callbackUri": "https://c.d"}, "enabled": true,
    });
    let oauth = json!({"clientId": "c", "issuer": "https://a.b", "displayName": "N"});
    for of in ["", "/tenants/t"] {
        for (collection, parameter, id, config) in [
            ("oauthIdpConfigs", "oauthIdpConfigId", "oidc.a", &oauth),
            ("inboundSamlConfigs", "inboundSamlConfigId", "saml.a", &saml),
            ("defaultSupportedIdpConfigs", "idpId", "google.com", &json!({"clientId": "c", "enabled": true})),
        ] {
            let all = format!("{V2}{of}/{collection}");
            let one = format!("{all}/{id}");
            let mut expected = json!({"name": format!("projects/demo{of}/{collection}/{id}")});
            expected.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
            let create = format!("{all}?{parameter}={id}");
            assert_eq!(house.admin("POST", &create, config.clone()).await.json(), expected);
            assert_eq!(
                house.admin("POST", &create, config.clone()).await.error(),
                (400, "CONFIGURATION_EXISTS".to_owned())
            );
            assert_eq!(house.admin("POST", &all, config.clone()).await.error(), (400, "MISSING_CONFIG_ID".to_owned()));
            assert_eq!(
                house.admin("GET", &format!("{all}?pageSize=1"), json!({})).await.json()[collection],
                json!([expected])
            );
            assert_eq!(house.admin("GET", &one, json!({})).await.json(), expected);
            let disabled =
                house.admin("PATCH", &format!("{one}?updateMask=enabled"), json!({"enabled": false})).await.json();
            assert_eq!(disabled.get("enabled"), None);
            let wrong = house.admin("PATCH", &one, json!({"enabled": "yes"})).await;
            assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{}", wrong.text);
            // A name of ours in the body means nothing.
            let other = house.admin("PATCH", &format!("{all}/other?updateMask=enabled"), json!({"configId": id})).await;
            assert_eq!(other.error(), (404, "CONFIGURATION_NOT_FOUND".to_owned()));
            for (method, path) in [("GET", &all), ("GET", &one), ("POST", &all), ("PATCH", &one), ("DELETE", &one)] {
                let request = Request::builder().method(method).uri(format!("{path}?key=k"));
                let got = house.send(request, Body::empty()).await;
                let (status, message) = got.error();
                assert!(status == 400 && message.starts_with("INSUFFICIENT_PERMISSION"), "{method} {path}: {message}");
            }
        }
    }
    house.service.close().await;
    let house = open();
    for of in ["", "/tenants/t"] {
        let one = format!("{V2}{of}/oauthIdpConfigs/oidc.a");
        assert_eq!(house.admin("GET", &one, json!({})).await.text("displayName"), "N");
        assert_eq!(house.admin("DELETE", &one, json!({})).await.json(), json!({}));
        assert_eq!(house.admin("GET", &one, json!({})).await.error(), (404, "CONFIGURATION_NOT_FOUND".to_owned()));
    }
}
