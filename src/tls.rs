//! TLS for everything outside: rustls with ring, set up once for the process.

/// Sets it up; the second time does nothing.
pub fn prepare() {
    // Fails only if it was set before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
