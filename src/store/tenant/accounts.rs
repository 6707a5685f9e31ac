//! Accounts that worklogs and our own records are kept under, and those that their owners closed.

use super::schema::audit::dsl as a;
use super::schema::closed_accounts::dsl as c;
use super::schema::saved_reports::dsl as s;
use super::schema::worklogs::dsl as w;
use super::schema::write_intents::dsl as i;
use super::{TenantConn, saved};
use crate::conn::on;
use crate::error::Result;
use crate::plain::Plain;
use diesel::prelude::*;
use hourbook_crypto::tenant::PSEUDONYM;
use std::collections::{BTreeSet, HashSet};

/// Tables that have account ids.
pub const TABLES: &[&str] = &["worklogs", "audit", "saved_reports", "write_intents"];

/// Every account id that is held, pseudonyms aside.
pub fn held(db: &mut TenantConn<'_>) -> Result<BTreeSet<String>> {
    let workers: Vec<String> = on!(db.conn, |c| w::worklogs.select(w::account_id).distinct().load(c))?;
    let acting: Vec<Option<String>> = on!(db.conn, |c| a::audit.select(a::account_id).distinct().load(c))?;
    let owners: Vec<String> = on!(db.conn, |c| s::saved_reports.select(s::account_id).distinct().load(c))?;
    let writing: Vec<String> = on!(db.conn, |c| i::write_intents.select(i::account_id).distinct().load(c))?;
    let all = workers.into_iter().chain(acting.into_iter().flatten()).chain(owners).chain(writing);
    Ok(all.filter(|id| !id.is_empty() && !id.starts_with(PSEUDONYM)).collect())
}

/// The pseudonyms of a tenant's closed accounts.
#[derive(Debug, Default)]
pub struct Closed(HashSet<String>);

impl Closed {
    /// Those that there are.
    ///
    /// # Errors
    /// When the database fails.
    pub fn load(db: &mut TenantConn<'_>) -> Result<Self> {
        let all: Vec<String> = on!(db.conn, |c| c::closed_accounts.select(c::pseudonym).load(c))?;
        Ok(Self(all.into_iter().collect()))
    }

    /// What stands for an account: itself, unless it is closed.
    pub fn stands_for(&self, db: &TenantConn<'_>, account_id: String) -> String {
        if self.0.is_empty() || account_id.is_empty() {
            return account_id;
        }
        let pseudonym = db.cipher.pseudonym(&account_id);
        if self.0.contains(&pseudonym) { pseudonym } else { account_id }
    }
}

/// Puts a pseudonym in the place of an account wherever its id is held; sums stay what they are. Reports that nobody else
/// may use go.
///
/// `forget` takes an account and its pseudonym out of a saved report's content; `None` removes the report.
///
/// # Errors
/// When the database fails.
pub fn close(
    db: &mut TenantConn<'_>,
    account_id: &str,
    now: i64,
    forget: impl Fn(&saved::Saved, &str) -> Option<Plain>,
) -> Result<()> {
    let pseudonym = db.cipher.pseudonym(account_id);
    on!(db.conn, |c| diesel::insert_into(c::closed_accounts)
        .values((c::pseudonym.eq(&pseudonym), c::closed_at.eq(now)))
        .on_conflict_do_nothing()
        .execute(c))?;
    let own: Vec<i64> = on!(db.conn, |c| w::worklogs
        .filter(w::account_id.eq(account_id))
        .select(w::client_worklog_id)
        .load(c))?;
    on!(db.conn, |c| diesel::update(w::worklogs.filter(w::account_id.eq(account_id)))
        .set(w::account_id.eq(&pseudonym))
        .execute(c))?;
    db.touched.add(own);
    on!(db.conn, |c| diesel::update(a::audit.filter(a::account_id.eq(account_id)))
        .set(a::account_id.eq(&pseudonym))
        .execute(c))?;
    on!(db.conn, |c| diesel::delete(i::write_intents.filter(i::account_id.eq(account_id))).execute(c))?;
    for report in saved::all(db)? {
        match forget(&report, &pseudonym) {
            Some(definition) if definition == report.definition && report.account_id != account_id => {}
            Some(definition) => {
                let owner = if report.account_id == account_id { &pseudonym } else { &report.account_id };
                saved::put(db, &saved::Saved { account_id: owner.clone(), definition, ..report })?;
            }
            None => saved::delete(db, report.id)?,
        }
    }
    Ok(())
}
