//! Column charts over time, as SVG. The drawing stretches with the page, so texts are HTML beside it and keep their
//! size. A table contains the same numbers for screen readers.

use std::fmt::Write;

use maud::{Markup, html};

use super::zone;

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// The column's time, as text.
    pub(super) label: String,
    /// A short form of the label, for the axis.
    pub(super) tick: String,
    /// The stacked heights from the bottom up, one for each series.
    pub(super) parts: Vec<u64>,
    /// The values as text.
    pub(super) told: String,
}

/// A chart.
#[derive(Clone, Debug)]
pub(super) struct Chart<'a> {
    /// An id that is unique on the page, for references within the SVG.
    pub(super) id: &'a str,
    /// The chart's title.
    pub(super) title: &'a str,
    /// A summary of all columns.
    pub(super) total: String,
    /// Name and CSS class of each series.
    pub(super) series: &'a [(&'a str, &'a str)],
    /// The columns from left to right.
    pub(super) columns: Vec<Column>,
    /// Minimum height of the scale.
    pub(super) least: u64,
    /// Formats a height.
    pub(super) scale: fn(u64) -> String,
}

/// Size of the drawing in SVG units.
const HEIGHT: u64 = 1000;
const WIDTH: u64 = 100;
/// Width of a column's bar, out of `WIDTH`.
const BAR: u64 = 72;

