//! callsign's state: the ledger, limits and blocks, and the archive.
//!
//! Everything that callsign keeps on a disk or in a shared database is here. The request path hands over its data
//! through queues and in-memory counters.
//!
//! | module | purpose | must not |
//! |---|---|---|
//! | [`ledger`] | one durable row per inference request, sums of the rows, and queries of both | contain prompts, replies or credentials |
//! | [`limits`] | counts the usage of each caller, reserves and settles quota, keeps the block list | contain prompts; store user ids in counters (only their digests) |
//! | [`archive`] | one encrypted file per archived request; lists, reads and deletes them | contain callers' credentials; write clear text to a disk |
//! | [`backup`] | copies of the SQLite files, and their return | copy a file while SQLite may write to it |
//! | [`org_ids`] | the operator's accounts, as providers see them | print an id |
//! | [`person`] | finds the one person that an identifier means | guess |
//! | [`state`] | the entries that operators change, such as blocks, in the places that all nodes share | lose an entry that a node knows |
//! | [`trusted_clock`] | whether the wall clock may decide what is too old to keep | delete anything |
//! | [`whois`] | finds the caller of an identifier, from the ledger or from the formats alone | write anything |

pub mod archive;
pub mod backup;
pub mod ledger;
pub mod limits;
pub mod org_ids;
pub mod person;
pub mod state;
pub mod trusted_clock;
pub mod whois;
