//! Channels and messages in SQLite: durable ones after every batch, all of them after a proper stop.
//!
//! Must not know: who publishes and who listens.

use crate::storage::Migration;
use bytes::Bytes;
use hearth_pubsub::journal::{Batch, ChannelRecord, Counters, Journal, Kept, MessageRecord};
use hearth_pubsub::message::{EventField, Message, Publication, Stamp};
use hearth_pubsub::path::ChannelId;
use rusqlite::{Connection, Row, params};

/// The file's schema. `run` has one row; whole: the run before has ended properly.
pub(super) const MIGRATIONS: &[Migration] = &[Migration(
    "CREATE TABLE run (
         one INTEGER PRIMARY KEY CHECK (one = 1),
         epoch INTEGER NOT NULL,
         whole INTEGER NOT NULL,
         seq INTEGER NOT NULL,
         forgotten INTEGER NOT NULL,
         forgotten_volatile INTEGER NOT NULL,
         stamp_time INTEGER NOT NULL,
         stamp_tag INTEGER NOT NULL
     );
     CREATE TABLE channel (
         id BLOB PRIMARY KEY,
         published INTEGER NOT NULL,
         born INTEGER NOT NULL,
         latest INTEGER NOT NULL,
         lost INTEGER NOT NULL
     ) WITHOUT ROWID;
     CREATE TABLE message (
         seq INTEGER PRIMARY KEY,
         channel BLOB NOT NULL,
         number INTEGER NOT NULL,
         stamp_time INTEGER NOT NULL,
         stamp_tag INTEGER NOT NULL,
         expires INTEGER NOT NULL,
         event_id BLOB,
         event_type BLOB,
         body BLOB NOT NULL
     );
     CREATE INDEX message_of_channel ON message (channel, seq);",
)];

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct Store(pub(super) Connection);

impl Store {
    /// The epoch of all runs on this file; `new` if it is the first.
    pub(super) fn epoch(&self, new: u64) -> rusqlite::Result<u64> {
        self.0.execute("INSERT OR IGNORE INTO run VALUES (1, ?1, 0, 0, 0, 0, 0, 0)", [integer(new)])?;
        self.0.query_row("SELECT epoch FROM run", [], |row| number(row, 0))
    }

    /// Everything that was kept.
    pub(super) fn load(&self) -> rusqlite::Result<Kept> {
        let (is_whole, counters) = self.0.query_row(
            "SELECT whole, seq, forgotten, forgotten_volatile, stamp_time, stamp_tag FROM run",
            [],
            |row| {
                let stamp = Stamp { time: number(row, 4)?, tag: number(row, 5)? };
                let (seq, forgotten, forgotten_volatile) = (number(row, 1)?, number(row, 2)?, number(row, 3)?);
                Ok((row.get(0)?, Counters { seq, forgotten, forgotten_volatile, stamp }))
            },
        )?;
        let mut channels = self.0.prepare("SELECT id, published, born, latest, lost FROM channel ORDER BY born, id")?;
        let channels = channels.query_map([], channel)?.collect::<rusqlite::Result<_>>()?;
        let mut messages = self.0.prepare(
            "SELECT seq, channel, number, stamp_time, stamp_tag, expires, event_id, event_type, body
             FROM message ORDER BY seq",
        )?;
        let messages = messages.query_map([], message)?.collect::<rusqlite::Result<_>>()?;
        Ok(Kept { counters, channels, messages, is_whole })
    }

