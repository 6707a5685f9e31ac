//! Removing files so that they stay removed. What is not there is fine.

use std::fs;
use std::io;
use std::path::Path;

/// Removes a file. For blocking threads.
///
/// # Errors
/// When it stays.
pub fn remove_file(path: &Path) -> io::Result<()> {
    unless_missing(fs::remove_file(path))
}

/// Removes a folder with all that is in it; flushed, so that a loss of power does not bring it back. For blocking
/// threads.
///
/// # Errors
/// When something of it stays, or cannot be flushed.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    unless_missing(fs::remove_dir_all(folder))?;
    match folder.parent().filter(|parent| parent.exists()) {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
