//! Making and removing databases: the only use of a server's own address.
//!
//! A tenant's database is a copy of a migrated template, with a role that may connect to it and to nothing else: CONNECT
//! is taken from PUBLIC on every database of the server.

use super::{Pooled, Server, scram};
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::migrate;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use hourbook_crypto::nonce;
use std::sync::atomic::Ordering;
use std::time::Duration;
use zeroize::Zeroizing;

/// Owns the tables of all tenant databases and logs in nowhere; the roles of tenants are its members.
const OWNER: &str = "hourbook_tenants";
/// Preparing a server is done by one node at a time.
const PREPARE: &str = "SELECT pg_advisory_lock(hashtext('hourbook prepare'))";
/// A session that stalls in the middle of a transaction gives its locks up after so long.
const STALLED: &str = "idle_in_transaction_session_timeout = '15s'";

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    answer: bool,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// What the names of all databases and roles of a tenant begin with: its id, which says nothing.
fn prefix(tenant_id: &str) -> String {
    format!("hb_{tenant_id}_")
}

/// Name of a tenant's database and role; each time that it is filled anew, it has another number. 0 is scratch space.
pub fn name(tenant_id: &str, number: u32) -> String {
    format!("{}{number}", prefix(tenant_id))
}

/// The number in a name.
pub fn number(name: &str) -> u32 {
    name.rsplit('_').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A password for its role.
pub fn fresh_password() -> Zeroizing<String> {
    Zeroizing::new(hex::encode(nonce::random::<32>()))
}

/// Runs statements that change what all databases of a server share. Another node that does the same at this moment makes
/// one of the two fail, which then does it again.
fn run(conn: &mut PgConnection, sql: &str) -> Result<()> {
    const TRIES: u32 = 20;
    for attempt in 1.. {
        match conn.batch_execute(sql) {
            Err(error) if attempt < TRIES && error.to_string().contains("tuple concurrently") => {
                std::thread::sleep(Duration::from_millis(10 * u64::from(attempt)));
            }
            other => return Ok(other?),
        }
    }
    Ok(())
}

fn yes(conn: &mut PgConnection, question: &str) -> Result<bool> {
    let answer: Answer = diesel::sql_query(format!("SELECT {question} AS answer")).get_result(conn)?;
    Ok(answer.answer)
}

fn has_database(conn: &mut PgConnection, name: &str) -> Result<bool> {
    yes(conn, &format!("EXISTS (SELECT FROM pg_database WHERE datname = '{name}')"))
}

fn has_role(conn: &mut PgConnection, name: &str) -> Result<bool> {
    yes(conn, &format!("EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}')"))
}

/// Databases that anybody with a role may connect to.
fn open_to_all(conn: &mut PgConnection) -> Result<Vec<String>> {
    let sql = "SELECT datname::text AS name FROM pg_database WHERE datallowconn AND (datacl IS NULL OR EXISTS (\
               SELECT FROM aclexplode(datacl) WHERE grantee = 0 AND privilege_type = 'CONNECT')) ORDER BY 1";
    let found: Vec<Name> = diesel::sql_query(sql).load(conn)?;
    Ok(found.into_iter().map(|found| found.name).collect())
}

/// Names of ours are put into statements as they are.
fn checked(name: &str) -> Result<&str> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain && name.starts_with("hb_") && name.len() <= 63 {
        Ok(name)
    } else {
        Err(Error::Corrupt("a database of another kind of name".into()))
    }
}

impl Server {
    /// The template for tenants of this version.
    fn template() -> String {
        format!("hourbook_template_{}", migrate::newest_of_tenants())
    }