    /// Begins a run: only durable channels stay in the file, and no id of this run is ever given again.
    pub(super) fn begin_run(&mut self, counters: &Counters, volatile: &[ChannelId]) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        for id in volatile {
            transaction.execute("DELETE FROM message WHERE channel = ?1", [id.as_bytes()])?;
            transaction.execute("DELETE FROM channel WHERE id = ?1", [id.as_bytes()])?;
        }
        set_counters(&transaction, counters, false)?;
        transaction.commit()
    }

    /// Replaces everything, as the last thing that a run does.
    pub(super) fn end_run(&mut self, kept: &Kept) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        transaction.execute_batch("DELETE FROM message; DELETE FROM channel")?;
        kept.channels.iter().try_for_each(|record| put_channel(&transaction, record))?;
        kept.messages.iter().try_for_each(|record| put_message(&transaction, record))?;
        set_counters(&transaction, &kept.counters, kept.is_whole)?;
        transaction.commit()
    }

    fn write(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        for (id, outdated) in &batch.outdated {
            let key = params![id.as_bytes(), integer(outdated.up_to)];
            transaction.prepare_cached("DELETE FROM message WHERE channel = ?1 AND seq <= ?2")?.execute(key)?;
            let sql = match outdated.is_gone {
                true => "DELETE FROM channel WHERE id = ?1 AND latest <= ?2",
                false => "UPDATE channel SET lost = max(lost, ?2) WHERE id = ?1",
            };
            transaction.prepare_cached(sql)?.execute(key)?;
        }
        batch.channels.iter().try_for_each(|record| put_channel(&transaction, record))?;
        batch.messages.iter().try_for_each(|record| put_message(&transaction, record))?;
        set_counters(&transaction, &batch.counters, false)?;
        transaction.commit()
    }
}

impl Journal for Store {
    fn commit(&mut self, batch: &Batch) -> Result<(), String> {
        self.write(batch).map_err(|error| error.to_string())
    }
}

fn put_channel(connection: &Connection, record: &ChannelRecord) -> rusqlite::Result<()> {
    let ChannelRecord { id, published, born, latest, lost } = record;
    let mut statement = connection.prepare_cached("REPLACE INTO channel VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement
        .execute(params![id.as_bytes(), integer(*published), integer(*born), integer(*latest), integer(*lost)])
        .map(drop)
}

fn put_message(connection: &Connection, record: &MessageRecord) -> rusqlite::Result<()> {
    let MessageRecord { channel, expires, message } = record;
    let Publication { body, event_id, event_type } = &message.publication;
    let mut statement =
        connection.prepare_cached("REPLACE INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    let row = params![
        integer(message.seq),
        channel.as_bytes(),
        message.id,
        integer(message.stamp.time),
        integer(message.stamp.tag),
        integer(*expires),
        event_id.as_ref().map(EventField::as_bytes),
        event_type.as_ref().map(EventField::as_bytes),
        &body[..],
    ];
    statement.execute(row).map(drop)
}

fn set_counters(connection: &Connection, counters: &Counters, whole: bool) -> rusqlite::Result<()> {
    let [seq, forgotten, forgotten_volatile] =
        [counters.seq, counters.forgotten, counters.forgotten_volatile].map(integer);
    let (time, tag) = (integer(counters.stamp.time), integer(counters.stamp.tag));
    let mut statement = connection.prepare_cached(
        "UPDATE run SET whole = ?1, seq = ?2, forgotten = ?3, forgotten_volatile = ?4, stamp_time = ?5, stamp_tag = ?6",
    )?;
    statement.execute(params![whole, seq, forgotten, forgotten_volatile, time, tag]).map(drop)
}

fn channel(row: &Row<'_>) -> rusqlite::Result<ChannelRecord> {
    let id = ChannelId::new(row.get_ref(0)?.as_blob()?);
    Ok(ChannelRecord {
        id,
        published: number(row, 1)?,
        born: number(row, 2)?,
        latest: number(row, 3)?,
        lost: number(row, 4)?,
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<MessageRecord> {
    let field = |index: usize| -> rusqlite::Result<Option<EventField>> {
        Ok(row.get_ref(index)?.as_blob_or_null()?.and_then(EventField::new))
    };
    let body = Bytes::copy_from_slice(row.get_ref(8)?.as_blob()?);
    let publication = Publication { body, event_id: field(6)?, event_type: field(7)? };
    let stamp = Stamp { time: number(row, 3)?, tag: number(row, 4)? };
    Ok(MessageRecord {
        channel: ChannelId::new(row.get_ref(1)?.as_blob()?),
        expires: number(row, 5)?,
        message: Message { id: row.get(2)?, seq: number(row, 0)?, stamp, publication },
    })
}

/// A number as SQLite keeps it, and back. None here is ever beyond 63 bits.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or_default())
}
