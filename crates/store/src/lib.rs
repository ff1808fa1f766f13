//! callsign's state: the ledger, limits and blocks, and the archive.

pub mod archive;
pub mod ledger;
pub mod limits;
pub mod whois;
