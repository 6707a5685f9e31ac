//! The master keys of an installation of Hourbook, as the operator configures them.

use crate::backup::BackupKey;
use crate::{Error, aead, nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use zeroize::Zeroizing;

/// Master keys in the order of the configuration: the first wraps, all unwrap.
#[derive(Clone)]
pub struct MasterKeys {
    keys: Vec<MasterKey>,
}

#[derive(Clone)]
struct MasterKey {
    id: String,
    key: Zeroizing<[u8; 32]>,
}

impl MasterKeys {
    /// Reads `id:base64,id:base64,...`, 32 bytes each; ids are 1 to 32 characters of `A-Za-z0-9._-`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let keys = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(parse_key)
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(Error::MalformedKey("no master key given".into()));
        }
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].iter().any(|other| other.id == key.id) {
                return Err(Error::MalformedKey(format!("key id {:?} is there twice", key.id)));
            }
        }
        Ok(Self { keys })
    }

    /// Id of the key that wraps from now on.
    pub fn current_id(&self) -> &str {
        &self.keys[0].id
    }

    /// Seals under the current key: `id length || id || nonce || ciphertext`.
    pub fn seal(&self, purpose: &[&[u8]], plain: &[u8]) -> Vec<u8> {
        let master = &self.keys[0];
        let id_len = u8::try_from(master.id.len()).expect("key ids are at most 32 characters");
        let mut out = vec![id_len];
        out.extend_from_slice(master.id.as_bytes());
        aead::Cipher::new(&master.key).seal_into(&mut out, plain, &aead::associated_data(purpose));
        out
    }

    /// Opens what [`MasterKeys::seal`] made with any of the configured keys and the same purpose.
    pub fn open(&self, purpose: &[&[u8]], record: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (id, sealed) = split_id(record)?;
        let master = self
            .keys
            .iter()
            .find(|key| key.id == id)
            .ok_or_else(|| Error::UnknownMasterKey(id.to_owned()))?;
        aead::Cipher::new(&master.key).open(sealed, &aead::associated_data(purpose))
    }

    /// All ids, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// What backups of whole databases are sealed under from now on.
    pub fn backup_key(&self) -> BackupKey {
        backup_key(&self.keys[0])
    }

    /// What a backup was sealed under that names this master key.
    pub fn backup_key_of(&self, id: &str) -> Result<BackupKey, Error> {
        let master = self.keys.iter().find(|key| key.id == id);
        let master = master.ok_or_else(|| Error::UnknownMasterKey(id.to_owned()))?;
        Ok(backup_key(master))
    }
}

/// Id of the master key that a sealed record names.
pub fn key_id(record: &[u8]) -> Result<&str, Error> {
    split_id(record).map(|(id, _)| id)
}

fn split_id(record: &[u8]) -> Result<(&str, &[u8]), Error> {
    let (len, rest) = record.split_first().ok_or(Error::Refused)?;
    let (id, sealed) = rest.split_at_checked(usize::from(*len)).ok_or(Error::Refused)?;
    let id = std::str::from_utf8(id).map_err(|_| Error::Refused)?;
    Ok((id, sealed))
}

fn backup_key(master: &MasterKey) -> BackupKey {
    BackupKey(aead::subkey(&master.key, b"hourbook system backups v1"))
}

fn parse_key(part: &str) -> Result<MasterKey, Error> {
    let (id, encoded) = part
        .split_once(':')
        .ok_or_else(|| Error::MalformedKey("a master key is written id:base64".into()))?;
    let id_is_plain =
        (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !id_is_plain {
        return Err(Error::MalformedKey("a key id is 1 to 32 of A-Z a-z 0-9 . _ -".into()));
    }
    Ok(MasterKey { id: id.to_owned(), key: parse_32_bytes(encoded, id)? })
}

/// A new random master key as it is configured: `id:base64`.
pub fn generate(id: &str) -> Result<Zeroizing<String>, Error> {
    let key = Zeroizing::new(nonce::random::<32>());
    let line = Zeroizing::new(format!("{id}:{}", STANDARD.encode(key.as_slice())));
    parse_key(&line)?;
    Ok(line)
}

/// Base64 of exactly 32 bytes; `what` names the key in the error.
pub fn parse_32_bytes(encoded: &str, what: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let bytes = Zeroizing::new(
        STANDARD.decode(encoded.trim()).map_err(|_| Error::MalformedKey(format!("{what} is not base64")))?,
    );
    let key: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| Error::MalformedKey(format!("{what} has {} bytes, not 32", bytes.len())))?;
    Ok(Zeroizing::new(key))
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}
