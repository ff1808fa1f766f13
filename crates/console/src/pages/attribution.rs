//! The share of requests that OpenRouter can attribute to a user, by app (docs/SPEC.md#unattributed-traffic).

use maud::{Markup, html};

use super::selection::requests;
use super::text::{count, name, percent};
use callsign_store::ledger::query::{Filter, UsageRow};

/// Number of apps that the alert names.
const NAMED: usize = 5;

/// Requests that went upstream, and those of callers without a user id.
#[derive(Clone, Debug, Default)]
pub(super) struct Attribution {
    requests: u64,
    without: u64,
    /// The apps with requests without a user, most first.
    apps: Vec<UsageRow>,
}

impl Attribution {
    /// Finds the requests without a user in the usage by key (`all`), and by user and key (`people`).
    pub(super) fn of(all: &[UsageRow], people: &[UsageRow]) -> Self {
        let nobody = people.iter().filter(|row| row.key.is_none() && row.requests > 0);
        let mut apps: Vec<_> = nobody.map(|row| UsageRow { key: row.second.clone(), ..row.clone() }).collect();
        apps.sort_by_key(|app| std::cmp::Reverse(app.requests));
        let sum = |rows: &[UsageRow]| rows.iter().map(|row| row.requests).fold(0, u64::saturating_add);
        Self { requests: sum(all), without: sum(&apps), apps }
    }

    /// Returns the share of attributed requests; `None` without requests.
    pub(super) fn share(&self) -> Option<String> {
        percent(self.requests.saturating_sub(self.without), self.requests)
    }

    /// Renders the number of requests without a user as a link to them.
    pub(super) fn note(&self, filter: &Filter) -> Markup {
        html! {
            @if self.without == 0 { "every request has a user" } @else {
                a.bad href=(requests(Filter { user: Some(String::new()), ..filter.clone() })) { (count(self.without)) " without a user" }
            }
        }
    }

    /// Says which apps send no user, and what to do. Empty if every request has one.
    pub(super) fn alert(&self, filter: &Filter) -> Markup {
        if self.without == 0 {
            return html! {};
        }
        html! {
            section.alert {
                h2 { "OpenRouter cannot tell who sent " (count(self.without)) " requests" }
                ul { @for app in self.apps.iter().take(NAMED) {
                    @let of = Filter { user: Some(String::new()), key: app.key.clone(), tenant: Some(app.tenant.clone().unwrap_or_default()), ..filter.clone() };
                    li { a href=(requests(of)) { (name(app.key.as_deref().unwrap_or("–"))) } ": " (count(app.requests)) " requests without a user" }
                } }
                p { "Have each app send its user in the header that its preset reads (" code { "CALLSIGN_PRESET" } "; the page Settings lists it). "
                    code { "CALLSIGN_MISSING_USER=reject" } " refuses such requests." }
            }
        }
    }
}
