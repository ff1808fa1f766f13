//! Keys in the database (docs/SPEC.md#database-keys). No I/O.
//!
//! | module | purpose |
//! |---|---|
//! | [`row`] | the rows, their text and its HMAC |
//! | [`changes`] | names, adding, revoking, forgetting |
//! | [`index`] | the keys in force, found by digest |
//! | [`list`] | what lists show of keys |
//! | [`material`] | makes keys |

pub mod changes;
pub mod index;
pub mod list;
pub mod material;
pub mod row;
