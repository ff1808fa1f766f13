//! The problems of a configuration, one line each.
//!
//! A problem names a place and says what to do. It must not repeat a value, which may be a misplaced secret
//! (`tests/secrecy.rs`).

use std::fmt;

use callsign_core::visible::printable;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Source and name: `env CALLSIGN_LISTEN`, `callsign.toml:3: listen`; the name alone if nothing is set.
    pub place: String,
    /// The expectation, what was found, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of variables and TOML keys may contain terminal escape sequences.
        write!(f, "{}: {}", printable(&self.place), printable(&self.message))
    }
}

/// The problems of a configuration in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem.
    pub(super) fn push(&mut self, place: impl Into<String>, message: impl fmt::Display) {
        self.0.push(Problem { place: place.into(), message: message.to_string() });
    }

    /// Appends `others`.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Returns true if there are no problems.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the problems.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Returns `value` if there are no problems. Without a value there must be a problem.
    pub(super) fn into_result_with<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
