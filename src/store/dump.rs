//! The content of a database as a stream, the same whichever backend it comes from: what backups hold, and what moves
//! between backends and servers.
//!
//! `HBL1`, then tables: `T name, number of columns, names`, a row `R value...` for each, ordered by the primary key, and
//! `E number of rows`. Then `D` and the SHA-256 of everything before it. A value tells its type, so that a reader of
//! another version finds its columns by name; sealed columns stay sealed. Two databases with the same content give the
//! same stream: its digest proves a copy.

mod column;
pub(crate) mod copied;

pub(crate) use column::{Column, Value};

use crate::conn::{Conn, on};
use crate::error::{Error, Result};
use column::{bytes, varint};
use diesel::RunQueryDsl;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

const MAGIC: &[u8; 4] = b"HBL1";
/// Bytes that are gathered before they are handed on.
const PIECE: usize = 64 * 1024;
/// Room for a piece and the row that makes it one.
const ROOM: usize = PIECE + 4096;
/// Pieces that wait to be digested at most.
const PIECES: usize = 8;
/// Rows that one statement or copy inserts.
const BATCH: usize = 5_000;
/// Longest text or blob that is read: none of ours is nearly as long.
const LONGEST: u64 = 64 * 1024 * 1024;

/// The values of one row, by the names of their columns.
pub(crate) struct Fields<'a> {
    names: &'a [String],
    values: Vec<Value>,
}

impl Fields<'_> {
    /// The value of a column.
    pub(crate) fn take<C: Column>(&mut self, name: &str) -> Result<C> {
        let at = self.names.iter().position(|known| known == name);
        let Some(value) = at.and_then(|at| self.values.get_mut(at)) else { return Ok(C::absent()) };
        C::of(std::mem::replace(value, Value::Null))
            .ok_or_else(|| Error::Corrupt(format!("the column {name} holds something else")))
    }
}

/// Whether a database has a table.
fn is_there(conn: &mut Conn, table: &str) -> Result<bool> {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let found: Count = on!(
        conn,
        |sqlite| diesel::sql_query(
            "SELECT count(*) AS count FROM sqlite_master WHERE type = 'table' AND name = ?"
        )
        .bind::<diesel::sql_types::Text, _>(table)
        .get_result(sqlite)?,
        |postgres| diesel::sql_query(
            "SELECT count(*) AS count FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'r'"
        )
        .bind::<diesel::sql_types::Text, _>(table)
        .get_result(postgres)?
    );
    Ok(found.count > 0)
}

