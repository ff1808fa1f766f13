//! Reads the part of a damaged text of an entry that is still readable.
//!
//! A text can be cut off, or have a value of a wrong type. All members before the fault are read. A member that was not
//! read is taken in the sense that stops more callers.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::forgotten;

/// Reads the members of an object up to the first fault. The second value is true if there is none.
pub(super) fn members(text: &str) -> (Map<String, Value>, bool) {
    let mut members = Map::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let is_whole = Members(&mut members).deserialize(&mut json).is_ok();
    (members, is_whole)
}

/// Returns the possible values of the member `forgotten`, which says that an id is a digest. It is the last member. If it
/// cannot be read, an id that looks like a digest may be one.
pub(super) fn forgotten(members: &Map<String, Value>, is_whole: bool, id: &str) -> impl Iterator<Item = bool> {
    let (first, second) = match members.get("forgotten") {
        Some(Value::Bool(forgotten)) => (*forgotten, None),
        None if is_whole => (false, None),
        _ => (false, Some(true).filter(|_| forgotten::is_digest(id))),
    };
    std::iter::once(first).chain(second)
}

/// Reads an object member by member.
struct Members<'m>(&'m mut Map<String, Value>);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some((member, value)) = members.next_entry()? {
            self.0.insert(member, value);
        }
        Ok(())
    }
}
