//! Who tries too often is sent away, by address and by account, and nobody else is.

use super::*;
use crate::config::delivery::{EmailCarrier, WebhookSettings};
use crate::config::secret::Secret;
use crate::server::client_address::of_peer;
use hearth_auth::operations::guard::Limits;
use hearth_auth::throttle::Limit;

const HERE: &str = "192.0.2.1";
const THERE: &str = "198.51.100.7";
const TOO_MANY: &str = "TOO_MANY_ATTEMPTS_TRY_LATER";
const LOCKED: &str = "TOO_MANY_ATTEMPTS_TRY_LATER : Access to this account has been temporarily disabled due to many failed \
                      login attempts. You can immediately restore it by resetting your password or you can try again later.";
const WRONG: &str = "INVALID_LOGIN_CREDENTIALS";

/// A server with these limits, whose messages go nowhere.
fn house(change: impl FnOnce(&mut Limits)) -> House {
    let mut settings = AuthSettings::self_host();
    settings.limits = Limits::NONE;
    change(&mut settings.limits);
    let nowhere = WebhookSettings { url: "http://127.0.0.1:1/".to_owned(), secret: Secret::new("s") };
    settings.delivery.emails = Some(EmailCarrier::Webhook(nowhere.clone()));
    settings.delivery.texts = Some(nowhere);
    House::with(&Storage::memory(), settings)
}

impl House {
    async fn post_from(&self, address: &str, path: &str, body: Value) -> (u16, String) {
        let got = of_peer(address.parse().unwrap(), self.post(path, body)).await;
        if got.status == StatusCode::OK { (200, String::new()) } else { got.error() }
    }

    /// Shows a password; what is answered.
    async fn show(&self, address: &str, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password, "returnSecureToken": true});
        self.post_from(address, "accounts:signInWithPassword", body).await.1
    }
}

#[tokio::test]
async fn each_budget_has_its_own_refusal() {
    let email = |email: &str| json!({"requestType": "EMAIL_SIGNIN", "email": email});
    let text = |number: &str| json!({"phoneNumber": number});
    let sign_up = json!({"returnSecureToken": true});
    let two = Some(Limit(2));
    let cases: [(&str, fn(&mut Limits, Option<Limit>), &str, [Value; 3], (u16, &str), &str); 9] = [
        (
            "sign-ups",
            |limits, limit| limits.address_sign_ups = limit,
            "accounts:signUp",
            [sign_up.clone(), sign_up.clone(), sign_up],
            (200, ""),
            TOO_MANY,
        ),
        (
            "emails of an address",
            |limits, limit| limits.address_emails = limit,
            "accounts:sendOobCode",
            [email("a@b"), email("c@d"), email("e@f")],
            (200, ""),
            TOO_MANY,
        ),
        (
            "emails to somebody",
            |limits, limit| limits.account_emails = limit,
            "accounts:sendOobCode",
            [email("a@b"), email("A@b"), email("a@B")],
            (200, ""),
            TOO_MANY,
        ),
        (
            "emails of the project",
            |limits, limit| limits.project_emails = limit,
            "accounts:sendOobCode",
            [email("a@b"), email("c@d"), email("e@f")],
            (200, ""),
            "QUOTA_EXCEEDED : Exceeded quota for sending emails.",
        ),
        (
            "text messages of an address",
            |limits, limit| limits.address_texts = limit,
            "accounts:sendVerificationCode",
            [text("+1"), text("+2"), text("+3")],
            (200, ""),
            TOO_MANY,
        ),
        (
            "text messages to a number",
            |limits, limit| limits.account_texts = limit,
            "accounts:sendVerificationCode",
            [text("+1"), text("+1"), text("+1")],
            (200, ""),
            TOO_MANY,
        ),
        (
            "text messages of the project",
            |limits, limit| limits.project_texts = limit,
            "accounts:sendVerificationCode",
            [text("+1"), text("+2"), text("+3")],
            (200, ""),
            "QUOTA_EXCEEDED : Exceeded quota for sending text messages.",
        ),
        (
            "codes",
            |limits, limit| limits.address_codes = limit,
            "accounts:resetPassword",
            [json!({"oobCode": "x"}), json!({"oobCode": "y"}), json!({"oobCode": "z"})],
            (400, "INVALID_OOB_CODE"),
            TOO_MANY,
        ),
        (
            "refresh tokens",
            |limits, limit| limits.address_refresh_tokens = limit,
            TOKEN,
            ["x", "y", "z"].map(|token| json!({"grantType": "refresh_token", "refreshToken": token})),
            (400, "INVALID_REFRESH_TOKEN"),
            "QUOTA_EXCEEDED",
        ),
    ];
    for (name, limit, path, [first, second, third], before, refused) in cases {
        let house = house(|limits| limit(limits, two));
        let before = (before.0, before.1.to_owned());
        assert_eq!(house.post_from(HERE, path, first).await, before, "{name}");
        assert_eq!(house.post_from(HERE, path, second).await, before, "{name}");
        assert_eq!(house.post_from(HERE, path, third.clone()).await, (400, refused.to_owned()), "{name}");
        house.advance(1800).await;
        assert_eq!(house.post_from(HERE, path, third).await, before, "{name}: half an hour later");
    }
}