/// A table that is part of the stream.
pub(crate) trait Table: Sized {
    const NAME: &'static str;
    const COLUMNS: &'static [&'static str];
    /// Columns of the primary key.
    const KEYS: &'static [&'static str];
    type Source: diesel::Table;
    /// Writes all rows in the order of the primary key.
    fn write(conn: &mut Conn, out: &mut Writer<'_>) -> Result<()>;
    fn insert(conn: &mut Conn, rows: &[Self]) -> Result<()>;
    fn of(fields: Fields<'_>) -> Result<Self>;
}

/// Makes a row of a table that is part of the stream.
macro_rules! dumped {
    ($row:ident of $table:ident::$name:ident by ($($key:ident),+) { $($column:ident: $type:ty,)+ }) => {
        #[derive(diesel::Queryable, diesel::Selectable, diesel::Insertable)]
        #[diesel(table_name = $table::$name, treat_none_as_default_value = false)]
        struct $row {
            $($column: $type,)+
        }

        impl $crate::dump::Table for $row {
            const NAME: &'static str = stringify!($name);
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),+];
            type Source = $table::$name::table;

            fn write(conn: &mut $crate::conn::Conn, out: &mut $crate::dump::Writer<'_>) -> $crate::error::Result<()> {
                use diesel::prelude::*;
                use $crate::dump::{Column, copied};
                use $table::$name::dsl as t;
                $crate::conn::on!(
                    conn,
                    |sqlite| {
                        let rows = t::$name.order(($(t::$key,)+)).select(Self::as_select());
                        for row in rows.load_iter::<Self, diesel::connection::DefaultLoadingMode>(sqlite)? {
                            let row = row?;
                            out.row(|piece| {
                                $(Column::put(&row.$column, piece);)+
                                Ok(())
                            })?;
                        }
                        Ok(())
                    },
                    |postgres| copied::each::<Self>(postgres, |row| {
                        out.row(|piece| {
                            $(row.value::<$type>(piece)?;)+
                            Ok(())
                        })
                    })
                )
            }

            fn insert(conn: &mut $crate::conn::Conn, rows: &[Self]) -> $crate::error::Result<()> {
                use diesel::prelude::*;
                $crate::conn::on!(
                    conn,
                    |sqlite| {
                        // A statement whose text is always the same is prepared once.
                        let (arrays, rest) = rows.as_chunks::<50>();
                        for some in arrays {
                            diesel::insert_into($table::$name::table).values(some).execute(sqlite)?;
                        }
                        for row in rest {
                            diesel::insert_into($table::$name::table).values(row).execute(sqlite)?;
                        }
                    },
                    |postgres| {
                        diesel::copy_from($table::$name::table).from_insertable(rows).execute(postgres)?;
                    }
                );
                Ok(())
            }

            fn of(mut fields: $crate::dump::Fields<'_>) -> $crate::error::Result<Self> {
                Ok(Self { $($column: fields.take(stringify!($column))?,)+ })
            }
        }
    };
}
pub(crate) use dumped;

/// What a stream holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// SHA-256 of the content, hex.
    pub digest: String,
    /// Rows by table.
    pub rows: Vec<(String, u64)>,
    /// Bytes of the stream.
    pub bytes: u64,
}

impl Summary {
    /// Rows of a table; 0 of one that is not in it.
    pub fn rows_of(&self, table: &str) -> u64 {
        self.rows.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| *rows)
    }
}

/// Digests beside the reading of a database: on a thread of its own.
struct Digesting {
    pieces: SyncSender<Vec<u8>>,
    thread: JoinHandle<Sha256>,
}

impl Digesting {
    fn begin() -> Result<Self> {
        let (pieces, received) = sync_channel::<Vec<u8>>(PIECES);
        let work = move || {
            let mut digest = Sha256::new();
            received.iter().for_each(|piece| digest.update(&piece));
            digest
        };
        Ok(Self { pieces, thread: std::thread::Builder::new().name("digesting".into()).spawn(work)? })
    }

    fn end(self) -> Result<[u8; 32]> {
        drop(self.pieces);
        let digest = self.thread.join().map_err(|_| std::io::Error::other("digesting panicked"))?;
        Ok(digest.finalize().into())
    }
}

/// Writes a stream.
pub(crate) struct Writer<'a> {
    sink: &'a mut dyn Write,
    piece: Vec<u8>,
    digesting: Digesting,
    /// Of the table that is being written.
    rows: u64,
    summary: Summary,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(sink: &'a mut dyn Write) -> Result<Self> {
        let mut piece = Vec::with_capacity(ROOM);
        piece.extend_from_slice(MAGIC);
        Ok(Self { sink, piece, digesting: Digesting::begin()?, rows: 0, summary: Summary::default() })
    }

    pub(crate) fn table<T: Table>(&mut self, conn: &mut Conn) -> Result<()> {
        // A backup that precedes a migration is made of what there is before it.
        if !is_there(conn, T::NAME)? {
            return Ok(());
        }
        self.piece.push(b'T');
        bytes(2, T::NAME.as_bytes(), &mut self.piece);
        varint(T::COLUMNS.len() as u64, &mut self.piece);
        T::COLUMNS.iter().for_each(|name| bytes(2, name.as_bytes(), &mut self.piece));
        self.rows = 0;
        T::write(conn, self)?;
        let rows = self.rows;
        self.piece.push(b'E');
        varint(rows, &mut self.piece);
        self.summary.rows.push((T::NAME.to_owned(), rows));
        Ok(())
    }

    pub(crate) fn row(&mut self, put: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.rows += 1;
        self.piece.push(b'R');
        put(&mut self.piece)?;
        if self.piece.len() >= PIECE { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<()> {
        self.sink.write_all(&self.piece)?;
        self.summary.bytes += self.piece.len() as u64;
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(ROOM));
        self.digesting.pieces.send(piece).map_err(|_| std::io::Error::other("digesting has ended").into())
    }

    pub(crate) fn end(mut self) -> Result<Summary> {
        self.hand_on()?;
        let digest = self.digesting.end()?;
        self.sink.write_all(b"D")?;
        self.sink.write_all(&digest)?;
        self.sink.flush()?;
        self.summary.digest = hex::encode(digest);
        self.summary.bytes += 33;
        Ok(self.summary)
    }
}

