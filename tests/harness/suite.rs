//! The whole house in this process, on free ports, with a manual clock and a seed.

use crate::client::{Answer, send};
use hearth::app::App;
use hearth::clock::MANUAL_START;
use hearth::config::resolve::{Wishes, resolve};
use hearth::config::service::Service;
use hearth::config::settings::{ClockSettings, Endpoint, HostedSettings, Mode, Settings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;

/// The project of every suite.
pub const PROJECT: &str = "demo-test";

/// A suite that runs until [`Suite::stop`].
#[derive(Debug)]
pub struct Suite {
    app: App,
    _folder: TempDir,
}

/// Settings as the command line would resolve them in `folder`, with everything enforced, nothing kept, every port
/// free, a manual clock and a fixed seed.
pub fn settings(mode: Mode, folder: &Path) -> Settings {
    let runtime = json!({
        "jwt": {"secret": "a secret for tests"},
        "pubsub": {"secret": "a pubsub secret"},
        "toggles": {"skip_auth": false, "skip_rate_limit": false},
    });
    std::fs::write(folder.join(".runtimeconfig.json"), runtime.to_string()).expect("the folder can be written");
    let wishes = Wishes {
        mode,
        project: Some(PROJECT.to_owned()),
        config: None,
        only: None,
        host: None,
        ports: Service::ALL.into_iter().map(|service| (service, 0)).collect(),
        data_dir: None,
        ephemeral: true,
        signed_tokens: false,
        unsafe_network: false,
        clock: ClockSettings::Manual { start: MANUAL_START },
        seed: Some(7),
        import: None,
        directory: folder.to_path_buf(),
        environment: BTreeMap::new(),
    };
    resolve(&wishes).expect("the settings are right").settings
}

impl Suite {
    /// An emulator suite.
    pub async fn start() -> Self {
        Self::start_with(Mode::Emulator, |_| {}).await
    }

    /// A suite whose settings `change` has changed.
    pub async fn start_with(mode: Mode, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = settings(mode, folder.path());
        change(&mut settings);
        Self { app: App::start(settings).await.expect("the suite starts"), _folder: folder }
    }

    /// A suite with one of the services on the platform, of this section in firebase.json.
    pub async fn start_hosted(mode: Mode, service: Service, section: &Value) -> Self {
        let section = section.as_object().expect("an object").clone();
        Self::start_with(mode, |settings| {
            settings.hosted.insert(service, HostedSettings { config: section, secrets: BTreeMap::new() });
            settings.services.insert(service, Endpoint { host: "127.0.0.1".to_owned(), port: 0 });
        })
        .await
    }

    /// Where a service listens.
    pub fn address(&self, service: Service) -> SocketAddr {
        self.app.addresses()[&service][0]
    }

    /// Asks a service.
    pub async fn ask(
        &self,
        service: Service,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        send(self.address(service), method, path, headers, body.to_owned()).await
    }

    /// Calls an HTTPS function.
    pub async fn call(&self, method: &str, name: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask(Service::Functions, method, &format!("/{PROJECT}/us-central1/{name}"), headers, body).await
    }

    /// Reads the database as an admin (emulator mode).
    pub async fn read(&self, path: &str) -> Value {
        self.ask(Service::Database, "GET", &format!("/{path}.json"), &[("authorization", "Bearer owner")], "")
            .await
            .json()
    }

    /// Writes the database as an admin (emulator mode).
    pub async fn write(&self, path: &str, value: &Value) {
        let owner = [("authorization", "Bearer owner")];
        let answer = self.ask(Service::Database, "PUT", &format!("/{path}.json"), &owner, &value.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Signs an anonymous user up; their id and their `Authorization` header.
    pub async fn sign_up(&self) -> (String, String) {
        let path = "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k";
        let answer = self.ask(Service::Auth, "POST", path, &[("content-type", "application/json")], "{}").await;
        let account = answer.json();
        let text = |key: &str| account[key].as_str().unwrap_or_else(|| panic!("no {key} in {account}")).to_owned();
        (text("localId"), format!("Bearer {}", text("idToken")))
    }

    /// Moves the manual clock; everything that fell due has run.
    pub async fn advance(&self, milliseconds: u64) {
        self.app.agenda().advance(milliseconds).await.expect("a manual clock");
    }

    /// Now, by the manual clock.
    pub fn now(&self) -> u64 {
        self.app.agenda().clock().now()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.app.stop().await;
    }
}
