//! The scope of identifier settings: the operator's, or those of one tenant, which override them. The rules are equal
//! for both; only the sources of the values differ.

use super::reader::Reader;

/// The operator, or one tenant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    /// The top-level settings.
    Operator,
    /// The settings of the `[[tenants]]` entry at this path of the merged layers.
    Tenant(&'a str),
}

impl Scope<'_> {
    /// Returns true if the setting is set in this scope, not inherited and not a default.
    pub(super) fn is_set(self, id: &str, reader: &Reader<'_>) -> bool {
        match self {
            Self::Operator => reader.is_set(id),
            Self::Tenant(path) => reader.layers.get(&format!("{path}.{id}")).is_some(),
        }
    }

    /// Returns the source of the value in force.
    pub(super) fn place(self, id: &str, reader: &Reader<'_>) -> String {
        let own = match self {
            Self::Operator => None,
            Self::Tenant(path) => reader.layers.get(&format!("{path}.{id}")),
        };
        own.map_or_else(|| reader.place(id), |found| found.place(&format!("tenants[].{id}")))
    }
}
