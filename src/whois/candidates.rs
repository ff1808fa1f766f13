//! People who could stand behind a hash: one a line, as an export of an app's users gives them.

use crate::caller::forwarded;
use crate::identifiers::sources::Sources;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    text: String,
}

/// One line: a user id, and behind a tab perhaps the session, chat or message that a format hashes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'c> {
    user: &'c str,
    other: Option<&'c str>,
}

impl Candidates {
    /// Reads the lines of a file; those that name nobody (empty, `null`, …) are passed over.
    pub fn new(text: String) -> Self {
        Self { text }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Candidate<'_>> {
        let meaning = |value: &str| forwarded::meaning(value.as_bytes()).map(str::len);
        self.text.lines().filter_map(move |line| {
            let (user, other) = match line.split_once('\t') {
                Some((user, other)) => (user, Some(other)),
                None => (line, None),
            };
            meaning(user)?;
            Some(Candidate { user: user.trim_ascii(), other: other.map(str::trim_ascii).filter(|o| !o.is_empty()) })
        })
    }
}

impl<'c> Candidate<'c> {
    pub(super) fn sources(self, tenant: Option<&'c str>) -> Sources<'c> {
        Sources {
            tenant,
            user: Some(self.user),
            session: self.other,
            chat: self.other,
            message: self.other,
            ..Sources::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_user_and_perhaps_something_of_theirs() {
        let candidates = Candidates::new("alice\n\n  bob \r\nnull\ncarol\tchat-1\n".to_owned());
        let read: Vec<_> = candidates.iter().map(|c| (c.user, c.other)).collect();
        assert_eq!(read, [("alice", None), ("bob", None), ("carol", Some("chat-1"))]);
        assert_eq!(candidates.count(), 3);
    }
}
