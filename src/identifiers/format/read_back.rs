//! Turns an identifier back into the values behind it, from the format (and the secret) alone: nobody's records are needed.
//!
//! Only what a format keeps can be read: raw values, and sealed ones with the secret. A hash keeps nothing; it can only
//! be tried against candidates, by rendering them.

use super::{Format, Function, Part, UNIT_SEPARATOR};
use crate::identifiers::secret::IdSecret;
use crate::identifiers::sources::{Field, Sources};

/// What an identifier says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// The values, in the order of the format.
    pub values: Vec<(Field, String)>,
    /// Whether they were sealed, so that nobody without the secret can have made it up.
    pub sealed: bool,
}

impl ReadBack {
    /// The value of this field.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.values.iter().find(|(of, _)| *of == field).map(|(_, value)| value.as_str())
    }
}

impl Format {
    /// The values behind `identifier`, if this format can have written it for somebody of `tenant`. `None` too for a
    /// format that keeps no value, or several whose ends cannot be told apart (`{user}{chat}`).
    pub fn read_back(&self, identifier: &str, tenant: Option<&str>, secret: Option<&IdSecret>) -> Option<ReadBack> {
        let kept = self.kept()?;
        let (before, after) = self.parts.split_at_checked(kept)?;
        let (Part::Value { function, fields }, after) = after.split_first()? else { return None };
        let rest = before.iter().try_fold(identifier, Part::strip_front)?;
        let text = after.iter().rev().try_fold(rest, Part::strip_back)?;
        let read = match function {
            Function::Seal => read_sealed(text, fields, secret?)?,
            // A value with a control character never came in.
            _ if text.is_empty() || text.contains(char::is_control) => return None,
            _ => ReadBack { values: fields.iter().map(|field| (*field, text.to_owned())).collect(), sealed: false },
        };
        self.could_be(identifier, &read, tenant, secret).then_some(read)
    }

    /// The one part that keeps a value.
    fn kept(&self) -> Option<usize> {
        let keeps = |part: &Part| matches!(part, Part::Value { function: Function::Raw | Function::Seal, .. });
        let mut kept = self.parts.iter().enumerate().filter(|(_, part)| keeps(part)).map(|(at, _)| at);
        kept.next().filter(|_| kept.next().is_none())
    }

    /// Whether these values would be written like this, as far as all of them are known.
    fn could_be(&self, identifier: &str, read: &ReadBack, tenant: Option<&str>, secret: Option<&IdSecret>) -> bool {
        let sources = Sources {
            tenant,
            user: read.get(Field::User),
            session: read.get(Field::Session),
            chat: read.get(Field::Chat),
            message: read.get(Field::Message),
            ..Sources::default()
        };
        let known = self.fields().all(|field| sources.get(field).is_some());
        !known || self.render(&sources, secret).as_deref() == Some(identifier)
    }
}

fn read_sealed(text: &str, fields: &[Field], secret: &IdSecret) -> Option<ReadBack> {
    let opened = secret.open(text)?;
    let values: Vec<_> = opened.split(UNIT_SEPARATOR).map(str::to_owned).collect();
    (values.len() == fields.len())
        .then(|| ReadBack { values: fields.iter().copied().zip(values).collect(), sealed: true })
}

impl Part {
    /// What is left of `text` behind this part, whose length is known.
    fn strip_front<'t>(text: &'t str, part: &Self) -> Option<&'t str> {
        match part {
            Self::Literal(literal) => text.strip_prefix(literal.as_str()),
            Self::Value { function, .. } => {
                let (digits, rest) = text.split_at_checked(function.digits()?)?;
                is_hex(digits).then_some(rest)
            }
        }
    }

    /// What is left of `text` before it.
    fn strip_back<'t>(text: &'t str, part: &Self) -> Option<&'t str> {
        match part {
            Self::Literal(literal) => text.strip_suffix(literal.as_str()),
            Self::Value { function, .. } => {
                let (rest, digits) = text.split_at_checked(text.len().checked_sub(function.digits()?)?)?;
                is_hex(digits).then_some(rest)
            }
        }
    }
}

impl Function {
    /// How long it is written, where that is known.
    fn digits(self) -> Option<usize> {
        match self {
            Self::Sha256 { digits } | Self::Hmac { digits } => Some(digits),
            Self::Raw | Self::Seal => None,
        }
    }
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn secret() -> IdSecret {
        IdSecret::new(&Secret::new("a secret of at least sixteen bytes")).unwrap()
    }

