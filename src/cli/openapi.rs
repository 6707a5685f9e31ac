//! `hourbook openapi`.

use super::output;

/// Prints the document.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn run() -> anyhow::Result<()> {
    output::line(crate::web::openapi::render()?);
    Ok(())
}
