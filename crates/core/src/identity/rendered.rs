//! The rendered identifiers of one request, written as members or form parts to append to the body and as the
//! `x-session-id` header.
//!
//! Everything that displays identifiers (`callsign id`, `check`, the admin API) uses this module, so that it displays
//! exactly what is sent.

use std::borrow::Cow;
use std::ops::Range;

use serde::ser::Serializer;

use super::attribution::Attribution;
use super::identifier::{Identifier, IdentifierRow, TABLE};
use super::limit;
use crate::endpoint::{Fields, Metadata};

/// Bytes of the buffer for the members: enough for four hashed identifiers, sent as metadata and as trace.
const MEMBERS_BYTES: usize = 640;

/// The reason why an identifier was omitted although its valve is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A source value that its format needs is absent.
    NoSource,
    /// Over a length limit.
    TooLong,
    /// A metadata key or value that OpenRouter does not accept.
    Invalid,
    /// More than 16 metadata pairs.
    TooManyPairs,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::NoSource, Self::TooLong, Self::Invalid, Self::TooManyPairs];

    /// Returns the name in metrics and in the admin API.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::TooLong => "too_long",
            Self::Invalid => "invalid",
            Self::TooManyPairs => "too_many_pairs",
        }
    }
}

/// An omitted identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Omission {
    /// The identifier; `None` for a static metadata pair.
    pub identifier: Option<Identifier>,
    /// The reason.
    pub reason: Reason,
}

impl Omission {
    /// The number of values of [`Omission::index`].
    pub const FIELDS: usize = Identifier::COUNT + 1;

    /// Returns the position of the identifier in its table; static pairs follow.
    pub fn index(self) -> usize {
        self.identifier.map_or(Identifier::COUNT, |identifier| identifier as usize)
    }

    /// Returns the name in metrics and displays: the identifier's label, or `metadata`.
    pub fn field(self) -> &'static str {
        self.identifier.map_or("metadata", |identifier| identifier.row().label)
    }
}

/// The identifiers that one request sends about its caller.
#[derive(Clone, Debug)]
pub struct Identifiers<'a> {
    /// `user` (and `safety_identifier`, where the endpoint has it).
    pub user: Option<String>,
    /// The top-level `session_id`, and the `x-session-id` header, where the endpoint has it.
    pub session_id: Option<String>,
    /// True if `trace` repeats the metadata.
    pub trace: bool,
    /// The omitted identifiers.
    pub omitted: Vec<Omission>,
    pairs: Vec<(&'a str, Cow<'a, str>)>,
    fields: Fields,
}

impl<'a> Identifiers<'a> {
    pub(super) fn new(fields: Fields) -> Self {
        Self { user: None, session_id: None, trace: false, omitted: Vec::new(), pairs: Vec::new(), fields }
    }

    pub(super) fn set_user(&mut self, id: String) {
        self.push_pair(Identifier::User, id.clone());
        self.user = Some(id);
    }

    /// Adds the metadata pair of an identifier whose length has been checked.
    pub(super) fn push_pair(&mut self, identifier: Identifier, value: String) {
        if let Some(key) = identifier.row().metadata {
            self.pairs.push((key, Cow::Owned(value)));
        }
    }

    /// Adds a configured pair unless its name is taken. A pair that OpenRouter would refuse is omitted and does not
    /// count towards the maximum.
    pub(super) fn push_static_pair(&mut self, name: &'a str, value: &'a str) {
        if !limit::is_metadata_key(name) || !limit::fits(value, limit::METADATA_VALUE_CHARS) {
            self.omit(None, Reason::Invalid);
        } else if self.pairs.len() >= limit::METADATA_PAIRS {
            self.omit(None, Reason::TooManyPairs);
        } else if !self.pairs.iter().any(|(taken, _)| *taken == name) {
            self.pairs.push((name, Cow::Borrowed(value)));
        }
    }

    pub(super) fn omit(&mut self, identifier: impl Into<Option<Identifier>>, reason: Reason) {
        self.omitted.push(Omission { identifier: identifier.into(), reason });
    }

    /// Returns the full metadata map in order, regardless of the metadata that the endpoint accepts.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    /// Returns the identifiers that are sent anywhere in the request. A cache session counts as a session.
    pub fn sent(&self) -> impl Iterator<Item = Identifier> {
        TABLE.iter().filter(|row| self.is_sent(row)).map(|row| row.identifier)
    }

    fn is_sent(&self, row: &IdentifierRow) -> bool {
        let fields = self.fields;
        let is_pair = |key| self.pairs.iter().any(|(name, _)| Some(*name) == key);
        let is_member = match row.identifier {
            Identifier::User => self.user.is_some(),
            Identifier::Session => self.session_id.is_some(),
            _ => false,
        };
        is_member || ((fields.metadata == Metadata::Full || self.trace) && is_pair(row.metadata))
    }

