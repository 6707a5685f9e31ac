//! Sealing the fields of one tenant.

use crate::datakey::DataKey;
use crate::{Error, aead};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// First byte of a sealed field: the layout that follows.
const FORMAT: u8 = 1;
const HEADER: usize = 5;

/// Where a sealed field lives. A record opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Table (or queue) that holds the record.
    pub table: &'a str,
    /// Column that holds the record.
    pub column: &'a str,
    /// Key of the row, as it never changes.
    pub row: &'a [u8],
}

/// Seals and opens fields of one tenant under its data key.
///
/// A record is `format || key version (4 bytes, big endian) || nonce || ciphertext || tag`;
/// tenant, table, column and row are bound to it as associated data.
#[derive(Clone)]
pub struct TenantCipher {
    tenant: String,
    version: u32,
    fields: aead::Cipher,
    digests: Zeroizing<[u8; 32]>,
}

impl TenantCipher {
    /// Prepares the key schedules of `key` for `tenant`.
    pub fn new(tenant: &str, key: &DataKey) -> Self {
        let expand = |purpose: &str| {
            let mut out = Zeroizing::new([0; 32]);
            Hkdf::<Sha256>::new(None, key.key.as_slice())
                .expand(purpose.as_bytes(), out.as_mut_slice())
                .expect("32 bytes are within HKDF's range");
            out
        };
        Self {
            tenant: tenant.to_owned(),
            version: key.version,
            fields: aead::Cipher::new(&expand("hourbook fields v1")),
            digests: expand("hourbook digests v1"),
        }
    }

    /// Seals `plain` for `place`.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + aead::OVERHEAD + plain.len());
        out.push(FORMAT);
        out.extend_from_slice(&self.version.to_be_bytes());
        self.fields.seal_into(&mut out, plain, &self.bind(place, self.version));
        out
    }

    /// Opens what [`TenantCipher::seal`] made for the same tenant and place.
    pub fn open(&self, place: Place<'_>, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (header, sealed) = record.split_first_chunk::<HEADER>().ok_or(Error::Refused)?;
        let [format, version @ ..] = *header;
        if format != FORMAT {
            return Err(Error::Refused);
        }
        let found = u32::from_be_bytes(version);
        if found != self.version {
            return Err(Error::WrongKeyVersion { found, have: self.version });
        }
        self.fields.open(sealed, &self.bind(place, found))
    }

    /// A keyed digest, in hex: the same text gives the same digest in this tenant only.
    pub fn digest(&self, purpose: &str, text: &str) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.digests.as_slice())
            .expect("HMAC takes keys of any length");
        mac.update(&aead::associated_data(&[purpose.as_bytes(), text.as_bytes()]));
        hex::encode(&mac.finalize().into_bytes()[..16])
    }

    fn bind(&self, place: Place<'_>, version: u32) -> Vec<u8> {
        aead::associated_data(&[
            b"hourbook field",
            self.tenant.as_bytes(),
            place.table.as_bytes(),
            place.column.as_bytes(),
            place.row,
            &version.to_be_bytes(),
        ])
    }
}

impl fmt::Debug for TenantCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantCipher({}, key version {})", self.tenant, self.version)
    }
}
