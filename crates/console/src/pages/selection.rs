//! The filters of requests as they stand in a page's address, and as chips that remove them.

use jiff::Timestamp;
use maud::{Markup, html};

use super::text::{link, moment, name};
use callsign_store::ledger::query::{Filter, RequestFilter};

/// Parameters of an address.
pub(super) type Query = Vec<(&'static str, String)>;

/// Returns the filters as parameters. The position of the page is not among them.
pub(super) fn query(filter: &RequestFilter) -> Query {
    let RequestFilter { common, ending, error, before: _ } = filter;
    let Filter { since, until, tenant, user, key, model, provider, status } = common;
    let time = |at: &Option<Timestamp>| at.map(|at| at.to_string());
    let parts = [
        ("since", time(since)),
        ("until", time(until)),
        ("user", user.clone()),
        ("tenant", tenant.clone()),
        ("key", key.clone()),
        ("model", model.clone()),
        ("provider", provider.clone()),
        ("status", status.map(|status| status.to_string())),
        ("ending", ending.clone()),
        ("error", error.clone()),
    ];
    parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Returns the address of a page with these parameters.
pub(super) fn address(path: &str, query: &Query) -> String {
    link(path, &query.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}

/// Returns the address of the requests behind a number of a page of usage.
pub(super) fn requests(common: Filter) -> String {
    address("/requests", &query(&RequestFilter { common, ..RequestFilter::default() }))
}

/// Renders each filter as a link that removes it.
pub(super) fn chips(path: &str, filter: &RequestFilter) -> Markup {
    let query = query(filter);
    html! {
        @if !query.is_empty() {
            ul.chips aria-label="Filters in force" {
                @for (index, (of, value)) in query.iter().enumerate() {
                    li { a href=(address(path, &without(&query, index))) {
                        span.hidden { "Remove the filter " } (of) " " (shown(of, value, filter)) " " span aria-hidden="true" { "×" }
                    } }
                }
                @if query.len() > 1 { li { a.quiet href=(path) { "Clear all" } } }
            }
        }
    }
}

fn without(query: &Query, index: usize) -> Query {
    query.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, of)| of.clone()).collect()
}

/// Renders the value of a filter.
fn shown(of: &str, value: &str, filter: &RequestFilter) -> Markup {
    let time = match of {
        "since" => filter.common.since,
        "until" => filter.common.until,
        _ => None,
    };
    html! {
        @match (time, value) {
            (Some(at), _) => (moment(at)),
            (None, "") => "none",
            (None, value) => (name(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_removes_its_filter_and_keeps_the_others() {
        let common = Filter { user: Some("a&b".to_owned()), tenant: Some(String::new()), ..Filter::default() };
        let filter = RequestFilter { common, error: Some("<x>".to_owned()), ..RequestFilter::default() };
        assert_eq!(address("/requests", &query(&filter)), "/requests?user=a%26b&tenant=&error=%3Cx%3E");
        let chips = chips("/requests", &filter).into_string();
        for part in
            ["/requests?tenant=&amp;error=%3Cx%3E\"", "/requests?user=a%26b&amp;tenant=\"", "tenant none", "&lt;x&gt;"]
        {
            assert!(chips.contains(part), "{part} in {chips}");
        }
        assert_eq!(super::chips("/requests", &RequestFilter::default()).into_string(), "");
    }
}
