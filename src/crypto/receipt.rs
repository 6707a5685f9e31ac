//! Ed25519 signatures under receipts of deletion.

use crate::Error;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use std::fmt;
use zeroize::Zeroizing;

/// The vendor's key that signs receipts.
pub struct ReceiptKey(SigningKey);

impl ReceiptKey {
    /// From a 32-byte seed.
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key that verifies receipts, in hex.
    pub fn public_hex(&self) -> String {
        hex::encode(self.0.verifying_key().to_bytes())
    }

    /// Signature over `message`, in hex.
    pub fn sign_hex(&self, message: &[u8]) -> String {
        hex::encode(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptKey({})", self.public_hex())
    }
}

/// Checks a signature made by [`ReceiptKey::sign_hex`] against the public key in hex.
pub fn verify_hex(public: &str, message: &[u8], signature: &str) -> Result<(), Error> {
    let malformed = |what: &str| Error::MalformedKey(format!("{what} is not hex of the right length"));
    let public: [u8; 32] = hex::decode(public)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| malformed("public key"))?;
    let signature: [u8; 64] = hex::decode(signature)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| malformed("signature"))?;
    let key = VerifyingKey::from_bytes(&public).map_err(|_| malformed("public key"))?;
    key.verify(message, &Signature::from_bytes(&signature)).map_err(|_| Error::Refused)
}
