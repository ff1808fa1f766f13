//! Boundaries of forms: the client's, parsed from its content type, and callsign's random ones.

/// The longest boundary in bytes (RFC 2046, section 5.1.1).
const LONGEST: usize = 70;

/// A boundary without its leading dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary(String);

/// The reason why a content type has no usable boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundaryError {
    /// Another media type.
    #[error("the content type is not `multipart/form-data`")]
    OtherType,
    /// The media type is `multipart/form-data`, but its parameters are invalid.
    #[error(
        "`multipart/form-data` must have exactly one parameter, `boundary`, with 1 to 70 characters that RFC 2046 \
         allows"
    )]
    BadBoundary,
}

impl Boundary {
    /// Parses `multipart/form-data; boundary=…`.
    ///
    /// # Errors
    /// [`BoundaryError`] for any other content type and for other or missing parameters.
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

    /// Creates a boundary from 128 random bits. They must be unpredictable, so that no client can guess the boundary
    /// and write it into a file.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(format!("callsign-{}", data_encoding::HEXLOWER.encode(&random)))
    }

    /// Returns the content type of a form with this boundary.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.0)
    }

    /// Returns the boundary's bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Returns true for the `bchars` of RFC 2046, section 5.1.1.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

/// Returns true for the `bchars` that may stand without quotes. Unlike `token` of RFC 9110, this allows `/`, `:`, `=`
/// and similar characters, which Java and Go clients do not quote; they are unambiguous in the last parameter.
fn is_token(byte: u8) -> bool {
    is_allowed(byte) && !b" ,".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_exactly_one_parameter_the_boundary() {
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
    fn a_random_boundary_shows_all_bits_and_can_be_parsed() {
        let boundary = Boundary::from_random(std::array::from_fn(|index| 0x11 * u8::try_from(index).unwrap()));
        assert_eq!(boundary, Boundary("callsign-00112233445566778899aabbccddeeff".into()));
        assert_eq!(Boundary::of_content_type(boundary.content_type().as_bytes()), Ok(boundary));
    }
}
