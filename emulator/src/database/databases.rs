//! All databases of a project, by namespace.
//!
//! Must not know: HTTP.

use super::inspection::{Inspection, Log};
use super::options::Options;
use super::service::DatabaseService;
use super::store::Store;
use crate::clock::{Clock, Entropy, Millis};
use crate::config::settings::DatabaseSettings;
use crate::storage::{Storage, StorageError};
use hearth_database::{Caller, Command, Engine, Ruleset};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::oneshot;

/// So many databases may be open; each has a thread and a file.
const MOST_DATABASES: usize = 64;
/// A namespace becomes a file's name and part of a host's, neither of which may be longer.
const MOST_NAME_BYTES: usize = 63;

/// Rules by a database's name, the default one's under none.
type GivenRules = BTreeMap<Option<String>, Ruleset>;

/// Why there is no database of a name.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUnavailable {
    /// The name can be none.
    #[error("the namespace {0:?} is invalid: it has to be of letters, digits, '-' and '_'")]
    InvalidName(String),
    /// There is none, and none is made by being named.
    #[error("the namespace {0:?} does not exist")]
    Unknown(String),
    /// There are too many already.
    #[error("there are {MOST_DATABASES} databases already, which is the most")]
    TooMany,
    /// Its file cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// All databases have been closed.
    #[error("the databases are closed")]
    Closed,
}

/// Why a database was not dropped.
#[derive(Debug, thiserror::Error)]
pub enum NotDropped {
    /// It is the project's default one, which others hold on to.
    #[error("the default database cannot be dropped; DELETE /.json empties it")]
    Default,
    /// There is none, or its file cannot be deleted.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
}

/// The databases of one project.
#[derive(Debug)]
pub struct Databases {
    project: String,
    /// The rules that databases begin with are beside it.
    settings: DatabaseSettings,
    rules: RwLock<GivenRules>,
    storage: Storage,
    clock: Clock,
    entropy: Entropy,
    default: Arc<DatabaseService>,
    /// All that are open, the default one included; `None` once they are closed.
    open: RwLock<Option<BTreeMap<String, Arc<DatabaseService>>>>,
    /// Of those databases for which something was set.
    options: Mutex<BTreeMap<String, Options>>,
    /// Where denials are logged, if they are explained.
    denials: Option<Arc<Log>>,
    /// Held while a file is opened or dropped, so that no file is opened twice and readers of `open` need not wait.
    opening: Mutex<()>,
}

