//! What separates the parts of a form: the client's, read from its content type, and callsign's own.

use std::fmt::Write as _;

/// RFC 2046, section 5.1.1.
const LONGEST: usize = 70;

/// A boundary, without its dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary(String);

/// Why a content type gives no boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundaryError {
    /// Another media type.
    #[error("the content type is not `multipart/form-data`")]
    OtherType,
    /// The media type is right, its parameters are not.
    #[error(
        "`multipart/form-data` must have exactly one parameter, `boundary`, of 1 to 70 of the characters that RFC 2046 \
         allows"
    )]
    BadBoundary,
}

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("callsign could not rewrite this form; nothing was sent")]
pub struct NoRandomness;

impl Boundary {
    /// Reads `multipart/form-data; boundary=…`.
    ///
    /// # Errors
    /// [`BoundaryError`].
    pub fn of_content_type(value: &[u8]) -> Result<Self, BoundaryError> {
        let (media_type, parameter) = match memchr::memchr(b';', value) {
            Some(at) => (value.get(..at).unwrap_or_default(), value.get(at + 1..).unwrap_or_default()),
            None => (value, &[][..]),
        };
        if !media_type.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
            return Err(BoundaryError::OtherType);
        }
        Self::of_parameter(parameter.trim_ascii()).ok_or(BoundaryError::BadBoundary)
    }

    fn of_parameter(parameter: &[u8]) -> Option<Self> {
        let (name, value) = parameter.split_at_checked(b"boundary=".len())?;
        if !name.eq_ignore_ascii_case(b"boundary=") {
            return None;
        }
        let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        let allowed = if quoted.is_some() { is_allowed } else { is_token };
        let value = quoted.unwrap_or(value);
        let fits = (1..=LONGEST).contains(&value.len()) && value.iter().copied().all(allowed);
        let text = std::str::from_utf8(value).ok()?;
        (fits && !text.ends_with(' ')).then(|| Self(text.to_owned()))
    }

    /// One of callsign's own: 128 random bits, so that no client can have it in a file.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random() -> Result<Self, NoRandomness> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| NoRandomness)?;
        let mut text = String::from("callsign-");
        for byte in random {
            // Writing into a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The content type of a form with this boundary.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.0)
    }

    /// Its bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// `bchars` of RFC 2046, section 5.1.1.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

/// Those of them that need no quotes. Stricter than RFC 9110's `token` by what is not a `bchar`; laxer by `/`, `:`, `=`
/// and the like, which Java's and Go's clients leave unquoted, and which cannot be read in two ways where nothing follows.
fn is_token(byte: u8) -> bool {
    is_allowed(byte) && !b" ,".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_boundary_and_nothing_else() {
        let read = |value: &str| Boundary::of_content_type(value.as_bytes());
        let longest = "x".repeat(LONGEST);
        for (value, boundary) in [
            ("multipart/form-data; boundary=x", "x"),
            (
                "Multipart/Form-Data;BOUNDARY=----WebKitFormBoundary7MA4YWxkTrZu0gW",
                "----WebKitFormBoundary7MA4YWxkTrZu0gW",
            ),
            ("multipart/form-data ; boundary=\"a b,c\"", "a b,c"),
            ("multipart/form-data; boundary=a=b", "a=b"),
            (&format!("multipart/form-data; boundary={longest}"), longest.as_str()),
        ] {
            assert_eq!(read(value), Ok(Boundary(boundary.into())), "{value}");
        }
        for value in [
            "multipart/form-data",
            "multipart/form-data;",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=\"x",
            "multipart/form-data; boundary=\"x\\\"y\"",
            "multipart/form-data; boundary=\"x \"",
            "multipart/form-data; boundary=x; boundary=y",
            "multipart/form-data; boundary=x; charset=utf-8",
            "multipart/form-data; charset=utf-8; boundary=x",
            "multipart/form-data; boundary=x, multipart/form-data; boundary=y",
            "multipart/form-data; boundary*=utf-8''x",
            "multipart/form-data; boundary = x",
            "multipart/form-data; boundary=a b",
            "multipart/form-data; boundary=ü",
            &format!("multipart/form-data; boundary={longest}x"),
        ] {
            assert_eq!(read(value), Err(BoundaryError::BadBoundary), "{value}");
        }
        for value in [
            "",
            "text/plain",
            "multipart/mixed; boundary=x",
            "application/x-www-form-urlencoded",
            "multipart/form-datax; boundary=x",
        ] {
            assert_eq!(read(value), Err(BoundaryError::OtherType), "{value}");
        }
    }

    #[test]
    fn ours_can_be_read_back_and_is_never_the_same() {
        let (one, two) = (Boundary::random().unwrap(), Boundary::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(Boundary::of_content_type(one.content_type().as_bytes()), Ok(one));
    }
}
