//! A closed-loop load over keep-alive connections: prebuilt requests, as little work per request as can be.

use std::fmt;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Connections at once.
pub const CONNECTIONS: usize = 32;

/// What came of it.
pub struct Outcome {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
}

/// As cells of a table: a second, and milliseconds.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(f, "{:.0} | {:.2} | {:.2}", self.per_second, ms(self.p50), ms(self.p99))
    }
}

/// Sends for some time; `request(connection, number)` gives the bytes of a request. Every answer has to be 204.
pub async fn run(
    address: std::net::SocketAddr,
    time: Duration,
    request: impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static,
) -> Outcome {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut latencies = Vec::with_capacity(100_000);
                let mut buffer = [0; 2048];
                let mut number = 0;
                while begun.elapsed() < time {
                    let bytes = request(connection, number);
                    number += 1;
                    let sent = Instant::now();
                    stream.write_all(&bytes).await.unwrap();
                    let read = stream.read(&mut buffer).await.unwrap();
                    let answer = String::from_utf8_lossy(&buffer[..read]);
                    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
                    latencies.push(sent.elapsed());
                }
                latencies
            })
        })
        .collect();
    outcome(begun, tasks).await
}

/// Sends at a steady rate, split over the connections; latency counts from when a request was due.
pub async fn run_open(
    address: std::net::SocketAddr,
    time: Duration,
    per_second: f64,
    request: impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static,
) -> Outcome {
    let begun = Instant::now();
    let pause = Duration::from_secs_f64(CONNECTIONS as f64 / per_second);
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut latencies = Vec::with_capacity(100_000);
                let mut buffer = [0; 2048];
                let first = begun + pause.mul_f64(connection as f64 / CONNECTIONS as f64);
                for number in 0.. {
                    let due = first + pause * u32::try_from(number).unwrap();
                    if due.duration_since(begun) >= time {
                        break;
                    }
                    tokio::time::sleep_until(due.into()).await;
                    stream.write_all(&request(connection, number)).await.unwrap();
                    let read = stream.read(&mut buffer).await.unwrap();
                    let answer = String::from_utf8_lossy(&buffer[..read]);
                    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
                    latencies.push(due.elapsed());
                }
                latencies
            })
        })
        .collect();
    outcome(begun, tasks).await
}

/// Waits for all connections and sums up.
async fn outcome(begun: Instant, tasks: Vec<JoinHandle<Vec<Duration>>>) -> Outcome {
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let elapsed = begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |part: usize| latencies[(latencies.len() * part / 100).min(latencies.len() - 1)];
    Outcome { per_second: latencies.len() as f64 / elapsed, p50: at(50), p99: at(99) }
}