impl Databases {
    /// Opens the default database of `project`.
    ///
    /// # Errors
    /// Its file cannot be opened.
    pub fn open(
        storage: Storage,
        project: &str,
        mut settings: DatabaseSettings,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Arc<Self>, StorageError> {
        let given = std::mem::take(&mut settings.rules);
        let name = default_name(project);
        let denials = settings.explain_denials.then(Arc::<Log>::default);
        let first = rules(&given, &settings, project, &name);
        let default = start(&storage, &name, first, denials.as_ref(), &clock, &entropy)?;
        let open = RwLock::new(Some(BTreeMap::from([(name, Arc::clone(&default))])));
        let project = project.to_owned();
        Ok(Arc::new(Self {
            project,
            settings,
            rules: RwLock::new(given),
            storage,
            clock,
            entropy,
            default,
            open,
            options: Mutex::default(),
            denials,
            opening: Mutex::new(()),
        }))
    }

    /// The project's default database.
    pub fn default_database(&self) -> Arc<DatabaseService> {
        Arc::clone(&self.default)
    }

    /// The database of a namespace, opened if need be, and made if the settings say so and `caller` could write to
    /// it: nobody shall fill the disk with empty databases.
    ///
    /// A Firebase project has one default instance, called `{project}-default-rtdb` or, if it is older,
    /// `{project}`. Which of the two it would be cannot be known here, so both mean the one default database, as does
    /// no namespace at all. Letters may be of either case, as in the host names that namespaces come from.
    ///
    /// # Errors
    /// See [`DatabaseUnavailable`].
    pub async fn find(
        self: &Arc<Self>,
        namespace: Option<&str>,
        caller: &Caller,
    ) -> Result<Arc<DatabaseService>, DatabaseUnavailable> {
        if self.means_default(namespace) {
            // It is open for as long as any is.
            let open = self.all_open().is_some();
            return if open { Ok(self.default_database()) } else { Err(DatabaseUnavailable::Closed) };
        }
        let name = resolve(&self.project, namespace)?;
        if let Some(service) = self.opened(&name)? {
            return Ok(service);
        }
        let databases = Arc::clone(self);
        let may_write = self.first_rules(&name).may_write_anything(caller);
        let create = self.settings.create_on_first_use && may_write;
        // A panic there has been reported by the panic hook.
        tokio::task::spawn_blocking(move || databases.open_now(name, create))
            .await
            .unwrap_or(Err(DatabaseUnavailable::Closed))
    }

    /// As [`Self::find`], if it is open by now.
    pub(super) fn find_open(&self, namespace: Option<&str>) -> Option<Arc<DatabaseService>> {
        if self.means_default(namespace) {
            return self.all_open().is_some().then(|| self.default_database());
        }
        self.opened(&resolve(&self.project, namespace).ok()?).ok()?
    }

    /// A database that is somebody's own: opened, or made, whatever the settings say, and closed to all but admins
    /// unless rules are given for it.
    ///
    /// # Errors
    /// See [`DatabaseUnavailable`].
    pub async fn own(self: &Arc<Self>, name: &str) -> Result<Arc<DatabaseService>, DatabaseUnavailable> {
        let name = resolve(&self.project, Some(name))?;
        {
            let mut given = self.rules.write().unwrap_or_else(PoisonError::into_inner);
            if given_for(&given, &self.project, &name).is_none() {
                given.insert(Some(name.clone()), Ruleset::Locked);
            }
        }
        let databases = Arc::clone(self);
        tokio::task::spawn_blocking(move || databases.open_now(name, true))
            .await
            .unwrap_or(Err(DatabaseUnavailable::Closed))
    }

    /// The namespaces that exist, open or not, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, StorageError> {
        let mut names = self.storage.list("database")?;
        names.extend(self.all_open().as_ref().into_iter().flat_map(BTreeMap::keys).cloned());
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The time by which they live.
    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Whether denials are explained.
    pub(super) fn explain_denials(&self) -> bool {
        self.denials.is_some()
    }

    /// What is set of a database.
    pub(super) fn options(&self, database: &DatabaseService) -> Options {
        self.all_options().get(database.name()).copied().unwrap_or_default()
    }

    /// Sets something of a database, until the server stops.
    pub(super) fn set_options(&self, database: &DatabaseService, change: impl FnOnce(&mut Options)) {
        change(self.all_options().entry(database.name().to_owned()).or_default());
    }

    /// Sets the rules of the databases of these names (the default one's is none): of those that are open now, of the
    /// others when they are opened. A database that is open under another of its names, for which rules were given
    /// too, keeps those. Listeners that the rules forbid are revoked when this returns.
    pub async fn set_rules(self: &Arc<Self>, names: &[Option<String>], rules: &Ruleset) {
        let (databases, names, first) = (Arc::clone(self), names.to_vec(), rules.clone());
        let concerned = tokio::task::spawn_blocking(move || databases.set_first_rules(&names, &first)).await;
        for service in concerned.unwrap_or_default() {
            let (reply, done) = oneshot::channel();
            // One that has been closed meanwhile has no rules.
            if service.submit_anyway(Command::Rules(rules.clone()), move |found| drop(reply.send(found))).is_ok() {
                let _ = done.await;
            }
        }
    }

    /// Ends the database of a namespace and deletes its file. What is asked of it meanwhile is done before; named
    /// again, it is made anew.
    ///
    /// # Errors
    /// See [`NotDropped`].
    pub async fn remove(self: &Arc<Self>, namespace: &str) -> Result<(), NotDropped> {
        let name = resolve(&self.project, Some(namespace))?;
        if name == self.default.name() {
            return Err(NotDropped::Default);
        }
        let databases = Arc::clone(self);
        let removed = tokio::task::spawn_blocking(move || databases.remove_now(name)).await;
        Ok(removed.unwrap_or(Err(DatabaseUnavailable::Closed))?)
    }

    /// Makes all changes that wait, closes all files, and takes nothing more. Can be called again.
    pub async fn close(&self) {
        let open = {
            let _opening = self.opening();
            self.open.write().unwrap_or_else(PoisonError::into_inner).take()
        };
        let services: Vec<_> = open.into_iter().flat_map(BTreeMap::into_values).collect();
        services.iter().for_each(|service| service.close());
        let joined = tokio::task::spawn_blocking(move || services.iter().for_each(|service| service.join()));
        if joined.await.is_err() {
            tracing::error!("closing the databases panicked");
        }
    }

    /// As [`resolve`] has it.
    fn means_default(&self, namespace: Option<&str>) -> bool {
        let is = |name: &str| namespace.is_none_or(|namespace| namespace.eq_ignore_ascii_case(name));
        is(self.default.name()) || is(&self.project)
    }

    fn opened(&self, name: &str) -> Result<Option<Arc<DatabaseService>>, DatabaseUnavailable> {
        match &*self.all_open() {
            Some(open) => Ok(open.get(name).cloned()),
            None => Err(DatabaseUnavailable::Closed),
        }
    }

    fn open_now(&self, name: String, create: bool) -> Result<Arc<DatabaseService>, DatabaseUnavailable> {
        let _opening = self.opening();
        if let Some(service) = self.opened(&name)? {
            return Ok(service);
        }
        let exists = self.storage.list("database")?.contains(&name);
        if !exists && !create {
            return Err(DatabaseUnavailable::Unknown(name));
        }
        if self.all_open().as_ref().is_some_and(|open| open.len() >= MOST_DATABASES) {
            return Err(DatabaseUnavailable::TooMany);
        }
        let rules = self.first_rules(&name);
        let service = start(&self.storage, &name, rules, self.denials.as_ref(), &self.clock, &self.entropy)?;
        match &mut *self.open.write().unwrap_or_else(PoisonError::into_inner) {
            Some(open) => {
                open.insert(name, Arc::clone(&service));
                Ok(service)
            }
            None => Err(DatabaseUnavailable::Closed),
        }
    }

    /// The rules that the database called `name` begins with.
    fn first_rules(&self, name: &str) -> Ruleset {
        rules(&self.rules.read().unwrap_or_else(PoisonError::into_inner), &self.settings, &self.project, name)
    }

    /// Sets what databases of these names begin with; the open ones that would have begun otherwise.
    fn set_first_rules(&self, names: &[Option<String>], rules: &Ruleset) -> Vec<Arc<DatabaseService>> {
        // None is opened meanwhile with the old rules.
        let _opening = self.opening();
        let mut given = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        given.extend(names.iter().map(|name| (name.clone(), rules.clone())));
        let open = self.all_open();
        let concerned = |name: &str| given_for(&given, &self.project, name).is_some_and(|(key, _)| names.contains(key));
        let services = open.iter().flat_map(BTreeMap::iter).filter(|(name, _)| concerned(name));
        services.map(|(_, service)| Arc::clone(service)).collect()
    }

    fn remove_now(&self, name: String) -> Result<(), DatabaseUnavailable> {
        let _opening = self.opening();
        let service = match &mut *self.open.write().unwrap_or_else(PoisonError::into_inner) {
            Some(open) => open.remove(&name),
            None => return Err(DatabaseUnavailable::Closed),
        };
        let stored = self.storage.list("database")?.contains(&name);
        if service.is_none() && !stored {
            return Err(DatabaseUnavailable::Unknown(name));
        }
        if let Some(service) = service {
            service.close();
            service.join();
        }
        self.all_options().remove(&name);
        Ok(self.storage.remove(&format!("database/{name}"))?)
    }

    fn all_options(&self) -> MutexGuard<'_, BTreeMap<String, Options>> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all_open(&self) -> std::sync::RwLockReadGuard<'_, Option<BTreeMap<String, Arc<DatabaseService>>>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn opening(&self) -> MutexGuard<'_, ()> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The namespace of `NS.localhost`, `NS.firebaseio.com` or `NS.REGION.firebasedatabase.app`. Of all other hosts nobody
/// can know which part would be one.
pub(super) fn namespace_of_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let (namespace, rest) = name.map_or(host, |(name, _)| name).split_once('.')?;
    let is = |domain: &str| rest.eq_ignore_ascii_case(domain);
    let in_region = rest.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case("firebasedatabase.app"));
    (is("localhost") || is("firebaseio.com") || is("firebasedatabase.app") || in_region).then_some(namespace)
}