/// Reads a stream.
pub(crate) struct Reader<R: Read> {
    source: BufReader<R>,
    digest: Sha256,
    /// Bytes that were read and are not digested yet.
    pending: Vec<u8>,
    summary: Summary,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R) -> Result<Self> {
        let mut this = Self {
            source: BufReader::with_capacity(PIECE, source),
            digest: Sha256::new(),
            pending: Vec::with_capacity(PIECE),
            summary: Summary::default(),
        };
        let mut magic = [0; 4];
        this.exactly(&mut magic)?;
        if &magic == MAGIC { Ok(this) } else { Err(Error::Corrupt("not a stream of this kind".into())) }
    }

    fn exactly(&mut self, into: &mut [u8]) -> Result<()> {
        self.source.read_exact(into)?;
        self.note(into);
        Ok(())
    }

    fn note(&mut self, read: &[u8]) {
        self.summary.bytes += read.len() as u64;
        self.pending.extend_from_slice(read);
        if self.pending.len() >= PIECE {
            self.digest.update(&self.pending);
            self.pending.clear();
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.exactly(&mut byte)?;
        Ok(byte[0])
    }

    fn varint(&mut self) -> Result<u64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
            if shift > 63 {
                return Err(Error::Corrupt("a number that is too long".into()));
            }
        }
    }

    fn blob(&mut self) -> Result<Vec<u8>> {
        let length = self.varint()?;
        if length > LONGEST {
            return Err(Error::Corrupt("a value that is too long".into()));
        }
        let mut blob = vec![0; usize::try_from(length).unwrap_or_default()];
        self.exactly(&mut blob)?;
        Ok(blob)
    }

    fn text(&mut self) -> Result<String> {
        String::from_utf8(self.blob()?).map_err(|_| Error::Corrupt("a text that is not UTF-8".into()))
    }

    fn value(&mut self) -> Result<Value> {
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => {
                let number = self.varint()?;
                Value::Int((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
            }
            2 => Value::Text(self.text()?),
            3 => Value::Bytes(self.blob()?),
            other => return Err(Error::Corrupt(format!("a value of the unknown type {other}"))),
        })
    }

    /// The name of the next table, or `None` at the end, once the digest fits.
    pub(crate) fn next_table(&mut self) -> Result<Option<String>> {
        match self.byte()? {
            b'T' => match self.value()? {
                Value::Text(name) => Ok(Some(name)),
                _ => Err(Error::Corrupt("a table without a name".into())),
            },
            b'D' => {
                // The mark itself is not part of what is digested.
                self.pending.pop();
                self.digest.update(&self.pending);
                let made = std::mem::take(&mut self.digest).finalize();
                let mut told = [0; 32];
                self.source.read_exact(&mut told)?;
                self.summary.bytes += 32;
                self.summary.digest = hex::encode(made);
                if made.as_slice() != told {
                    return Err(Error::Corrupt("the content is not what was written".into()));
                }
                match self.source.fill_buf()?.is_empty() {
                    true => Ok(None),
                    false => Err(Error::Corrupt("something follows the end".into())),
                }
            }
            _ => Err(Error::Corrupt("neither a table nor the end".into())),
        }
    }

    /// Reads the rows of the table that was just named into the database.
    pub(crate) fn rows<T: Table>(&mut self, conn: &mut Conn) -> Result<()> {
        let mut names = Vec::new();
        for _ in 0..self.varint()?.min(1000) {
            match self.value()? {
                Value::Text(name) => names.push(name),
                _ => return Err(Error::Corrupt("a column without a name".into())),
            }
        }
        if let Some(unknown) = names.iter().find(|name| !T::COLUMNS.contains(&name.as_str())) {
            return Err(Error::Corrupt(format!(
                "{}.{unknown} is not known here: it was written by a newer version of Hourbook",
                T::NAME
            )));
        }
        let (mut batch, mut rows) = (Vec::with_capacity(BATCH), 0);
        loop {
            match self.byte()? {
                b'R' => {
                    let values = names.iter().map(|_| self.value()).collect::<Result<Vec<_>>>()?;
                    batch.push(T::of(Fields { names: &names, values })?);
                    rows += 1;
                    if batch.len() == BATCH {
                        T::insert(conn, &batch)?;
                        batch.clear();
                    }
                }
                b'E' => break,
                _ => return Err(Error::Corrupt("neither a row nor the end of a table".into())),
            }
        }
        if self.varint()? != rows {
            return Err(Error::Corrupt(format!("the table {} has lost rows", T::NAME)));
        }
        if !batch.is_empty() {
            T::insert(conn, &batch)?;
        }
        self.summary.rows.push((T::NAME.to_owned(), rows));
        Ok(())
    }

    fn skip(&mut self, table: String) -> Result<()> {
        let columns = self.varint()?.min(1000);
        for _ in 0..columns {
            self.value()?;
        }
        let mut rows = 0;
        loop {
            match self.byte()? {
                b'R' => {
                    for _ in 0..columns {
                        self.value()?;
                    }
                    rows += 1;
                }
                b'E' => break,
                _ => return Err(Error::Corrupt("neither a row nor the end of a table".into())),
            }
        }
        if self.varint()? != rows {
            return Err(Error::Corrupt(format!("the table {table} has lost rows")));
        }
        self.summary.rows.push((table, rows));
        Ok(())
    }

    pub(crate) fn summary(self) -> Summary {
        self.summary
    }
}

