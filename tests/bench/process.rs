//! The real binary in a process of its own.

use crate::cluster::Cluster;
use crate::ports;
use hourbook_simulator::cloud::Cloud;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const APP_KEY: &str = "app.hourbook.bench";
pub const MASTER_KEYS: &str = "bench:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

/// The server; killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    ops: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Without limits of its own: they are not what is measured.
    pub fn start(cloud: &Cloud, dir: &Path) -> Self {
        Self::start_with(
            cloud,
            dir,
            &[("HOURBOOK_CALLS_PER_SECOND", "1000000"), ("HOURBOOK_POINTS_PER_HOUR", "1000000")],
        )
    }

    /// Without those, and without memory for reports.
    pub fn start_without_memory(cloud: &Cloud, dir: &Path) -> Self {
        Self::start_with(
            cloud,
            dir,
            &[
                ("HOURBOOK_CALLS_PER_SECOND", "1000000"),
                ("HOURBOOK_POINTS_PER_HOUR", "1000000"),
                ("HOURBOOK_REPORT_MEMORY_MB", "0"),
            ],
        )
    }

    /// The same on PostgreSQL, in a new database of the cluster.
    pub fn start_on(cloud: &Cloud, dir: &Path, cluster: &Cluster) -> Self {
        cluster.sql("postgres", "CREATE DATABASE hourbook");
        let (url, backups) = (cluster.url("hourbook"), format!("file://{}/backups", dir.display()));
        Self::start_with(
            cloud,
            dir,
            &[
                ("HOURBOOK_CALLS_PER_SECOND", "1000000"),
                ("HOURBOOK_POINTS_PER_HOUR", "1000000"),
                ("HOURBOOK_DATABASE_URL", &url),
                ("HOURBOOK_BACKUP_URL", &backups),
            ],
        )
    }

    /// As people run it.
    pub fn start_limited(cloud: &Cloud, dir: &Path) -> Self {
        Self::start_with(cloud, dir, &[])
    }

    /// With more variables.
    pub fn start_with(cloud: &Cloud, dir: &Path, more: &[(&str, &str)]) -> Self {
        let [listen, ops] = [(); 2].map(|()| format!("127.0.0.1:{}", ports::of_ones_own()));
        let url = format!("http://{listen}");
        let child = Command::new(env!("CARGO_BIN_EXE_hourbook"))
            .arg("serve")
            .env_clear()
            .envs([
                ("HOURBOOK_LISTEN", listen.as_str()),
                ("HOURBOOK_OPS_LISTEN", ops.as_str()),
                ("HOURBOOK_BASE_URL", &url),
                ("HOURBOOK_APP_KEY", APP_KEY),
                ("HOURBOOK_MASTER_KEYS", MASTER_KEYS),
                ("HOURBOOK_CONNECT_KEYS_URL", &cloud.url),
                ("HOURBOOK_OAUTH_URL", &cloud.url),
                ("HOURBOOK_ALLOWED_SITES", "http://127.0.0.1:*"),
                ("HOURBOOK_LOG", "warn"),
                ("HOURBOOK_DATA_DIR", dir.to_str().unwrap()),
            ])
            .envs(more.iter().copied())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self { child, url, ops }
    }

    /// A metric; 0 where it is not there yet.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = reqwest::get(format!("http://{}/metrics", self.ops)).await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// Resident memory in MiB, now or at its highest.
    pub fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Waits until it answers.
    pub async fn ready(&self, http: &reqwest::Client) {
        let begun = Instant::now();
        while http.get(format!("{}/readyz", self.url)).send().await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
