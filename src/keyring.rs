//! Master keys in use, and the data keys that they wrap.
//!
//! A tenant is what its data key opens: [`Keyring::destroy`] is the moment at which an installation is gone. What
//! remains elsewhere is noise that `lifecycle::wipe` clears away.

use crate::config::Storage;
use crate::databases;
use anyhow::{Context, ensure};
use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::master::MasterKeys;
use hourbook_crypto::receipt::ReceiptKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::conn::{Conn, Db};
use hourbook_store::error::{Error, Result};
use hourbook_store::keyring::{self as store, SealedSecret, WrappedKey};
use parking_lot::RwLock;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Keys that are wrapped anew in one transaction.
const BATCH: i64 = 200;
/// Name of the receipt key's seed.
const RECEIPT_SEED: &str = "receipt-seed";

/// The keyring of this server.
pub struct Keyring {
    db: Db,
    master: RwLock<Arc<MasterKeys>>,
}

fn secret_purpose(name: &str) -> [&[u8]; 2] {
    [b"hourbook secret", name.as_bytes()]
}

impl Keyring {
    /// Opens the keyring.
    ///
    /// # Errors
    /// When it cannot be opened or migrated.
    pub fn open(storage: &Storage, master: MasterKeys) -> anyhow::Result<Self> {
        let db = databases::open_keyring(storage)?;
        Ok(Self { db, master: RwLock::new(Arc::new(master)) })
    }

    /// Its database, for backups of it.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The master keys that hold now.
    pub fn master(&self) -> Arc<MasterKeys> {
        Arc::clone(&self.master.read())
    }

    /// Uses other master keys from now on, if they open everything that is kept.
    ///
    /// # Errors
    /// When a key is named that is not among them; then nothing was changed.
    pub async fn replace_master(&self, master: MasterKeys) -> anyhow::Result<()> {
        for (id, count) in self.named().await? {
            ensure!(
                master.ids().any(|known| known == id),
                "{count} keys are wrapped by the master key {id:?}, which is not among the new ones"
            );
        }
        *self.master.write() = Arc::new(master);
        Ok(())
    }

    /// How many keys and secrets name each master key.
    ///
    /// # Errors
    /// When the keyring fails.
    pub async fn named(&self) -> Result<Vec<(String, i64)>> {
        self.db.read(store::named).await
    }

    /// Makes the first key of a new tenant.
    ///
    /// # Errors
    /// [`Error::Closed`] if the tenant's keys were destroyed.
    pub async fn create(&self, tenant_id: &str, now: i64) -> Result<TenantCipher> {
        let key = DataKey::generate(1);
        let wrapped = self.wrap(tenant_id, 1, &key, now);
        self.db.write(move |conn| store::insert(conn, &wrapped)).await?;
        Ok(TenantCipher::new(tenant_id, &key))
    }

    /// Adds a version: what is sealed from now on is sealed under it, what was sealed before still opens. Returns the
    /// version.
    ///
    /// # Errors
    /// When the tenant has no key.
    pub async fn renew(&self, tenant_id: &str, now: i64) -> Result<i32> {
        let id = tenant_id.to_owned();
        let newest = self.db.read(move |conn| Ok(store::of_tenant(conn, &id)?.pop())).await?;
        let version = newest.ok_or(Error::Closed)?.version + 1;
        let number = u32::try_from(version).map_err(|_| Error::Corrupt("a key version below 1".into()))?;
        let wrapped = self.wrap(tenant_id, version, &DataKey::generate(number), now);
        self.db.write(move |conn| store::insert(conn, &wrapped)).await?;
        Ok(version)
    }

    fn wrap(&self, tenant_id: &str, version: i32, key: &DataKey, now: i64) -> WrappedKey {
        let master = self.master();
        WrappedKey {
            tenant_id: tenant_id.to_owned(),
            version,
            master_key: master.current_id().to_owned(),
            wrapped: key.wrap(&master, tenant_id),
            created_at: now,
        }
    }

    /// Seals and opens for a tenant; `None` if its keys are destroyed.
    ///
    /// # Errors
    /// When a key does not unwrap.
    pub async fn cipher(&self, tenant_id: &str) -> Result<Option<TenantCipher>> {
        let id = tenant_id.to_owned();
        let kept = self.db.read(move |conn| store::of_tenant(conn, &id)).await?;
        let master = self.master();
        let keys = kept.iter().map(|key| unwrap(&master, key)).collect::<Result<Vec<_>>>()?;
        Ok(TenantCipher::of_versions(tenant_id, &keys))
    }

    /// Destroys all versions of a tenant's key, in one transaction, on disk when it returns; says when they were
    /// destroyed, which repeating it does not change.
    ///
    /// # Errors
    /// When the keyring fails.
    pub async fn destroy(&self, tenant_id: &str, now: i64) -> Result<i64> {
        let id = tenant_id.to_owned();
        let at = self.db.write(move |conn| store::destroy(conn, &id, now)).await?;
        // The pages with the keys must not live on in the log.
        self.db.scrub(store::TABLES).await?;
        Ok(at)
    }

