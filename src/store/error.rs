//! What can go wrong below SQL.

/// Error of the storage layer; it knows no HTTP status.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A unique constraint says that it is there already.
    #[error("it exists already")]
    Conflict,
    /// The tenant was closed: its data is gone or going.
    #[error("the tenant is closed")]
    Closed,
    /// A record does not open or does not parse: the database or a key is not the one it should be.
    #[error("corrupt record: {0}")]
    Corrupt(String),
    /// No connection was free in time.
    #[error("no database connection: {0}")]
    Pool(#[from] r2d2::Error),
    /// Any other answer of the database.
    #[error("database: {0}")]
    Db(diesel::result::Error),
    /// Files.
    #[error("file: {0}")]
    Io(#[from] std::io::Error),
    /// A migration failed.
    #[error("migration: {0}")]
    Migration(String),
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error::DatabaseError};
        match error {
            DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict,
            other => Self::Db(other),
        }
    }
}

impl From<hourbook_crypto::Error> for Error {
    fn from(error: hourbook_crypto::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;
