//! Long finding out: beside the request, with progress to poll.

use super::facts::{self, Cost, Needs, Progress};
use crate::app::App;
use crate::auth::Caller;
use crate::error::AppError;
use crate::jira::site::Acting;
use moka::sync::Cache;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long one that has ended is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);

/// How one stands.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Jira is being asked.
    Running,
    /// Everything is known: the question can be asked again.
    Done,
    /// Jira could not be asked.
    Failed(AppError),
}

/// What is being found out for somebody.
pub struct Preparation {
    /// Random, for polling.
    pub id: String,
    tenant_id: String,
    account_id: String,
    /// What it costs, as known beforehand.
    pub cost: Cost,
    progress: Progress,
    stage: Mutex<Stage>,
}

impl Preparation {
    /// How it stands.
    pub fn stage(&self) -> Stage {
        self.stage.lock().clone()
    }

    /// Calls that were answered.
    pub fn done(&self) -> usize {
        self.progress.done.load(Ordering::Relaxed)
    }

    fn is_of(&self, caller: &Caller) -> bool {
        self.tenant_id == caller.tenant.id && self.account_id == caller.account_id
    }
}

/// Preparations by id.
pub struct Preparations(Cache<String, Arc<Preparation>>);

impl Default for Preparations {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(10_000).time_to_live(REMEMBERED).build())
    }
}

impl Preparations {
    /// One of the caller's.
    pub fn find(&self, caller: &Caller, id: &str) -> Option<Arc<Preparation>> {
        self.0.get(id).filter(|preparation| preparation.is_of(caller))
    }

    /// The one that runs for the caller: somebody who asks again waits for it.
    fn running(&self, caller: &Caller) -> Option<Arc<Preparation>> {
        let running = |preparation: &Arc<Preparation>| {
            preparation.is_of(caller) && matches!(preparation.stage(), Stage::Running)
        };
        self.0.iter().map(|(_, preparation)| preparation).find(running)
    }

    /// Forgets a tenant's.
    pub fn forget(&self, tenant_id: &str) {
        let of_tenant: Vec<_> = self
            .0
            .iter()
            .filter(|(_, preparation)| preparation.tenant_id == tenant_id)
            .map(|(id, _)| id)
            .collect();
        of_tenant.iter().for_each(|id| self.0.invalidate(id.as_ref()));
    }
}

/// Begins to find out, as the app; or returns what is running for the caller.
pub(super) fn begin(app: &Arc<App>, caller: &Caller, needs: Needs, cost: Cost) -> Arc<Preparation> {
    if let Some(running) = app.preparations.running(caller) {
        return running;
    }
    let preparation = Arc::new(Preparation {
        id: hex::encode(hourbook_crypto::nonce::random::<16>()),
        tenant_id: caller.tenant.id.clone(),
        account_id: caller.account_id.clone(),
        cost,
        progress: Progress::default(),
        stage: Mutex::new(Stage::Running),
    });
    app.preparations.0.insert(preparation.id.clone(), Arc::clone(&preparation));
    // Nobody acts as a person beside that person's request.
    let caller = Caller { acting: Acting::Unable, ..caller.clone() };
    let (app, of) = (Arc::clone(app), Arc::clone(&preparation));
    tokio::spawn(async move {
        let found = facts::find_out(&app, &caller, &needs, &of.progress).await;
        *of.stage.lock() = match found {
            Ok(()) => Stage::Done,
            Err(error) => Stage::Failed(error),
        };
    });
    preparation
}
