//! Problems that do not stop callsign from serving. `/readyz` lists them as `degraded` (docs/SPEC.md#readiness).

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// The current problems, by the name of the part that has them.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<String, String>>);

impl Health {
    /// Sets the problem of the part `name`, in place of an earlier one. `/readyz` needs no token, so `reason` must not
    /// name a user, a tenant or a secret.
    pub fn set(&self, name: &str, reason: impl Into<String>) {
        self.0.lock().insert(name.to_owned(), reason.into());
    }

    /// Ends the problem of the part `name`.
    pub fn clear(&self, name: &str) {
        self.0.lock().remove(name);
    }

    /// Returns the distinct reasons, sorted by the names of their parts.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = Vec::new();
        for reason in self.0.lock().values() {
            if !reasons.contains(reason) {
                reasons.push(reason.clone());
            }
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_at_most_one_problem() {
        let health = Health::default();
        assert!(health.reasons().is_empty());
        health.set("b", "second");
        health.set("a", "old");
        health.set("a", "first");
        health.set("c", "second");
        assert_eq!(health.reasons(), ["first", "second"], "equal reasons are shown once");
        health.clear("a");
        health.clear("nothing");
        health.clear("b");
        assert_eq!(health.reasons(), ["second"]);
    }
}
