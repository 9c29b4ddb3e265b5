//! The rows of the table `intent`: what sessions intend for their ends, a row for each place.
//!
//! They change in the transaction of the batch that changes them, so that what a session intended is there, or has
//! happened, and never both. Must not know: when a session ends.

use hearth_database::{Caller, Intended, IntentChange, Location, SessionId, json};
use rusqlite::Connection;

/// `data` is JSON with the server values still in it.
pub(super) const TABLE: &str = "CREATE TABLE intent (session TEXT NOT NULL, location TEXT NOT NULL,
    caller TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (session, location)) STRICT, WITHOUT ROWID";

const PUT: &str = "INSERT OR REPLACE INTO intent VALUES (?1, ?2, ?3, ?4)";
const REMOVE: &str = "DELETE FROM intent WHERE session = ?1 AND location = ?2";
const END: &str = "DELETE FROM intent WHERE session = ?1";
const LOAD: &str = "SELECT session, location, caller, data FROM intent ORDER BY session, location";

const ADMIN: &str = "admin";
const CLIENT: &str = "client";

/// Why the intents cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("what session {session} intends for {location:?} cannot be read")]
    Row { session: String, location: String },
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Makes the changes to the rows, in the transaction that is open.
pub(super) fn change(connection: &Connection, changes: &[IntentChange]) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            IntentChange::Put(session, intended) => {
                let Intended { caller, location, data } = &**intended;
                let caller = match caller {
                    Caller::Admin => ADMIN,
                    Caller::Client => CLIENT,
                };
                let row = (&*session.0, location.to_string(), caller, json::to_unresolved_text(data));
                connection.prepare_cached(PUT)?.execute(row)
            }
            IntentChange::Remove(session, location) => {
                connection.prepare_cached(REMOVE)?.execute((&*session.0, location.to_string()))
            }
            IntentChange::End(session) => connection.prepare_cached(END)?.execute([&*session.0]),
        }?;
    }
    Ok(())
}

/// Reads what sessions of earlier openings intended.
pub(super) fn load(connection: &Connection) -> Result<Vec<(SessionId, Intended)>, LoadError> {
    let mut statement = connection.prepare(LOAD)?;
    let mut rows = statement.query([])?;
    let mut intents = Vec::new();
    while let Some(row) = rows.next()? {
        let (session, location): (String, String) = (row.get(0)?, row.get(1)?);
        let (caller, data): (String, String) = (row.get(2)?, row.get(3)?);
        match read(&location, &caller, &data) {
            Some(intended) => intents.push((SessionId(session.into()), intended)),
            None => return Err(LoadError::Row { session, location }),
        }
    }
    Ok(intents)
}