    /// Makes the role that owns tables and the template, if they are not there, and takes CONNECT from PUBLIC.
    ///
    /// # Errors
    /// When the server cannot be reached, or the address has not the rights; then it says which statement is missing.
    pub fn prepare(&self) -> Result<()> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        self.prepare_now()?;
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }

    fn prepare_now(&self) -> Result<()> {
        let conn = &mut self.direct()?;
        conn.batch_execute(PREPARE)?;
        if !has_role(conn, OWNER)? {
            run(conn, &format!("CREATE ROLE {OWNER} NOLOGIN; GRANT {OWNER} TO CURRENT_USER"))?;
        }
        self.close_to_public(conn)?;
        let template = Self::template();
        let whole = format!(
            "EXISTS (SELECT FROM pg_database WHERE datname = '{template}' AND datistemplate AND NOT datallowconn)"
        );
        if yes(conn, &whole)? {
            return Ok(());
        }
        // Half made by somebody who was cut off.
        run(conn, &format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)"))?;
        // Texts sort by bytes, as they do in SQLite.
        run(
            conn,
            &format!(
                "CREATE DATABASE {template} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
            ),
        )?;
        run(conn, &format!("REVOKE ALL ON DATABASE {template} FROM PUBLIC"))?;
        let mut inside = crate::conn::to_server(self.address.database(&template).url.as_str())?;
        inside.batch_execute(&format!("GRANT CREATE ON SCHEMA public TO {OWNER}; SET ROLE {OWNER}"))?;
        migrate::up_on_server(&mut inside, migrate::Schema::Tenant)?;
        drop(inside);
        run(conn, &format!("ALTER DATABASE {template} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"))?;
        Ok(())
    }

    fn close_to_public(&self, conn: &mut PgConnection) -> Result<()> {
        for database in open_to_all(conn)? {
            let revoke = format!("REVOKE CONNECT, TEMPORARY ON DATABASE \"{database}\" FROM PUBLIC");
            if let Err(error) = run(conn, &revoke) {
                tracing::debug!(%error, "a database could not be closed to PUBLIC");
            }
        }
        match open_to_all(conn)?.first() {
            None => Ok(()),
            // A REVOKE without the right to it is only a warning, so it is looked at again.
            Some(database) => Err(Error::Migration(format!(
                "server {}: every role may connect to the database {database:?}; as its owner, run: REVOKE CONNECT \
                 ON DATABASE \"{database}\" FROM PUBLIC",
                self.name
            ))),
        }
    }

    /// Makes a database with its role, both of that name, if it is still `wanted` once nobody else makes it. What a
    /// former try left is removed first; if it cannot be noted as `made`, it goes again.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached, or one of the two fails.
    pub fn create_if(
        &self,
        name: &str,
        password: &str,
        wanted: impl FnOnce() -> Result<bool>,
        made: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.prepare()?;
        // The lock is held by the session and goes with it.
        let mut lock = self.direct()?;
        lock.batch_execute(&format!("SELECT pg_advisory_lock(hashtext('{}'))", checked(name)?))?;
        if wanted()? {
            self.create(name, password)?;
            if let Err(error) = made() {
                self.remove(name)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes a database with its role, both of that name. What a former try left is removed first.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn create(&self, name: &str, password: &str) -> Result<()> {
        self.prepare()?;
        let name = checked(name)?;
        self.remove(name)?;
        let conn = &mut self.direct()?;
        let verifier = scram::verifier(password, &nonce::random::<16>());
        run(
            conn,
            &format!(
                "CREATE ROLE {name} LOGIN PASSWORD '{verifier}' IN ROLE {OWNER}; GRANT {name} TO CURRENT_USER; \
             ALTER ROLE {name} SET {STALLED}"
            ),
        )?;
        // Nobody gets in before PUBLIC is shut out: who may connect is not copied from the template.
        run(conn, &format!("CREATE DATABASE {name} TEMPLATE {} ALLOW_CONNECTIONS false", Self::template()))?;
        run(
            conn,
            &format!(
                "REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {name}; \
             ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"
            ),
        )?;
        Ok(())
    }

    /// Removes a database and its role; connections are ended first.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn remove(&self, name: &str) -> Result<()> {
        let name = checked(name)?;
        let conn = &mut self.direct()?;
        if has_database(conn, name)? {
            run(conn, &format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))?;
            run(conn, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        }
        run(conn, &format!("DROP ROLE IF EXISTS {name}"))?;
        Ok(())
    }

    /// All databases and roles of a tenant that are there.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn of_tenant(&self, tenant_id: &str) -> Result<Vec<String>> {
        let conn = &mut self.direct()?;
        let like = checked(&name(tenant_id, 0))?.trim_end_matches('0').replace('_', "\\_");
        let found: Vec<Name> = diesel::sql_query(format!(
            "SELECT datname::text AS name FROM pg_database WHERE datname LIKE '{like}%' UNION \
             SELECT rolname::text FROM pg_roles WHERE rolname LIKE '{like}%' ORDER BY 1"
        ))
        .load(conn)?;
        Ok(found.into_iter().map(|found| found.name).collect())
    }

    /// Bytes of a database on disk; `None` if it is not there.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn bytes(&self, name: &str) -> Result<Option<i64>> {
        let name = checked(name)?;
        let conn = &mut self.direct()?;
        if !has_database(conn, name)? {
            return Ok(None);
        }
        let size: Number =
            diesel::sql_query(format!("SELECT pg_database_size('{name}') AS number")).get_result(conn)?;
        Ok(Some(size.number))
    }

    /// A connection to a tenant's database with the server's own rights: for counting what is to be wiped, when the key
    /// that seals the role's password is destroyed.
    pub(crate) fn inside(&self, name: &str) -> Result<Conn> {
        let slot =
            self.slots.take().ok_or_else(|| Error::Unavailable("all connections are in use".into()))?;
        let conn = crate::conn::to_server(self.address.database(checked(name)?).url.as_str())?;
        Ok(Conn::Postgres(Pooled { conn, retired: false, _slot: slot }))
    }

    /// Brings the database of the address up to date, as one of the service's own: nobody else may connect to it, and
    /// a session that stalls in it gives its locks up.
    ///
    /// # Errors
    /// When the address has not the rights, or a migration fails.
    pub fn up(&self, schema: migrate::Schema) -> Result<usize> {
        let conn = &mut self.direct()?;
        let name = self.address.database_name().replace('"', "");
        run(
            conn,
            &format!(
                "REVOKE CONNECT, TEMPORARY ON DATABASE \"{name}\" FROM PUBLIC; ALTER DATABASE \"{name}\" SET {STALLED}"
            ),
        )?;
        migrate::up_on_server(conn, schema)
    }

    /// Makes another database beside that of the address, if it is not there.
    ///
    /// # Errors
    /// When the address has not the rights.
    pub fn ensure_beside(&self, name: &str) -> Result<()> {
        let conn = &mut self.direct()?;
        conn.batch_execute(PREPARE)?;
        if !has_database(conn, &name.replace('\'', ""))? {
            let name = name.replace('"', "");
            run(conn, &format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'"))?;
        }
        Ok(())
    }
}