    /// What `format` says of `identifier`, as `field=value`.
    fn read(format: &str, identifier: &str) -> Option<String> {
        let read = Format::parse(format).unwrap().read_back(identifier, Some("acme"), Some(&secret()))?;
        let values = read.values.iter().map(|(field, value)| format!("{}={value}", field.name()));
        Some(values.collect::<Vec<_>>().join(" ") + if read.sealed { " sealed" } else { "" })
    }

    #[test]
    fn what_a_format_keeps_can_be_read() {
        for (format, identifier, expected) in [
            ("{user}", "alice", Some("user=alice")),
            ("intellisync_{user}", "intellisync_user_2N4Z", Some("user=user_2N4Z")),
            ("a_{user}_z", "a_b_z_z", Some("user=b_z")),
            ("{chat}", "c-1", Some("chat=c-1")),
            ("{user}", "", None),
            ("p_{user}", "q_alice", None),
            ("p_{user}_s", "p_s", None),
            ("p_{user}", "p_a\u{1f}b", None),
            // Another tenant's, or nobody's.
            ("{tenant}-{user}", "acme-alice", None),
            ("{user}{chat}", "alicec-1", None),
            ("{sha256:8 user}", "31b11580", None),
            // The hash must be that of the value beside it.
            ("{user}-{sha256:8 user}", "alice-2bd806c9", Some("user=alice")),
            ("{user}-{sha256:8 user}", "alice-2bd806c8", None),
            ("{sha256:8 user}-{user}", "2bd806c9-alice", Some("user=alice")),
            ("{user}-{sha256:8 user}", "alice-2BD806C9", None),
            // It is that of a value which is not known.
            ("{user}-{sha256:8 chat}", "alice-00000000", Some("user=alice")),
            ("{user}-{sha256:8 chat}", "é-0000000", None),
            ("{user}-{sha256:8 chat}", "alice-0000000g", None),
            ("{user}-{sha256:8 chat}", "alice-0000000G", None),
            ("{sha256:8 chat}-{user}", "0000000/-alice", None),
        ] {
            assert_eq!(read(format, identifier).as_deref(), expected, "{format} {identifier}");
        }
    }

    #[test]
    fn what_is_sealed_opens_with_the_secret_alone() {
        let sources = Sources { user: Some("alice"), chat: Some("c-1"), ..Sources::default() };
        for (format, expected) in
            [("{seal user}", "user=alice sealed"), ("acme_{seal user chat}", "user=alice chat=c-1 sealed")]
        {
            let identifier = Format::parse(format).unwrap().render(&sources, Some(&secret())).unwrap();
            assert_eq!(read(format, &identifier).as_deref(), Some(expected));
            let other = IdSecret::new(&Secret::new("another secret of sixteen bytes")).unwrap();
            let parsed = Format::parse(format).unwrap();
            assert_eq!(parsed.read_back(&identifier, None, Some(&other)), None);
            assert_eq!(parsed.read_back(&identifier, None, None), None);
            assert_eq!(read(format, &identifier[..identifier.len() - 1]), None);
        }
        assert_eq!(read("{seal user}", "alice"), None);
    }

    #[test]
    fn every_value_that_is_known_must_fit() {
        let all =
            Sources { user: Some("u"), session: Some("s"), chat: Some("c"), message: Some("m"), ..Sources::default() };
        for field in ["user", "session", "chat", "message"] {
            let format = format!("{{sha256:8 {field}}}-{{{field}}}");
            let written = Format::parse(&format).unwrap().render(&all, None).unwrap();
            assert_eq!(read(&format, &written).unwrap(), format!("{field}={}", &field[..1]));
            assert_eq!(read(&format, &format!("00000000{}", &written[8..])), None, "{format}");
        }
    }

    #[test]
    fn the_tenant_is_known_from_elsewhere() {
        let format = Format::parse("{sha256:8 tenant user}_{user}").unwrap();
        let sources = Sources { tenant: Some("acme"), user: Some("alice"), ..Sources::default() };
        let identifier = format.render(&sources, None).unwrap();
        assert!(format.read_back(&identifier, Some("acme"), None).is_some());
        assert_eq!(format.read_back(&identifier, Some("other"), None), None);
    }
}
