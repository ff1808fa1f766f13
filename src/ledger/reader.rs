//! Answers from the ledger, over connections of its own that cannot write.

use super::error::LedgerError;
use super::query::{
    By, Errors, Filter, Found, Latency, Mapping, Owner, Page, Point, Split, Statistics, Step, Unpriced, UsageRow,
};
use crate::config;

/// The ledger, to be read. Cheap to clone; connects when first asked.
#[derive(Clone, Debug)]
pub struct Reader;

impl Reader {
    /// A reader of the configured ledger. Nothing is connected yet.
    ///
    /// # Errors
    /// [`LedgerError::Off`], or an address that cannot be used.
    pub fn open(settings: &config::Ledger) -> Result<Self, LedgerError> {
        let _ = settings;
        Err(LedgerError::Off)
    }

    /// Usage, summed; the largest cost first, days in order.
    pub async fn usage(&self, by: By, filter: &Filter) -> Result<Vec<UsageRow>, LedgerError> {
        let _ = (by, filter);
        Ok(Vec::new())
    }

    /// Usage over time, oldest first; steps in which nothing happened are left out.
    pub async fn series(&self, step: Step, split: Split, filter: &Filter) -> Result<Vec<Point>, LedgerError> {
        let _ = (step, split, filter);
        Ok(Vec::new())
    }

    /// Times to first byte by user and model, most requests first.
    pub async fn latencies(&self, filter: &Filter, limit: u32) -> Result<Vec<Latency>, LedgerError> {
        let _ = (filter, limit);
        Ok(Vec::new())
    }

    /// Errors by kind, most first.
    pub async fn errors(&self, filter: &Filter) -> Result<Vec<Errors>, LedgerError> {
        let _ = filter;
        Ok(Vec::new())
    }

    /// Who stands behind an identifier, as sent or internal, of any kind, in any tenant. With `org_id` also
    /// `sha256(ORG_ID-user)`. The latest first.
    pub async fn whois(&self, identifier: &str, org_id: Option<&str>) -> Result<Vec<Found>, LedgerError> {
        let _ = (identifier, org_id);
        Ok(Vec::new())
    }

    /// How a user is known outside, one entry for each tenant that has such a user (only that of `tenant` if given).
    pub async fn mapping(&self, user: &str, tenant: Option<&str>) -> Result<Vec<Mapping>, LedgerError> {
        let _ = (user, tenant);
        Ok(Vec::new())
    }

    /// Every user, in order of tenant and id. `after` is the last one of the page before.
    pub async fn mappings(&self, after: Option<&Mapping>, limit: u32) -> Result<Vec<Mapping>, LedgerError> {
        let _ = (after, limit);
        Ok(Vec::new())
    }

    /// The identifiers seen of one user, the latest first. Generations are not among them.
    pub async fn identifiers_of(
        &self,
        user: &str,
        tenant: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, LedgerError> {
        let _ = (user, tenant, limit);
        Ok(Vec::new())
    }

    /// Counts over all users.
    pub async fn statistics(&self) -> Result<Statistics, LedgerError> {
        Ok(Statistics::default())
    }

    /// Who made a generation: an empty answer is nobody.
    pub async fn owner_of(&self, generation: &str) -> Result<Vec<Owner>, LedgerError> {
        let _ = generation;
        Ok(Vec::new())
    }

    /// Requests whose cost never came although there is a generation to ask for, oldest first. Looks at a bounded number
    /// of rows each time: a page may be empty and still have a next one.
    pub async fn unpriced(
        &self,
        filter: &Filter,
        after: Option<Page>,
    ) -> Result<(Vec<Unpriced>, Option<Page>), LedgerError> {
        let _ = (filter, after);
        Ok((Vec::new(), None))
    }
}