    /// Returns how far OpenRouter can attribute the request to a user. `has_user_id` is true if the caller has a user id.
    pub fn attribution(&self, has_user_id: bool) -> Attribution {
        Attribution::of(has_user_id, self.user.is_some() && self.sent().any(|sent| sent == Identifier::User))
    }

    /// Returns the value of the `x-session-id` header, if this endpoint has that header and the session id is visible
    /// ASCII.
    pub fn session_header(&self) -> Option<&str> {
        let visible = |id: &&str| id.bytes().all(|byte| byte.is_ascii_graphic());
        self.session_id.as_deref().filter(|_| self.fields.session_header).filter(visible)
    }

    /// Returns the members to append to the body, `"user":"u1","session_id":…`, without braces; empty if there are
    /// none. The order is fixed, because the order of properties is part of the key of OpenRouter's response cache.
    pub fn members(&self) -> String {
        let mut json = Vec::with_capacity(MEMBERS_BYTES);
        // Serializing strings into a `Vec` cannot fail. If it did, no identifiers would be safer than partial ones.
        match self.write_members(&mut json) {
            Ok(()) => String::from_utf8(json).unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Returns the members as a JSON object, plus `headers` if a header repeats the session. `callsign id`,
    /// `test-mapping` and `me` display it.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut fields: serde_json::Map<_, _> =
            serde_json::from_str(&format!("{{{}}}", self.members())).unwrap_or_default();
        if let Some(session) = self.session_header() {
            fields.insert("headers".to_owned(), serde_json::json!({ "x-session-id": session }));
        }
        fields
    }

    fn write_members(&self, json: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        // The last map and its place: `trace` mostly repeats `metadata`.
        let mut written: Option<(Pairs<'_>, Range<usize>)> = None;
        for (name, value) in self.written() {
            if !json.is_empty() {
                json.push(b',');
            }
            json.push(b'"');
            json.extend_from_slice(name.as_bytes());
            json.extend_from_slice(b"\":");
            match (value, &written) {
                (Written::Text(text), _) => serde_json::to_writer(&mut *json, text)?,
                (Written::Map(pairs), Some((same, place))) if std::ptr::eq(pairs.0, same.0) => {
                    json.extend_from_within(place.clone());
                }
                (Written::Map(pairs), _) => {
                    let start = json.len();
                    serde_json::to_writer(&mut *json, &pairs)?;
                    written = Some((pairs, start..json.len()));
                }
            }
        }
        Ok(())
    }

    /// Returns the parts to append to a form: name and content. A map is written as JSON.
    pub fn form_parts(&self) -> Vec<(&'static str, String)> {
        let content = |value| match value {
            Written::Text(text) => Some(text.to_owned()),
            // Serializing strings cannot fail. If it did, no identifier would be safer than a partial one.
            Written::Map(pairs) => serde_json::to_string(&pairs).ok(),
        };
        self.written().filter_map(|(name, value)| Some((name, content(value)?))).collect()
    }

    /// Returns the members that are written, in their fixed order.
    fn written(&self) -> impl Iterator<Item = (&'static str, Written<'_>)> {
        let user = self.user.as_deref();
        let metadata = match self.fields.metadata {
            Metadata::Full => self.pairs.as_slice(),
            Metadata::UserOnly => self.pairs.get(..1).filter(|_| user.is_some()).unwrap_or_default(),
            Metadata::None => &[],
        };
        let trace = if self.trace { self.pairs.as_slice() } else { &[] };
        [
            ("user", user.map(Written::Text)),
            ("session_id", self.session_id.as_deref().map(Written::Text)),
            ("safety_identifier", user.filter(|_| self.fields.safety_identifier).map(Written::Text)),
            ("metadata", Written::map(metadata)),
            ("trace", Written::map(trace)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// The value of a written member.
#[derive(Clone, Copy)]
enum Written<'w> {
    Text(&'w str),
    Map(Pairs<'w>),
}

impl<'w> Written<'w> {
    /// Returns a map of these pairs; `None` without any.
    fn map(pairs: &'w [(&'w str, Cow<'w, str>)]) -> Option<Self> {
        (!pairs.is_empty()).then_some(Self::Map(Pairs(pairs)))
    }
}

/// Serializes metadata pairs as a JSON object, in order.
#[derive(Clone, Copy)]
struct Pairs<'p>(&'p [(&'p str, Cow<'p, str>)]);

impl serde::Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
