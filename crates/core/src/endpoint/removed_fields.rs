//! The table of body members that no client may send: everything about them, one row each
//! (`docs/SPEC.md#removed-fields`).
//!
//! The filter compares names, and `callsign explain` shows the reasons. The self-test has its own list on purpose
//! (`CLAIMS` in `src/selftest/comparison.rs`).

/// The treatment of a client's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// The member is removed.
    Drop,
    /// A string is bound to the caller (`docs/SPEC.md#binding`), any other value is removed.
    /// `CALLSIGN_PROMPT_CACHE_KEY` changes this.
    Bind,
}

/// One row of [`TABLE`].
#[derive(Debug, PartialEq, Eq)]
pub struct RemovedField {
    /// The name of the top-level member, in lower case.
    pub name: &'static str,
    /// The treatment of a client's value.
    pub treatment: Treatment,
    /// The reason that `callsign explain` shows.
    pub reason: &'static str,
}

const fn drop(name: &'static str, reason: &'static str) -> RemovedField {
    RemovedField { name, treatment: Treatment::Drop, reason }
}

const IDENTIFIER: &str = "client-supplied identifier";
const MAY_IDENTIFY: &str = "client-supplied, may contain identifiers";

/// All fields. Names are compared as `rewrite::reserved_fields` describes.
pub static TABLE: [RemovedField; 9] = [
    drop("user", IDENTIFIER),
    drop("session_id", IDENTIFIER),
    drop("metadata", MAY_IDENTIFY),
    drop("safety_identifier", IDENTIFIER),
    drop("trace", MAY_IDENTIFY),
    drop("client_metadata", MAY_IDENTIFY),
    drop("callback_url", "would send results to a URL chosen by the client"),
    drop("__proto__", "JavaScript parsers may merge it into the request"),
    RemovedField { name: "prompt_cache_key", treatment: Treatment::Bind, reason: "bound to the caller" },
];

impl RemovedField {
    /// Finds the row of a name in lower case.
    pub fn find(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|field| field.name == name)
    }
}

/// The names of the fields that are dropped, in the order of [`TABLE`].
pub const REMOVED_FIELDS: [&str; 8] = {
    let mut names = [""; 8];
    let (mut row, mut dropped) = (0, 0);
    while row < TABLE.len() {
        if matches!(TABLE[row].treatment, Treatment::Drop) {
            names[dropped] = TABLE[row].name;
            dropped += 1;
        }
        row += 1;
    }
    assert!(dropped == names.len());
    names
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_lower_case() {
        for field in &TABLE {
            assert_eq!(RemovedField::find(field.name), Some(field));
            assert_eq!(field.name, field.name.to_ascii_lowercase());
            let is_dropped = REMOVED_FIELDS.contains(&field.name);
            assert_eq!(is_dropped, field.treatment == Treatment::Drop, "{}", field.name);
        }
        assert_eq!(RemovedField::find("model"), None);
    }
}
