//! Simulated sites, and the real server beside them.

use super::{Host, Options};
use crate::cli::output;
use crate::clock::Clock;
use crate::config::{Config, Env};
use crate::jira::time;
use crate::web::server::{self, Running};
use anyhow::{Context, ensure};
use base64::Engine;
use hourbook_crypto::nonce;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::forge;
use hourbook_simulator::seed::{self, Size};
use hourbook_simulator::site::Site;
use hourbook_store::control::installations::{self, CLOSED};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Key of the app that the demo installs.
pub const APP_KEY: &str = "app.hourbook.demo";

/// What Forge says of a site's licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Licence {
    /// It has expired.
    Expired,
    /// It is a trial.
    Trial,
}

impl Licence {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Trial => "trial",
        }
    }
}

/// A site of the demo before it is filled.
struct Plan {
    name: &'static str,
    /// It has one of so many parts of the worklogs.
    part: usize,
    users: usize,
    issues: usize,
    /// Where both hosts are shown.
    by_forge: bool,
    licence: Option<Licence>,
}

const fn plan(name: &'static str, part: usize, users: usize, issues: usize) -> Plan {
    Plan { name, part, users, issues, by_forge: false, licence: None }
}

const PLANS: [Plan; 3] = [
    plan("acme", 1, 200, 5000),
    plan("bolt", 10, 40, 800),
    Plan { by_forge: true, ..plan("cosy", 100, 8, 60) },
];
/// For whoever wants to see both hosts, and what licences look like.
const PLANS_OF_BOTH: [Plan; 2] = [
    Plan { by_forge: true, licence: Some(Licence::Expired), ..plan("dusk", 200, 8, 30) },
    Plan { by_forge: true, licence: Some(Licence::Trial), ..plan("dawn", 200, 8, 30) },
];

/// A site with a name to show.
pub struct Shown {
    /// What to call it.
    pub name: &'static str,
    /// The site.
    pub site: Arc<Site>,
    /// What Forge says of its licence, if it does.
    pub licence: Option<Licence>,
}

impl Shown {
    /// Lets Forge say what it says of the licence.
    fn tell_licence(&self) {
        let told = match self.licence {
            None => return,
            Some(Licence::Expired) => json!({ "active": false }),
            Some(Licence::Trial) => {
                let end = time::rfc3339(self.site.clock.now_ms() + 26 * 86_400_000);
                json!({ "active": true, "isEvaluation": true, "trialEndDate": end })
            }
        };
        if let Some(app) = self.site.state().forge.as_mut() {
            app.licence = Some(told);
        }
    }
}

/// Everything that is on stage.
pub struct Stage {
    /// The sites, the largest first.
    pub sites: Vec<Shown>,
    /// The server.
    pub running: Running,
    /// Its clock.
    pub clock: Clock,
    /// Atlassian's services and clock.
    pub cloud: Arc<Cloud>,
    /// The server's data.
    pub data_dir: PathBuf,
}

impl Stage {
    /// Fills the sites and starts the server.
    pub async fn build(options: &Options) -> anyhow::Result<Self> {
        let cloud = Cloud::start();
        let more = PLANS_OF_BOTH.into_iter().filter(|_| options.host == Host::Both);
        let sites = PLANS
            .into_iter()
            .chain(more)
            .map(|Plan { name, part, users, issues, by_forge, licence }| {
                let site = Site::start(&cloud, &format!("demo-client-{name}"));
                let size = Size { users, issues, worklogs: (options.worklogs / part).max(10) };
                seed::fill(&site, options.seed, size);
                let by_forge = options.host == Host::Forge || (options.host == Host::Both && by_forge);
                site.state().by_forge = by_forge;
                output::line(format!(
                    "Jira site {name} ({}{}): {} worklogs, {users} people, {issues} issues at {}",
                    if by_forge { "Forge" } else { "Connect" },
                    licence.map(|licence| format!(", licence: {}", licence.name())).unwrap_or_default(),
                    size.worklogs,
                    site.base_url
                ));
                Shown { name, site, licence }
            })
            .collect();
        let data_dir = std::env::temp_dir().join(format!("hourbook-demo-{}", std::process::id()));
        let public = std::net::TcpListener::bind("127.0.0.1:0")?;
        let ops = std::net::TcpListener::bind("127.0.0.1:0")?;
        let config = Config::from_env(&env(&cloud, &format!("http://{}", public.local_addr()?), &data_dir)?)?;
        let clock = Clock::system();
        let running = server::start(config, clock.clone(), [public, ops]).await?;
        output::line(format!("Hourbook: http://{} (operator: http://{})", running.public, running.ops));
        Ok(Self { sites, running, clock, cloud, data_dir })
    }

