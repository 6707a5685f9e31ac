//! What stands before several nodes: passes each connection on to one that says it is ready.

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A load balancer on loopback.
pub struct Balancer {
    pub url: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Balancer {
    /// Listens before the nodes are there, which have to know its address.
    pub async fn bind() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    pub fn start(listener: TcpListener, url: String, nodes: Vec<SocketAddr>) -> Self {
        let ready = Arc::new(Mutex::new(Vec::new()));
        let watching = tokio::spawn(watch(nodes, Arc::clone(&ready)));
        let serving = tokio::spawn(async move {
            let turn = AtomicUsize::new(0);
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let nodes: Vec<SocketAddr> = ready.lock().clone();
                let first = turn.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass_on(client, nodes, first));
            }
        });
        Self { url, tasks: vec![watching, serving] }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Keeps a list of nodes that are ready.
async fn watch(nodes: Vec<SocketAddr>, ready: Arc<Mutex<Vec<SocketAddr>>>) {
    let http = reqwest::Client::builder().timeout(Duration::from_millis(500)).build().unwrap();
    loop {
        let asked = nodes.iter().map(|node| {
            let request = http.get(format!("http://{node}/readyz")).send();
            async move { request.await.is_ok_and(|answer| answer.status() == 200).then_some(*node) }
        });
        let found = futures_util::future::join_all(asked).await;
        *ready.lock() = found.into_iter().flatten().collect();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

/// Nothing was sent yet where a connection is refused: the next node gets it.
async fn pass_on(mut client: TcpStream, nodes: Vec<SocketAddr>, first: usize) {
    for at in 0..nodes.len() {
        let node = nodes[(first + at) % nodes.len()];
        if let Ok(mut upstream) = TcpStream::connect(node).await {
            let _ = copy_bidirectional(&mut client, &mut upstream).await;
            return;
        }
    }
}