#[tokio::test]
async fn a_quota_has_the_status_of_the_real_service() {
    let house = house(|limits| limits.address_refresh_tokens = Some(Limit(0)));
    let body = json!({"grantType": "refresh_token", "refreshToken": "x"});
    let got = of_peer(HERE.parse().unwrap(), house.post(TOKEN, body)).await;
    assert_eq!(got.json()["error"]["status"], json!("INVALID_ARGUMENT"), "{}", got.text);
}

#[tokio::test]
async fn wrong_passwords_lock_the_account_for_who_shows_them() {
    let house = house(|limits| {
        limits.account_passwords = Some(Limit(2));
        limits.account_passwords_from_anywhere = Some(Limit(4));
    });
    let body = json!({"email": "a@b", "password": "secret"});
    assert_eq!(house.post_from(HERE, "accounts:signUp", body).await.0, 200);
    for _ in 0..5 {
        assert_eq!(house.show(HERE, "a@b", "secret").await, "", "right passwords cost nothing");
    }
    // Whether there is such an account makes no difference.
    for email in ["a@b", "nobody@b"] {
        assert_eq!(house.show(HERE, email, "wrong1").await, WRONG, "{email}");
        assert_eq!(house.show(HERE, &email.to_uppercase(), "wrong2").await, WRONG, "{email}");
        assert_eq!(house.show(HERE, email, "wrong3").await, LOCKED, "{email}");
    }
    assert_eq!(house.show(HERE, "a@b", "secret").await, LOCKED, "not even the right one");
    assert_eq!(house.show(THERE, "a@b", "secret").await, "", "its owner elsewhere is not locked out");
    // Many addresses together lock it for everyone.
    for address in ["203.0.113.1", "203.0.113.2"] {
        assert_eq!(house.show(address, "a@b", "wrong!").await, WRONG);
    }
    assert_eq!(house.show(THERE, "a@b", "secret").await, LOCKED);
    house.advance(1800).await;
    assert_eq!(house.show(HERE, "a@b", "secret").await, "");
}

#[tokio::test]
async fn many_at_once_gain_nothing() {
    let house = house(|limits| limits.account_passwords = Some(Limit(3)));
    let tries = (0..20).map(|_| house.show(HERE, "a@b", "wrong!"));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| *answer == WRONG).count(), 3, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| *answer == LOCKED).count(), 17, "{answers:?}");
}

#[tokio::test]
async fn who_resets_the_password_comes_in_at_once() {
    let house = house(|limits| limits.account_passwords = Some(Limit(1)));
    let body = json!({"email": "a@b", "password": "secret"});
    house.post("accounts:signUp", body).await;
    house.show(HERE, "a@b", "wrong!").await;
    assert_eq!(house.show(HERE, "a@b", "secret").await, LOCKED);
    let scope = hearth_auth::store::Scope::project("demo");
    let link = json!({"requestType": "PASSWORD_RESET", "email": "a@b", "returnOobLink": true});
    let asked = crate::auth::service::Asked::itself(scope);
    let sent = house.service.write(asked, move |store, call| {
        hearth_auth::operations::oob::send(store, call, serde_json::from_value(link.clone()).unwrap())
    });
    let code = sent.await.unwrap().body["oobCode"].clone();
    let body = json!({"oobCode": code, "newPassword": "another"});
    assert_eq!(house.post_from(HERE, "accounts:resetPassword", body).await.0, 200);
    assert_eq!(house.show(HERE, "a@b", "another").await, "");
}

#[tokio::test]
async fn an_address_is_what_a_trusted_proxy_says() {
    let limits = |limits: &mut Limits| limits.address_sign_ups = Some(Limit(1));
    let sign_up = async |router: &Router, peer: &str, forwarded: &str| {
        let request = Request::post(format!("{V1}/accounts:signUp?key=k")).header("x-forwarded-for", forwarded);
        let request = request.body(Body::from("{}")).unwrap();
        of_peer(peer.parse().unwrap(), router.clone().oneshot(request)).await.unwrap().status().as_u16()
    };
    // Nobody is trusted: every word of it is the client's.
    let house = house(limits);
    assert_eq!(sign_up(&house.router, HERE, "203.0.113.1").await, 200);
    assert_eq!(sign_up(&house.router, HERE, "203.0.113.2").await, 400);

    let house = self::house(limits);
    let trusted = TrustedProxies::parse([HERE]).unwrap();
    let router = router(Arc::clone(&house.service), Bodies::default(), trusted);
    assert_eq!(sign_up(&router, HERE, "203.0.113.1").await, 200);
    assert_eq!(sign_up(&router, HERE, "203.0.113.2").await, 200);
    assert_eq!(sign_up(&router, HERE, "203.0.113.9, 203.0.113.2").await, 400, "what the client made up is ignored");
    assert_eq!(sign_up(&router, THERE, "203.0.113.3").await, 200);
    assert_eq!(sign_up(&router, THERE, "203.0.113.4").await, 400, "a proxy nobody knows");
    // One customer's IPv6 addresses are one client.
    assert_eq!(sign_up(&router, HERE, "2001:db8:1:2::1").await, 200);
    assert_eq!(sign_up(&router, HERE, "2001:db8:1:2:3::4").await, 400);
}

#[tokio::test]
async fn an_emulator_counts_nothing() {
    let house = House::emulator();
    for _ in 0..150 {
        assert_eq!(
            house.post_from(HERE, "accounts:resetPassword", json!({"oobCode": "x"})).await.1,
            "INVALID_OOB_CODE"
        );
    }
}
