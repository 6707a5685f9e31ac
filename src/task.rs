//! Tasks that end with whoever waits for them.

use std::future::Future;
use tokio::task::{AbortHandle, JoinError};
use tracing::Instrument;

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs work in a task of its own, inside the caller's span, and waits for it. It ends when nobody waits any more.
///
/// # Errors
/// When it panicked.
pub async fn join<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, JoinError> {
    let task = tokio::spawn(work.in_current_span());
    let _abort = AbortOnDrop(task.abort_handle());
    task.await
}

/// Like [`join`] for work that may fail: a panic is a failure.
///
/// # Errors
/// What the work says, or that it panicked.
pub async fn spawn<T: Send + 'static>(
    work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> anyhow::Result<T> {
    join(work).await.unwrap_or_else(|_| Err(anyhow::anyhow!("a task panicked")))
}
