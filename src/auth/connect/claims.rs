//! What tokens of Connect say.

use crate::auth::jwt::{Audience, Lifetime};
use serde::Deserialize;

/// Claims that all of them share.
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    /// The issuer: a clientKey for tokens from Jira.
    pub iss: String,
    /// Issued at, seconds.
    pub iat: i64,
    /// Expires at, seconds.
    pub exp: i64,
    /// Not before, seconds.
    pub nbf: Option<i64>,
    /// The query string hash, or the fixed one.
    pub qsh: Option<String>,
    /// The Atlassian account id of the person, if there is one.
    pub sub: Option<String>,
    /// Audience, a string or a list.
    pub aud: Option<Audience>,
}

impl Lifetime for Claims {
    fn begins(&self) -> i64 {
        self.nbf.unwrap_or(self.iat)
    }

    fn ends(&self) -> i64 {
        self.exp
    }
}
