//! Converts the ids on the command line to a caller's source values (`docs/SPEC.md#source-values`).

use std::io::{self, Write};

use crate::config::Config;
use callsign_core::auth::identity_header::{self, Unusable};
use callsign_core::identity::Policy;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_store::limits::Rules;

/// Returns the identifier policy of the person's tenant. An unknown tenant is reported on `err`.
///
/// # Errors
/// I/O errors of `err`.
pub(super) fn policy_of<'c>(
    config: &'c Config,
    person: Person<'_>,
    err: &mut impl Write,
) -> io::Result<Option<&'c Policy>> {
    match config.tenants.policy_of(person.tenant) {
        Ok(policy) => Ok(Some(policy)),
        Err(unknown) => {
            writeln!(err, "callsign: {unknown}")?;
            Ok(None)
        }
    }
}

/// A caller with the ids on the command line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person<'a> {
    pub(super) tenant: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) chat: Option<&'a str>,
    pub(super) message: Option<&'a str>,
}

impl<'a> Person<'a> {
    /// Returns true if there is no id.
    pub(super) fn is_nobody(&self) -> bool {
        self.values().into_iter().all(|(_, value)| value.is_none())
    }

    /// Returns the source values, cleaned like the values of headers.
    pub(super) fn sources(&self) -> CallerIdentity<'a> {
        CallerIdentity {
            tenant: self.tenant,
            user: meaning(self.user),
            session: meaning(self.session),
            chat: meaning(self.chat),
            message: meaning(self.message),
            ..CallerIdentity::default()
        }
    }

    /// Prints a note about each id that is ignored, and its consequence.
    ///
    /// # Errors
    /// I/O errors of `err`.
    pub(super) fn note_unusable(&self, config: &Config, err: &mut impl Write) -> io::Result<()> {
        for (name, reason) in self.unusable() {
            writeln!(err, "callsign: the {name} id is ignored in a header: {reason}")?;
            if name == "user" && Rules::new(&config.limits).tell_users_apart() {
                writeln!(
                    err,
                    "callsign: such a request is 403 user_required, because the configuration blocks or limits users"
                )?;
            } else if name == "user" {
                writeln!(err, "callsign: while somebody is blocked, such a request is 403 user_required")?;
            }
        }
        Ok(())
    }

    /// Returns the names of ids that are unusable, with the reasons.
    fn unusable(&self) -> impl Iterator<Item = (&'static str, Unusable)> {
        let values = self.values().into_iter();
        values.filter_map(|(name, value)| Some((name, identity_header::check(value?).err()?)))
    }

    fn values(&self) -> [(&'static str, Option<&'a str>); 4] {
        [("user", self.user), ("session", self.session), ("chat", self.chat), ("message", self.message)]
    }
}

fn meaning(value: Option<&str>) -> Option<&str> {
    identity_header::check(value?).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cleaned_as_headers_are() {
        let person = Person {
            tenant: None,
            user: Some(" alice "),
            session: Some("null"),
            chat: Some("{{CHAT_ID}}"),
            message: None,
        };
        let sources = person.sources();
        assert_eq!((sources.user, sources.session, sources.chat, sources.message), (Some("alice"), None, None, None));
        let placeholder = Unusable::Placeholder;
        let unusable: Vec<_> = person.unusable().collect();
        assert_eq!(unusable, [("session", placeholder), ("chat", placeholder)]);
    }
}
