//! [`App`]: everything that is built once at start and shared by web and jobs.

use crate::auth::connect::install::Taken;
use crate::auth::connect::keys::InstallKeys;
use crate::auth::permission::Permissions;
use crate::clock::{Clock, ClockChecks};
use crate::config::Config;
use crate::jira::client::{self, Jira};
use crate::jobs::Wake;
use crate::keyring::Keyring;
use crate::licence::Licences;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::reports::export::stored::{self, Exports};
use crate::reports::facts::Facts;
use crate::reports::prepare::Preparations;
use crate::reports::projections::Projections;
use crate::sync::status::Progresses;
use crate::tenants::{Settings, Tenant, Tenants};
use crate::worklogs::intent::Turns;
use anyhow::Context;
use hourbook_crypto::receipt::ReceiptKey;
use hourbook_store::conn::Db;
use hourbook_store::error::Result;
use hourbook_store::inbox::Inbox;
use hourbook_store::migrate::{self, Schema};
use hourbook_store::tenant::TenantDb;
use parking_lot::Mutex;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;
use url::Url;

/// Concurrent reads of the control database.
const CONTROL_READERS: u32 = 4;

/// The application.
pub struct App {
    /// As checked at start.
    pub config: Config,
    /// The source of "now".
    pub clock: Clock,
    /// Installations, jobs, receipts.
    pub control: Arc<Db>,
    /// Keys.
    pub keyring: Arc<Keyring>,
    /// Webhooks on their way.
    pub inbox: Inbox,
    /// Who is installed.
    pub tenants: Tenants,
    /// The way to Jira.
    pub jira: Arc<Jira>,
    /// Keys that prove lifecycle calls.
    pub install_keys: InstallKeys,
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
    /// Lifecycle calls that were taken, so that none is taken twice with another body.
    pub taken: Taken,
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
        let lock = lock(&data_dir)?;
        let control = open_control(&data_dir)?;
        let keyring = Keyring::open(&data_dir, config.master_keys.clone()).context("opening the keyring")?;
        let rewrapped = keyring.rewrap().await.context("wrapping keys by the current master key")?;
        if rewrapped > 0 {
            tracing::info!(rewrapped, "keys are wrapped by the current master key now");
        }
        let keyring = Arc::new(keyring);
        let receipt_key = keyring.receipt_key(config.receipt_seed.as_ref()).await?;
        let inbox = Inbox::open(&data_dir.join("inbox.db")).context("opening the inbox")?;
        let tenants = Tenants::new(Settings {
            control: Arc::clone(&control),
            keyring: Arc::clone(&keyring),
            backups: config.backups.clone(),
            clock: clock.clone(),
            region: config.region.clone(),
            data_dir,
            most_open: config.tuning.open_tenants,
        })?;
        stored::remove_halves(&config.storage.data_dir).context("removing unfinished exports")?;
        let metrics = Arc::new(Metrics::new());
        let http = client::http_client(config.tuning.jira_timeout)?;
        Ok(Arc::new(Self {
            control,
            keyring,
            inbox,
            tenants,
            jira: Arc::new(Jira::new(http.clone(), &config, clock.clone(), Arc::clone(&metrics))),
            install_keys: InstallKeys::new(http, &config.connect_keys_url),
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
            taken: Taken::default(),
            turns: Turns::default(),
            base_path: Url::parse(&config.base_url)?.path().trim_end_matches('/').to_owned(),
            clock,
            config,
            lock: Mutex::new(Some(lock)),
        }))
    }

    /// The database of a tenant.
    ///
    /// # Errors
    /// See [`Tenants::db`].
    pub async fn db(&self, tenant: &Tenant) -> Result<Arc<TenantDb>> {
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
            anyhow::bail!("another Hourbook server works on {}; stop it first", data_dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Where the control database lies.
pub fn control_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.db")
}

/// Opens the control database, migrated.
///
/// # Errors
/// When it cannot be opened or migrated.
pub fn open_control(data_dir: &Path) -> anyhow::Result<Arc<Db>> {
    let path = control_path(data_dir);
    migrate::up(&path, Schema::Control).context("migrating the control database")?;
    Ok(Arc::new(Db::open(&path, CONTROL_READERS).context("opening the control database")?))
}
