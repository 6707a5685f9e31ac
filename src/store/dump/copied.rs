//! Reading a table of PostgreSQL in order, by COPY in binary: half the work of a query for the server and for us.
//!
//! Of the format (<https://www.postgresql.org/docs/current/sql-copy.html>): a signature of 11 bytes, flags (4) and the
//! length of an extension (4), then for each row the number of its fields (2), and for each field its length (4, -1 for
//! NULL) and its bytes; -1 instead of a number of fields ends it. All numbers are big endian.

use super::{Column, Table};
use crate::error::{Error, Result};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::pg::{CopyFormat, CopyTarget, Pg};
use diesel::query_builder::AstPass;
use std::io::BufRead;
use std::marker::PhantomData;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// All rows of a table by their key. Diesel knows tables alone as what is copied, though not their order.
struct InOrder<T>(PhantomData<T>);

impl<T: Table> CopyTarget for InOrder<T> {
    type Table = T::Source;
    type SqlType = diesel::sql_types::BigInt;

    fn walk_target(mut pass: AstPass<'_, '_, Pg>) -> diesel::QueryResult<()> {
        let (columns, keys) = (T::COLUMNS.join(", "), T::KEYS.join(", "));
        pass.push_sql(&format!("(SELECT {columns} FROM {} ORDER BY {keys})", T::NAME));
        Ok(())
    }
}

/// The row that is being read.
pub(crate) struct Row<'a> {
    source: &'a mut dyn BufRead,
    field: &'a mut Vec<u8>,
}

impl Row<'_> {
    /// Puts the next field into the stream.
    pub(crate) fn value<C: Column>(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Ok(length) = usize::try_from(i32::from_be_bytes(taken(self.source)?)) else {
            out.push(0);
            return Ok(());
        };
        self.field.resize(length, 0);
        self.source.read_exact(self.field)?;
        C::relay(self.field, out)
    }
}

fn taken<const N: usize>(source: &mut dyn BufRead) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Tells all rows of a table in the order of its key.
pub(crate) fn each<T: Table>(
    conn: &mut PgConnection,
    tell: impl FnMut(&mut Row<'_>) -> Result<()>,
) -> Result<()> {
    let told = tell_all::<T>(conn, tell);
    // Whatever of the copy was not read goes before the next query, which would else be refused.
    let drained = conn.batch_execute("SELECT 1");
    told?;
    Ok(drained?)
}

fn tell_all<T: Table>(
    conn: &mut PgConnection,
    mut tell: impl FnMut(&mut Row<'_>) -> Result<()>,
) -> Result<()> {
    let rows = diesel::copy_to(InOrder::<T>(PhantomData)).with_format(CopyFormat::Binary);
    let mut source = rows.load_raw(conn)?;
    if taken(&mut source)? != *SIGNATURE {
        return Err(Error::Corrupt("a copy of another kind".into()));
    }
    let [_flags, extension] = [taken(&mut source)?, taken(&mut source)?].map(u32::from_be_bytes);
    if extension != 0 {
        return Err(Error::Corrupt("a copy with an extension".into()));
    }
    let mut field = Vec::new();
    loop {
        match i16::from_be_bytes(taken(&mut source)?) {
            -1 => return Ok(()),
            fields if usize::try_from(fields).is_ok_and(|fields| fields == T::COLUMNS.len()) => {
                tell(&mut Row { source: &mut source, field: &mut field })?;
            }
            _ => return Err(Error::Corrupt("a row with other columns".into())),
        }
    }
}
