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
    /// The tenant is not served for now: it is being moved or repaired.
    #[error("the tenant is held back")]
    Held,
    /// Somebody else has taken the work over: what was to be written comes too late.
    #[error("another node has taken this over")]
    Fenced,
    /// The database cannot be reached at present, or has no connection free; worth another try.
    #[error("the database is not available: {0}")]
    Unavailable(String),
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
        use diesel::result::{DatabaseErrorKind as Kind, Error::DatabaseError};
        match error {
            DatabaseError(Kind::UniqueViolation, _) => Self::Conflict,
            DatabaseError(Kind::ClosedConnection | Kind::UnableToSendCommand, why) => {
                Self::Unavailable(why.message().to_owned())
            }
            // PostgreSQL, going away or coming up, or ending our connection.
            DatabaseError(Kind::Unknown, why) if GOING.iter().any(|text| why.message().contains(text)) => {
                Self::Unavailable(why.message().to_owned())
            }
            // What broke the connection was told by the statement before.
            diesel::result::Error::BrokenTransactionManager => {
                Self::Unavailable("the connection is broken".into())
            }
            other => Self::Db(other),
        }
    }
}

/// How PostgreSQL and poolers say that they end a connection or take none; diesel does not tell the codes (class 57P,
/// 08).
const GOING: [&str; 7] = [
    "terminating connection",
    "server closed the connection",
    "connection to server",
    "the database system is",
    "could not receive data from server",
    "could not send data to server",
    "not currently accepting connections",
];

impl From<r2d2::Error> for Error {
    fn from(error: r2d2::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<hourbook_crypto::Error> for Error {
    fn from(error: hourbook_crypto::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;