    /// Whether and when a tenant's keys were destroyed.
    ///
    /// # Errors
    /// When the keyring fails.
    pub async fn destroyed_at(&self, tenant_id: &str) -> Result<Option<i64>> {
        let id = tenant_id.to_owned();
        self.db.read(move |conn| store::destroyed_at(conn, &id)).await
    }

    /// Forgets that a tenant's keys were destroyed, once nothing else is known of the tenant.
    ///
    /// # Errors
    /// When the keyring fails.
    pub async fn forget(&self, tenant_id: &str) -> Result<()> {
        let id = tenant_id.to_owned();
        self.db.write(move |conn| store::forget(conn, &id)).await?;
        self.db.scrub(store::TABLES).await
    }

    /// How many versions of a tenant's key there are.
    ///
    /// # Errors
    /// When the keyring fails.
    pub async fn versions(&self, tenant_id: &str) -> Result<usize> {
        let id = tenant_id.to_owned();
        self.db.read(move |conn| Ok(store::of_tenant(conn, &id)?.len())).await
    }

    /// Tenants whose keys were destroyed, and tenants that have keys with the time of their first one.
    ///
    /// # Errors
    /// When the keyring fails.
    pub async fn tenants(&self) -> Result<(Vec<String>, Vec<(String, Option<i64>)>)> {
        self.db.read(|conn| Ok((store::all_destroyed(conn)?, store::tenants(conn)?))).await
    }

    /// Wraps everything by the current master key that another one wraps; returns how many. Readers go on meanwhile,
    /// and it may be cut off and repeated.
    ///
    /// # Errors
    /// When a key does not unwrap.
    pub async fn rewrap(&self) -> Result<usize> {
        let mut done = 0;
        loop {
            let master = self.master();
            let rewrapped = self.db.write(move |conn| rewrap_some(conn, &master)).await?;
            done += rewrapped;
            if rewrapped == 0 {
                break;
            }
        }
        if done > 0 {
            self.db.scrub(store::TABLES).await?;
        }
        Ok(done)
    }

    /// The configured receipt key, or one made the first time and kept, so that it outlives master keys.
    ///
    /// # Errors
    /// When the kept one does not open.
    pub async fn receipt_key(&self, configured: Option<&Zeroizing<[u8; 32]>>) -> anyhow::Result<ReceiptKey> {
        if let Some(seed) = configured {
            return Ok(ReceiptKey::from_seed(seed));
        }
        let master = self.master();
        if let Some(kept) = self.db.read(|conn| store::secret(conn, RECEIPT_SEED)).await? {
            let seed = master
                .open(&secret_purpose(RECEIPT_SEED), &kept.sealed)
                .context("the kept receipt key does not open with the configured master keys")?;
            let seed: [u8; 32] =
                seed.as_slice().try_into().context("the kept receipt key has another length")?;
            return Ok(ReceiptKey::from_seed(&Zeroizing::new(seed)));
        }
        let seed = Zeroizing::new(hourbook_crypto::nonce::random::<32>());
        let secret = seal_secret(&master, RECEIPT_SEED, seed.as_slice());
        // Nodes that start at once: the first one's stays.
        let kept = self.db.write(move |conn| match store::secret(conn, RECEIPT_SEED)? {
            Some(_) => Ok(false),
            None => store::put_secret(conn, &secret).map(|()| true),
        });
        if kept.await? {
            return Ok(ReceiptKey::from_seed(&seed));
        }
        Box::pin(self.receipt_key(None)).await
    }
}

fn unwrap(master: &MasterKeys, key: &WrappedKey) -> Result<DataKey> {
    let version = u32::try_from(key.version).map_err(|_| Error::Corrupt("a key version below 1".into()))?;
    Ok(DataKey::unwrap(master, &key.tenant_id, version, &key.wrapped)?)
}

fn seal_secret(master: &MasterKeys, name: &str, secret: &[u8]) -> SealedSecret {
    SealedSecret {
        name: name.to_owned(),
        master_key: master.current_id().to_owned(),
        sealed: master.seal(&secret_purpose(name), secret),
    }
}

fn rewrap_some(conn: &mut Conn, master: &MasterKeys) -> Result<usize> {
    let current = master.current_id();
    let keys = store::wrapped_by_others(conn, current, BATCH)?;
    for key in &keys {
        let data_key = unwrap(master, key)?;
        let wrapped = data_key.wrap(master, &key.tenant_id);
        store::rewrap(conn, &WrappedKey { master_key: current.to_owned(), wrapped, ..key.clone() })?;
    }
    let mut count = keys.len();
    for secret in store::secrets(conn)?.iter().filter(|secret| secret.master_key != current) {
        let clear = master.open(&secret_purpose(&secret.name), &secret.sealed)?;
        store::put_secret(conn, &seal_secret(master, &secret.name, &clear))?;
        count += 1;
    }
    Ok(count)
}
