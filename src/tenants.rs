//! Tenants: who is installed, with secrets opened, and the bounded set of open databases.
//!
//! A [`Tenant`] is obtained from a proved token or a job; only with one can its database be opened.

mod secrets;

pub use secrets::{reseal_password, reseal_token, seal_password, seal_secret, seal_token};

use crate::backup::{self, Backups, vault::Vault};
use crate::clock::Clock;
use crate::jira::site::{Shared, Site};
use crate::jira::system_tokens::{SystemToken, SystemTokens};
use crate::keyring::Keyring;
use crate::nodes::Nodes;
use crate::placement::Servers;
use crate::worklogs::intent::Turns;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::conn::{Conn, Db, blocking};
use hourbook_store::control::forge::{self, ForgeInstallation};
use hourbook_store::control::installations::{self, ACTIVE, CLOSED, Installation};
use hourbook_store::control::placements::{self, Hold, Placement, QUARANTINE};
use hourbook_store::error::{Error, Result};
use hourbook_store::migrate;
use hourbook_store::postgres::{Login, provision};
use hourbook_store::tenant::TenantDb;
use hourbook_store::tenant::fences::Fence;
use parking_lot::{Mutex, RwLock};
use secrecy::SecretString;
use secrets::{password_place, secret_place, text, token_place};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Tenants whose opened secrets are kept in memory.
const REMEMBERED: usize = 2_000;

/// How long whoever uses a database that is to be replaced is waited for.
const LET_GO: Duration = Duration::from_secs(60);

/// An installation with its secrets opened.
#[derive(Clone)]
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
    /// Connect's shared secret as it is stored: another after each renewal of the installation.
    pub sealed_secret: Option<Vec<u8>>,
    /// The installation of Forge that is in use, if there is one.
    pub forge_installation: Option<String>,
    /// Of a piece of work: what it writes is refused once another node has taken it over.
    pub fence: Option<Fence>,
    region: String,
}

impl Tenant {
    /// The same for a piece of work.
    #[must_use]
    pub fn with_fence(&self, fence: Option<Fence>) -> Self {
        Self { fence, ..self.clone() }
    }

    /// Whether nothing has happened to the installation since this was read: each renewal seals the secret anew, and
    /// each of Forge has another id.
    fn is_as_in(&self, Known { installation, forge }: &Known) -> bool {
        self.id == installation.tenant_id
            && self.active == (installation.state == ACTIVE)
            && self.state_reason == installation.state_reason
            && self.sealed_secret == installation.shared_secret
            && self.forge_installation.as_ref() == forge.as_ref().map(|forge| &forge.installation_id)
    }
}

/// An installation as the control database has it.
struct Known {
    installation: Installation,
    forge: Option<ForgeInstallation>,
}

impl Known {
    fn of(conn: &mut Conn, found: Option<Installation>) -> Result<Option<Self>> {
        let Some(installation) = found else { return Ok(None) };
        let forge = forge::current_of(conn, &installation.tenant_id)?;
        Ok(Some(Self { installation, forge }))
    }
}

struct Open {
    db: TenantDb,
    used: AtomicU64,
}

/// All tenants of this server.
pub struct Tenants {
    control: Arc<Db>,
    keyring: Arc<Keyring>,
    nodes: Arc<Nodes>,
    servers: Arc<Servers>,
    vault: Vault,
    backups: Backups,
    clock: Clock,
    region: String,
    api_url: String,
    system_tokens: Arc<SystemTokens>,
    folder: PathBuf,
    template: PathBuf,
    most_open: usize,
    /// By clientKey, with the epoch that guards against remembering what has changed meanwhile.
    remembered: Mutex<(u64, HashMap<String, Arc<Tenant>>)>,
    open: RwLock<HashMap<String, Open>>,
    /// Tenants whose databases are being moved.
    moving: Mutex<HashSet<String>>,
    opening: Turns,
    uses: AtomicU64,
}