/// The default database's namespace. A project's id may hold characters that a file's name may not.
fn default_name(project: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() || character == '_' { character } else { '-' };
    format!("{}-default-rtdb", project.to_ascii_lowercase().chars().map(plain).collect::<String>())
}

/// The name of the database that `namespace` means in `project`.
fn resolve(project: &str, namespace: Option<&str>) -> Result<String, DatabaseUnavailable> {
    let default = || default_name(project);
    let Some(namespace) = namespace else { return Ok(default()) };
    let name = namespace.to_ascii_lowercase();
    if name == project.to_ascii_lowercase() || name == default() {
        return Ok(default());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > MOST_NAME_BYTES || !name.bytes().all(allowed) {
        return Err(DatabaseUnavailable::InvalidName(namespace.to_owned()));
    }
    Ok(name)
}

/// What was given for the database called `name`, under whichever of its names.
fn given_for<'g>(given: &'g GivenRules, project: &str, name: &str) -> Option<(&'g Option<String>, &'g Ruleset)> {
    given.iter().find(|(namespace, _)| resolve(project, namespace.as_deref()).is_ok_and(|meant| meant == name))
}

/// The rules that the database called `name` begins with.
fn rules(given: &GivenRules, settings: &DatabaseSettings, project: &str, name: &str) -> Ruleset {
    match given_for(given, project, name) {
        Some((_, rules)) => rules.clone(),
        None if settings.open => Ruleset::Open,
        None => Ruleset::Locked,
    }
}