fn read(location: &str, caller: &str, data: &str) -> Option<Intended> {
    let location = Location::parse(location).ok()?;
    let caller = match caller {
        ADMIN => Caller::Admin,
        CLIENT => Caller::Client,
        _ => return None,
    };
    let data = json::parse(data.as_bytes(), location.path.depth()).ok()?;
    Some(Intended { caller, location, data })
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use crate::storage::{Durability, Storage};
    use hearth_database::json::{self, Form};
    use hearth_database::{Caller, Change, Command, Engine, Intent, Location, OnDisconnect, Ruleset, SessionId, Write};

    fn open(storage: &Storage) -> Engine<Store> {
        Engine::open(Store::open(storage, "one").unwrap(), Ruleset::Open).unwrap()
    }

    fn session(name: &str) -> SessionId {
        SessionId(name.into())
    }

    fn intend(name: &str, intent: Intent) -> Command {
        Command::OnDisconnect(OnDisconnect { session: session(name), caller: Caller::Client, intent })
    }

    fn set_at_end(name: &str, path: &str, text: &str) -> Command {
        let data = json::parse(text.as_bytes(), 0).unwrap();
        intend(name, Intent::Set(Location::parse(path).unwrap(), data))
    }

    fn set(path: &str, text: &str) -> Command {
        let change = Change::Set(json::parse(text.as_bytes(), 0).unwrap());
        let location = Location::parse(path).unwrap();
        Command::Write(Write { caller: Caller::Client, location, if_match: None, change })
    }

    fn run(engine: &mut Engine<Store>, now: u64, commands: Vec<Command>) -> String {
        let answers = engine.execute(commands, now, &mut |_| (), |_| ());
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        json::to_text(&engine.snapshot().root, Form::Export)
    }

    fn rows(storage: &Storage) -> i64 {
        let store = Store::open(storage, "one").unwrap();
        store.file.writer.query_row("SELECT count(*) FROM intent", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_an_ended_process_leaves_happens_once_when_the_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let mut engine = open(&storage);
        run(
            &mut engine,
            5,
            vec![
                set_at_end("s1", "a", r#"{"t":{".sv":"timestamp"},"n":{".sv":{"increment":1}},".priority":2}"#),
                set("a", r#"{"n":5}"#),
                set_at_end("s2", "b/.priority", "7"),
                set_at_end("s2", "c", "1"),
                intend("s2", Intent::Cancel(hearth_database::Path::parse("c").unwrap())),
                set("b", "true"),
                set_at_end("s3", "d", "1"),
            ],
        );
        let text = run(&mut engine, 6, vec![Command::Disconnect(session("s3")), Command::Disconnect(session("s3"))]);
        assert_eq!((text.as_str(), rows(&storage)), (r#"{"a":{"n":5},"b":true,"d":1}"#, 2));
        // Neither the end of the process nor opening the file is the end of it.
        drop(engine);
        drop(open(&storage));
        let mut engine = open(&storage);
        assert_eq!(rows(&storage), 2);
        let text = run(&mut engine, 9, Vec::new());
        let happened = r#"{"a":{"n":6,"t":9,".priority":2},"b":{".value":true,".priority":7},"d":1}"#;
        assert_eq!((text.as_str(), rows(&storage)), (happened, 0));
        drop(engine);
        assert_eq!(run(&mut open(&storage), 10, vec![Command::Disconnect(session("s1"))]), happened);
    }

    #[test]
    fn a_batch_is_stored_with_its_intents_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let store = Store::open(&storage, "one").unwrap();
        store.file.writer.pragma_update(None, "max_page_count", 40).unwrap();
        let mut engine = Engine::open(store, Ruleset::Open).unwrap();
        run(&mut engine, 0, vec![set_at_end("s", "a", "1"), set("b", "1")]);
        let large = format!("\"{}\"", "x".repeat(1_000_000));
        let answers = engine.execute(
            [Command::Disconnect(session("s")), set("b", "2"), set_at_end("t", "c", &large)],
            0,
            &mut |_| (),
            |_| panic!("published"),
        );
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        assert_eq!(rows(&storage), 1);
        // What was due then happens with the next batch.
        assert_eq!(run(&mut engine, 0, Vec::new()), r#"{"a":1,"b":1}"#);
        assert_eq!(rows(&storage), 0);
    }

    #[test]
    fn intents_change_while_the_journal_is_folded() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let mut store = Store::open(&storage, "one").unwrap();
        (store.most_journal_bytes, store.fold_above, store.fold_step) = (300, 300, 1);
        let mut engine = Engine::open(store, Ruleset::Open).unwrap();
        for number in 0..40 {
            run(&mut engine, 0, vec![set(&format!("a/{number}"), "1")]);
            // By themselves, and with data.
            run(&mut engine, 0, vec![set_at_end("s", &format!("b/{number}"), "1")]);
            run(&mut engine, 0, vec![set_at_end("t", &format!("c/{number}"), "1"), set("d", &number.to_string())]);
            run(&mut engine, 0, vec![set_at_end("u", "e", "1")]);
            run(&mut engine, 0, vec![Command::Disconnect(session("u"))]);
            assert_eq!(rows(&storage), 2 * (number + 1));
        }
        let before = run(&mut engine, 0, Vec::new());
        drop(engine);
        let engine = open(&storage);
        assert_eq!(json::to_text(&engine.snapshot().root, Form::Export), before);
        drop(engine);
        run(&mut open(&storage), 0, Vec::new());
        assert_eq!((rows(&storage), open(&storage).snapshot().root.find("b").len()), (0, 40));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_refused() {
        for row in ["'a.b', 'admin', '1'", "'a', 'nobody', '1'", "'a', 'client', '{'"] {
            let store = Store::open(&Storage::memory(), "one").unwrap();
            store.file.writer.execute_batch(&format!("INSERT INTO intent VALUES ('s', {row})")).unwrap();
            let error = super::load(&store.file.writer).unwrap_err().to_string();
            assert!(error.starts_with("what session s intends for \"a"), "{row}: {error}");
        }
    }
}
