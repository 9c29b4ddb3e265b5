//! Where an issuer signs users in and hands out tokens, as its description says (OpenID Connect Discovery 1.0, section
//! 3). Must not know: how they are asked.

use super::Issuer;
use serde_json::Value;

/// An issuer's endpoints. One that may not be asked is as good as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where users are sent to.
    pub authorization: Option<String>,
    /// Where a code becomes tokens.
    pub token: Option<String>,
    /// Where an access token tells whose it is.
    pub userinfo: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation: Option<String>,
    /// The app shows its secret in the body of a request, not in its header.
    pub secret_in_body: bool,
    /// Whoever comes back says from which issuer (RFC 9207).
    pub names_itself: bool,
}

impl Endpoints {
    /// Reads an issuer's description.
    pub fn read(issuer: &Issuer, description: &[u8]) -> Self {
        let description: Value = serde_json::from_slice(description).unwrap_or_default();
        let place = |name: &str| {
            let url = description.get(name).and_then(Value::as_str);
            url.filter(|url| issuer.may_lead_to(url)).map(str::to_owned)
        };
        // Without a word of it, the header it is.
        let methods = description.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let is_there = |wanted: &str| methods.is_some_and(|methods| methods.iter().any(|method| method == wanted));
        Self {
            authorization: place("authorization_endpoint"),
            token: place("token_endpoint"),
            userinfo: place("userinfo_endpoint"),
            revocation: place("revocation_endpoint"),
            secret_in_body: is_there("client_secret_post"),
            names_itself: description.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn endpoints_are_where_they_may_be() {
        let read = |issuer: &str, description: Value| {
            Endpoints::read(&Issuer::parse(issuer).unwrap(), description.to_string().as_bytes())
        };
        for (issuer, url, is_fine) in [
            ("https://a.b", "https://c.d/e?f=g", true),
            ("https://a.b", "http://a.b/e", false),
            ("https://a.b", "http://127.0.0.1/e", false),
            ("https://a.b", "javascript:alert(1)", false),
            ("https://a.b", "https://c.d\\@127.0.0.1/", false),
            ("http://127.0.0.1:1", "http://127.0.0.1:2/e", true),
            ("http://127.0.0.1:1", "http://169.254.169.254/e", false),
        ] {
            let description = json!({"authorization_endpoint": url, "token_endpoint": url, "userinfo_endpoint": url});
            let read = read(issuer, description);
            let expected = is_fine.then(|| url.to_owned());
            assert_eq!([read.authorization, read.token, read.userinfo], [(); 3].map(|()| expected.clone()), "{url}");
        }
        let methods = |methods: Value| {
            read("https://a.b", json!({"token_endpoint_auth_methods_supported": methods})).secret_in_body
        };
        assert!(methods(json!(["client_secret_basic", "client_secret_post"])));
        assert!(!methods(json!(["client_secret_basic"])) && !methods(Value::Null));
        assert_eq!(read("https://a.b", json!([])), Endpoints::default());
    }
}
