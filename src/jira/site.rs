//! A Jira site, and what proves us to it.

use secrecy::SecretString;

/// A Jira site and the ways to it: Connect's, Forge's, or both while an app moves from one to the other.
pub struct Site {
    /// The installation.
    pub tenant_id: String,
    /// Where people see it.
    pub base_url: String,
    /// What proves us to it by Connect; its REST API is at `base_url` then, an allowed one.
    pub connect: Option<Shared>,
    /// Where its REST API is for Forge, below Atlassian's gateway.
    pub gateway: Option<String>,
}

/// What Connect shares with a site.
pub struct Shared {
    /// The secret.
    pub secret: SecretString,
    /// Client id for acting as people.
    pub oauth_client_id: Option<String>,
}

/// How Jira is told that a call is a person's.
#[derive(Clone)]
pub enum Acting {
    /// By a token that Atlassian grants for the asking (Connect).
    Granted,
    /// By the token that came with the person's own request (Forge).
    Token(SecretString),
    /// The request brought none: it has to be made again with one.
    Unable,
    /// The same where the answer says what it leaves out: Jira is taken to refuse.
    Withheld,
}
