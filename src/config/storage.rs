//! Where the data and its backups are.

use super::{Env, Problems, Reader, number};
use crate::backup::Backups;
use crate::backup::vault::Whereabouts;
use hourbook_store::postgres::Address;
use std::path::PathBuf;

/// Tenants that a server takes if its address does not say otherwise: see BENCHMARKS.md.
const TENANTS: &str = "500";

/// Where the data is.
#[derive(Debug, Clone)]
pub struct Storage {
    /// `HOURBOOK_DATA_DIR`: everything, or with [`Storage::shared`] only what a node may lose.
    pub data_dir: PathBuf,
    /// `HOURBOOK_DATABASE_URL`: where several nodes find the databases of the service; files if it is not given.
    pub shared: Option<Shared>,
    /// `HOURBOOK_TENANT_SERVERS`: where tenants' databases are made; files if there are none.
    pub tenant_servers: Vec<TenantServer>,
    /// `HOURBOOK_CONNECTIONS`: of this node to each server, at most.
    pub connections: u32,
}

/// Databases of the service on PostgreSQL. That of the inbox lies beside that of control.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Installations, jobs, receipts.
    pub control: Address,
    /// `HOURBOOK_KEYRING_URL`: wrapped keys; beside control if it is not given.
    pub keyring: Address,
}

/// A server that takes tenants.
#[derive(Debug, Clone)]
pub struct TenantServer {
    /// Its name, which is stored with each tenant on it.
    pub name: String,
    /// With the rights to make databases and roles.
    pub address: Address,
    /// How many it takes.
    pub tenants: i64,
}

impl Storage {
    /// Where the data is, for commands that need no keys.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_env(env: &Env) -> Result<Self, Problems> {
        let mut reader = Reader { env, problems: Vec::new() };
        let storage = reader.storage();
        if reader.problems.is_empty() { Ok(storage) } else { Err(Problems(reader.problems)) }
    }
}

/// `name=postgres://...`, where the address may say `tenants=200`.
fn tenant_server(text: &str) -> Result<TenantServer, String> {
    let (name, url) = text.split_once('=').ok_or("each is name=postgres://user:password@host/database")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) || name == "files" {
        return Err(format!("{name:?} is no name: a-z, 0-9 and -, and not \"files\""));
    }
    let of = |error: &str| format!("{name}: {error}");
    let (url, tenants) = without(url, "tenants");
    let tenants = number(tenants.as_deref().unwrap_or(TENANTS), 1, 100_000).map_err(|error| of(&error))?;
    Ok(TenantServer { name: name.to_owned(), address: Address::parse(&url).map_err(of)?, tenants })
}

/// An address without one of its parameters, and the parameter.
fn without(url: &str, name: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let (taken, kept): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|pair| pair.split('=').next() == Some(name));
    let value = taken.first().and_then(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned());
    (if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }, value)
}

impl Reader<'_> {
    pub(super) fn storage(&mut self) -> Storage {
        let control = self.optional("HOURBOOK_DATABASE_URL", Address::parse);
        let keyring = self.optional("HOURBOOK_KEYRING_URL", Address::parse);
        let connections = self.parsed("HOURBOOK_CONNECTIONS", "60", |text| number(text, 4, 10_000));
        let mut tenant_servers = Vec::new();
        let given = self.get("HOURBOOK_TENANT_SERVERS").unwrap_or_default().to_owned();
        for text in given.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match tenant_server(text) {
                Ok(server) => tenant_servers.push(server),
                Err(error) => self.problems.push(format!("HOURBOOK_TENANT_SERVERS: {error}")),
            }
        }
        let mut names: Vec<&str> = tenant_servers.iter().map(|server| server.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            self.problems.push(format!("HOURBOOK_TENANT_SERVERS: {} is named twice", pair[0]));
        }
        let shared = control.map(|control| {
            if tenant_servers.is_empty() {
                let tenants = TENANTS.parse().unwrap_or(1);
                let server = TenantServer { name: "control".into(), address: control.clone(), tenants };
                tenant_servers.push(server);
            }
            let beside = format!("{}_keyring", control.database_name());
            let keyring = keyring.clone().unwrap_or_else(|| control.database(&beside));
            Shared { control, keyring }
        });
        if shared.is_none() && keyring.is_some() {
            self.problems.push(
                "HOURBOOK_KEYRING_URL: it goes with HOURBOOK_DATABASE_URL; without that, the keyring is a file in \
                 HOURBOOK_DATA_DIR"
                    .into(),
            );
        }
        Storage {
            data_dir: PathBuf::from(self.get("HOURBOOK_DATA_DIR").unwrap_or("data")),
            shared,
            tenant_servers,
            connections: connections.and_then(|most| u32::try_from(most).ok()).unwrap_or(60),
        }
    }

    pub(super) fn backups(&mut self, storage: &Storage) -> Option<Backups> {
        let folder = self.get("HOURBOOK_BACKUP_DIR").map(PathBuf::from);
        let env = self.env;
        let url = self.optional("HOURBOOK_BACKUP_URL", |text| Whereabouts::parse(text, env));
        if folder.is_some() && url.is_some() {
            self.problems.push("HOURBOOK_BACKUP_URL: HOURBOOK_BACKUP_DIR is given too; keep one".into());
        }
        if storage.shared.is_some() && url.is_none() && self.get("HOURBOOK_BACKUP_URL").is_none() {
            self.problems.push(
                "HOURBOOK_BACKUP_URL is missing: with HOURBOOK_DATABASE_URL there may be several nodes, which keep \
                 backups and exports where all of them find them: s3://bucket/prefix, or file:///folder on a shared \
                 file system"
                    .into(),
            );
        }
        let days = self.parsed("HOURBOOK_BACKUP_DAYS", "30", |text| number(text, 1, 3650));
        let hour = self.parsed("HOURBOOK_BACKUP_HOUR", "1", |text| number(text, 0, 23));
        let key_copies = self.parsed("HOURBOOK_KEY_COPIES_HOURS", "48", |text| number(text, 48, 24 * 366));
        let folder = folder.unwrap_or_else(|| storage.data_dir.join("backups"));
        Some(Backups {
            at: url.unwrap_or(Whereabouts::Folder(folder)),
            days: days?,
            hour: u32::try_from(hour?).ok()?,
            key_copies_ms: key_copies? * 3_600_000,
        })
    }

    pub(super) fn optional<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.get(name)?;
        self.parsed(name, "", parse)
    }
}