/// What [`Tenants::new`] needs.
pub struct Settings {
    /// The control database.
    pub control: Arc<Db>,
    /// The data keys.
    pub keyring: Arc<Keyring>,
    /// Nodes that share the work.
    pub nodes: Arc<Nodes>,
    /// Servers on which tenants' databases are.
    pub servers: Arc<Servers>,
    /// Where backups are.
    pub vault: Vault,
    /// How long backups stay.
    pub backups: Backups,
    /// The source of "now".
    pub clock: Clock,
    /// Tenants of another region are refused.
    pub region: String,
    /// Atlassian's gateway, below which sites of Forge are.
    pub api_url: String,
    /// Where tokens of Forge are kept in clear.
    pub system_tokens: Arc<SystemTokens>,
    /// Folder of all data.
    pub data_dir: PathBuf,
    /// Databases that are open at once.
    pub most_open: usize,
}

/// Folder of a tenant's files.
pub fn folder(data_dir: &Path, tenant_id: &str) -> PathBuf {
    data_dir.join("tenants").join(tenant_id)
}

fn frame_ancestors(installation: &Installation) -> Vec<String> {
    let mut origins = vec![installation.base_url.clone(), installation.display_url.clone()];
    origins.dedup();
    origins
}

/// Opens the secrets of an installation.
fn unlock(known: &Known, cipher: TenantCipher, api_url: &str) -> Result<Tenant> {
    let Known { installation, forge } = known;
    let cipher = Arc::new(cipher);
    let open = |sealed: &[u8]| text(&cipher.open(secret_place(), sealed)?);
    let secret = installation.shared_secret.as_ref().map(|sealed| open(sealed)).transpose()?;
    let previous_secret = match (&installation.previous_secret, installation.previous_secret_until) {
        (Some(sealed), Some(until)) => Some((open(sealed)?, until)),
        _ => None,
    };
    let oauth_client_id = installation.oauth_client_id.clone();
    Ok(Tenant {
        id: installation.tenant_id.clone(),
        client_key: installation.client_key.clone(),
        site: Arc::new(Site {
            tenant_id: installation.tenant_id.clone(),
            base_url: installation.base_url.clone(),
            connect: secret.map(|secret| Shared { secret, oauth_client_id }),
            gateway: forge.as_ref().map(|forge| format!("{api_url}/ex/jira/{}", forge.cloud_id)),
        }),
        previous_secret,
        frame_ancestors: frame_ancestors(installation),
        cipher,
        active: installation.state == ACTIVE,
        state_reason: installation.state_reason.clone(),
        sealed_secret: installation.shared_secret.clone(),
        forge_installation: forge.as_ref().map(|forge| forge.installation_id.clone()),
        fence: None,
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
            nodes: settings.nodes,
            servers: settings.servers,
            vault: settings.vault,
            backups: settings.backups,
            clock: settings.clock,
            region: settings.region,
            api_url: settings.api_url,
            system_tokens: settings.system_tokens,
            folder,
            template,
            most_open: settings.most_open,
            remembered: Mutex::default(),
            open: RwLock::default(),
            moving: Mutex::default(),
            opening: Turns::default(),
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
            let trusted = remembered.1.get(client_key).filter(|_| self.nodes.is_current());
            if let Some(tenant) = trusted {
                return Ok(Some(Arc::clone(tenant)));
            }
            remembered.0
        };
        self.read(client_key, epoch).await
    }

    /// The same as the control database has it now, whatever is remembered.
    ///
    /// # Errors
    /// See [`Tenants::by_client_key`].
    pub async fn by_client_key_now(&self, client_key: &str) -> Result<Option<Arc<Tenant>>> {
        self.forget(client_key);
        let epoch = self.remembered.lock().0;
        self.read(client_key, epoch).await
    }

    async fn read(&self, client_key: &str, epoch: u64) -> Result<Option<Arc<Tenant>>> {
        let key = client_key.to_owned();
        let found = self.control.read(move |conn| {
            let found = installations::open_by_client_key(conn, &key)?;
            Known::of(conn, found)
        });
        match found.await? {
            Some(known) => self.remember(known, epoch).await,
            None => Ok(None),
        }
    }

    async fn remember(&self, known: Known, epoch: u64) -> Result<Option<Arc<Tenant>>> {
        // Without a key it is closed, whatever is still written about it.
        let Some(cipher) = self.keyring.cipher(&known.installation.tenant_id).await? else { return Ok(None) };
        let tenant = Arc::new(unlock(&known, cipher, &self.api_url)?);
        self.offer_token(&tenant, &known)?;
        let mut remembered = self.remembered.lock();
        if remembered.0 == epoch {
            if remembered.1.len() >= REMEMBERED {
                remembered.1.clear();
            }
            remembered.1.insert(known.installation.client_key, Arc::clone(&tenant));
        }
        Ok(Some(tenant))
    }

    /// An installation by its id, if it is not closed, as the control database has it now.
    ///
    /// # Errors
    /// When the control database fails or a key does not open.
    pub async fn by_id(&self, tenant_id: &str) -> Result<Option<Arc<Tenant>>> {
        let (id, epoch) = (tenant_id.to_owned(), self.remembered.lock().0);
        let found = self.control.read(move |conn| {
            let found = installations::find(conn, &id)?.filter(|found| found.state != CLOSED);
            Known::of(conn, found)
        });
        let Some(now) = found.await? else { return Ok(None) };
        // A job may run before this node hears of what enqueued it: taken for suspended, it would end without a word.
        let trusted = |known: &&Arc<Tenant>| known.is_as_in(&now) && self.nodes.is_current();
        let known =
            self.remembered.lock().1.get(&now.installation.client_key).filter(trusted).map(Arc::clone);
        match known {
            Some(tenant) => {
                self.offer_token(&tenant, &now)?;
                Ok(Some(tenant))
            }
            None => self.remember(now, epoch).await,
        }
    }

    /// Takes in a token of Forge that came to another node, or before this one was started.
    fn offer_token(&self, tenant: &Tenant, known: &Known) -> Result<()> {
        let Some(forge) = &known.forge else { return Ok(()) };
        let (Some(sealed), Some(until)) = (&forge.system_token, forge.system_token_until) else {
            return Ok(());
        };
        if self.system_tokens.lacks(&tenant.id, until) {
            let token = text(&tenant.cipher.open(token_place(&forge.installation_id), sealed)?)?;
            self.system_tokens.offer(&tenant.id, SystemToken { token, until });
        }
        Ok(())
    }

    /// The tenant's database, opened or made if need be.
    ///
    /// # Errors
    /// [`Error::Closed`] for a suspended tenant or one of another region, [`Error::Held`] for one that is being moved or
    /// repaired; else what opening says.
    pub async fn db(&self, tenant: &Tenant) -> Result<TenantDb> {
        if !tenant.active || tenant.region != self.region {
            return Err(Error::Closed);
        }
        if let Some(db) = self.opened(&tenant.id) {
            return Ok(db.fenced(tenant.fence.clone()));
        }
        let _one_at_a_time = self.opening.take(tenant.id.clone()).await;
        if let Some(db) = self.opened(&tenant.id) {
            return Ok(db.fenced(tenant.fence.clone()));
        }
        // Asked again under the lock: whoever closes a tenant does so in the control database first.
        let Some(tenant_now) = self.by_id(&tenant.id).await? else { return Err(Error::Closed) };
        let id = tenant.id.clone();
        let (held, placement) = self
            .control
            .read(move |conn| Ok((placements::held(conn, &id)?, placements::find(conn, &id)?)))
            .await?;
        if held.is_some() {
            return Err(Error::Held);
        }
        let opened = self.open_at(&tenant_now, placement).await;
        if let Err(error @ Error::Migration(_)) = &opened {
            self.quarantine(&tenant.id, error).await?;
        }
        let db = opened?;
        let used = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        let mut open = self.open.write();
        open.insert(tenant.id.clone(), Open { db: db.clone(), used });
        self.shrink(&mut open);
        Ok(db.fenced(tenant.fence.clone()))
    }

    /// Opens a tenant's database beside whoever else has it open, held back or not: for copying it.
    ///
    /// # Errors
    /// What opening says.
    pub async fn open_beside(&self, tenant: &Arc<Tenant>) -> Result<TenantDb> {
        let id = tenant.id.clone();
        let placement = self.control.read(move |conn| placements::find(conn, &id)).await?;
        self.open_at(tenant, placement).await
    }

    async fn open_at(&self, tenant: &Arc<Tenant>, placement: Option<Placement>) -> Result<TenantDb> {
        match placement {
            Some(placement) => self.open_on_server(tenant, placement).await,
            None => self.open_in_folder(tenant, self.folder.join(&tenant.id)).await,
        }
    }

    /// Opens a tenant's database in a folder, without anybody else knowing of it.
    ///
    /// # Errors
    /// When files or migrations fail.
    pub async fn open_in_folder(&self, tenant: &Arc<Tenant>, folder: PathBuf) -> Result<TenantDb> {
        let (template, cipher) = (self.template.clone(), Arc::clone(&tenant.cipher));
        let backup = self.backup_before(tenant);
        blocking(move || TenantDb::in_folder(&folder, &template, cipher, backup)).await
    }

    /// Opens a tenant's database on a server, made if it has not been yet.
    async fn open_on_server(&self, tenant: &Arc<Tenant>, placement: Placement) -> Result<TenantDb> {
        let server = self.servers.get(&placement.server)?;
        let placement = match placement.password {
            Some(_) => placement,
            None => self.make_database(tenant, placement).await?,
        };
        let password = self.password_of(tenant, &placement)?;
        let (cipher, name) = (Arc::clone(&tenant.cipher), placement.database_name);
        let backup = self.backup_before(tenant);
        blocking(move || TenantDb::on_server(&server, Login::Own { name, password }, cipher, backup)).await
    }

    /// Makes a tenant's database as placed, unless another node has done so meanwhile.
    async fn make_database(&self, tenant: &Tenant, placement: Placement) -> Result<Placement> {
        let server = self.servers.get(&placement.server)?;
        let (control, id, cipher) =
            (Arc::clone(&self.control), tenant.id.clone(), Arc::clone(&tenant.cipher));
        blocking(move || {
            let password = provision::fresh_password();
            let sealed = seal_password(&cipher, &placement.database_name, &password);
            let made = Placement { password: Some(sealed), ..placement.clone() };
            let wanted = || {
                let now = control.read_blocking(|conn| placements::find(conn, &id))?;
                Ok(now == Some(placement.clone()))
            };
            // Whoever wipes the tenant takes its place away before looking for its databases.
            let note = || {
                control.write_blocking(|conn| match placements::find(conn, &id)? {
                    Some(now) if now == placement => placements::put(conn, &made),
                    _ => Err(Error::Closed),
                })
            };
            server.create_if(&placement.database_name, &password, wanted, note)?;
            control.read_blocking(|conn| placements::find(conn, &id))?.ok_or(Error::Closed)
        })
        .await
    }

    fn password_of(&self, tenant: &Tenant, placement: &Placement) -> Result<Zeroizing<String>> {
        let missing = || Error::Corrupt("a database without a password".into());
        let sealed = placement.password.as_ref().ok_or_else(missing)?;
        let bytes = tenant.cipher.open(password_place(&placement.database_name), sealed)?;
        Ok(Zeroizing::new(std::str::from_utf8(&bytes).map_err(|_| missing())?.to_owned()))
    }

    /// What has to succeed before a migration changes a tenant's database: a backup of it.
    fn backup_before(&self, tenant: &Arc<Tenant>) -> impl FnOnce(&TenantDb) -> Result<()> + Send + 'static {
        let (vault, backups) = (self.vault.clone(), self.backups.clone());
        let (tenant, now) = (Arc::clone(tenant), self.clock.now_ms());
        move |db| {
            let made = backup::tenant::make(&vault, &backups, &tenant, db, now);
            made.map(drop).map_err(|error| Error::Migration(format!("no backup before it: {error:#}")))
        }
    }

    /// A tenant whose migration failed is not served until somebody has looked at it; the others go on.
    async fn quarantine(&self, tenant_id: &str, why: &Error) -> Result<()> {
        tracing::error!(tenant.id = tenant_id, error = %why, "a migration failed: the tenant is not served");
        let hold = Hold {
            tenant_id: tenant_id.to_owned(),
            kind: QUARANTINE.into(),
            reason: why.to_string(),
            since: self.clock.now_ms(),
        };
        self.control.write(move |conn| placements::hold(conn, &hold)).await
    }

    fn opened(&self, tenant_id: &str) -> Option<TenantDb> {
        let open = self.open.read();
        let entry = open.get(tenant_id)?;
        entry.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(entry.db.clone())
    }

    /// Closes what was used least recently and is not in use now.
    fn shrink(&self, open: &mut HashMap<String, Open>) {
        while open.len() > self.most_open {
            let idle = open.iter().filter(|(_, entry)| entry.db.is_alone());
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
        let _nobody_opens = self.opening.take(tenant_id.to_owned()).await;
        self.close(tenant_id);
    }

    /// Whether a tenant's database is being moved.
    pub fn is_moving(&self, tenant_id: &str) -> bool {
        self.moving.lock().contains(tenant_id)
    }

    /// Ends what others do with a tenant's database until it is [`Tenants::served_again`]: it is about to be another.
    pub fn set_aside(&self, tenant_id: &str) {
        self.moving.lock().insert(tenant_id.to_owned());
        if let Some(entry) = self.open.write().remove(tenant_id) {
            entry.db.set_aside();
        }
    }

    /// A tenant's database is where it is to stay.
    pub fn served_again(&self, tenant_id: &str) {
        self.moving.lock().remove(tenant_id);
    }

    /// Lets a tenant's open database seal with the versions of its key that there are now.
    ///
    /// # Errors
    /// When the control database or the keyring fails.
    pub async fn refresh(&self, tenant_id: &str) -> Result<()> {
        self.served_again(tenant_id);
        let Some(db) = self.opened(tenant_id) else { return Ok(()) };
        if let Some(tenant) = self.by_id(tenant_id).await? {
            db.replace_cipher(Arc::clone(&tenant.cipher));
        }
        Ok(())
    }

    /// Puts another database in the place of a tenant's, while nobody of this node has it open: whoever has is told that
    /// it is set aside, and waited for.
    ///
    /// # Errors
    /// When somebody does not let go of it, or `replace` fails.
    pub async fn replace_database(
        &self,
        tenant_id: &str,
        replace: impl AsyncFnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let _nobody_opens = self.opening.take(tenant_id.to_owned()).await;
        let held = self.open.write().remove(tenant_id).map(|entry| {
            entry.db.set_aside();
            entry.db.into_holders()
        });
        let begun = Instant::now();
        while held.as_ref().is_some_and(hourbook_store::tenant::Holders::any) {
            anyhow::ensure!(begun.elapsed() < LET_GO, "the database is still in use");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        replace().await
    }

    /// Forgets all secrets that are remembered, and lets go of all databases.
    pub fn forget_all(&self) {
        let mut remembered = self.remembered.lock();
        remembered.0 += 1;
        remembered.1.clear();
        drop(remembered);
        self.open.write().clear();
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
