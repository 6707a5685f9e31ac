//! Tenants without a server: for verbs that work on all databases.

use crate::backup::Backups;
use crate::backup::vault::Vault;
use crate::clock::Clock;
use crate::config::Storage;
use crate::keyring::Keyring;
use crate::nodes::Nodes;
use crate::placement::Servers;
use crate::tenants::{Settings, Tenants};
use hourbook_crypto::master::MasterKeys;
use hourbook_store::conn::Db;
use std::sync::Arc;

/// All tenants of the service, whatever their region.
///
/// # Errors
/// When the keyring cannot be opened.
pub fn tenants(
    storage: &Storage,
    backups: &Backups,
    vault: &Vault,
    control: &Arc<Db>,
    master: MasterKeys,
) -> anyhow::Result<Tenants> {
    Ok(Tenants::new(Settings {
        control: Arc::clone(control),
        keyring: Arc::new(Keyring::open(storage, master)?),
        nodes: Arc::new(Nodes::new(false)),
        servers: Arc::new(Servers::new(storage)),
        vault: vault.clone(),
        backups: backups.clone(),
        clock: Clock::system(),
        region: String::new(),
        // Nobody calls Jira.
        api_url: String::new(),
        system_tokens: Arc::default(),
        data_dir: storage.data_dir.clone(),
        most_open: 1,
    })?)
}
