//! What a damaged text of a block still says.
//!
//! A text can be cut off, or have a value of a wrong type. All members before the fault are read. A member that was not
//! read is taken in the sense that stops more callers.

use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Block;
use crate::limits::forgotten;

/// The members that say whom a block stops.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    id: Option<String>,
    tenant: Option<String>,
    user_id: bool,
    forgotten: bool,
    /// True if the text has an end, so that absent members are really absent.
    is_whole: bool,
}

impl Named {
    /// Reads a text.
    pub(super) fn read(text: &str) -> Self {
        let mut named = Self::default();
        let mut json = serde_json::Deserializer::from_str(text);
        // The members that were read before an error count.
        named.is_whole = Members(&mut named).deserialize(&mut json).is_ok();
        named
    }

    fn put(&mut self, member: &str, value: &Value) {
        match (member, value) {
            ("id", Value::String(id)) => self.id = Some(id.clone()),
            ("tenant", Value::String(tenant)) => self.tenant = Some(tenant.clone()),
            ("user_id", Value::Bool(user_id)) => self.user_id = *user_id,
            ("forgotten", Value::Bool(forgotten)) => self.forgotten = *forgotten,
            _ => {}
        }
    }

    /// Returns the blocks that hold for this text, each without an end.
    pub(super) fn blocks(self) -> impl Iterator<Item = Block> {
        let Self { id, tenant, user_id, forgotten, is_whole } = self;
        // `forgotten` is the last member. If it may have been cut off, an id that looks like a digest may be one.
        let is_perhaps_digest = !is_whole && !forgotten && id.as_deref().is_some_and(forgotten::is_digest);
        let readings = [Some(forgotten), is_perhaps_digest.then_some(true)];
        let block = move |id: &str, forgotten| Block {
            id: id.to_owned(),
            tenant: tenant.clone(),
            since: Timestamp::UNIX_EPOCH,
            until: None,
            reason: None,
            cut: false,
            user_id,
            forgotten,
        };
        readings.into_iter().flatten().filter_map(move |forgotten| Some(block(id.as_deref()?, forgotten)))
    }
}

/// Reads an object member by member.
struct Members<'n>(&'n mut Named);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some((member, value)) = members.next_entry::<String, Value>()? {
            self.0.put(&member, &value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(id: &str, forgotten: bool) -> Block {
        let (since, until) = (Timestamp::UNIX_EPOCH, Some(Timestamp::MAX));
        let (tenant, reason) = (Some("acme".to_owned()), Some("x".to_owned()));
        Block { id: id.to_owned(), tenant, since, until, reason, cut: true, user_id: true, forgotten }
    }

    /// Every cut behind the id keeps the block, for the same person and never for a smaller set of callers.
    #[test]
    fn a_text_that_is_cut_off_anywhere_behind_its_id_stops_the_person() {
        for (block, person) in [(block("b\"ö\\b", false), "b\"ö\\b"), (block(&forgotten::digest("gone"), true), "gone")]
        {
            let text = serde_json::to_string(&block).unwrap();
            let id_ends = serde_json::to_string(&block.id).unwrap().len() + r#"{"id":"#.len();
            for end in (id_ends..text.len()).filter(|end| text.is_char_boundary(*end)) {
                let list = super::super::BlockList::new(Named::read(&text[..end]).blocks().collect());
                assert!(list.stops(Some("acme"), Some(person), None, Timestamp::now()), "{}", &text[..end]);
            }
            for end in (0..id_ends).filter(|end| text.is_char_boundary(*end)) {
                assert_eq!(Named::read(&text[..end]).blocks().count(), 0, "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn a_member_of_a_wrong_type_does_not_hide_the_others() {
        let read = |text| Named::read(text).blocks().map(|block| (block.id, block.tenant)).collect::<Vec<_>>();
        assert_eq!(read(r#"{"id":"bob","tenant":7,"until":[]}"#), [("bob".to_owned(), None)]);
        assert_eq!(read(r#"{"since":{"a":1},"id":"bob","tenant":""}"#), [("bob".to_owned(), Some(String::new()))]);
        assert_eq!(read(r#"{"id":7,"tenant":""}"#), []);
        assert_eq!(read(r#"["bob"]"#), []);
        assert_eq!(read(""), []);
    }
}
