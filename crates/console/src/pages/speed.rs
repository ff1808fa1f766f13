//! The page of speed: times to the head and to the first output, and tokens per second, by model and provider
//! (docs/SPEC.md#time-to-first-output).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};

use super::chart::share;
use super::layout::{NoPage, heading, page};
use super::text::{count, duration, name_or};
use super::usage::Asked;
use crate::operator::Operator;
use crate::parameters::{Asks, Params};
use callsign_store::ledger::query::Speed;

/// Maximum number of rows. The slowest are shown.
const SHOWN: usize = 200;

/// `GET /speed`: the page.
pub(super) async fn speed(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(asked) = asked?;
    let period = asked.range;
    let mut speeds = operator.reader()?.speed(&period.filter(Timestamp::now())).await?;
    speeds.sort_by_key(|speed| std::cmp::Reverse(speed.p50_us));
    let content = html! {
        (heading(&html! { "Speed" }, &period.picker("/speed", &Vec::new())))
        @if speeds.is_empty() {
            div.empty { p { "No successful answer in " (period.words()) "." } }
        } @else {
            section.card {
                div.card-head {
                    h2 { "By model and provider" }
                    p { "successful answers with output; times from the request's arrival" }
                }
                (table(speeds.get(..SHOWN).unwrap_or(&speeds)))
            }
        }
    };
    Ok(page("Speed", "/speed", &content))
}

fn table(rows: &[Speed]) -> Markup {
    let slowest = rows.iter().map(|row| row.p50_us).max().unwrap_or(0);
    let rate = |row: &Speed| row.tokens_per_second.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}"));
    html! {
        div.scroll tabindex="0" role="region" aria-label="Speed by model and provider" {
            table {
                caption.hidden { "Speed by model and provider, the slowest first" }
                thead {
                    tr {
                        th scope="col" { "Model" }
                        th scope="col" { "Provider" }
                        th.bar scope="col" { span.hidden { "Share of the slowest median" } }
                        th.number scope="col" { "First output, median" }
                        th.number scope="col" { "95 %" }
                        th.number scope="col" { "Head, average" }
                        th.number scope="col" { "Tokens per second" }
                        th.number scope="col" { "Answers" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (name_or(row.model.as_deref(), "unknown model")) }
                            td { (name_or(row.provider.as_deref(), "unknown provider")) }
                            td.bar { (share(row.p50_us, slowest)) }
                            td.number { (duration(row.p50_us)) }
                            td.number { (duration(row.p95_us)) }
                            td.number { (duration(row.head_us)) }
                            td.number { (rate(row)) }
                            td.number { (count(row.answers)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_every_figure() {
        let row = Speed {
            model: Some("openai/gpt-5".to_owned()),
            provider: None,
            answers: 1_234,
            head_us: 120_000,
            p50_us: 250_000,
            p95_us: 12_345_000,
            tokens_per_second: Some(81.25),
        };
        let shown = table(&[row.clone(), Speed { tokens_per_second: None, ..row }]).into_string();
        for part in
            ["openai/gpt-5", "unknown provider", "250\u{202f}ms", "12.3\u{202f}s", "120\u{202f}ms", "81.2", "1,234"]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(shown.contains("<td class=\"number\">–</td>"), "{shown}");
    }
}
