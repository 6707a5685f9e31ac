//! Tenants: who is installed, with secrets opened, and the bounded set of open databases.
//!
//! A [`Tenant`] is obtained from a proved token or a job; only with one can its database be opened.

use crate::backup::{self, Backups};
use crate::clock::Clock;
use crate::jira::client::Site;
use crate::keyring::Keyring;
use hourbook_crypto::tenant::{Field, Place, TenantCipher};
use hourbook_store::conn::{Db, blocking};
use hourbook_store::control::installations::{self, ACTIVE, CLOSED, Installation};
use hourbook_store::error::{Error, Result};
use hourbook_store::migrate;
use hourbook_store::tenant::TenantDb;
use parking_lot::{Mutex, RwLock};
use secrecy::SecretString;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tenants whose opened secrets are kept in memory.
const REMEMBERED: usize = 2_000;

/// How long whoever uses a database that is to be replaced is waited for.
const LET_GO: Duration = Duration::from_secs(60);

/// An installation with its secrets opened.
pub struct Tenant {
    /// Opaque id of the installation.
    pub id: String,
    /// Atlassian's name of the Jira instance.
    pub client_key: String,
    /// Where and how Jira is reached.
    pub site: Arc<Site>,
    /// The secret before the last rotation and until when (ms) it is taken.
    pub previous_secret: Option<(SecretString, i64)>,
    /// Origins that may frame its pages: the site's address and where people see it.
    pub frame_ancestors: Vec<String>,
    /// The cipher of its data.
    pub cipher: Arc<TenantCipher>,
    /// Whether its data may be reached (else it is suspended).
    pub active: bool,
    /// Why it is suspended, if it is.
    pub state_reason: Option<String>,
    /// The shared secret as it is stored: another after each renewal of the installation.
    pub sealed_secret: Vec<u8>,
    region: String,
}

struct Open {
    db: Arc<TenantDb>,
    used: AtomicU64,
}

/// All tenants of this server.
pub struct Tenants {
    control: Arc<Db>,
    keyring: Arc<Keyring>,
    backups: Backups,
    clock: Clock,
    region: String,
    folder: PathBuf,
    template: PathBuf,
    most_open: usize,
    /// By clientKey, with the epoch that guards against remembering what has changed meanwhile.
    remembered: Mutex<(u64, HashMap<String, Arc<Tenant>>)>,
    open: RwLock<HashMap<String, Open>>,
    opening: tokio::sync::Mutex<()>,
    uses: AtomicU64,
}

/// What [`Tenants::new`] needs.
pub struct Settings {
    /// The control database.
    pub control: Arc<Db>,
    /// The data keys.
    pub keyring: Arc<Keyring>,
    /// Where a backup goes before a migration.
    pub backups: Backups,
    /// The source of "now".
    pub clock: Clock,
    /// Tenants of another region are refused.
    pub region: String,
    /// Folder of all data.
    pub data_dir: PathBuf,
    /// Databases that are open at once.
    pub most_open: usize,
}

/// Folder of a tenant's files.
pub fn folder(data_dir: &Path, tenant_id: &str) -> PathBuf {
    data_dir.join("tenants").join(tenant_id)
}

/// Where a shared secret is bound to.
fn secret_place() -> Place<'static> {
    Place { field: Field::SharedSecret, row: b"" }
}

/// Seals a shared secret.
pub fn seal_secret(cipher: &TenantCipher, secret: &str) -> Vec<u8> {
    cipher.seal(secret_place(), secret.as_bytes())
}

fn frame_ancestors(installation: &Installation) -> Vec<String> {
    let mut origins = vec![installation.base_url.clone(), installation.display_url.clone()];
    origins.dedup();
    origins
}

