//! [`App`]: everything that is built once at start and shared by web and jobs.

use crate::auth::connect::keys::InstallKeys;
use crate::auth::forge::keys::KeySet;
use crate::auth::permission::Permissions;
use crate::backup::vault::Vault;
use crate::clock::{Clock, ClockChecks};
use crate::config::Config;
use crate::databases;
use crate::jira::client::{self, Jira};
use crate::jira::system_tokens::SystemTokens;
use crate::jobs::Wake;
use crate::keyring::Keyring;
use crate::licence::Licences;
use crate::lifecycle::forge::Links;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::placement::Servers;
use crate::reports::export::stored::Exports;
use crate::reports::facts::Facts;
use crate::reports::prepare::Preparations;
use crate::reports::projections::Projections;
use crate::sync::status::Progresses;
use crate::tenants::{Settings, Tenant, Tenants};
use crate::worklogs::intent::Turns;
use anyhow::Context;
use hourbook_crypto::receipt::ReceiptKey;
use hourbook_store::conn::Db;
use hourbook_store::control::installations::{self, CLOSED, Installation};
use hourbook_store::control::placements;
use hourbook_store::error::Result;
use hourbook_store::inbox::Inbox;
use hourbook_store::tenant::TenantDb;
use parking_lot::Mutex;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use url::Url;

/// The application.
pub struct App {
    /// As checked at start.
    pub config: Config,
    /// The source of "now".
    pub clock: Clock,
    /// When this process began, ms.
    pub opened_at: i64,
    /// Installations, jobs, receipts.
    pub control: Arc<Db>,
    /// Keys.
    pub keyring: Arc<Keyring>,
    /// Where backups and exports are.
    pub vault: Vault,
    /// Servers on which tenants' databases are.
    pub servers: Arc<Servers>,
    /// This node among those that share the work.
    pub nodes: Arc<Nodes>,
    /// Webhooks on their way.
    pub inbox: Inbox,
    /// Who is installed.
    pub tenants: Tenants,
    /// The way to Jira.
    pub jira: Arc<Jira>,
    /// Keys that prove lifecycle calls.
    pub install_keys: InstallKeys,
    /// Keys that prove calls of Forge, where the app is registered with it.
    pub forge_keys: Option<KeySet>,
    /// Installations of Forge that spoke of late.
    pub forge_links: Links,
    /// What people may see, remembered briefly.
    pub permissions: Permissions,
    /// Worklogs as reports read them.
    pub projections: Projections,
    /// Reports that count at once: as many as there are processors.
    pub counting: Semaphore,
    /// What reports show of issues and people, remembered briefly.
    pub facts: Facts,
    /// What is being found out for reports.
    pub preparations: Preparations,
    /// Exports that are made.
    pub exports: Exports,
    /// Whether sites have paid, remembered briefly.
    pub licences: Licences,
    /// Signs receipts.
    pub receipt_key: ReceiptKey,
    /// For the operator.
    pub metrics: Arc<Metrics>,
    /// Wakes the job runner.
    pub wake: Wake,
    /// Syncs that run now.
    pub progresses: Progresses,
    /// When the clocks of sites were last asked for.
    pub clock_checks: ClockChecks,
    /// How often somebody may ask.
    pub limits: Limits,
    /// Equal writes take turns.
    pub turns: Turns,
    /// Path of the public URL; Jira signs what comes behind it.
    pub base_path: String,
    /// Held while the server works on its data folder.
    lock: Mutex<Option<File>>,
}