    /// Address of the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.public)
    }

    /// Moves the clocks of Jira and Hourbook, so that nobody has to wait.
    pub fn advance(&self, by: Duration) -> anyhow::Result<()> {
        let by = i64::try_from(by.as_millis())?;
        self.clock.advance_ms(by);
        self.cloud.clock.advance_ms(by);
        Ok(())
    }

    /// Installs Hourbook in all sites and shows the full syncs until they have ended.
    pub async fn install(&self) -> anyhow::Result<()> {
        let bars = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix:8} {bar:40} {pos:>7}/{len:7} {msg}")?;
        let begun = Instant::now();
        let mut waiting = Vec::new();
        for shown in &self.sites {
            let status = shown.site.install(&self.url(), APP_KEY).await;
            ensure!(status == 204, "{}: the installation was answered {status}", shown.name);
            shown.tell_licence();
            let total = shown.site.state().worklogs.len();
            let bar = bars.add(ProgressBar::new(u64::try_from(total)?).with_style(style.clone()));
            bar.set_prefix(shown.name);
            waiting.push((shown, bar));
        }
        while !waiting.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ensure!(begun.elapsed() < Duration::from_secs(300), "the full syncs take too long");
            let mut still = Vec::new();
            for (shown, bar) in waiting {
                let sync = self.sync_state(&shown.site).await?;
                let state = sync["state"].as_str().unwrap_or_default().to_owned();
                bar.set_position(sync["worklogs"].as_u64().unwrap_or_default());
                bar.set_message(state.clone());
                if state == "idle" && sync["pending"] == 0 {
                    bar.finish_with_message(format!("in step after {:.1} s", begun.elapsed().as_secs_f64()));
                } else {
                    still.push((shown, bar));
                }
            }
            waiting = still;
        }
        for shown in &self.sites {
            let sync = self.sync_state(&shown.site).await?;
            output::line(format!(
                "{}: full sync done, {} worklogs, {} pages",
                shown.name, sync["worklogs"], sync["runs"][0]["pages"]
            ));
        }
        Ok(())
    }

    /// The tenant of a site.
    pub async fn tenant_of(&self, site: &Site) -> anyhow::Result<String> {
        let (client_key, cloud_id) = (site.client_key(), site.cloud_id());
        let all = self.running.app.control.read(installations::all).await?;
        let is_its = |key: &str| key == client_key || key.rsplit('/').next() == Some(&cloud_id);
        let open = all.into_iter().find(|found| found.state != CLOSED && is_its(&found.client_key));
        Ok(open.context("the site has Hourbook")?.tenant_id)
    }

    /// Where the sync of a site stands, as its admin sees it.
    pub async fn sync_state(&self, site: &Site) -> anyhow::Result<serde_json::Value> {
        let (status, sync) = site.page_calls(&seed::account(0), "GET", "/api/v1/sync", None, None).await;
        ensure!(status == 200, "the sync state was answered {status}");
        Ok(sync)
    }

    /// Stops the server and removes its data.
    pub async fn clear(self) -> anyhow::Result<()> {
        self.running.stop().await;
        std::fs::remove_dir_all(&self.data_dir).context("removing the demo's data")
    }
}

fn env(cloud: &Cloud, base_url: &str, data_dir: &std::path::Path) -> anyhow::Result<Env> {
    let key = base64::engine::general_purpose::STANDARD.encode(nonce::random::<32>());
    let pairs = [
        ("HOURBOOK_BASE_URL", base_url.to_owned()),
        ("HOURBOOK_APP_KEY", APP_KEY.to_owned()),
        ("HOURBOOK_MASTER_KEYS", format!("demo:{key}")),
        ("HOURBOOK_CONNECT_KEYS_URL", cloud.url.clone()),
        ("HOURBOOK_OAUTH_URL", cloud.url.clone()),
        ("HOURBOOK_FORGE_APP_ID", forge::APP_ID.to_owned()),
        ("HOURBOOK_FORGE_KEYS_URL", format!("{}/.well-known/jwks.json", cloud.url)),
        ("HOURBOOK_FORGE_ORIGINS", "http://127.0.0.1:*".to_owned()),
        ("HOURBOOK_FORGE_UNINSTALL_MINUTES", "0".to_owned()),
        ("HOURBOOK_API_URL", cloud.url.clone()),
        // The bridge of the simulated Jira stands for Atlassian's.
        ("HOURBOOK_CONNECT_HOST_SCRIPT", format!("{}/all.js", cloud.url)),
        ("HOURBOOK_ALLOWED_SITES", "http://127.0.0.1:*".to_owned()),
        ("HOURBOOK_INCREMENTAL_SECS", "20".to_owned()),
        (
            "HOURBOOK_DATA_DIR",
            data_dir.to_str().context("the temporary folder's path is not UTF-8")?.to_owned(),
        ),
    ];
    Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
