//! Emails and text messages arrive, at a mail server and at webhooks, and lead where they should.

use super::mail_server::MailServer;
use super::*;
use crate::config::delivery::{EmailCarrier, SmtpSecurity, SmtpSettings, WebhookSettings};
use crate::config::secret::Secret;
use aws_lc_rs::hmac;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const URL: &str = "https://auth.example.com";

fn through(carrier: EmailCarrier) -> House {
    let mut settings = AuthSettings::self_host();
    settings.public_url = Some(URL.to_owned());
    settings.delivery.emails = Some(carrier);
    settings.delivery.templates.app_name = Some("Example".to_owned());
    House::with(&Storage::memory(), settings)
}

fn smtp(port: u16) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        security: SmtpSecurity::None,
        user: Some("user".to_owned()),
        password: Secret::new("a secret"),
        ca_file: None,
        sender: "Example <noreply@example.com>".to_owned(),
        reply_to: Some("help@example.com".to_owned()),
    }
}

impl House {
    async fn with_account(self, email: &str) -> Self {
        let got = self.post("accounts:signUp", json!({"email": email, "password": "secret"})).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text);
        self
    }

    async fn ask_for(&self, request_type: &str, email: &str) -> Got {
        let path = format!("{V1}/accounts:sendOobCode?key=k");
        let body = json!({"requestType": request_type, "email": email});
        let request = Request::post(path).header("host", "evil.example").header("content-type", "application/json");
        self.send(request, body.to_string()).await
    }
}

/// The link in a text.
fn link(text: &str) -> &str {
    let start = text.find("https://").unwrap_or_else(|| panic!("no link: {text}"));
    text[start..].split_whitespace().next().unwrap()
}

fn parameter<'l>(link: &'l str, name: &str) -> &'l str {
    link.split(['?', '&']).find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap()
}

#[tokio::test]
async fn a_password_is_reset_by_the_link_in_an_email() {
    let mut server = MailServer::start(&[]).await;
    let house = through(EmailCarrier::Smtp(smtp(server.port))).with_account("user@example.org").await;
    // Nobody is told, by an answer, that the first one has no account.
    let unknown = house.ask_for("PASSWORD_RESET", "nobody@example.org").await;
    let known = house.ask_for("PASSWORD_RESET", "User@example.org").await;
    assert_eq!(unknown.text.replace("nobody", "user"), known.text);
    let email = server.next().await;
    assert!(email.envelope.contains(&"RCPT TO:<user@example.org>".to_owned()), "{:?}", email.envelope);
    assert!(email.envelope.iter().any(|line| line.starts_with("AUTH PLAIN")), "{:?}", email.envelope);
    for line in [
        "From: Example <noreply@example.com>",
        "Reply-To: help@example.com",
        "To: user@example.org",
        "Subject: Choose a new password for Example",
        "Date: Tue, 01 Jan 2030 00:00:00 +0000",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert!(email.text.contains(line), "{line} in {}", email.text);
    }
    let link = link(&email.text);
    assert!(link.starts_with("https://auth.example.com/__/auth/action?mode=resetPassword&"), "{link}");
    assert!(!email.text.contains("evil.example"), "{}", email.text);
    let body = json!({"oobCode": parameter(link, "oobCode"), "newPassword": "another"});
    assert_eq!(house.post("accounts:resetPassword", body).await.status, StatusCode::OK);
    let body = json!({"email": "user@example.org", "password": "another"});
    assert_eq!(house.post("accounts:signInWithPassword", body).await.status, StatusCode::OK);
    let page = house.send(Request::get(link.strip_prefix(URL).unwrap()), Body::empty()).await;
    assert!(page.text.contains("<title>Your account</title>"), "{}", page.text);
}

#[tokio::test]
async fn every_kind_arrives_where_it_should() {
    let mut server = MailServer::start(&[]).await;
    let house = through(EmailCarrier::Smtp(smtp(server.port))).with_account("user@example.org").await;
    let body = json!({"email": "user@example.org", "password": "secret"});
    let token = house.post("accounts:signInWithPassword", body).await.text("idToken");
    for (body, to, mode) in [
        (json!({"requestType": "EMAIL_SIGNIN", "email": "new@example.org"}), "new@example.org", "signIn"),
        (json!({"requestType": "VERIFY_EMAIL", "idToken": token}), "user@example.org", "verifyEmail"),
        (
            json!({"requestType": "VERIFY_AND_CHANGE_EMAIL", "idToken": token, "newEmail": "other@example.org"}),
            "other@example.org",
            "verifyAndChangeEmail",
        ),
    ] {
        let got = house.post("accounts:sendOobCode", body.clone()).await;
        assert_eq!(got.status, StatusCode::OK, "{body}: {}", got.text);
        let email = server.next().await;
        assert!(email.envelope.contains(&format!("RCPT TO:<{to}>")), "{:?}", email.envelope);
        assert_eq!(parameter(link(&email.text), "mode"), mode);
    }
    // A link for a new address that was followed tells the old one, by another.
    let changed = house.post("accounts:update", json!({"idToken": token, "email": "third@example.org"})).await;
    let refused = "OPERATION_NOT_ALLOWED : Please verify the new email before changing email.";
    assert_eq!(changed.error(), (400, refused.to_owned()));
}