/// Reads a stream without keeping it, whatever its tables are.
///
/// # Errors
/// When it is broken or cut off.
pub fn check(source: impl Read) -> Result<Summary> {
    let mut reader = Reader::new(source)?;
    while let Some(name) = reader.next_table()? {
        reader.skip(name)?;
    }
    Ok(reader.summary())
}

/// Makes `dump` and `load` for the tables of a database, those that others refer to first.
macro_rules! tables {
    ($($row:ident),+ $(,)?) => {
        /// Writes the content as a stream.
        ///
        /// # Errors
        /// When the database cannot be read or the stream not be written.
        pub(crate) fn dump(conn: &mut $crate::conn::Conn, sink: &mut dyn std::io::Write) -> $crate::error::Result<$crate::dump::Summary> {
            let mut writer = $crate::dump::Writer::new(sink)?;
            $(writer.table::<$row>(conn)?;)+
            writer.end()
        }

        /// Reads a stream into empty tables.
        ///
        /// # Errors
        /// When the stream is broken or of a newer version; then nothing may be committed.
        pub(crate) fn load(conn: &mut $crate::conn::Conn, source: impl std::io::Read) -> $crate::error::Result<$crate::dump::Summary> {
            use $crate::dump::Table;
            let mut reader = $crate::dump::Reader::new(source)?;
            while let Some(name) = reader.next_table()? {
                match name.as_str() {
                    $(<$row>::NAME => reader.rows::<$row>(conn)?,)+
                    unknown => {
                        return Err($crate::error::Error::Corrupt(format!(
                            "the table {unknown} is not known here: it was written by a newer version of Hourbook"
                        )));
                    }
                }
            }
            Ok(reader.summary())
        }
    };
}
pub(crate) use tables;
