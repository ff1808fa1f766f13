//! Reads the top-level members of a JSON object in order, with their offsets. Repeated names, spellings and numbers are
//! kept, so that two bodies can be compared byte by byte.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A member of a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// The name as spelt, with its quotes.
    pub(super) key: &'a str,
    /// The value's JSON text.
    pub(super) value: &'a str,
    /// The offset of the name's opening quote, in bytes.
    pub(super) at: usize,
}

impl Member<'_> {
    /// Returns the decoded name, or its spelling if it does not decode (a lone surrogate).
    pub(super) fn name(&self) -> String {
        serde_json::from_str(self.key).unwrap_or_else(|_| self.key.to_owned())
    }
}

/// Reads the members of the object `json`.
///
/// # Errors
/// If `json` is not a JSON object.
pub(super) fn read(json: &str) -> Result<Vec<Member<'_>>, serde_json::Error> {
    let pairs: Pairs<'_> = serde_json::from_str(json)?;
    let start = json.as_ptr().addr();
    let members = pairs.0.into_iter().map(|(key, value)| (key.get(), value.get()));
    Ok(members.map(|(key, value)| Member { key, value, at: key.as_ptr().addr() - start }).collect())
}

struct Pairs<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_spelling_order_and_place() {
        let json = r#" {"a":1.10, "\u0061" : {"a":[]},"\ud800":"\udc00","a":1e400}"#;
        let members = read(json).unwrap();
        let names: Vec<_> = members.iter().map(Member::name).collect();
        assert_eq!(names, ["a", "a", r#""\ud800""#, "a"]);
        let values: Vec<_> = members.iter().map(|member| member.value).collect();
        assert_eq!(values, ["1.10", r#"{"a":[]}"#, r#""\udc00""#, "1e400"]);
        for member in members {
            assert!(json[member.at..].starts_with(member.key), "{member:?}");
        }
        assert!(read("[]").is_err());
    }
}
