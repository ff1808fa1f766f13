//! The time zone of a page (docs/SPEC.md#console), from the query parameter `tz`. All pages take it, so it is read once,
//! before the page's own parameters, and is in every link of the page.

use std::future::Future;

use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::answer::ApiError;

/// The name of the parameter.
const PARAMETER: &str = "tz";
/// Longest name of a zone.
const LONGEST: usize = 64;

tokio::task_local! {
    static PAGE: Page;
}

/// The page of a request.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The zone and its name, unless it is UTC.
    zone: Option<(TimeZone, String)>,
    path: String,
    /// The other parameters.
    query: Vec<(String, String)>,
}

impl Page {
    /// Reads the zone of a request, and removes it from the address.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if the zone is unknown.
    pub(crate) fn take(uri: &mut Uri) -> Result<Self, ApiError> {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        let (zones, query): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == PARAMETER);
        let zone = match zones.as_slice() {
            [] => None,
            [(_, name)] => find(name)?,
            _ => return Err(ApiError::Invalid("tz is given more than once".to_owned())),
        };
        let page = Self { zone, path: uri.path().to_owned(), query };
        if !zones.is_empty() {
            let mut encoded =
                url::form_urlencoded::Serializer::for_suffix(format!("{}?", page.path), page.path.len() + 1);
            encoded.extend_pairs(&page.query);
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = encoded.finish().trim_end_matches('?').parse::<PathAndQuery>().ok();
            *uri = Uri::from_parts(parts).unwrap_or_default();
        }
        Ok(page)
    }

    /// Renders a page in its zone.
    pub(crate) async fn render<T>(self, answer: impl Future<Output = T>) -> T {
        PAGE.scope(self, answer).await
    }
}

/// Finds a zone by its IANA name; `None` for UTC.
fn find(name: &str) -> Result<Option<(TimeZone, String)>, ApiError> {
    let name = name.trim();
    if name.is_empty() || name.eq_ignore_ascii_case("UTC") {
        return Ok(None);
    }
    let zone = Some(name).filter(|name| name.len() <= LONGEST).and_then(|name| TimeZone::get(name).ok());
    let named = zone.and_then(|zone| Some((zone.iana_name()?.to_owned(), zone)));
    let (name, zone) = named.ok_or_else(|| {
        ApiError::Invalid(
            "tz takes UTC or the IANA name of a time zone, as Europe/Berlin or America/New_York".to_owned(),
        )
    })?;
    Ok(Some((zone, name)))
}

fn get<T>(of: impl FnOnce(Option<&(TimeZone, String)>) -> T) -> T {
    // Without a page, as in tests of parts, times are in UTC.
    let mut of = Some(of);
    let found = PAGE.try_with(|page| of.take().map(|of| of(page.zone.as_ref())));
    match (found, of) {
        (Ok(Some(value)), _) => value,
        (_, Some(of)) => of(None),
        (_, None) => unreachable!("the function is called once"),
    }
}

/// Returns the zone.
pub(super) fn current() -> TimeZone {
    get(|zone| zone.map_or(TimeZone::UTC, |(zone, _)| zone.clone()))
}

/// Returns the name of the zone.
pub(super) fn name() -> String {
    parameter().unwrap_or_else(|| "UTC".to_owned())
}

/// Returns the value of the parameter for links; `None` for UTC.
pub(super) fn parameter() -> Option<String> {
    get(|zone| zone.map(|(_, name)| name.clone()))
}

/// Returns true for UTC, in whose days and hours sums are kept.
pub(super) fn is_utc() -> bool {
    parameter().is_none()
}

/// Formats a time in the zone.
pub(super) fn clock(at: Timestamp, format: &str) -> String {
    at.to_zoned(current()).strftime(format).to_string()
}

/// Renders the parameter for a form, whose address drops it.
pub(super) fn field() -> Markup {
    html! { @if let Some(name) = parameter() { input type="hidden" name=(PARAMETER) value=(name); } }
}

/// Renders the form that chooses a zone for this page.
pub(super) fn form() -> Markup {
    let Ok(page) = PAGE.try_with(Clone::clone) else { return html! {} };
    html! {
        form.zone action=(page.path) {
            @for (name, value) in page.query.iter().filter(|(name, _)| name != "done") {
                input type="hidden" name=(name) value=(value);
            }
            label for="zone" { "Time zone" }
            input #zone name=(PARAMETER) value=(self::name()) maxlength=(LONGEST) autocomplete="off" spellcheck="false";
            button.quiet { "Set" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(uri: &str) -> Result<(String, Page), String> {
        let mut uri: Uri = uri.parse().unwrap();
        let page = Page::take(&mut uri).map_err(|error| error.to_string())?;
        Ok((uri.to_string(), page))
    }

    #[tokio::test]
    async fn the_zone_is_taken_from_the_address_and_formats_times() {
        let (uri, page) = take("/users?find=a%26b&tz=europe/berlin&range=7d").unwrap();
        assert_eq!(uri, "/users?find=a%26b&range=7d");
        let noon: Timestamp = "2026-07-01T12:00:00Z".parse().unwrap();
        let shown = page.render(async { (clock(noon, "%H:%M"), name(), field().into_string()) }).await;
        let field = r#"<input type="hidden" name="tz" value="Europe/Berlin">"#;
        assert_eq!(shown, ("14:00".to_owned(), "Europe/Berlin".to_owned(), field.to_owned()));
        assert_eq!((clock(noon, "%H:%M"), name()), ("12:00".to_owned(), "UTC".to_owned()), "outside of a page");
        assert_eq!(take("/?tz=UTC").unwrap().0, "/");
    }

    #[test]
    fn an_unknown_zone_is_refused_without_repeating_it() {
        for uri in ["/?tz=Mars/Olympus", "/?tz=../etc/passwd", "/?tz=%2Fetc%2Flocaltime", "/?tz=UTC&tz=UTC"] {
            let refused = take(uri).unwrap_err();
            assert!(refused.starts_with("tz ") && !refused.contains("etc"), "{refused}");
        }
        assert!(take(&format!("/?tz={}", "x".repeat(1_000))).is_err());
    }
}
