//! The databases of the service, on whichever backend the configuration names.

use crate::config::{Shared, Storage};
use anyhow::Context;
use hourbook_store::conn::Db;
use hourbook_store::inbox::Inbox;
use hourbook_store::keyring;
use hourbook_store::migrate::{self, Schema};
use hourbook_store::postgres::{Address, Login, Server};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Concurrent reads of a file.
const READERS: u32 = 4;
/// Connections of a node to each database of the service.
const CONNECTIONS: u32 = 8;

/// Where the control database lies, if it is a file.
pub fn control_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.db")
}

/// Where the keyring lies, if it is a file.
pub fn keyring_path(data_dir: &Path) -> PathBuf {
    data_dir.join("keyring.db")
}

/// Where the inbox lies, if it is a file.
pub fn inbox_path(data_dir: &Path) -> PathBuf {
    data_dir.join("inbox.db")
}

impl Shared {
    /// Webhooks on their way, beside control.
    fn inbox(&self) -> Address {
        self.control.database(&format!("{}_inbox", self.control.database_name()))
    }
}

/// A migrated database on a server; made beside that of control if it is not there.
fn on_server(control: &Address, address: &Address, schema: Schema) -> anyhow::Result<Db> {
    let name = address.database_name();
    if schema != Schema::Control && address == &control.database(name) {
        let beside = Server::new("control", control.clone(), 1);
        beside.ensure_beside(name).with_context(|| format!("making the database {name}"))?;
    }
    let server = Server::new(name, address.clone(), CONNECTIONS);
    server.up(schema).with_context(|| format!("opening the database {name}"))?;
    Ok(Db::on_server(&server, Login::OfAddress, CONNECTIONS)?)
}

/// Opens the control database, migrated.
///
/// # Errors
/// When it cannot be opened or migrated.
pub fn open_control(storage: &Storage) -> anyhow::Result<Arc<Db>> {
    Ok(Arc::new(match &storage.shared {
        Some(shared) => on_server(&shared.control, &shared.control, Schema::Control)?,
        None => {
            let path = control_path(&storage.data_dir);
            migrate::up(&path, Schema::Control).context("migrating the control database")?;
            Db::open(&path, READERS).context("opening the control database")?
        }
    }))
}

/// Opens the keyring, migrated.
///
/// # Errors
/// When it cannot be opened or migrated.
pub fn open_keyring(storage: &Storage) -> anyhow::Result<Db> {
    match &storage.shared {
        Some(shared) => on_server(&shared.control, &shared.keyring, Schema::Keyring),
        None => keyring::open(&keyring_path(&storage.data_dir)).context("opening the keyring"),
    }
}

/// Opens the inbox, migrated, and starts its writer.
///
/// # Errors
/// When it cannot be opened or migrated.
pub fn open_inbox(storage: &Storage) -> anyhow::Result<Inbox> {
    match &storage.shared {
        Some(shared) => Ok(Inbox::shared(on_server(&shared.control, &shared.inbox(), Schema::Inbox)?)?),
        None => Inbox::open(&inbox_path(&storage.data_dir)).context("opening the inbox"),
    }
}
