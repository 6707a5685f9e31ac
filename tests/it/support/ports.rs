//! Ports of servers that stop and start again.

use rand::Rng;
use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that is nobody else's while the server on it is down: below those that Linux gives away by itself, to servers
/// that ask for any and to every connection that goes out.
pub fn of_ones_own() -> u16 {
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new(rand::rng().random_range(10_000..20_000)));
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
