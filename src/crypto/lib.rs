//! Envelope encryption without any I/O: master keys wrap data keys, a data key seals the fields of one tenant.
//!
//! What is here decides what Hourbook can forget: a tenant whose data key is destroyed is noise everywhere,
//! in database files, queues and backups alike.

mod aead;
pub mod backup;
pub mod datakey;
pub mod master;
pub mod nonce;
pub mod receipt;
pub mod tenant;

/// Why something could not be sealed or opened. Never carries key or clear text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A key does not have the form that its documentation gives.
    #[error("malformed key: {0}")]
    MalformedKey(String),
    /// No configured master key has the id that the wrapped key names.
    #[error("no master key with id {0:?} is configured")]
    UnknownMasterKey(String),
    /// The record was sealed with a version of the data key that is not at hand.
    #[error("sealed with version {0} of the data key, which is not there")]
    UnknownKeyVersion(u32),
    /// The bytes are not a record of ours, were changed, or belong to another place.
    #[error("the sealed record does not open here")]
    Refused,
}

#[cfg(test)]
mod tests;