impl App {
    /// Opens the databases and prepares everything; nothing runs yet.
    ///
    /// # Errors
    /// With what to do, where the operator can do something.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let data_dir = config.storage.data_dir.clone();
        let shared = config.storage.shared.is_some();
        // Nodes share nothing, their folders least of all.
        let lock = lock(&data_dir)?;
        let control = databases::open_control(&config.storage)?;
        refuse_files_among_nodes(&config, &control).await?;
        let keyring =
            Keyring::open(&config.storage, config.master_keys.clone()).context("opening the keyring")?;
        let rewrapped = keyring.rewrap().await.context("wrapping keys by the current master key")?;
        if rewrapped > 0 {
            tracing::info!(rewrapped, "keys are wrapped by the current master key now");
        }
        let keyring = Arc::new(keyring);
        let receipt_key = keyring.receipt_key(config.receipt_seed.as_ref()).await?;
        let inbox = databases::open_inbox(&config.storage)?;
        let vault = Vault::open(&config.backups.at).context("opening the place of backups")?;
        let servers = Arc::new(Servers::new(&config.storage));
        let nodes = Arc::new(Nodes::new(shared));
        let preparing = Arc::clone(&servers);
        tokio::task::spawn_blocking(move || preparing.prepare()).await?;
        let system_tokens = Arc::<SystemTokens>::default();
        let tenants = Tenants::new(Settings {
            control: Arc::clone(&control),
            keyring: Arc::clone(&keyring),
            nodes: Arc::clone(&nodes),
            servers: Arc::clone(&servers),
            vault: vault.clone(),
            backups: config.backups.clone(),
            clock: clock.clone(),
            region: config.region.clone(),
            api_url: config.api_url.clone(),
            system_tokens: Arc::clone(&system_tokens),
            data_dir,
            most_open: config.tuning.open_tenants,
        })?;
        let metrics = Arc::new(Metrics::new());
        let http = client::http_client(config.tuning.jira_timeout)?;
        let jira = Jira::new(http.clone(), &config, clock.clone(), Arc::clone(&metrics), system_tokens);
        let forge_keys = config.forge.as_ref().map(|forge| KeySet::new(http.clone(), &forge.keys_url));
        Ok(Arc::new(Self {
            control,
            keyring,
            vault,
            servers,
            nodes,
            inbox,
            tenants,
            jira: Arc::new(jira),
            install_keys: InstallKeys::new(http, &config.connect_keys_url),
            forge_keys,
            forge_links: Links::default(),
            permissions: Permissions::default(),
            projections: Projections::new(config.report_memory),
            counting: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
            facts: Facts::default(),
            preparations: Preparations::default(),
            exports: Exports::default(),
            licences: Licences::default(),
            receipt_key,
            metrics,
            wake: Wake::default(),
            progresses: Progresses::default(),
            clock_checks: ClockChecks::default(),
            limits: Limits::new(config.tuning.unproved, config.tuning.costly),
            turns: Turns::default(),
            base_path: Url::parse(&config.base_url)?.path().trim_end_matches('/').to_owned(),
            opened_at: clock.now_ms(),
            clock,
            config,
            lock: Mutex::new(Some(lock)),
        }))
    }

    /// The database of a tenant.
    ///
    /// # Errors
    /// See [`Tenants::db`].
    pub async fn db(&self, tenant: &Tenant) -> Result<TenantDb> {
        self.tenants.db(tenant).await
    }

    /// Leaves the data folder to another server, once this one has stopped.
    pub fn release_data_folder(&self) {
        self.lock.lock().take();
    }

    /// Forgets secrets, tokens and permissions that memory holds of a tenant.
    pub fn forget_memory(&self, tenant_id: &str, client_key: &str) {
        self.tenants.forget(client_key);
        self.jira.forget(tenant_id);
        self.permissions.forget(tenant_id);
        self.licences.forget(tenant_id);
        self.facts.forget(tenant_id);
        self.preparations.forget(tenant_id);
    }

    /// Forgets everything that memory holds of all tenants: this node has not heard of the others for a while.
    pub fn forget_everything(&self) {
        self.tenants.forget_all();
        self.jira.forget_all();
        self.permissions.forget_all();
        self.licences.forget_all();
        self.facts.forget_all();
        self.projections.forget_all();
    }

    /// Forgets everything that memory holds of a tenant and closes its database.
    pub fn forget(&self, tenant_id: &str, client_key: &str) {
        self.forget_memory(tenant_id, client_key);
        self.progresses.clear(tenant_id);
        self.projections.forget(tenant_id);
        self.exports.forget(tenant_id);
        self.tenants.close(tenant_id);
    }
}

/// Only one server at a time works on a data folder.
///
/// # Errors
/// When another one does.
pub fn lock(data_dir: &Path) -> anyhow::Result<File> {
    // What is in it is nobody else's to read, sealed or not.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("making the data folder {}", data_dir.display()))?;
    let lock = File::create(data_dir.join("hourbook.lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!(
                "another Hourbook server works on {}; stop it first. Files are for one node; for several, see \
                 HOURBOOK_DATABASE_URL",
                data_dir.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// With several nodes, a tenant whose database is a file of one of them would be out of the others' reach.
async fn refuse_files_among_nodes(config: &Config, control: &Db) -> anyhow::Result<()> {
    if config.storage.shared.is_none() {
        return Ok(());
    }
    let (all, placed) = control.read(|conn| Ok((installations::all(conn)?, placements::all(conn)?))).await?;
    let unplaced = |found: &&Installation| {
        found.state != CLOSED && placed.iter().all(|placement| placement.tenant_id != found.tenant_id)
    };
    let count = all.iter().filter(unplaced).count();
    anyhow::ensure!(
        count == 0,
        "{count} tenants are still files; move them first: start without HOURBOOK_DATABASE_URL and with \
         HOURBOOK_TENANT_SERVERS, and run `hourbook tenant move --all --to postgres`"
    );
    Ok(())
}
