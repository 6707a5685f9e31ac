//! Webhooks between their arrival and the tenant databases: one append-only log shared by all tenants.
//!
//! Many webhooks share one commit, so that each is durable before it is answered at the price of a fraction of
//! a disk flush. Bodies are sealed under the tenant's key: destroying the key destroys what still waits here.

use crate::among::among;
use crate::conn::{Conn, Db, on};
use crate::error::Result;
use crate::migrate::{self, Schema};
use diesel::prelude::*;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot};

mod schema {
    diesel::table! {
        events (seq) {
            seq -> BigInt,
            tenant_id -> Text,
            identifier -> Text,
            received_at -> BigInt,
            body -> Nullable<Binary>,
        }
    }
}
use schema::events::dsl as e;

/// Events that share one commit at most.
const GROUP: usize = 512;
/// Events that may wait for the writer before senders have to wait themselves.
const BACKLOG: usize = 4096;

/// An event as it arrives, its body sealed.
#[derive(Debug, Insertable)]
#[diesel(table_name = schema::events, treat_none_as_default_value = false)]
pub struct NewEvent {
    /// Whose event it is.
    pub tenant_id: String,
    /// Jira's identifier, the same when Jira sends again.
    pub identifier: String,
    /// When it arrived.
    pub received_at: i64,
    /// The event, sealed.
    pub body: Option<Vec<u8>>,
}

/// An event that waits to be applied.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = schema::events)]
pub struct Event {
    /// Order of arrival.
    pub seq: i64,
    /// Jira's identifier; the sealed body is bound to it.
    pub identifier: String,
    /// When it arrived.
    pub received_at: i64,
    /// The event, sealed.
    pub body: Option<Vec<u8>>,
}

/// The inbox could not take the event; Jira should send it again.
#[derive(Debug, thiserror::Error)]
#[error("the inbox is not writable")]
pub struct NotWritable;

struct Submission {
    event: NewEvent,
    durable: oneshot::Sender<bool>,
}

/// The inbox and its single writer.
pub struct Inbox {
    db: Arc<Db>,
    queue: mpsc::Sender<Submission>,
    arrived: Arc<Notify>,
}

impl Inbox {
    /// Opens or creates the inbox in a file and starts its writer thread, which ends with the inbox.
    ///
    /// # Errors
    /// When the file cannot be opened or migrated.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_grouped(path, GROUP)
    }

    /// The inbox in a migrated database, with a writer thread of this node.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn shared(db: Db) -> Result<Self> {
        Self::start(db, GROUP)
    }

    /// Like [`Inbox::open`], with at most `group` events in one commit: 1 is the simple way, to measure against.
    ///
    /// # Errors
    /// When the file cannot be opened or migrated.
    pub fn open_grouped(path: &Path, group: usize) -> Result<Self> {
        migrate::up(path, Schema::Inbox)?;
        Self::start(Db::open(path, 2)?, group)
    }

    fn start(db: Db, group: usize) -> Result<Self> {
        let db = Arc::new(db);
        let (queue, submissions) = mpsc::channel(BACKLOG);
        let arrived = Arc::new(Notify::new());
        let (writer_db, wake) = (Arc::clone(&db), Arc::clone(&arrived));
        std::thread::Builder::new()
            .name("inbox".into())
            .spawn(move || write_groups(&writer_db, submissions, &wake, group))?;
        Ok(Self { db, queue, arrived })
    }

    /// Returns once the event is on disk (or was there already).
    ///
    /// # Errors
    /// [`NotWritable`] if it could not be made durable.
    pub async fn append(&self, event: NewEvent) -> std::result::Result<(), NotWritable> {
        let (durable, answer) = oneshot::channel();
        self.queue.send(Submission { event, durable }).await.map_err(|_| NotWritable)?;
        match answer.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(NotWritable),
        }
    }

    /// Waits until something arrived since the last call.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Tenants with waiting events.
    pub async fn waiting_tenants(&self) -> Result<Vec<String>> {
        self.db
            .read(|conn| {
                Ok(on!(conn, |c| e::events
                    .filter(e::body.is_not_null())
                    .select(e::tenant_id)
                    .distinct()
                    .load(c))?)
            })
            .await
    }

    /// The oldest waiting events of a tenant.
    pub async fn waiting(&self, tenant_id: &str, limit: i64) -> Result<Vec<Event>> {
        let tenant_id = tenant_id.to_owned();
        self.db
            .read(move |conn| {
                Ok(on!(conn, |c| e::events
                    .filter(e::tenant_id.eq(tenant_id).and(e::body.is_not_null()))
                    .order(e::seq)
                    .limit(limit)
                    .select(Event::as_select())
                    .load(c))?)
            })
            .await
    }

    /// How many events of a tenant wait.
    pub async fn backlog(&self, tenant_id: &str) -> Result<i64> {
        let tenant_id = tenant_id.to_owned();
        self.db
            .read(move |conn| {
                Ok(on!(conn, |c| e::events
                    .filter(e::tenant_id.eq(tenant_id).and(e::body.is_not_null()))
                    .count()
                    .get_result(c))?)
            })
            .await
    }

    /// Notes that the events were applied; their bodies go, their identifiers stay.
    pub async fn applied(&self, seqs: Vec<i64>) -> Result<()> {
        self.db
            .write(move |conn| {
                for some in seqs.chunks(GROUP) {
                    on!(conn, |c| diesel::update(e::events.filter(among(e::seq, some)))
                        .set(e::body.eq(None::<Vec<u8>>))
                        .execute(c))?;
                }
                Ok(())
            })
            .await
    }

    /// Forgets identifiers of applied events that arrived before an instant. Walks from the oldest: an index by age
    /// would cost each arriving event more than this costs by the hour.
    pub async fn forget_before(&self, before: i64) -> Result<usize> {
        let (mut after, mut forgotten) = (0, 0);
        loop {
            let (next, count) = self.db.write(move |conn| forget_some(conn, after, before)).await?;
            forgotten += count;
            match next {
                Some(next) => after = next,
                None => return Ok(forgotten),
            }
        }
    }

    /// Removes everything of a tenant; returns how many rows there were.
    pub async fn wipe(&self, tenant_id: &str) -> Result<usize> {
        let tenant_id = tenant_id.to_owned();
        let removed = self
            .db
            .write(move |conn| {
                Ok(on!(conn, |c| diesel::delete(e::events.filter(e::tenant_id.eq(tenant_id))).execute(c))?)
            })
            .await?;
        self.db.scrub(&["events"]).await?;
        Ok(removed)
    }

    /// How many rows a tenant has, applied ones included.
    pub async fn count(&self, tenant_id: &str) -> Result<i64> {
        let tenant_id = tenant_id.to_owned();
        self.db
            .read(move |conn| {
                Ok(on!(conn, |c| e::events.filter(e::tenant_id.eq(tenant_id)).count().get_result(c))?)
            })
            .await
    }
}

