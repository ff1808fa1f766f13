//! Captures the outer members of a body that limits, prices and records need, while the body passes.
//!
//! The table `MEMBERS` lists them. A member counts if its decoded name is exactly a name of the table and if it is
//! sent; removed members do not count. Like JSON readers, the last of duplicates counts; of numbers the largest.
//! Whatever the body holds, at most 8 KiB are kept: 4 `model` members, 16 entries of `models`, and texts of at most
//! `longest::EXTERNAL_NAME` bytes.

mod value;

use super::decode::decode;
use super::raw_name::RawName;
use value::{Text, TextBuffer, Value, ValueReader};

/// Maximum number of `model` members that are kept, with the last one. More set [`OuterMembers::has_unknown_models`].
const MAX_MODELS: usize = 4;

/// Tokens that an answer may have if the request does not limit them, for estimates.
pub const DEFAULT_OUTPUT: u64 = 2000;

/// A captured member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Model,
    Models,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    N,
    Stream,
    PreviousJobId,
}

/// One row of [`MEMBERS`].
#[derive(Debug)]
struct Row {
    member: Member,
    name: &'static str,
    /// True if a form part of this name is captured too.
    in_forms: bool,
}

/// The captured members, in the order of [`Member`].
static MEMBERS: [Row; Member::PreviousJobId as usize + 1] = [
    Row { member: Member::Model, name: "model", in_forms: true },
    Row { member: Member::Models, name: "models", in_forms: false },
    Row { member: Member::MaxTokens, name: "max_tokens", in_forms: false },
    Row { member: Member::MaxCompletionTokens, name: "max_completion_tokens", in_forms: false },
    Row { member: Member::MaxOutputTokens, name: "max_output_tokens", in_forms: false },
    Row { member: Member::N, name: "n", in_forms: false },
    Row { member: Member::Stream, name: "stream", in_forms: false },
    Row { member: Member::PreviousJobId, name: "previous_job_id", in_forms: false },
];

/// Length of the longest name of [`MEMBERS`], in bytes.
pub(super) const LONGEST: usize = "max_completion_tokens".len();

/// The requested model, as it is recorded (docs/SPEC.md#recorded-model).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedModel<'a> {
    /// A text that matches `[A-Za-z0-9._~:@/+-]{1,256}`.
    Name(&'a str),
    /// Any other value.
    Invalid,
}

impl<'a> RequestedModel<'a> {
    /// Returns the name, or `invalid`.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Name(name) => name,
            Self::Invalid => "invalid",
        }
    }
}

/// The value of `previous_job_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviousJob<'a> {
    /// The member occurs once, as a text of at most `longest::EXTERNAL_NAME` bytes.
    Id(&'a str),
    /// The member occurs more than once, or its value is neither such a text nor null.
    Unusable,
}

/// The captured members of one body. Complete once the whole body was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OuterMembers {
    /// The last value of each member, in the order of [`Member`].
    last: [Option<Value>; MEMBERS.len()],
    /// The names in `model` members before the last one, at most [`MAX_MODELS`] - 1.
    earlier_models: Vec<Box<str>>,
    /// True if a `model` or `models` before the last one is not kept.
    lost_models: bool,
    repeated_previous_job: bool,
}

impl OuterMembers {
    /// Returns the requested model; `None` if `model` is absent or null.
    pub fn requested_model(&self) -> Option<RequestedModel<'_>> {
        match self.get(Member::Model)? {
            Value::Null => None,
            value => Some(model_name(value).map_or(RequestedModel::Invalid, RequestedModel::Name)),
        }
    }

    /// Returns the names of all models that some reader could answer with: each `model`, then the entries of `models`.
    /// There may be more, see [`Self::has_unknown_models`].
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let earlier = self.earlier_models.iter().map(AsRef::as_ref);
        earlier.chain(self.get(Member::Model).and_then(model_name)).chain(self.listed().iter().filter_map(valid_name))
    }

    /// Returns true if [`Self::models`] is not the whole list of candidates: a value is no model name, or there are too
    /// many.
    pub fn has_unknown_models(&self) -> bool {
        let model = self.get(Member::Model).is_some_and(|value| *value != Value::Null && model_name(value).is_none());
        let listed = match self.get(Member::Models) {
            None | Some(Value::Null) => false,
            Some(Value::List { texts, .. }) => texts.iter().any(|text| valid_name(text).is_none()),
            Some(_) => true,
        };
        self.has_more_models() || model || listed
    }

    /// Returns true if there are more valid candidates than [`Self::models`] has, because there are too many.
    pub fn has_more_models(&self) -> bool {
        let is_cut = matches!(self.get(Member::Models), Some(Value::List { more: true, .. }));
        self.lost_models || is_cut
    }

    /// Returns the largest of `max_tokens`, `max_completion_tokens` and `max_output_tokens`.
    pub fn max_output_tokens(&self) -> Option<u64> {
        let limits = [Member::MaxTokens, Member::MaxCompletionTokens, Member::MaxOutputTokens];
        limits.into_iter().filter_map(|member| self.number(member)).max()
    }

    /// Returns `n`, the number of answers.
    pub fn n(&self) -> Option<u64> {
        self.number(Member::N)
    }

    /// Returns `stream`.
    pub fn stream(&self) -> Option<bool> {
        match self.get(Member::Stream)? {
            Value::Flag(on) => Some(*on),
            _ => None,
        }
    }

    /// Returns `previous_job_id`; `None` if it is absent, or null and not repeated.
    pub fn previous_job(&self) -> Option<PreviousJob<'_>> {
        match self.get(Member::PreviousJobId)? {
            _ if self.repeated_previous_job => Some(PreviousJob::Unusable),
            Value::Null => None,
            Value::Text(Some(id)) => Some(PreviousJob::Id(id)),
            _ => Some(PreviousJob::Unusable),
        }
    }

    /// Returns a whole number that is not negative. A fraction is rounded up.
    fn number(&self, member: Member) -> Option<u64> {
        match self.get(member)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn listed(&self) -> &[Text] {
        match self.get(Member::Models) {
            Some(Value::List { texts, .. }) => texts,
            _ => &[],
        }
    }

    fn get(&self, member: Member) -> Option<&Value> {
        self.last.get(member as usize)?.as_ref()
    }

    fn set(&mut self, member: Member, value: Value) {
        let value = match value {
            // Only one member may be a list, which bounds the kept bytes.
            Value::List { .. } if member != Member::Models => Value::Other,
            value => value,
        };
        let value = match self.get(member) {
            Some(earlier) => largest(member, earlier, value),
            None => value,
        };
        let Some(earlier) = self.last.get_mut(member as usize).and_then(|last| last.replace(value)) else { return };
        match member {
            Member::Model | Member::Models if earlier == Value::Null => {}
            Member::Model => match model_name(&earlier).filter(|_| self.earlier_models.len() + 1 < MAX_MODELS) {
                Some(name) => self.earlier_models.push(name.into()),
                None => self.lost_models = true,
            },
            Member::Models => self.lost_models = true,
            Member::PreviousJobId => self.repeated_previous_job = true,
            _ => {}
        }
    }
}