#[tokio::test]
async fn a_recipient_writes_no_header() {
    let mut server = MailServer::start(&[]).await;
    let house = through(EmailCarrier::Smtp(smtp(server.port)));
    for email in ["a@b\r\nBcc: victim@example.org", "a@b>\r\nRCPT TO:<victim@example.org", "a@b, victim@example.org"] {
        assert_eq!(house.ask_for("EMAIL_SIGNIN", email).await.status, StatusCode::OK, "{email}");
    }
    house.ask_for("EMAIL_SIGNIN", "last@example.org").await;
    let email = server.next().await;
    assert!(email.envelope.contains(&"RCPT TO:<last@example.org>".to_owned()), "{:?}", email.envelope);
    assert!(!email.text.contains("victim"), "{}", email.text);
}

#[tokio::test]
async fn a_busy_mail_server_is_tried_again_and_no_request_waits_for_it() {
    let mut server = MailServer::start(&["451 4.3.0 later"]).await;
    let house = through(EmailCarrier::Smtp(smtp(server.port)));
    assert_eq!(house.ask_for("EMAIL_SIGNIN", "a@example.org").await.status, StatusCode::OK);
    let email = server.next().await;
    assert!(email.envelope.contains(&"RCPT TO:<a@example.org>".to_owned()) && server.has_answered());
}

#[tokio::test]
async fn without_tls_nothing_is_said_where_tls_is_wanted() {
    let mut server = MailServer::start(&[]).await;
    let wanted = SmtpSettings { security: SmtpSecurity::StartTls, ..smtp(server.port) };
    let strict = through(EmailCarrier::Smtp(wanted));
    assert_eq!(strict.ask_for("EMAIL_SIGNIN", "secret@example.org").await.status, StatusCode::OK);
    strict.service.close().await;
    let plain = through(EmailCarrier::Smtp(smtp(server.port)));
    plain.ask_for("EMAIL_SIGNIN", "plain@example.org").await;
    let email = server.next().await;
    assert!(email.envelope.contains(&"RCPT TO:<plain@example.org>".to_owned()), "{:?}", email.envelope);
}

#[tokio::test]
async fn nobody_pretends_without_a_carrier() {
    let house = House::self_host().with_account("user@example.org").await;
    for email in ["user@example.org", "nobody@example.org"] {
        let got = house.ask_for("PASSWORD_RESET", email).await;
        let refused = "OPERATION_NOT_ALLOWED : This server has not been told how to send emails.";
        assert_eq!(got.error(), (400, refused.to_owned()));
    }
    let got = house.post("accounts:sendVerificationCode", json!({"phoneNumber": "+15555550100"})).await;
    let refused = "OPERATION_NOT_ALLOWED : This server has not been told how to send text messages.";
    assert_eq!(got.error(), (400, refused.to_owned()));
}

/// A webhook that answers these statuses, then 204; what it was told.
async fn webhook(statuses: &[u16]) -> (String, mpsc::UnboundedReceiver<(HeaderMap, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (calls, called) = mpsc::unbounded_channel();
    let statuses = Arc::new(std::sync::Mutex::new(statuses.iter().rev().copied().collect::<Vec<_>>()));
    let answer = move |headers: HeaderMap, body: String| {
        let _ = calls.send((headers, body));
        let status = statuses.lock().unwrap().pop().unwrap_or(204);
        async move { StatusCode::from_u16(status).unwrap() }
    };
    let router = Router::new().route("/hook", axum::routing::post(answer));
    tokio::spawn(async move {
        let service = hyper_util::service::TowerToHyperService::new(router);
        while let Ok((stream, _)) = listener.accept().await {
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service.clone()));
        }
    });
    (url, called)
}

#[tokio::test]
async fn webhooks_are_told_everything_and_can_tell_that_it_is_us() {
    let (url, mut called) = webhook(&[503, 400]).await;
    let settings = WebhookSettings { url, secret: Secret::new(format!("whsec_{}", STANDARD.encode("a key"))) };
    let mut house = AuthSettings::self_host();
    house.public_url = Some(URL.to_owned());
    house.delivery.emails = Some(EmailCarrier::Webhook(settings.clone()));
    house.delivery.texts = Some(settings);
    let house = House::with(&Storage::memory(), house);
    house.ask_for("EMAIL_SIGNIN", "a@example.org").await;
    let (first, told) = called.recv().await.unwrap();
    // 503: the same once more. 400: never again.
    let (headers, again) = called.recv().await.unwrap();
    assert_eq!((&first["webhook-id"], &told), (&headers["webhook-id"], &again));
    let text = |name: &str| headers[name].to_str().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key");
    let signed = format!("{}.{}.{told}", text("webhook-id"), text("webhook-timestamp"));
    let signature = STANDARD.decode(text("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    assert!(hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
    assert_eq!(text("webhook-timestamp"), (MANUAL_START / 1000).to_string());
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        ["type", "project", "requestType", "to"].map(|field| told[field].as_str().unwrap()),
        ["email", "demo", "EMAIL_SIGNIN", "a@example.org"]
    );
    assert_eq!(link(told["text"].as_str().unwrap()), told["oobLink"].as_str().unwrap());

    let got = house.post("accounts:sendVerificationCode", json!({"phoneNumber": "+15555550100"})).await;
    let (_, told) = called.recv().await.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["type"], &told["to"], &told["purpose"]),
        (&json!("sms"), &json!("+15555550100"), &json!("FIRST_FACTOR"))
    );
    let code = told["code"].as_str().unwrap();
    assert_eq!(told["text"], json!(format!("{code} is your verification code for your account.")));
    let body = json!({"sessionInfo": got.text("sessionInfo"), "code": code});
    let got = house.post("accounts:signInWithPhoneNumber", body).await;
    assert_eq!(got.json()["isNewUser"], json!(true), "{}", got.text);
}
