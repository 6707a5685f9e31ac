//! Who is calling, proved. One verifier for each kind of token; whatever the host, it yields a [`Caller`].

pub mod connect;
pub mod forge;
pub mod jwt;
pub mod key_service;
pub mod permission;

use crate::jira::client::{Jira, SiteClient};
use crate::jira::meter::Class;
use crate::jira::sign::Scopes;
use crate::jira::site::Acting;
use crate::tenants::Tenant;
use std::sync::Arc;

/// A proved person in a tenant.
#[derive(Clone)]
pub struct Caller {
    /// The installation that the token is of.
    pub tenant: Arc<Tenant>,
    /// The Atlassian account of the person.
    pub account_id: String,
    /// How Jira is told that it is this person, inside the request that proved it.
    pub acting: Acting,
}

impl Caller {
    /// A client that acts as this person.
    pub fn in_person(&self, jira: &Arc<Jira>, class: Class, scopes: Scopes) -> SiteClient {
        jira.as_user(&self.tenant.site, class, &self.account_id, &self.acting, scopes)
    }
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
    /// Forge's invocation token given to a page, in the header: a page's own calls.
    Invocation,
    /// The same given to a trigger: events of Jira and of the app's life.
    Event,
    /// The same given to a trigger by the clock.
    Schedule,
    /// The same given to what runs before a removal.
    Removal,
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