/// Opens the secrets of an installation.
fn unlock(installation: &Installation, cipher: TenantCipher) -> Result<Tenant> {
    let missing = || Error::Corrupt("an open installation without a secret".into());
    let cipher = Arc::new(cipher);
    let open = |sealed: &[u8]| -> Result<SecretString> {
        let bytes = cipher.open(secret_place(), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| missing())?;
        Ok(SecretString::from(text.to_owned()))
    };
    let secret = open(installation.shared_secret.as_ref().ok_or_else(missing)?)?;
    let previous_secret = match (&installation.previous_secret, installation.previous_secret_until) {
        (Some(sealed), Some(until)) => Some((open(sealed)?, until)),
        _ => None,
    };
    Ok(Tenant {
        id: installation.tenant_id.clone(),
        client_key: installation.client_key.clone(),
        site: Arc::new(Site {
            tenant_id: installation.tenant_id.clone(),
            base_url: installation.base_url.clone(),
            secret,
            oauth_client_id: installation.oauth_client_id.clone(),
        }),
        previous_secret,
        frame_ancestors: frame_ancestors(installation),
        cipher,
        active: installation.state == ACTIVE,
        state_reason: installation.state_reason.clone(),
        sealed_secret: installation.shared_secret.clone().unwrap_or_default(),
        region: installation.region.clone(),
    })
}

impl Tenants {
    /// Makes the template for new databases and starts with nothing open.
    ///
    /// # Errors
    /// When the template cannot be made.
    pub fn new(settings: Settings) -> Result<Self> {
        let folder = settings.data_dir.join("tenants");
        std::fs::create_dir_all(&folder)?;
        let template = settings.data_dir.join("template.db");
        migrate::make_template(&template)?;
        Ok(Self {
            control: settings.control,
            keyring: settings.keyring,
            backups: settings.backups,
            clock: settings.clock,
            region: settings.region,
            folder,
            template,
            most_open: settings.most_open,
            remembered: Mutex::default(),
            open: RwLock::default(),
            opening: tokio::sync::Mutex::default(),
            uses: AtomicU64::default(),
        })
    }

    /// The open installation of a clientKey.
    ///
    /// # Errors
    /// When the control database fails or a key does not open.
    pub async fn by_client_key(&self, client_key: &str) -> Result<Option<Arc<Tenant>>> {
        let epoch = {
            let remembered = self.remembered.lock();
            if let Some(tenant) = remembered.1.get(client_key) {
                return Ok(Some(Arc::clone(tenant)));
            }
            remembered.0
        };
        let key = client_key.to_owned();
        let found = self.control.read(move |conn| installations::open_by_client_key(conn, &key)).await?;
        let Some(installation) = found else { return Ok(None) };
        // Without a key it is closed, whatever is still written about it.
        let Some(cipher) = self.keyring.cipher(&installation.tenant_id).await? else { return Ok(None) };
        let tenant = Arc::new(unlock(&installation, cipher)?);
        let mut remembered = self.remembered.lock();
        if remembered.0 == epoch {
            if remembered.1.len() >= REMEMBERED {
                remembered.1.clear();
            }
            remembered.1.insert(client_key.to_owned(), Arc::clone(&tenant));
        }
        Ok(Some(tenant))
    }

    /// An installation by its id, if it is not closed.
    ///
    /// # Errors
    /// When the control database fails or a key does not open.
    pub async fn by_id(&self, tenant_id: &str) -> Result<Option<Arc<Tenant>>> {
        let id = tenant_id.to_owned();
        let found = self.control.read(move |conn| installations::find(conn, &id)).await?;
        match found {
            Some(installation) if installation.state != CLOSED => {
                let tenant = self.by_client_key(&installation.client_key).await?;
                Ok(tenant.filter(|tenant| tenant.id == tenant_id))
            }
            _ => Ok(None),
        }
    }