/// Forgets among the next thousand events behind `after`; the position to go on from, if there may be more.
fn forget_some(conn: &mut Conn, after: i64, before: i64) -> Result<(Option<i64>, usize)> {
    let next = e::events.filter(e::seq.gt(after)).order(e::seq).limit(1000);
    let ages: Vec<(i64, i64)> = on!(conn, |c| next.select((e::seq, e::received_at)).load(c))?;
    let old = ages.iter().take_while(|(_, received_at)| *received_at < before);
    let Some((last, _)) = old.last() else { return Ok((None, 0)) };
    let applied = e::events.filter(e::seq.gt(after).and(e::seq.le(*last)).and(e::body.is_null()));
    Ok((Some(*last), on!(conn, |c| diesel::delete(applied).execute(c))?))
}

/// Takes what waits, commits it once, and answers everyone.
fn write_groups(db: &Db, mut submissions: mpsc::Receiver<Submission>, arrived: &Notify, group: usize) {
    while let Some(first) = submissions.blocking_recv() {
        let mut events = vec![first.event];
        let mut waiting = vec![first.durable];
        while events.len() < group {
            let Ok(next) = submissions.try_recv() else { break };
            events.push(next.event);
            waiting.push(next.durable);
        }
        let written = db.append_blocking(|conn| insert(conn, &events));
        if let Err(error) = &written {
            tracing::error!(%error, events = events.len(), "webhooks could not be made durable");
        }
        for durable in waiting {
            // A sender that hung up meanwhile needs no answer.
            let _ = durable.send(written.is_ok());
        }
        arrived.notify_one();
    }
}

fn insert(conn: &mut Conn, events: &[NewEvent]) -> Result<()> {
    on!(
        conn,
        |sqlite| {
            // One by one: such a statement stays prepared, one of many rows would be parsed again for each group.
            for event in events {
                diesel::insert_or_ignore_into(e::events).values(event).execute(sqlite)?;
            }
        },
        |postgres| {
            insert_in_columns(events, postgres)?;
        }
    );
    Ok(())
}

fn insert_in_columns(events: &[NewEvent], c: &mut PgConnection) -> QueryResult<usize> {
    use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};
    diesel::sql_query(
        "INSERT INTO events (tenant_id, identifier, received_at, body) SELECT * FROM unnest($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Text>, _>(events.iter().map(|event| &event.tenant_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(events.iter().map(|event| &event.identifier).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(events.iter().map(|event| event.received_at).collect::<Vec<_>>())
    .bind::<Array<Nullable<Binary>>, _>(events.iter().map(|event| event.body.as_deref()).collect::<Vec<_>>())
    .execute(c)
}
