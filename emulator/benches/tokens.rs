//! How many ID tokens a second one thread verifies, as every service of a self-hosted server has them verified.
//! `cargo xtask bench auth` runs it and makes a table of what it prints: a name and a number on each line.
//!
//! `TOKENS`: so many different ones, of as many accounts.
//!
//! Must not know: what the figures should be.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use axum::Router;
use axum::body::Body;
use hearth::auth::{AuthService, router};
use hearth::clock::{Clock, Entropy};
use hearth::config::settings::AuthSettings;
use hearth::server::body::Bodies;
use hearth::server::client_address::TrustedProxies;
use hearth::server::credentials::IdTokens;
use hearth::storage::{Durability, Storage};
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt;

/// As the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn Error>;

const SIGN_UP: &str = "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k";
/// As long as what is signed of a token.
const MESSAGE: [u8; 500] = [b'x'; 500];
/// The scheduler counts in milliseconds, so what is short is repeated for so long.
const ROUND: Duration = Duration::from_millis(200);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [tokens] = &arguments[..] else { return Err("TOKENS".into()) };
    let tokens = tokens.parse()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(verify(tokens))?;
    signatures()
}

async fn verify(tokens: usize) -> Result<(), Failure> {
    let folder = tempfile::TempDir::new()?;
    let storage = Storage::directory(folder.path(), Durability::Process)?;
    let settings = AuthSettings::self_host();
    let service = AuthService::open(&storage, "demo", settings, Clock::system(), Entropy::from_system()?)?;
    let router = router(Arc::clone(&service), Bodies::default(), TrustedProxies::default());
    let mut signed = Vec::new();
    for _ in 0..tokens {
        signed.push(sign_up(&router).await?);
    }
    println!("first {}", all(&service, &signed).await?);
    println!("again {}", all(&service, &signed).await?);
    service.close().await;
    Ok(())
}

/// Verifies all tokens; how many a second of processor time.
async fn all(service: &AuthService, tokens: &[String]) -> Result<f64, Failure> {
    let before = processor_time()?;
    for token in tokens {
        service.verify(token).await.map_err(|refused| format!("a good token was refused: {refused:?}"))?;
    }
    Ok(tokens.len() as f64 * 1e9 / (processor_time()? - before))
}

/// The ID token of a new user.
async fn sign_up(router: &Router) -> Result<String, Failure> {
    let request = Request::post(SIGN_UP).header("content-type", "application/json").body(Body::from("{}"))?;
    let answer = router.clone().oneshot(request).await?.into_body().collect().await?.to_bytes();
    let answer: Value = serde_json::from_slice(&answer)?;
    Ok(answer.get("idToken").and_then(Value::as_str).ok_or_else(|| format!("no ID token: {answer}"))?.to_owned())
}

/// RS256 by itself: what the machine makes and checks a second.
fn signatures() -> Result<(), Failure> {
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())?;
    let mut signature = vec![0; pair.public_modulus_len()];
    let sign = repeated(|| Ok(pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &MESSAGE, &mut signature)?))?;
    println!("sign {sign}");
    println!("check {}", repeated(|| Ok(public.verify_sig(&MESSAGE, &signature)?))?);
    Ok(())
}

/// How often it can be done a second of processor time.
fn repeated(mut step: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let (started, before, mut steps) = (Instant::now(), processor_time()?, 0);
    while started.elapsed() < ROUND {
        step()?;
        steps += 1;
    }
    Ok(f64::from(steps) * 1e9 / (processor_time()? - before))
}

/// Nanoseconds that this thread has run.
fn processor_time() -> Result<f64, Failure> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(statistics.split_whitespace().next().ok_or("no schedstat")?.parse()?)
}
