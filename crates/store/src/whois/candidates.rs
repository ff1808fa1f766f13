//! Candidate users for a hashed identifier, one per line, as in an export of an app's users.

use callsign_core::auth::identity_header;
use callsign_core::identity::caller_identity::{CallerIdentity, Field};

/// A list of candidate users.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    text: String,
}

/// One line: a user id, optionally followed by a tab and the session, chat or message id that a format hashes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'c> {
    user: &'c str,
    other: Option<&'c str>,
}

impl Candidates {
    /// Creates a list from the text of a file. Lines that no id can have (empty, too long, with invisible characters) are
    /// skipped.
    pub fn new(text: String) -> Self {
        Self { text }
    }

    /// Returns the number of candidates.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Candidate<'_>> {
        self.text.lines().filter_map(move |line| {
            let (user, other) = match line.split_once('\t') {
                Some((user, other)) => (user, Some(other)),
                None => (line, None),
            };
            let user = Some(user.trim_ascii()).filter(|user| identity_header::is_id(user))?;
            Some(Candidate { user, other: other.map(str::trim_ascii).filter(|other| !other.is_empty()) })
        })
    }
}

impl<'c> Candidate<'c> {
    /// Returns the user id.
    pub(super) fn user(self) -> &'c str {
        self.user
    }

    pub(super) fn sources(self, tenant: Option<&'c str>) -> CallerIdentity<'c> {
        let sources = CallerIdentity { tenant, ..CallerIdentity::default() };
        let others = Field::IDS.into_iter().fold(sources, |sources, field| sources.with(field, self.other));
        others.with(Field::User, Some(self.user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_user_and_an_optional_second_id() {
        let candidates = Candidates::new("alice\n\n  bob \r\nan\u{200b}n\ncarol\tchat-1\n".to_owned());
        let read: Vec<_> = candidates.iter().map(|c| (c.user, c.other)).collect();
        assert_eq!(read, [("alice", None), ("bob", None), ("carol", Some("chat-1"))]);
        assert_eq!(candidates.count(), 3);
    }
}
