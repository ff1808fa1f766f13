//! The index of people by their user id. It holds only the beginning of the id, because a whole one takes up to 512
//! bytes. So a condition on a user names the beginning too, and an order by user begins with it.

use super::error::LedgerError;
use super::pool::Question;

/// Characters of a user id in the index.
const CHARS: usize = 32;
/// The indexed expression, as in the migration `0003_user_index.sql`.
pub(super) const START: &str = "substr(user_id, 1, 32)";

/// Returns the beginning of a user id, as [`START`] does.
pub(super) fn start(user: &str) -> String {
    user.chars().take(CHARS).collect()
}

/// Adds the condition that a row of `people` is that of a user, if there is one.
pub(super) fn of_user(question: Question, user: Option<&str>) -> Result<Question, LedgerError> {
    let Some(user) = user else { return Ok(question) };
    question.sql(&format!(" AND {START} = ")).text(&start(user))?.sql(" AND user_id = ").text(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_counted_in_characters() {
        assert!(START.ends_with(&format!(", {CHARS})")));
        assert_eq!(start(&"é".repeat(40)), "é".repeat(32));
        assert_eq!(start("short"), "short");
    }
}
