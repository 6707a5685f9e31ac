//! Secrets of a tenant as they are stored, each bound to its place.

use hourbook_crypto::tenant::{Field, Place, TenantCipher};
use hourbook_store::conn::Conn;
use hourbook_store::control::forge;
use hourbook_store::control::placements::{self, Placement};
use hourbook_store::error::{Error, Result};
use secrecy::SecretString;

/// Where a shared secret is bound to.
pub(super) fn secret_place() -> Place<'static> {
    Place { field: Field::SharedSecret, row: b"" }
}

/// Seals a shared secret.
pub fn seal_secret(cipher: &TenantCipher, secret: &str) -> Vec<u8> {
    cipher.seal(secret_place(), secret.as_bytes())
}

/// Where a token of Forge is bound to.
pub(super) fn token_place(installation_id: &str) -> Place<'_> {
    Place { field: Field::SystemToken, row: installation_id.as_bytes() }
}

/// Seals a token of Forge.
pub fn seal_token(cipher: &TenantCipher, installation_id: &str, token: &str) -> Vec<u8> {
    cipher.seal(token_place(installation_id), token.as_bytes())
}

/// Seals the token of a tenant's installation anew, under the newest version of its key.
///
/// # Errors
/// When it does not open, or the control database fails.
pub fn reseal_token(conn: &mut Conn, cipher: &TenantCipher, tenant_id: &str) -> Result<()> {
    let Some(forge) = forge::current_of(conn, tenant_id)? else { return Ok(()) };
    let Some(sealed) = &forge.system_token else { return Ok(()) };
    let at = token_place(&forge.installation_id);
    forge::reseal(conn, &forge.installation_id, sealed, &cipher.seal(at, &cipher.open(at, sealed)?))
}

/// Where the password of a database's role is bound to.
pub(super) fn password_place(database: &str) -> Place<'_> {
    Place { field: Field::DatabasePassword, row: database.as_bytes() }
}

/// Seals the password of a database's role.
pub fn seal_password(cipher: &TenantCipher, database: &str, password: &str) -> Vec<u8> {
    cipher.seal(password_place(database), password.as_bytes())
}

/// Seals the password of a tenant's database anew, under the newest version of its key.
///
/// # Errors
/// When it does not open, or the control database fails.
pub fn reseal_password(conn: &mut Conn, cipher: &TenantCipher, tenant_id: &str) -> Result<()> {
    let Some(placement) = placements::find(conn, tenant_id)? else { return Ok(()) };
    let Some(sealed) = &placement.password else { return Ok(()) };
    let at = password_place(&placement.database_name);
    let fresh = cipher.seal(at, &cipher.open(at, sealed)?);
    placements::put(conn, &Placement { password: Some(fresh), ..placement.clone() })
}

pub(super) fn text(bytes: &[u8]) -> Result<SecretString> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Corrupt("a secret that is no text".into()))?;
    Ok(SecretString::from(text.to_owned()))
}
