//! Sealing the fields of one tenant.

use crate::backup::BackupKey;
use crate::datakey::DataKey;
use crate::{Error, aead};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// First byte of a sealed field: the layout that follows.
const FORMAT: u8 = 1;
const HEADER: usize = 5;
/// How pseudonyms begin; no account id of Atlassian's does.
pub const PSEUDONYM: &str = "closed:";

/// What is sealed. Each has a subkey of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The comment of a worklog.
    Comment,
    /// The name of a tag.
    TagName,
    /// A webhook on its way.
    Event,
    /// The secret that is shared with Jira.
    SharedSecret,
    /// Title, sharing and definition of a saved report.
    SavedReport,
    /// The password of the role that may use the tenant's database.
    DatabasePassword,
    /// Forge's token for acting as the app.
    SystemToken,
}

impl Field {
    const ALL: [Self; 7] = [
        Self::Comment,
        Self::TagName,
        Self::Event,
        Self::SharedSecret,
        Self::SavedReport,
        Self::DatabasePassword,
        Self::SystemToken,
    ];

    /// Table and column: bound to the record, and the purpose of the subkey.
    fn name(self) -> &'static str {
        match self {
            Self::Comment => "worklogs.comment",
            Self::TagName => "tags.name",
            Self::Event => "events.body",
            Self::SharedSecret => "installations.shared_secret",
            Self::SavedReport => "saved_reports.definition",
            Self::DatabasePassword => "placements.password",
            Self::SystemToken => "forge_installations.system_token",
        }
    }
}

/// Where a sealed field lives. A record opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What it is.
    pub field: Field,
    /// Key of the row, as it never changes.
    pub row: &'a [u8],
}

/// The subkeys of one version of a data key.
#[derive(Clone)]
struct Version {
    number: u32,
    fields: [aead::Cipher; Field::ALL.len()],
    backups: BackupKey,
}

/// Seals and opens fields of one tenant under its data key.
///
/// A record is `format || key version (4 bytes, big endian) || nonce || ciphertext || tag`;
/// tenant, table, column and row are bound to it as associated data.
#[derive(Clone)]
pub struct TenantCipher {
    tenant: String,
    /// Ascending, never empty: the last seals, all open.
    versions: Vec<Version>,
    /// Of the first version: equal texts keep equal digests.
    digests: Zeroizing<[u8; 32]>,
}

impl Version {
    fn new(key: &DataKey) -> Self {
        let field = |field: Field| {
            aead::Cipher::new(&aead::subkey(&key.key, format!("hourbook v1 {}", field.name()).as_bytes()))
        };
        Self {
            number: key.version,
            fields: Field::ALL.map(field),
            backups: BackupKey(aead::subkey(&key.key, b"hourbook v1 backups")),
        }
    }
}

impl TenantCipher {
    /// Prepares the subkeys of the first version of a tenant's data key.
    pub fn new(tenant: &str, key: &DataKey) -> Self {
        Self {
            tenant: tenant.to_owned(),
            versions: vec![Version::new(key)],
            digests: aead::subkey(&key.key, b"hourbook v1 blind index"),
        }
    }

    /// Prepares those of all versions, in ascending order; `None` if there are none.
    pub fn of_versions(tenant: &str, keys: &[DataKey]) -> Option<Self> {
        let (first, others) = keys.split_first()?;
        let mut cipher = Self::new(tenant, first);
        cipher.versions.extend(others.iter().map(Version::new));
        Some(cipher)
    }

    fn newest(&self) -> &Version {
        self.versions.last().expect("there is a first version")
    }

    fn version(&self, number: u32) -> Result<&Version, Error> {
        let found = self.versions.iter().find(|version| version.number == number);
        found.ok_or(Error::UnknownKeyVersion(number))
    }

    /// What backups are sealed under from now on, and its version.
    pub fn backup_key(&self) -> (u32, &BackupKey) {
        let newest = self.newest();
        (newest.number, &newest.backups)
    }

    /// What a backup was sealed under.
    pub fn backup_key_of(&self, version: u32) -> Result<&BackupKey, Error> {
        Ok(&self.version(version)?.backups)
    }

    /// Whether a record is sealed under the newest version.
    pub fn is_current(&self, record: &[u8]) -> bool {
        let number = self.newest().number.to_be_bytes();
        record.first() == Some(&FORMAT) && record.get(1..HEADER) == Some(number.as_slice())
    }

    /// Seals `plain` for `place`.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + aead::OVERHEAD + plain.len());
        out.push(FORMAT);
        let version = self.newest();
        out.extend_from_slice(&version.number.to_be_bytes());
        let cipher = &version.fields[place.field as usize];
        cipher.seal_into(&mut out, plain, &self.bind(place, version.number));
        out
    }

    /// Opens what [`TenantCipher::seal`] made for the same tenant and place.
    pub fn open(&self, place: Place<'_>, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (header, sealed) = record.split_first_chunk::<HEADER>().ok_or(Error::Refused)?;
        let [format, version @ ..] = *header;
        if format != FORMAT {
            return Err(Error::Refused);
        }
        let version = self.version(u32::from_be_bytes(version))?;
        version.fields[place.field as usize].open(sealed, &self.bind(place, version.number))
    }

    /// A keyed digest, in hex: the same text gives the same digest in this tenant only.
    pub fn digest(&self, purpose: &str, text: &str) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.digests.as_slice())
            .expect("HMAC takes keys of any length");
        mac.update(&aead::associated_data(&[purpose.as_bytes(), text.as_bytes()]));
        hex::encode(&mac.finalize().into_bytes()[..16])
    }

    /// What stands for an account whose owner closed it: nobody without the tenant's key can tell whose it was, and equal
    /// accounts have equal ones.
    pub fn pseudonym(&self, account_id: &str) -> String {
        format!("{PSEUDONYM}{}", self.digest("account", account_id))
    }

    fn bind(&self, place: Place<'_>, version: u32) -> Vec<u8> {
        aead::associated_data(&[
            b"hourbook field",
            self.tenant.as_bytes(),
            place.field.name().as_bytes(),
            place.row,
            &version.to_be_bytes(),
        ])
    }
}

impl fmt::Debug for TenantCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantCipher({}, key version {})", self.tenant, self.newest().number)
    }
}
