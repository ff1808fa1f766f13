//! The card that shows a user's limits, their use, and a block.

use maud::{Markup, html};

use super::text::{moment, name};
use crate::operator::Operator;
use callsign_core::allowance::Limit;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_store::ledger::query::Mapping;
use callsign_store::limits::{Subject, span};

/// Renders the card of one user. Empty if no limits are configured and the user is not blocked.
pub(super) async fn card(operator: &Operator, person: &Mapping) -> Markup {
    let (tenant, user) = (person.tenant.as_deref(), person.user.as_str());
    let sources = CallerIdentity { tenant, user: Some(user), ..CallerIdentity::default() };
    let limiter = &operator.deps.limiter;
    let view = operator.view();
    let ceilings = view.rules.ceilings(&sources, &limiter.overrides());
    let now = jiff::Timestamp::now();
    let sent = person.external_user_id.as_deref();
    let block =
        limiter.gate().blocks().into_iter().find(|block| {
            (block.id == user || Some(block.id.as_str()) == sent) && block.is_of(tenant) && block.holds(now)
        });
    let by_file = view.rules.stops(&sources);
    if !ceilings.is_any() && block.is_none() && !by_file {
        return html! {};
    }
    let gauges = limiter.look(Subject::user(tenant, user), ceilings).await;
    html! {
        section.card {
            div.card-head { h2 { "Limits" } p { "what is used up, and when it comes back" } }
            @if by_file { p.alert { strong { "Blocked" } " by the configuration." } }
            @if let Some(block) = &block {
                p.alert {
                    strong { "Blocked" } " since " (moment(block.since))
                    @if let Some(until) = block.until { ", until " (moment(until)) }
                    @if let Some(reason) = &block.reason { ": " (name(reason)) }
                    "."
                }
            }
            @for one in limiter.overrides().of(tenant, user) {
                p { "Set while callsign runs: " (name(&one.to_string())) "." }
            }
            @match &gauges {
                Err(_) => { p.alert { "The store of limits does not answer." } }
                Ok(gauges) if ceilings.is_any() => {
                    div.scroll tabindex="0" role="region" aria-label="Limits" {
                        table {
                            caption.hidden { "Limits of this user" }
                            thead { tr { th scope="col" { "Limit" } th scope="col" { "Used" } th scope="col" { "Of" } th scope="col" { "Comes back" } } }
                            tbody { @for (limit, gauge) in Limit::ALL.into_iter().zip(gauges) {
                                @if let Some(most) = ceilings.of(limit) {
                                    tr {
                                        th scope="row" { (limit.name()) }
                                        td { (limit.shown(gauge.used)) }
                                        td { (limit.shown(most)) }
                                        td { @if gauge.wait_ms > 0 { "in " (span(u32::try_from(gauge.wait_ms / 1000 + 1).unwrap_or(u32::MAX))) } @else { "–" } }
                                    }
                                }
                            } }
                        }
                    }
                }
                Ok(_) => {}
            }
        }
    }
}
