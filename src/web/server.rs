//! Starting and stopping: two ports, the inbox, the jobs, the clockwork.

use super::{assets, middleware, ops, params, routes};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::AppError;
use crate::jobs::{runner, schedule};
use crate::lifecycle::uninstalled;
use crate::nodes;
use crate::sync::inbox;
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{HttpServer, web};
use anyhow::Context;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_cron_scheduler::JobScheduler;

/// Longest JSON body of the API.
const LONGEST_JSON: usize = 128 * 1024;
/// Seconds that open requests get when the server stops.
const FAREWELL_SECS: u64 = 10;

/// A server that runs.
pub struct Running {
    /// The application.
    pub app: Arc<App>,
    /// Where Jira and browsers come in.
    pub public: SocketAddr,
    /// Where the operator comes in.
    pub ops: SocketAddr,
    handles: [ServerHandle; 2],
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    clockwork: JobScheduler,
}

/// Binds the ports that the configuration names; port 0 takes any free one.
///
/// # Errors
/// When a port is taken.
pub fn bind(config: &Config) -> anyhow::Result<[TcpListener; 2]> {
    let bind = |address: SocketAddr, name: &str| {
        TcpListener::bind(address).with_context(|| format!("{name}: {address} cannot be listened on"))
    };
    Ok([bind(config.listen, "HOURBOOK_LISTEN")?, bind(config.ops_listen, "HOURBOOK_OPS_LISTEN")?])
}

/// How long the head of a request may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection is kept for its next request: longer than proxies in front of us keep theirs (nginx and AWS
/// 60 s, Caddy 2 min, Google Cloud 10 min). Were ours closed first, a request just sent on it would be lost, and people
/// would see a 502 now and then.
const KEPT_ALIVE: Duration = Duration::from_secs(620);

/// Starts everything; returns once the ports answer.
///
/// # Errors
/// When a database cannot be opened or a port not be served.
pub async fn start(config: Config, clock: Clock, [public, ops]: [TcpListener; 2]) -> anyhow::Result<Running> {
    if !assets::is_built() {
        tracing::error!("pages cannot be shown: {}", assets::MISSING);
    }
    let app = App::open(config, clock).await?;
    nodes::join(&app).await.context("joining the other nodes")?;
    // What a crash cut off, before anybody asks.
    uninstalled::finish(&app).await.map_err(|error| anyhow::anyhow!("finishing what was closed: {error}"))?;
    let (public_at, ops_at) = (public.local_addr()?, ops.local_addr()?);
    let forge = app.config.forge.clone();
    let public_server = serve(&app, public, move |config| routes::configure(config, forge.as_ref()))?;
    let ops_server = serve(&app, ops, ops::configure)?;
    let handles = [public_server.handle(), ops_server.handle()];
    let (stop, stopped) = watch::channel(false);
    let tasks = vec![
        tokio::spawn(async move { report(public_server.await) }),
        tokio::spawn(async move { report(ops_server.await) }),
        tokio::spawn(inbox::run(Arc::clone(&app), stopped.clone())),
        tokio::spawn(runner::run(Arc::clone(&app), stopped.clone())),
        tokio::spawn(nodes::run(Arc::clone(&app), stopped.clone())),
        tokio::spawn(schedule::run(Arc::clone(&app), stopped)),
    ];
    let clockwork = schedule::start(&app).await?;
    tracing::info!(public = %public_at, ops = %ops_at, "listening");
    Ok(Running { app, public: public_at, ops: ops_at, handles, tasks, stop, clockwork })
}

fn serve(
    app: &Arc<App>,
    listener: TcpListener,
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<actix_web::dev::Server> {
    let data = web::Data::from(Arc::clone(app));
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(data.clone())
            .app_data(
                web::JsonConfig::default()
                    .limit(LONGEST_JSON)
                    .error_handler(|error, _| json_error(&error).into()),
            )
            .app_data(web::QueryConfig::default().error_handler(|error, _| params::unreadable(&error).into()))
            .app_data(web::PathConfig::default().error_handler(|error, _| params::unreadable(&error).into()))
            .wrap(middleware::security_headers())
            .wrap(from_fn(middleware::report))
            .configure(configure.clone())
    })
    .client_request_timeout(HEAD_WITHIN)
    .keep_alive(KEPT_ALIVE)
    .disable_signals()
    .shutdown_timeout(FAREWELL_SECS)
    .listen(listener)?
    .run();
    Ok(server)
}

fn json_error(error: &actix_web::error::JsonPayloadError) -> AppError {
    use actix_web::error::JsonPayloadError as E;
    match error {
        E::OverflowKnownLength { .. } | E::Overflow { .. } => {
            AppError::too_large("body_too_large", format!("The body may have {LONGEST_JSON} bytes."))
        }
        E::ContentType => {
            AppError::invalid("Content-Type", "not_json", "Send Content-Type: application/json.")
        }
        E::Deserialize(error) => {
            AppError::invalid("", "body_invalid", format!("The body does not fit: {error}."))
        }
        _ => AppError::invalid("", "body_invalid", "The body could not be read."),
    }
}

fn report(ended: std::io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a port stopped answering");
    }
}

impl Running {
    /// Says that it goes and goes on answering for as long as is configured, so that a load balancer sends nothing more;
    /// then stops taking requests, lets open ones end, and waits for the rest.
    pub async fn stop(mut self) {
        self.app.nodes.leaving();
        tokio::time::sleep(self.app.config.drain).await;
        let _ = self.stop.send(true);
        if let Err(error) = self.clockwork.shutdown().await {
            tracing::warn!(%error, "the scheduler did not stop");
        }
        for handle in &self.handles {
            handle.stop(true).await;
        }
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("a task panicked");
            }
        }
        self.app.release_data_folder();
    }
}
