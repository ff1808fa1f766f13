//! Whose settings are looked at: the operator's, or one tenant's on top of them. Rules and warnings about identifiers are
//! the same for both and differ only in where the values stand.

use super::reader::Reader;

/// The operator, or one tenant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    /// The settings of no tenant.
    Operator,
    /// Those of the entry of `[[tenants]]` that is filed under this path.
    Tenant(&'a str),
}

impl Scope<'_> {
    /// Whether the setting of this id was set here, rather than inherited or left at its default.
    pub(super) fn is_set(self, id: &str, reader: &Reader<'_>) -> bool {
        match self {
            Self::Operator => reader.is_set(id),
            Self::Tenant(path) => reader.layers.get(&format!("{path}.{id}")).is_some(),
        }
    }

    /// Where the value in force comes from.
    pub(super) fn place(self, id: &str, reader: &Reader<'_>) -> String {
        let own = match self {
            Self::Operator => None,
            Self::Tenant(path) => reader.layers.get(&format!("{path}.{id}")),
        };
        own.map_or_else(|| reader.place(id), |found| found.place(&format!("tenants[].{id}")))
    }
}