fn start(
    storage: &Storage,
    name: &str,
    rules: Ruleset,
    explain: Option<&Arc<Log>>,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Arc<DatabaseService>, StorageError> {
    let file = || storage.path().unwrap_or(Path::new("")).join(format!("database/{name}.sqlite"));
    let failed = |source| StorageError::Io { path: file(), source };
    let store = Store::open(storage, name)?;
    let inspection = explain.map(|log| Inspection::new(name, clock.clone(), Arc::clone(log)));
    let rules = inspection.as_ref().map_or(rules.clone(), |inspection| inspection.watch(&rules));
    let engine = Engine::open(store, rules).map_err(|error| failed(std::io::Error::other(error)))?;
    let entropy = entropy.stream(&format!("database/{name}"));
    let service = DatabaseService::start(name, engine, clock.clone(), entropy).map_err(failed)?;
    Ok(Arc::new(service.inspected(inspection)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Durability;
    use hearth_database::{Leaf, Node};

    fn open(storage: &Storage, create_on_first_use: bool) -> Arc<Databases> {
        opened(storage, true, create_on_first_use)
    }

    fn opened(storage: &Storage, open: bool, create_on_first_use: bool) -> Arc<Databases> {
        let settings = DatabaseSettings { rules: BTreeMap::new(), open, create_on_first_use, explain_denials: false };
        Databases::open(storage.clone(), "Demo", settings, Clock::manual(0), Entropy::seeded(1)).unwrap()
    }

    #[tokio::test]
    async fn somebodys_own_is_closed_to_others() {
        let databases = opened(&Storage::memory(), true, false);
        let own = databases.own("service").await.unwrap();
        assert!(Arc::ptr_eq(&own, &databases.own("Service").await.unwrap()));
        assert!(!databases.first_rules("service").may_write_anything(&Caller::ANYONE));
        assert!(databases.first_rules("another").may_write_anything(&Caller::ANYONE));
    }

    async fn put(databases: &Arc<Databases>, namespace: &str) {
        let service = databases.find(Some(namespace), &Caller::ANYONE).await.unwrap();
        service.transact(|transaction| Ok(transaction.set("a", Node::from(Leaf::Int(1)))?)).await.unwrap();
    }

    #[tokio::test]
    async fn every_name_of_the_default_database_is_the_same_one() {
        let databases = open(&Storage::memory(), false);
        for name in [None, Some("demo"), Some("Demo"), Some("demo-default-rtdb"), Some("DEMO-DEFAULT-RTDB")] {
            assert!(
                Arc::ptr_eq(&databases.find(name, &Caller::ANYONE).await.unwrap(), &databases.default_database()),
                "{name:?}"
            );
        }
        assert_eq!(databases.names().unwrap(), ["demo-default-rtdb"]);
    }

    #[tokio::test]
    async fn others_are_made_by_being_named_if_that_is_wanted() {
        let databases = open(&Storage::memory(), true);
        let (one, again) = (
            databases.find(Some("one"), &Caller::ANYONE).await.unwrap(),
            databases.find(Some("ONE"), &Caller::ANYONE).await.unwrap(),
        );
        assert!(Arc::ptr_eq(&one, &again) && !Arc::ptr_eq(&one, &databases.default_database()));
        let long = "x".repeat(64);
        for name in ["", ".", "..", "a/b", "a.b", "é", "a b", "a\\b", &long] {
            let found = databases.find(Some(name), &Caller::ANYONE).await;
            assert!(matches!(found, Err(DatabaseUnavailable::InvalidName(_))), "{name}");
        }
        assert_eq!(databases.names().unwrap(), ["demo-default-rtdb", "one"]);
        let found = open(&Storage::memory(), false).find(Some("one"), &Caller::ANYONE).await;
        assert!(matches!(found, Err(DatabaseUnavailable::Unknown(_))));
    }

    #[tokio::test]
    async fn who_may_not_write_makes_no_database() {
        let databases = opened(&Storage::memory(), false, true);
        let found = databases.find(Some("one"), &Caller::ANYONE).await;
        assert!(matches!(found, Err(DatabaseUnavailable::Unknown(_))));
        assert!(databases.find(Some("one"), &Caller::Admin).await.is_ok());
        assert!(databases.find(Some("one"), &Caller::ANYONE).await.is_ok());
    }

    #[tokio::test]
    async fn there_are_not_too_many() {
        let databases = open(&Storage::memory(), true);
        for number in 1..MOST_DATABASES {
            databases.find(Some(&format!("n{number}")), &Caller::ANYONE).await.unwrap();
        }
        assert!(matches!(databases.find(Some("more"), &Caller::ANYONE).await, Err(DatabaseUnavailable::TooMany)));
        assert!(databases.find(Some("n1"), &Caller::ANYONE).await.is_ok());
    }

    #[test]
    fn hosts_name_namespaces() {
        for (host, namespace) in [
            ("one.localhost:9000", Some("one")),
            ("one.LOCALHOST", Some("one")),
            ("one.firebaseio.com", Some("one")),
            ("one.firebasedatabase.app:443", Some("one")),
            ("one.europe-west1.firebasedatabase.app", Some("one")),
            ("localhost:9000", None),
            ("127.0.0.1:9000", None),
            ("[::1]:9000", None),
            ("one.two.localhost", None),
            ("data.example.com", None),
            ("", None),
        ] {
            assert_eq!(namespace_of_host(host), namespace, "{host}");
        }
    }

    #[tokio::test]
    async fn what_is_dropped_is_gone_and_can_be_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        for storage in [Storage::memory(), Storage::directory(folder.path(), Durability::Process).unwrap()] {
            let databases = open(&storage, true);
            put(&databases, "one").await;
            let old = databases.find(Some("one"), &Caller::ANYONE).await.unwrap();
            databases.set_options(&old, |options| options.strict_trigger_validation = false);
            databases.remove("ONE").await.unwrap();
            assert_eq!(databases.names().unwrap(), ["demo-default-rtdb"]);
            assert!(matches!(old.transact(|_| Ok(())).await, Err(crate::database::ServiceError::Closed)));
            assert!(matches!(
                databases.remove("one").await,
                Err(NotDropped::Unavailable(DatabaseUnavailable::Unknown(_)))
            ));
            for default in ["demo", "demo-default-rtdb"] {
                assert!(matches!(databases.remove(default).await, Err(NotDropped::Default)));
            }
            drop(old);
            let new = databases.find(Some("one"), &Caller::ANYONE).await.unwrap();
            assert!(new.snapshot().root.is_null());
            assert_eq!(databases.options(&new), Options::default());
            databases.close().await;
            assert!(matches!(databases.remove("one").await, Err(NotDropped::Unavailable(DatabaseUnavailable::Closed))));
        }
        // Not open since the start.
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let databases = open(&storage, true);
        databases.remove("one").await.unwrap();
        assert_eq!(databases.names().unwrap(), ["demo-default-rtdb"]);
        let left: Vec<_> = std::fs::read_dir(folder.path().join("database")).unwrap().collect();
        assert!(left.iter().all(|file| !file.as_ref().unwrap().file_name().to_string_lossy().starts_with("one")));
    }

    #[tokio::test]
    async fn each_database_begins_with_its_rules() {
        let parse = |text: &str| Ruleset::parse(text).unwrap();
        let (one, default) = (parse(r#"{"rules":{".read":true}}"#), parse(r#"{"rules":{}}"#));
        let rules = BTreeMap::from([(Some("One".to_owned()), one.clone()), (None, default.clone())]);
        let settings = DatabaseSettings { rules, open: true, create_on_first_use: true, explain_denials: false };
        let databases =
            Databases::open(Storage::memory(), "demo", settings, Clock::manual(0), Entropy::seeded(1)).unwrap();
        for (name, rules) in [("demo", default), ("two", Ruleset::Open)] {
            assert_eq!(databases.find(Some(name), &Caller::ANYONE).await.unwrap().snapshot().rules, rules, "{name}");
        }
        // Its rules let nobody write to it, so naming it does not make it.
        assert!(databases.find(Some("one"), &Caller::ANYONE).await.is_err());
        assert_eq!(databases.find(Some("one"), &Caller::Admin).await.unwrap().snapshot().rules, one);
    }

    #[tokio::test]
    async fn rules_can_be_set_for_databases_that_are_open_or_will_be() {
        let parse = |text: &str| Ruleset::parse(text).unwrap();
        let (first, second, third) =
            (parse(r#"{"rules":{}}"#), parse(r#"{"rules":{".read":true}}"#), parse(r#"{"rules":{".write":true}}"#));
        let of = |name: &str| Some(name.to_owned());
        let rules = BTreeMap::from([(None, first.clone()), (of("demo"), first.clone()), (of("one"), first.clone())]);
        let settings = DatabaseSettings { rules, open: true, create_on_first_use: true, explain_denials: false };
        let databases =
            Databases::open(Storage::memory(), "demo", settings, Clock::manual(0), Entropy::seeded(1)).unwrap();
        let check = async |name: &str, rules: &Ruleset| {
            let found = databases.find(Some(name), &Caller::Admin).await.unwrap().snapshot().rules;
            assert_eq!(found, *rules, "{name}");
        };
        check("one", &first).await;
        databases.set_rules(&[of("ONE"), of("two"), None], &second).await;
        check("demo", &second).await;
        check("two", &second).await;
        check("three", &Ruleset::Open).await;
        // Under its other name it was given rules too, and the first of them hold.
        databases.set_rules(&[of("demo"), of("three")], &third).await;
        check("demo", &second).await;
        check("three", &third).await;
        databases.remove("three").await.unwrap();
        check("three", &third).await;
        databases.close().await;
        databases.set_rules(&[None], &third).await;
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_a_close() {
        let folder = tempfile::tempdir().unwrap();
        {
            let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
            let databases = open(&storage, true);
            put(&databases, "demo").await;
            put(&databases, "other").await;
            databases.close().await;
            databases.close().await;
            assert!(matches!(databases.find(None, &Caller::ANYONE).await, Err(DatabaseUnavailable::Closed)));
            let late = databases.default_database().transact(|_| Ok(())).await;
            assert!(matches!(late, Err(crate::database::ServiceError::Closed)));
        }
        // Nothing may hold the directory any more.
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let databases = open(&storage, false);
        assert_eq!(databases.names().unwrap(), ["demo-default-rtdb", "other"]);
        for name in ["demo", "other"] {
            let root = databases.find(Some(name), &Caller::ANYONE).await.unwrap().snapshot().root;
            assert_eq!(root.find("a"), &Node::from(Leaf::Int(1)), "{name}");
        }
    }
}
