//! Where tenants' databases are: files of this machine, or databases on the configured servers.

use crate::config::Storage;
use hourbook_store::conn::{Conn, Db};
use hourbook_store::control::placements::{self, Placement};
use hourbook_store::error::{Error, Result};
use hourbook_store::postgres::{Server, provision};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// What stands in a command for "files of this machine".
pub const FILES: &str = "files";

/// Where a tenant's database is, or is to be.
#[derive(Debug, Clone)]
pub enum Target {
    /// A file in the data folder.
    Files,
    /// A database on a server.
    Server(Arc<Server>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files => f.write_str(FILES),
            Self::Server(server) => f.write_str(server.name()),
        }
    }
}

struct Configured {
    server: Arc<Server>,
    /// How many tenants it takes.
    tenants: i64,
}

/// The configured servers.
pub struct Servers(Vec<Configured>);

impl Servers {
    /// As configured; nothing is connected yet.
    pub fn new(storage: &Storage) -> Self {
        let server = |found: &crate::config::TenantServer| Configured {
            server: Server::new(&found.name, found.address.clone(), storage.connections),
            tenants: found.tenants,
        };
        Self(storage.tenant_servers.iter().map(server).collect())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.0.iter().map(|configured| &configured.server)
    }

    /// The server of a name.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it is not configured on this node.
    pub fn get(&self, name: &str) -> Result<Arc<Server>> {
        let found = self.all().find(|server| server.name() == name);
        found.cloned().ok_or_else(|| {
            Error::Unavailable(format!("the server {name} is not in this node's HOURBOOK_TENANT_SERVERS"))
        })
    }

    /// The target that a command names: [`FILES`], a server, or `postgres` for whichever has the most room.
    ///
    /// # Errors
    /// When there is none of that name, or no room.
    pub fn named(&self, name: &str, conn: &mut Conn) -> Result<Target> {
        match name {
            FILES => Ok(Target::Files),
            "postgres" => match self.roomiest(conn)? {
                Some(server) => Ok(Target::Server(server)),
                None => Err(Error::Unavailable("no PostgreSQL server is configured".into())),
            },
            name => self.get(name).map(Target::Server),
        }
    }

    /// The server that has the most room, of those that answered last time; `None` if there are no servers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if all are full.
    fn roomiest(&self, conn: &mut Conn) -> Result<Option<Arc<Server>>> {
        let taken: HashMap<String, i64> = placements::by_server(conn)?.into_iter().collect();
        let room = |found: &Configured| found.tenants - taken.get(found.server.name()).copied().unwrap_or(0);
        // A server that is down is better than one that is full: it comes back.
        let order = |found: &&Configured| (!found.server.is_down(), room(found));
        match self.0.iter().filter(|found| room(found) > 0).max_by_key(order) {
            Some(found) => Ok(Some(Arc::clone(&found.server))),
            None if self.0.is_empty() => Ok(None),
            None => Err(Error::Unavailable("all database servers have as many tenants as they take".into())),
        }
    }

    /// Places a new tenant, in the transaction that makes it; its database is made when it is first opened.
    ///
    /// # Errors
    /// When all servers are full.
    pub fn place(&self, conn: &mut Conn, tenant_id: &str) -> Result<()> {
        match self.roomiest(conn)? {
            Some(server) => placements::put(
                conn,
                &Placement {
                    tenant_id: tenant_id.to_owned(),
                    server: server.name().to_owned(),
                    database_name: provision::name(tenant_id, 1),
                    password: None,
                },
            ),
            None => Ok(()),
        }
    }

    /// Prepares all servers for new tenants. One that cannot be reached is prepared when it is needed.
    pub fn prepare(&self) {
        for server in self.all() {
            if let Err(error) = server.prepare() {
                tracing::error!(server = server.name(), %error, "a database server is not ready for new tenants");
            }
        }
    }
}

/// Where a tenant's database is now.
///
/// # Errors
/// When the control database fails.
pub async fn of(control: &Db, tenant_id: &str) -> Result<Option<Placement>> {
    let id = tenant_id.to_owned();
    control.read(move |conn| placements::find(conn, &id)).await
}
