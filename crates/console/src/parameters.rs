//! The parameters of a call: query, path and JSON body.
//!
//! A name that a call does not know is an error that lists the names that it knows, because a misspelt filter must not
//! select everything (docs/SPEC.md#admin-api). A query parameter is declared by reading it: [`FromParameters::read`]
//! takes each one by name, and what is left over is unknown.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use callsign_core::visible::printable;
use callsign_store::ledger::duration;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::time::Duration;

use crate::answer::ApiError;

/// Maximum characters of an unknown name in an error message.
const SHOWN: usize = 40;
/// The texts that axum puts before the reason of a rejected body.
const REJECTED: [&str; 2] =
    ["Failed to deserialize the JSON body into the target type: ", "Failed to parse the request body as JSON: "];

/// The query parameters that have not been read yet.
#[derive(Debug)]
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    /// The names that the call has asked for.
    names: Vec<&'static str>,
}

/// The query parameters of a call.
pub(crate) trait FromParameters: Sized {
    /// Reads all parameters of the call.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if a value has not the accepted form.
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError>;
}

/// Extracts query parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params<T>(pub(crate) T);

/// Extracts query parameters for a page, which shows an error within its frame.
pub(crate) type Asks<T> = Result<Params<T>, ApiError>;

/// Extracts the fields of a form that a page sent. Unknown fields are errors, as in a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<T>(pub(crate) T);

/// Extracts the only parameter of the path.
#[derive(Clone, Debug)]
pub(crate) struct Id(pub(crate) String);

/// Extracts a JSON body; `None` if the body is empty. `T` must deny unknown fields.
#[derive(Clone, Debug)]
pub(crate) struct JsonBody<T>(pub(crate) Option<T>);

impl Parameters {
    fn new(query: &str) -> Self {
        let given = url::form_urlencoded::parse(query.as_bytes());
        Self { given: given.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(), names: Vec::new() }
    }

    /// Removes the empty parameters: the fields of a form that nobody filled in.
    pub(crate) fn drop_empty(&mut self) {
        self.given.retain(|(_, value)| !value.trim().is_empty());
    }

    /// Takes a parameter, which may be empty.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if it is given twice.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        self.names.push(name);
        let mut values = self.given.extract_if(.., |(given, _)| given == name).map(|(_, value)| value);
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(ApiError::Invalid(format!("{name} is given more than once"))),
        }
    }

    /// Takes and parses a parameter. The message of the parser's error follows the parameter's name.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if it cannot be parsed or is given twice.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ApiError> {
        let value = self.text(name)?;
        value.map(|text| parse(&text).map_err(|error| ApiError::Invalid(format!("{name} {error}")))).transpose()
    }

    /// Takes a parameter that is not empty.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if it is empty or given twice.
    pub(crate) fn name(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        self.parsed(name, |text| if text.is_empty() { Err("takes a name; it is empty") } else { Ok(text.to_owned()) })
    }

    /// Takes a parameter that is not empty and must be given; `what` describes it.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if it is missing, empty or given twice.
    pub(crate) fn needed(&mut self, name: &'static str, what: &str) -> Result<String, ApiError> {
        self.name(name)?.ok_or_else(|| ApiError::Invalid(format!("{name} is missing: {what}")))
    }

    /// Checks that every parameter was read.
    fn finish(self) -> Result<(), ApiError> {
        let Some((unknown, _)) = self.given.first() else { return Ok(()) };
        let unknown: String = printable(unknown).chars().take(SHOWN).collect();
        let valid = match self.names.as_slice() {
            [] => "this call takes none".to_owned(),
            names => format!("this call takes {}", names.join(", ")),
        };
        Err(ApiError::Invalid(format!("unknown parameter `{unknown}`; {valid}")))
    }
}

/// The error of a text that is no duration.
pub(crate) const NO_SPAN: &str = "takes a duration as 45s, 30m, 24h or 7d";

/// Parses a duration.
///
/// # Errors
/// [`NO_SPAN`], for [`Parameters::parsed`].
pub(crate) fn span(text: &str) -> Result<Duration, &'static str> {
    let span = duration(text).and_then(|span| Duration::try_from(span).ok());
    span.ok_or(NO_SPAN)
}

/// A call without parameters.
impl FromParameters for () {
    fn read(_: &mut Parameters) -> Result<Self, ApiError> {
        Ok(())
    }
}

impl<T: FromParameters, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut parameters = Parameters::new(parts.uri.query().unwrap_or_default());
        let read = T::read(&mut parameters)?;
        parameters.finish()?;
        Ok(Self(read))
    }
}

impl<T: FromParameters, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| body_error(&rejection.body_text()))?;
        let mut parameters = Parameters::new(&String::from_utf8_lossy(&body));
        let read = T::read(&mut parameters)?;
        parameters.finish()?;
        Ok(Self(read))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(ApiError::Invalid("the id in the path takes percent-encoded UTF-8".to_owned())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| body_error(&rejection.body_text()))?;
        if body.trim_ascii().is_empty() {
            return Ok(Self(None));
        }
        match axum::Json::from_bytes(&body) {
            Ok(axum::Json(read)) => Ok(Self(Some(read))),
            Err(rejection) => Err(body_error(&rejection.body_text())),
        }
    }
}

fn body_error(text: &str) -> ApiError {
    let reason = REJECTED.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    ApiError::Invalid(format!("the body: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a number, a name and a text.
    #[derive(Debug, PartialEq)]
    struct Sample(Option<u8>, Option<String>, Option<String>);

    impl FromParameters for Sample {
        fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
            let number = parameters.parsed("number", |text| text.parse().map_err(|_| "takes a number up to 255"))?;
            Ok(Self(number, parameters.name("name")?, parameters.text("text")?))
        }
    }

    async fn read<T: FromParameters>(query: &str) -> Result<T, String> {
        let request = Request::builder().uri(format!("/?{query}")).body(()).unwrap();
        let read = Params::<T>::from_request_parts(&mut request.into_parts().0, &()).await;
        read.map(|Params(read)| read).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_parameter_is_read_by_name() {
        let expected = Sample(Some(7), Some("a b".to_owned()), Some(String::new()));
        assert_eq!(read("text=&name=a+b&number=7").await, Ok(expected));
        assert_eq!(read("").await, Ok(Sample(None, None, None)));
    }

    #[tokio::test]
    async fn an_error_names_the_parameter_and_the_accepted_form() {
        for (query, message) in [
            ("number=x", "number takes a number up to 255"),
            ("name=", "name takes a name; it is empty"),
            ("text=a&text=b", "text is given more than once"),
            ("nmae=a", "unknown parameter `nmae`; this call takes number, name, text"),
            ("%1b[2J=a", "unknown parameter `\\u{1b}[2J`; this call takes number, name, text"),
        ] {
            assert_eq!(read::<Sample>(query).await, Err(message.to_owned()), "{query}");
        }
        assert_eq!(read::<()>("x=1").await, Err("unknown parameter `x`; this call takes none".to_owned()));
        assert!(read::<()>(&"x".repeat(10_000)).await.unwrap_err().len() < 100);
    }
}
