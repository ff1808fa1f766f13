//! Formats numbers, money, times, names and links for pages.

use jiff::Timestamp;
use maud::{Markup, html};

use super::zone;
use callsign_core::usage::money::NanoUsd;
use callsign_core::visible::printable;
use callsign_store::ledger::report::usd;

/// Maximum characters of a name on a page. Links contain the whole name.
const SHOWN: usize = 48;
/// Maximum characters of a tooltip.
const TOLD: usize = 400;

/// Formats a whole number with separators: `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a number with three digits: `12.3 k`, `4.56 M`. Numbers below 10,000 are shown in full.
pub(super) fn short(number: u64) -> String {
    let units = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let unit = units.into_iter().find(|(size, _)| number >= *size && number >= 10_000);
    let Some((size, unit)) = unit else { return count(number) };
    let hundredths = u128::from(number) * 100 / u128::from(size);
    let text = match hundredths {
        0..1_000 => format!("{}.{:02}", hundredths / 100, hundredths % 100),
        1_000..10_000 => format!("{}.{}", hundredths / 100, hundredths / 10 % 10),
        _ => count(u64::try_from(hundredths / 100).unwrap_or(u64::MAX)),
    };
    format!("{text}\u{202f}{unit}")
}

/// Formats dollars with `decimals` decimals, rounded to the nearest.
fn rounded(amount: NanoUsd, decimals: u32) -> String {
    let NanoUsd(nano) = amount;
    let unit = 10_u64.pow(9 - decimals.min(9));
    let steps = (nano.unsigned_abs() + unit / 2) / unit;
    let whole = 10_u64.pow(decimals);
    let sign = if nano < 0 && steps > 0 { "\u{2212}" } else { "" };
    let width = decimals as usize;
    match decimals {
        0 => format!("{sign}${}", count(steps)),
        _ => format!("{sign}${}.{:0width$}", count(steps / whole), steps % whole),
    }
}

/// Formats an amount for tiles: exact below 1 cent, four decimals below $1, two below $1,000, then none.
pub(super) fn money(amount: NanoUsd) -> String {
    match amount.0.unsigned_abs() {
        0 => "$0".to_owned(),
        1..10_000_000 => format!("${}", usd(amount)),
        10_000_000..1_000_000_000 => rounded(amount, 4),
        1_000_000_000..1_000_000_000_000 => rounded(amount, 2),
        _ => rounded(amount, 0),
    }
}

/// Renders an amount for a table: four decimals, with the exact amount in the tooltip, and the part that providers
/// bill, if there is one.
pub(super) fn money_cell(amount: NanoUsd, of_providers: NanoUsd) -> Markup {
    let shown = if (1..50_000).contains(&amount.0) { "<$0.0001".to_owned() } else { rounded(amount, 4) };
    let part = of_providers != NanoUsd::ZERO;
    html! {
        data value=(usd(amount)) title={ "$" (usd(amount)) @if part { ", $" (usd(of_providers)) " of it by providers" } } {
            (shown)
        }
    }
}

/// Formats a share in percent. `None` if `of` is zero.
pub(super) fn percent(part: u64, of: u64) -> Option<String> {
    let tenths = (u128::from(part) * 1000).checked_div(u128::from(of))?;
    Some(format!("{}.{}\u{202f}%", tenths / 10, tenths % 10))
}

/// Formats a duration of so many microseconds.
pub(super) fn duration(us: u64) -> String {
    match us {
        0..10_000_000 => format!("{}\u{202f}ms", count(us / 1000)),
        _ => format!("{}.{}\u{202f}s", us / 1_000_000, us / 100_000 % 10),
    }
}

/// Renders a time in the time zone of the page.
pub(super) fn moment(at: Timestamp) -> Markup {
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (zone::clock(at, "%Y-%m-%d\u{a0}%H:%M")) }
    }
}

/// Renders an untrusted name: truncated, with invisible characters escaped, and isolated so that bidirectional text cannot
/// reorder its surroundings.
pub(super) fn name(text: &str) -> Markup {
    let clean = printable(text);
    let cut = |most: usize| match clean.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default()),
        None => clean.clone(),
    };
    let whole = clean.chars().nth(SHOWN).is_none();
    html! {
        @if whole { bdi class="name" { (clean) } } @else { bdi class="name" title=(cut(TOLD)) { (cut(SHOWN)) } }
    }
}

/// Renders a name, or `none` if there is none.
pub(super) fn name_or(text: Option<&str>, none: &str) -> Markup {
    html! { @if let Some(text) = text { (name(text)) } @else { span.none { (none) } } }
}

/// Returns a path in the time zone of the page.
pub(super) fn here(path: &str) -> String {
    link(path, &[])
}

/// Returns a path with an encoded query, and the time zone of the page.
pub(super) fn link(path: &str, query: &[(&str, &str)]) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(query);
    // Addresses of other origins, and of pages without a time zone, begin otherwise.
    if let Some(zone) = zone::parameter().filter(|_| path.starts_with('/')) {
        encoded.append_pair("tz", &zone);
    }
    let query = encoded.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shortened() {
        for (number, grouped, shortened) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (9_999, "9,999", "9,999"),
            (12_345, "12,345", "12.3\u{202f}k"),
            (123_456, "123,456", "123\u{202f}k"),
            (4_567_890, "4,567,890", "4.56\u{202f}M"),
            (u64::MAX, "18,446,744,073,709,551,615", "18,446,744\u{202f}T"),
        ] {
            assert_eq!((count(number).as_str(), short(number).as_str()), (grouped, shortened));
        }
        assert_eq!((percent(1, 3).as_deref(), percent(0, 0)), (Some("33.3\u{202f}%"), None));
        assert_eq!(
            (duration(1_234_500), duration(12_345_000)),
            ("1,234\u{202f}ms".to_owned(), "12.3\u{202f}s".to_owned())
        );
    }

    #[test]
    fn money_has_the_digits_that_matter() {
        for (nano, text) in [
            (0, "$0"),
            (1, "$0.000000001"),
            (1_260_000, "$0.00126"),
            (12_345_678, "$0.0123"),
            (999_999_999, "$1.0000"),
            (1_239_000_000, "$1.24"),
            (1_234_567_890_123, "$1,235"),
            (-1_239_000_000, "\u{2212}$1.24"),
            (i64::MIN, "\u{2212}$9,223,372,037"),
        ] {
            assert_eq!(money(NanoUsd(nano)), text);
        }
        assert!(money_cell(NanoUsd(1), NanoUsd(0)).into_string().contains("title=\"$0.000000001\">&lt;$0.0001<"));
        let with_part = money_cell(NanoUsd(1_260_000), NanoUsd(260_000)).into_string();
        assert!(with_part.contains("title=\"$0.00126, $0.00026 of it by providers\""), "{with_part}");
    }

    #[test]
    fn untrusted_names_are_escaped() {
        let shown = name("<script>alert(1)</script>\u{202e}\u{1b}").into_string();
        assert_eq!(shown, "<bdi class=\"name\">&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}\\u{1b}</bdi>");
        assert!(name(&"x".repeat(10_000)).into_string().len() < 600);
        assert_eq!(
            link("/user", &[("id", "a&b=c/../\"é\n"), ("tenant", "")]),
            "/user?id=a%26b%3Dc%2F..%2F%22%C3%A9%0A&tenant="
        );
    }
}
