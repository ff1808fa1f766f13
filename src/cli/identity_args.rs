//! Converts the ids on the command line to a caller's source values (`docs/SPEC.md#source-values`).

use std::io::{self, Write};

use crate::config::Config;
use callsign_core::auth::identity_header;
use callsign_core::identity::Policy;
use callsign_core::identity::caller_identity::CallerIdentity;

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

    /// Returns the names of ids that are ignored.
    pub(super) fn meaningless(&self) -> impl Iterator<Item = &'static str> {
        let values = self.values().into_iter();
        values.filter(|(_, value)| value.is_some() && meaning(*value).is_none()).map(|(name, _)| name)
    }

    fn values(&self) -> [(&'static str, Option<&'a str>); 4] {
        [("user", self.user), ("session", self.session), ("chat", self.chat), ("message", self.message)]
    }
}

fn meaning(value: Option<&str>) -> Option<&str> {
    identity_header::meaning(value?.as_bytes())
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
        assert_eq!(person.meaningless().collect::<Vec<_>>(), ["session", "chat"]);
    }
}
