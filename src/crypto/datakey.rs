//! A tenant's data key: random, and at rest only wrapped by a master key.

use crate::master::MasterKeys;
use crate::{Error, nonce};
use std::fmt;
use zeroize::Zeroizing;

/// The random key of one tenant, in one version.
#[derive(Clone)]
pub struct DataKey {
    pub(crate) version: u32,
    pub(crate) key: Zeroizing<[u8; 32]>,
}

impl DataKey {
    /// A new key from the operating system's randomness.
    pub fn generate(version: u32) -> Self {
        Self { version, key: Zeroizing::new(nonce::random()) }
    }

    /// The key under the current master key, bound to its tenant and version.
    pub fn wrap(&self, master: &MasterKeys, tenant: &str) -> Vec<u8> {
        master.seal(&purpose(tenant, &self.version.to_be_bytes()), self.key.as_slice())
    }

    /// Undoes [`DataKey::wrap`]; another tenant's or version's wrapped key is refused.
    pub fn unwrap(master: &MasterKeys, tenant: &str, version: u32, wrapped: &[u8]) -> Result<Self, Error> {
        let bytes = master.open(&purpose(tenant, &version.to_be_bytes()), wrapped)?;
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::Refused)?;
        Ok(Self { version, key: Zeroizing::new(key) })
    }
}

fn purpose<'a>(tenant: &'a str, version: &'a [u8]) -> [&'a [u8]; 3] {
    [b"hourbook data key", tenant.as_bytes(), version]
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey(version {})", self.version)
    }
}
