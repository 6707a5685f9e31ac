//! Backup files: chunks sealed in order, so that none can be cut off, moved, doubled or taken from another file.
//!
//! Each file has a key of its own, derived from the backup subkey and the file's header, in which there is a random
//! salt. A chunk's nonce is its number and whether it is the last.

use crate::{Error, aead, nonce};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// What backups are sealed under: a subkey of a data key or of a master key.
#[derive(Clone)]
pub struct BackupKey(pub(crate) Zeroizing<[u8; 32]>);

impl BackupKey {
    fn of_file(&self, header: &[u8]) -> aead::Cipher {
        let purpose = aead::associated_data(&[b"hourbook backup file v1", &Sha256::digest(header)]);
        aead::Cipher::new(&aead::subkey(&self.0, &purpose))
    }
}

impl fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupKey(..)")
    }
}

fn numbered(number: u64, last: bool) -> [u8; nonce::LEN] {
    let mut bytes = [0; nonce::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[nonce::LEN - 1] = u8::from(last);
    bytes
}

/// Seals the chunks of one file, whose header has never been used before.
pub struct Sealer {
    cipher: aead::Cipher,
    next: u64,
}

impl Sealer {
    /// For a file with this header, which has to hold fresh randomness.
    pub fn new(key: &BackupKey, header: &[u8]) -> Self {
        Self { cipher: key.of_file(header), next: 0 }
    }

    /// The next chunk.
    pub fn seal(&mut self, chunk: &[u8], last: bool) -> Vec<u8> {
        let sealed = self.cipher.seal_numbered(numbered(self.next, last), chunk);
        self.next += 1;
        sealed
    }
}

/// Opens the chunks of one file in their order.
pub struct Opener {
    cipher: aead::Cipher,
    next: u64,
}

impl Opener {
    /// For a file with this header.
    pub fn new(key: &BackupKey, header: &[u8]) -> Self {
        Self { cipher: key.of_file(header), next: 0 }
    }

    /// The next chunk; one that is not in its place, or was not sealed as the last where it is taken as such, does not
    /// open.
    pub fn open(&mut self, sealed: &[u8], last: bool) -> Result<Zeroizing<Vec<u8>>, Error> {
        let opened = self.cipher.open_numbered(numbered(self.next, last), sealed)?;
        self.next += 1;
        Ok(opened)
    }
}
