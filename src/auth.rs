//! Who is calling, proved. One verifier for each kind of token; whatever the host, it yields a [`Caller`].

pub mod connect;
pub mod permission;

use crate::tenants::Tenant;
use std::sync::Arc;

/// A proved person in a tenant.
#[derive(Clone)]
pub struct Caller {
    /// The installation that the token is of.
    pub tenant: Arc<Tenant>,
    /// The Atlassian account of the person.
    pub account_id: String,
}

/// Kinds of token; a route takes exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Anybody may call; the route tells nothing of a tenant.
    None,
    /// RS256 with a key of Atlassian's installation service and a real qsh, in the header.
    Install,
    /// HS256 with the tenant's secret and a real qsh, in the header: Jira's server.
    Server,
    /// HS256 with the tenant's secret and a real qsh, in the query parameter `jwt`: a page in an iframe.
    Page,
    /// HS256 with the tenant's secret and the fixed qsh, in the header: a page's own calls.
    Context,
}

/// What a proved caller needs beyond its token. Declared for each route, asked before its handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// None: whoever presents the route's kind of token, or anybody where it takes none. What of a tenant's data is
    /// shown is decided by what Jira shows that person.
    Caller,
    /// Administers the Jira site, as Jira says.
    JiraAdmin,
}