    /// The tenant's database, opened or made if need be.
    ///
    /// # Errors
    /// [`Error::Closed`] for a suspended tenant or one of another region; else what opening says.
    pub async fn db(&self, tenant: &Tenant) -> Result<Arc<TenantDb>> {
        if !tenant.active || tenant.region != self.region {
            return Err(Error::Closed);
        }
        if let Some(db) = self.opened(&tenant.id) {
            return Ok(db);
        }
        let _one_at_a_time = self.opening.lock().await;
        if let Some(db) = self.opened(&tenant.id) {
            return Ok(db);
        }
        // Asked again under the lock: whoever closes a tenant does so in the control database first.
        if self.by_id(&tenant.id).await?.is_none() {
            return Err(Error::Closed);
        }
        let folder = self.folder.join(&tenant.id);
        let (template, cipher) = (self.template.clone(), Arc::clone(&tenant.cipher));
        let (backups, id, now) = (self.backups.clone(), tenant.id.clone(), self.clock.now_ms());
        let db = blocking(move || {
            let sealing = Arc::clone(&cipher);
            TenantDb::open(&folder, &template, cipher, |file| {
                let made = backup::tenant::make(&backups, &id, &sealing, file, now);
                made.map(drop).map_err(|error| Error::Migration(format!("no backup before it: {error:#}")))
            })
        })
        .await?;
        let db = Arc::new(db);
        let used = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        let mut open = self.open.write();
        open.insert(tenant.id.clone(), Open { db: Arc::clone(&db), used });
        self.shrink(&mut open);
        Ok(db)
    }

    fn opened(&self, tenant_id: &str) -> Option<Arc<TenantDb>> {
        let open = self.open.read();
        let entry = open.get(tenant_id)?;
        entry.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(Arc::clone(&entry.db))
    }

    /// Closes what was used least recently and is not in use now.
    fn shrink(&self, open: &mut HashMap<String, Open>) {
        while open.len() > self.most_open {
            let idle = open.iter().filter(|(_, entry)| Arc::strong_count(&entry.db) == 1);
            let oldest = idle.min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed));
            let Some(id) = oldest.map(|(id, _)| id.clone()) else { return };
            open.remove(&id);
        }
    }

    /// Forgets what is remembered of a clientKey, after its installation changed.
    pub fn forget(&self, client_key: &str) {
        let mut remembered = self.remembered.lock();
        remembered.0 += 1;
        remembered.1.remove(client_key);
    }

    /// Closes a tenant's database for everybody who still holds it.
    pub fn close(&self, tenant_id: &str) {
        if let Some(entry) = self.open.write().remove(tenant_id) {
            entry.db.close();
        }
    }

    /// Closes a tenant's database and waits for whoever is opening it just now.
    pub async fn close_for_good(&self, tenant_id: &str) {
        let _nobody_opens = self.opening.lock().await;
        self.close(tenant_id);
    }

    /// Lets a tenant's open database seal with another version of its key.
    pub fn replace_cipher(&self, tenant: &Tenant) {
        if let Some(entry) = self.open.read().get(&tenant.id) {
            entry.db.replace_cipher(Arc::clone(&tenant.cipher));
        }
    }

    /// Puts another file in the place of a tenant's database, while nobody has it open: whoever has is told that it is
    /// closed, and waited for.
    ///
    /// # Errors
    /// When somebody does not let go of it, or `replace` fails.
    pub async fn replace_database(
        &self,
        tenant_id: &str,
        replace: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let _nobody_opens = self.opening.lock().await;
        let held = self.open.write().remove(tenant_id).map(|entry| {
            entry.db.close();
            Arc::downgrade(&entry.db)
        });
        let begun = Instant::now();
        while held.as_ref().is_some_and(|db| db.strong_count() > 0) {
            anyhow::ensure!(begun.elapsed() < LET_GO, "the database is still in use");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::task::spawn_blocking(replace).await?
    }

    /// Whether memory holds anything of an installation that is closed.
    pub fn holds(&self, tenant_id: &str, client_key: &str) -> bool {
        let remembered =
            self.remembered.lock().1.get(client_key).is_some_and(|tenant| tenant.id == tenant_id);
        remembered || self.open.read().contains_key(tenant_id)
    }

    /// How many databases are open.
    pub fn open_count(&self) -> usize {
        self.open.read().len()
    }
}
