//! Reads JSON objects exactly: every top-level member in order, duplicates included.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Returns the object's members: decoded name (the raw one if it is not valid Unicode) and raw value.
pub(crate) fn members(body: &[u8]) -> Vec<(String, String)> {
    let members: Members =
        serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)));
    members.0
}

/// Returns the object's members with parsed values. Fails the test on values that `serde_json` rejects, as lone
/// surrogates.
pub(crate) fn values(body: &[u8]) -> Vec<(String, Value)> {
    let value = |raw: String| serde_json::from_str(&raw).unwrap_or_else(|error| panic!("{error}: {raw}"));
    members(body).into_iter().map(|(name, raw)| (name, value(raw))).collect()
}

struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<Box<RawValue>, Box<RawValue>>()? {
            let name = serde_json::from_str(key.get()).unwrap_or_else(|_| key.get().to_owned());
            members.push((name, value.get().to_owned()));
        }
        Ok(Members(members))
    }
}
