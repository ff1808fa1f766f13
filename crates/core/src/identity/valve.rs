//! The operator's switches for identifiers (`SEND_*`, `docs/SPEC.md#valves`).

use std::ops::Index;

use super::identifier::{Identifier, PerIdentifier, SettingName, TABLE};

/// The setting of [`Valves::trace`]. Those of the other valves are in the table of identifiers.
pub const TRACE: SettingName = SettingName { variable: "SEND_TRACE", path: "valves.send_trace" };

/// The state of all valves. All are off by default: callsign then removes identifiers and sends none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valves {
    /// The identifiers that may be sent.
    pub identifiers: PerIdentifier<bool>,
    /// `SEND_TRACE`: `trace` repeats the full metadata map. OpenRouter forwards it to Broadcast destinations.
    pub trace: bool,
}

/// A valve with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valve {
    /// The environment variable; its lower-case form is the TOML key in `[valves]`.
    pub variable: &'static str,
    /// True if the identifier may be sent.
    pub on: bool,
}

impl Valves {
    /// Returns valves of which only these are on.
    pub fn on(identifiers: &[Identifier]) -> Self {
        Self { identifiers: PerIdentifier::from_fn(|row| identifiers.contains(&row.identifier)), trace: false }
    }

    /// Returns all valves, in the order in which `serve`, `check` and the admin API list them.
    pub fn list(&self) -> [Valve; Identifier::COUNT + 1] {
        std::array::from_fn(|index| match TABLE.get(index) {
            Some(row) => Valve { variable: row.valve.variable, on: self[row.identifier] },
            None => Valve { variable: TRACE.variable, on: self.trace },
        })
    }

    /// Returns true if any valve is on.
    pub fn any(&self) -> bool {
        self.trace || self.identifiers.0.contains(&true)
    }
}

impl Index<Identifier> for Valves {
    type Output = bool;

    fn index(&self, identifier: Identifier) -> &bool {
        &self.identifiers[identifier]
    }
}
