//! AES-256-GCM with the nonce in front of the ciphertext; the one place that touches the cipher.

use crate::{Error, nonce};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes that sealing adds to a clear text: nonce and tag.
pub const OVERHEAD: usize = nonce::LEN + 16;

/// A cipher with its key schedule ready.
#[derive(Clone)]
pub struct Cipher(Aes256Gcm);

impl Cipher {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(&(*key).into()))
    }

    /// `nonce || ciphertext || tag`, appended to `out`.
    pub fn seal_into(&self, out: &mut Vec<u8>, plain: &[u8], aad: &[u8]) {
        let nonce_bytes = nonce::fresh();
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce_bytes), Payload { msg: plain, aad })
            .expect("AES-GCM seals any message below 64 GiB");
        out.reserve(OVERHEAD + plain.len());
        out.extend_from_slice(&nonce_bytes);
        out.extend_from_slice(&sealed);
    }

    /// Ciphertext and tag alone, under a nonce that the caller never uses twice with this key.
    pub fn seal_numbered(&self, nonce: [u8; nonce::LEN], plain: &[u8]) -> Vec<u8> {
        self.0.encrypt(&Nonce::from(nonce), plain).expect("AES-GCM seals any message below 64 GiB")
    }

    pub fn open_numbered(&self, nonce: [u8; nonce::LEN], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.0.decrypt(&Nonce::from(nonce), sealed).map(Zeroizing::new).map_err(|_| Error::Refused)
    }

    pub fn open(&self, record: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce_bytes, sealed) = record.split_first_chunk::<{ nonce::LEN }>().ok_or(Error::Refused)?;
        self.0
            .decrypt(&Nonce::from(*nonce_bytes), Payload { msg: sealed, aad })
            .map(Zeroizing::new)
            .map_err(|_| Error::Refused)
    }
}

/// A key for one purpose, derived from another one (HKDF-SHA256).
pub fn subkey(key: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key)
        .expand(purpose, out.as_mut_slice())
        .expect("32 bytes are within HKDF's range");
    out
}

/// Length-prefixed concatenation, so that no two lists of parts give the same bytes.
pub fn associated_data(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        let len = u32::try_from(part.len()).expect("a part of associated data is short");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