impl Chart<'_> {
    /// Renders the chart.
    pub(super) fn draw(&self) -> Markup {
        let tallest = self.columns.iter().map(|column| column.parts.iter().sum()).max().unwrap_or(0);
        let top = nice(tallest.max(self.least).max(1));
        let (title, told) = (format!("{}-title", self.id), format!("{}-told", self.id));
        let ends = [self.columns.first(), self.columns.get(self.columns.len() / 2), self.columns.last()];
        html! {
            figure.chart {
                figcaption {
                    h2 { (self.title) }
                    p.total { (self.total) }
                }
                div.plot {
                    div.scale aria-hidden="true" {
                        span { ((self.scale)(top)) } span { ((self.scale)(top / 2)) } span { ((self.scale)(0)) }
                    }
                    svg viewBox={ "0 0 " (self.columns.len() as u64 * WIDTH) " " (HEIGHT) } preserveAspectRatio="none"
                        role="img" aria-labelledby={ (title) " " (told) } {
                        title id=(title) { (self.title) }
                        desc id=(told) { (self.total) ". The numbers are in the table below." }
                        path.grid d=(self.grid()) {}
                        @for (index, column) in self.columns.iter().enumerate() { (self.column(index as u64, column, top)) }
                    }
                    div.ticks aria-hidden="true" { @for column in ends.into_iter().flatten() { span { (column.tick) } } }
                }
                div.foot {
                    (self.table())
                    @if self.series.len() > 1 {
                        ul.legend { @for (name, class) in self.series { li { span.swatch.(class) {} (name) } } }
                    }
                }
            }
        }
    }

    fn grid(&self) -> String {
        let width = self.columns.len() as u64 * WIDTH;
        [0, HEIGHT / 2, HEIGHT].iter().fold(String::new(), |mut path, y| {
            // Writing into a String cannot fail.
            let _infallible = write!(path, "M0 {y}H{width}");
            path
        })
    }

    fn column(&self, index: u64, column: &Column, top: u64) -> Markup {
        let x = index * WIDTH + (WIDTH - BAR) / 2;
        let mut below = 0;
        let bars = column.parts.iter().zip(self.series).map(|(part, (_, class))| {
            let height = scaled(*part, top);
            below += height;
            (HEIGHT.saturating_sub(below), height, *class)
        });
        let bars: Vec<_> = bars.filter(|(_, height, _)| *height > 0).collect();
        html! {
            g {
                title { (column.label) ": " (column.told) }
                // An invisible area, so that the tooltip also shows above a short bar.
                rect.hit x=(index * WIDTH) y="0" width=(WIDTH) height=(HEIGHT) {}
                @for (y, height, class) in bars { rect.(class) x=(x) y=(y) width=(BAR) height=(height) {} }
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            details {
                summary { "As a table" }
                div.scroll tabindex="0" role="region" aria-label={ (self.title) " as a table" } {
                    table {
                        caption.hidden { (self.title) }
                        thead { tr { th scope="col" { "From (" (zone::name()) ")" } th scope="col" { (self.title) } } }
                        tbody {
                            @for column in self.columns.iter().rev().filter(|column| column.parts.iter().any(|part| *part > 0)) {
                                tr { th scope="row" { (column.label) } td { (column.told) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Renders a horizontal bar that shows a share, for table cells.
pub(super) fn share(part: u64, of: u64) -> Markup {
    html! {
        svg.share viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.track width="1000" height="10" {}
            rect.first width=(scaled(part, of.max(1))) height="10" {}
        }
    }
}

/// Renders a small chart of columns, for table cells. The numbers are in other cells.
pub(super) fn spark(values: &[u64]) -> Markup {
    let most = values.iter().copied().max().unwrap_or(0);
    let path =
        values.iter().zip(0_u64..).filter(|(value, _)| **value > 0).fold(String::new(), |mut path, (value, x)| {
            let height = (scaled(*value, most) / 10).max(1);
            // Writing into a String cannot fail.
            let _infallible = write!(path, "M{} 100v-{height}h8v{height}z", x * 10);
            path
        });
    html! {
        svg.spark viewBox={ "0 0 " (values.len() * 10) " 100" } preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            path d=(path) {}
        }
    }
}

/// Scales a part to the drawing. A part above zero gets at least 6 units, so that it is visible.
fn scaled(part: u64, of: u64) -> u64 {
    let height = u128::from(part) * u128::from(HEIGHT) / u128::from(of.max(1));
    u64::try_from(height).unwrap_or(HEIGHT).clamp(if part > 0 { 6 } else { 0 }, HEIGHT)
}

/// Rounds up to one of 1, 2, 4, 10, 20, 40, …. All but 1 have a whole half.
fn nice(number: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [1, 2, 4] {
            let candidate = power.saturating_mul(step);
            if candidate >= number {
                return candidate;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_covers_the_tallest_column() {
        for (number, top) in [(1, 1), (2, 2), (3, 4), (5, 10), (11, 20), (21, 40), (41, 100), (u64::MAX, u64::MAX)] {
            assert_eq!(nice(number), top);
        }
        assert_eq!((scaled(0, 10), scaled(1, 1_000_000), scaled(5, 10), scaled(10, 10)), (0, 6, 500, 1000));
        assert_eq!(scaled(u64::MAX, 1), HEIGHT);
    }

    #[test]
    fn a_small_chart_has_a_column_for_each_value_above_zero() {
        let drawn = spark(&[0, 5, 10]).into_string();
        assert!(drawn.contains(r#"viewBox="0 0 30 100""#), "{drawn}");
        assert!(drawn.contains(r#"d="M10 100v-50h8v50zM20 100v-100h8v100z""#), "{drawn}");
    }

    #[test]
    fn a_column_is_drawn_and_told() {
        let column = |label: &str, parts: [u64; 2]| Column {
            label: label.to_owned(),
            tick: String::new(),
            parts: parts.into(),
            told: format!("{} requests, {} errors", parts[0] + parts[1], parts[1]),
        };
        let chart = Chart {
            id: "requests",
            title: "Requests",
            total: "4 <requests>".to_owned(),
            series: &[("answered", "first"), ("failed", "bad")],
            columns: vec![column("Mar 1", [3, 1]), column("Mar 2", [0, 0])],
            least: 1,
            scale: |height| height.to_string(),
        };
        let drawn = chart.draw().into_string();
        for part in [
            r#"viewBox="0 0 200 1000""#,
            "<title>Mar 1: 4 requests, 1 errors</title>",
            r#"<rect class="first" x="14" y="250" width="72" height="750">"#,
            r#"<rect class="bad" x="14" y="0" width="72" height="250">"#,
            r#"<desc id="requests-told">4 &lt;requests&gt;. "#,
            r#"<tr><th scope="row">Mar 1</th><td>4 requests, 1 errors</td></tr>"#,
        ] {
            assert!(drawn.contains(part), "{part} in {drawn}");
        }
        assert_eq!(drawn.matches("<tr>").count(), 2, "no row for nothing: {drawn}");
        assert!(!drawn.contains("style="), "no inline style under the policy");
    }
}