/// Returns the value that counts of two duplicates. A value that is no number stands for the default.
fn largest(member: Member, earlier: &Value, last: Value) -> Value {
    let default = match member {
        Member::MaxTokens | Member::MaxCompletionTokens | Member::MaxOutputTokens => DEFAULT_OUTPUT,
        Member::N => 1,
        _ => return last,
    };
    match (earlier, &last) {
        (Value::Number(one), Value::Number(other)) => Value::Number(*one.max(other)),
        (Value::Number(number), _) | (_, Value::Number(number)) => Value::Number((*number).max(default)),
        _ => last,
    }
}

fn model_name(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => valid_name(text),
        _ => None,
    }
}

/// Returns a text that matches `[A-Za-z0-9._~:@/+-]{1,256}`. [`Text`] has no longer ones.
fn valid_name(text: &Text) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:@/+-".contains(&byte);
    text.as_deref().filter(|name| !name.is_empty() && name.bytes().all(plain))
}

/// Fills [`OuterMembers`] from the stops of a rewriter.
#[derive(Debug, Default)]
pub(super) struct OuterCapture {
    members: OuterMembers,
    reading: Option<Reading>,
}

/// The value that is being read.
#[derive(Debug)]
enum Reading {
    /// The reader exists once the end of a piece has split the value.
    Json(Member, Option<Box<ValueReader>>),
    Part(Member, TextBuffer),
}

impl OuterCapture {
    /// Returns the members that were read completely.
    pub(super) fn members(&self) -> &OuterMembers {
        &self.members
    }

    /// Takes the key of an outer member that is sent. Its value comes next.
    pub(super) fn key(&mut self, key: RawName<'_>) {
        self.reading = find(key).map(|row| Reading::Json(row.member, None));
    }

    /// Takes the name of a form part that is sent.
    pub(super) fn part(&mut self, name: &str) {
        let row = MEMBERS.iter().find(|row| row.in_forms && row.name == name);
        self.reading = row.map(|row| Reading::Part(row.member, TextBuffer::default()));
    }

    /// Takes the next bytes after the key or of a part; more will follow.
    pub(super) fn value(&mut self, bytes: &[u8]) {
        match &mut self.reading {
            Some(Reading::Json(_, reader)) if !bytes.is_empty() => reader.get_or_insert_default().feed(bytes),
            Some(Reading::Part(_, text)) => text.push(bytes),
            Some(Reading::Json(..)) | None => {}
        }
    }

    /// Takes the last bytes of the current value, up to the comma or brace after it, or of a part.
    pub(super) fn end(&mut self, bytes: &[u8]) {
        let Some(reading) = self.reading.take() else { return };
        let (member, value) = match reading {
            Reading::Json(member, None) => (member, Value::of(bytes)),
            Reading::Json(member, Some(mut reader)) => {
                reader.feed(bytes);
                (member, reader.finish())
            }
            Reading::Part(member, mut text) => {
                text.push(bytes);
                (member, Value::Text(text.take()))
            }
        };
        self.members.set(member, value);
    }
}

/// Returns the row of a name.
fn find(name: RawName<'_>) -> Option<&'static Row> {
    let row = |name: &[u8]| MEMBERS.iter().find(|row| row.name.as_bytes() == name);
    if name.is_plain {
        row(name.text)
    } else if name.text.len() <= 6 * LONGEST {
        // Escapes make a character at most six bytes long.
        row(&decode(name.text))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
