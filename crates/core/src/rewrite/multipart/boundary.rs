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
    #[error("the content type must be `multipart/form-data`; send a form")]
    OtherType,
    /// The media type is `multipart/form-data`, but its parameters are invalid.
    #[error(
        "`multipart/form-data` must have one `boundary`, with 1 to 70 characters that RFC 2046 allows, and no other \
         parameter but `charset`; leave the header to the HTTP library"
    )]
    BadBoundary,
}

impl Boundary {
    /// Parses `multipart/form-data; boundary=…`.
    ///
    /// # Errors
    /// [`BoundaryError`] for any other content type and for other or missing parameters.
    pub fn of_content_type(value: &[u8]) -> Result<Self, BoundaryError> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (media_type, parameters) = value.split_at(end);
        if !media_type.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
            return Err(BoundaryError::OtherType);
        }
        Self::of_parameters(parameters).ok_or(BoundaryError::BadBoundary)
    }

    /// Returns the one `boundary` of `; name=value` parameters. A `charset` has no meaning here and is ignored.
    fn of_parameters(mut rest: &[u8]) -> Option<Self> {
        let (mut boundary, mut has_charset) = (None, false);
        while let Some(parameter) = rest.strip_prefix(b";").map(<[u8]>::trim_ascii_start) {
            if parameter.is_empty() {
                break;
            }
            let equals = memchr::memchr(b'=', parameter)?;
            let (name, value) = (parameter.get(..equals)?, parameter.get(equals + 1..)?);
            // Only `;` separates parameters, and a boundary never contains it.
            let end = memchr::memchr(b';', value).unwrap_or(value.len());
            let (value, after) = value.split_at(end);
            rest = after;
            if name.eq_ignore_ascii_case(b"boundary") && boundary.is_none() {
                boundary = Some(Self::of_value(value.trim_ascii_end())?);
            } else if name.eq_ignore_ascii_case(b"charset") && !has_charset {
                has_charset = true;
            } else {
                return None;
            }
        }
        boundary
    }

    fn of_value(value: &[u8]) -> Option<Self> {
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
/// and similar characters, which Java and Go clients do not quote; only a `;` ends a parameter.
fn is_token(byte: u8) -> bool {
    is_allowed(byte) && !b" ,".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_exactly_one_boundary() {
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
            ("multipart/form-data; boundary=x;", "x"),
            ("multipart/form-data; boundary=x; charset=utf-8", "x"),
            ("multipart/form-data;charset=\"UTF-8\" ;boundary=\"x\" ; ", "x"),
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
            "multipart/form-data; boundary=x; charset=a; charset=b",
            "multipart/form-data; boundary=x; start=y",
            "multipart/form-data; boundary=\"x;y\"",
            "multipart/form-data;; boundary=x",
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
            "multipart/form-data boundary=x",
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
