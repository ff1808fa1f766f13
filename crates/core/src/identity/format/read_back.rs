//! Recovers source values from an identifier, given only the format and the secret; no ledger is needed.
//!
//! Raw values can be read, and sealed values can be decrypted with the secret. Hashed values cannot be recovered; they
//! can only be compared with rendered candidates.

use super::{Format, Function, Part, UNIT_SEPARATOR};
use crate::identity::caller_identity::{CallerIdentity, Field};
use crate::identity::secret::IdSecret;

/// The values recovered from an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// The values, in the order of the format.
    pub values: Vec<(Field, String)>,
    /// True if the values were sealed, so that only somebody with the secret can have created the identifier.
    pub sealed: bool,
}

impl ReadBack {
    /// Returns the value of a field.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.values.iter().find(|(of, _)| *of == field).map(|(_, value)| value.as_str())
    }
}

impl Format {
    /// Returns the values in `identifier`, if this format can have rendered it for a user of `tenant`. Returns `None`
    /// for formats with no raw or sealed part, or with more than one (`{user}{chat}`), which could be split in several
    /// ways.
    pub fn read_back(&self, identifier: &str, tenant: Option<&str>, secret: Option<&IdSecret>) -> Option<ReadBack> {
        let kept = self.kept()?;
        let (before, after) = self.parts.split_at_checked(kept)?;
        let (Part::Value { function, fields }, after) = after.split_first()? else { return None };
        let rest = before.iter().try_fold(identifier, Part::strip_front)?;
        let text = after.iter().rev().try_fold(rest, Part::strip_back)?;
        let read = match function {
            Function::Seal => read_sealed(text, fields, secret?)?,
            // Source values are not empty and contain no control characters.
            _ if text.is_empty() || text.contains(char::is_control) => return None,
            _ => ReadBack { values: fields.iter().map(|field| (*field, text.to_owned())).collect(), sealed: false },
        };
        self.could_be(identifier, &read, tenant, secret).then_some(read)
    }

    /// Returns the index of the raw or sealed part, if there is exactly one.
    fn kept(&self) -> Option<usize> {
        let keeps = |part: &Part| matches!(part, Part::Value { function: Function::Raw | Function::Seal, .. });
        let mut kept = self.parts.iter().enumerate().filter(|(_, part)| keeps(part)).map(|(at, _)| at);
        kept.next().filter(|_| kept.next().is_none())
    }

    /// Returns false if all fields of the format are known and they render to a different identifier.
    fn could_be(&self, identifier: &str, read: &ReadBack, tenant: Option<&str>, secret: Option<&IdSecret>) -> bool {
        let sources = CallerIdentity { tenant, ..CallerIdentity::default() };
        let sources = Field::IDS.into_iter().fold(sources, |sources, field| sources.with(field, read.get(field)));
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
    /// Strips this part, a literal or a hash, from the front of `text`.
    fn strip_front<'t>(text: &'t str, part: &Self) -> Option<&'t str> {
        match part {
            Self::Literal(literal) => text.strip_prefix(literal.as_str()),
            Self::Value { function, .. } => {
                let (digits, rest) = text.split_at_checked(function.digits()?)?;
                is_hex(digits).then_some(rest)
            }
        }
    }

    /// Strips this part, a literal or a hash, from the end of `text`.
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
    /// Returns the number of digits of a hash; `None` for other functions.
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

    /// Reads `identifier` back with `format` and formats the values as `field=value`.
    fn read(format: &str, identifier: &str) -> Option<String> {
        let read = Format::parse(format).unwrap().read_back(identifier, Some("acme"), Some(&secret()))?;
        let values = read.values.iter().map(|(field, value)| format!("{}={value}", field.name()));
        Some(values.collect::<Vec<_>>().join(" ") + if read.sealed { " sealed" } else { "" })
    }

    #[test]
    fn raw_values_are_read_back() {
        for (format, identifier, expected) in [
            ("{user}", "alice", Some("user=alice")),
            ("intellisync_{user}", "intellisync_user_2N4Z", Some("user=user_2N4Z")),
            ("a_{user}_z", "a_b_z_z", Some("user=b_z")),
            ("{chat}", "c-1", Some("chat=c-1")),
            ("{user}", "", None),
            ("p_{user}", "q_alice", None),
            ("p_{user}_s", "p_s", None),
            ("p_{user}", "p_a\u{1f}b", None),
            // More than one raw part, or none.
            ("{tenant}-{user}", "acme-alice", None),
            ("{user}{chat}", "alicec-1", None),
            ("{sha256:8 user}", "31b11580", None),
            // The hash must match the recovered value.
            ("{user}-{sha256:8 user}", "alice-2bd806c9", Some("user=alice")),
            ("{user}-{sha256:8 user}", "alice-2bd806c8", None),
            ("{sha256:8 user}-{user}", "2bd806c9-alice", Some("user=alice")),
            ("{user}-{sha256:8 user}", "alice-2BD806C9", None),
            // The hash of an unknown value is not checked, only its form.
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
    fn sealed_values_are_read_back_with_the_secret_only() {
        let sources = CallerIdentity { user: Some("alice"), chat: Some("c-1"), ..CallerIdentity::default() };
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
    fn every_known_value_must_match_its_hash() {
        let all = CallerIdentity {
            user: Some("u"),
            session: Some("s"),
            chat: Some("c"),
            message: Some("m"),
            ..CallerIdentity::default()
        };
        for field in ["user", "session", "chat", "message"] {
            let format = format!("{{sha256:8 {field}}}-{{{field}}}");
            let written = Format::parse(&format).unwrap().render(&all, None).unwrap();
            assert_eq!(read(&format, &written).unwrap(), format!("{field}={}", &field[..1]));
            assert_eq!(read(&format, &format!("00000000{}", &written[8..])), None, "{format}");
        }
    }

    #[test]
    fn the_tenant_is_passed_in_and_must_match() {
        let format = Format::parse("{sha256:8 tenant user}_{user}").unwrap();
        let sources = CallerIdentity { tenant: Some("acme"), user: Some("alice"), ..CallerIdentity::default() };
        let identifier = format.render(&sources, None).unwrap();
        assert!(format.read_back(&identifier, Some("acme"), None).is_some());
        assert_eq!(format.read_back(&identifier, Some("other"), None), None);
    }
}
