//! Writes a run as a page with plots: `report.html`, `cpu.svg` and `ramp.svg`.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::ramp::Ramp;
use crate::table::{Table, distinct};

/// The width of a plot and of its labels, and the height of a bar.
const WIDTH: f64 = 860.0;
const LABELS: f64 = 170.0;
const BAR: f64 = 14.0;
/// The highest ratio that the plot of CPU times shows. Longer bars are cut and have their figure.
const MOST: f64 = 4.0;
/// The size of the plot of the ramp, and its margin.
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 56.0;
/// Colours that people with colour blindness can tell apart (Okabe and Ito; Tol).
const COLOURS: [&str; 10] =
    ["#999999", "#56b4e9", "#cc79a7", "#d55e00", "#e69f00", "#009e73", "#0072b2", "#b8a800", "#882255", "#44aa99"];
const STYLE: &str =
    "<style>text{font:12px system-ui,sans-serif;fill:#555}.title{font-weight:600}line{stroke:#bbb}</style>";

/// The results of a run.
pub(crate) struct Report {
    tables: Vec<Table>,
    ramps: Vec<Ramp>,
    /// The directory of the page; `None` for a run without a page.
    directory: Option<PathBuf>,
}

impl Report {
    /// Creates a report without results.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { tables: Vec::new(), ramps: Vec::new(), directory }
    }

    /// Adds a table, and writes the page so far: an interrupted run has one too.
    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(table);
        self.write();
    }

    /// Adds the ramps, and writes the page so far.
    pub(crate) fn add_ramps(&mut self, ramps: Vec<Ramp>) {
        self.ramps = ramps;
        self.write();
    }

    /// Returns the median rate of a peer in a workload, in requests per second; 0 if it was not measured.
    pub(crate) fn rate_of(&self, title: &str, name: &str) -> f64 {
        self.tables.iter().find(|table| table.title == title).map_or(0.0, |table| table.rate_of(name))
    }

    /// Writes the page and its plots.
    fn write(&self) {
        let Some(directory) = &self.directory else { return };
        std::fs::create_dir_all(directory).unwrap();
        let mut plots = vec![("cpu.svg", self.cpu())];
        if !self.ramps.is_empty() {
            plots.push(("ramp.svg", self.ramp()));
        }
        let mut page =
            String::from("<!doctype html><meta charset=utf-8><title>callsign beside other proxies</title>\n");
        for (name, plot) in plots {
            std::fs::write(directory.join(name), &plot).unwrap();
            page.push_str(&plot);
        }
        for table in &self.tables {
            writeln!(page, "<h2>{}</h2><pre>{}</pre>", escaped(&table.title), escaped(&table.text)).unwrap();
        }
        std::fs::write(directory.join("report.html"), page).unwrap();
    }

    /// Returns the colour of a peer, the same in every plot.
    fn colour(&self, name: &str) -> &'static str {
        let names = self.tables.iter().flat_map(Table::names).chain(self.ramps.iter().map(|ramp| ramp.name));
        let number = distinct(names).iter().position(|other| *other == name).unwrap_or_default();
        COLOURS[number % COLOURS.len()]
    }

    /// Plots the CPU time of each proxy in each workload, nginx being 1.
    fn cpu(&self) -> String {
        let (mut bars, mut y) = (String::new(), 20.0);
        let scale = (WIDTH - LABELS - 60.0) / MOST;
        for table in &self.tables {
            writeln!(bars, "<text class=\"title\" x=\"0\" y=\"{y}\">{}</text>", escaped(&table.title)).unwrap();
            y += 6.0;
            for (name, ratio) in table.ratios() {
                let (middle, length) = (y + BAR - 3.0, ratio.min(MOST) * scale);
                let colour = self.colour(name);
                writeln!(
                    bars,
                    "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text><rect x=\"{LABELS}\" y=\"{y}\" \
                     width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{middle}\">{ratio:.2}</text>",
                    LABELS - 8.0,
                    escaped(name.trim()),
                    BAR - 2.0,
                    LABELS + length + 6.0,
                )
                .unwrap();
                y += BAR;
            }
            y += 24.0;
        }
        let one = LABELS + scale;
        let label = "<title>CPU time per request, nginx = 1</title>";
        svg(y, &format!("{label}<line x1=\"{one}\" x2=\"{one}\" y1=\"0\" y2=\"{y}\"/>{bars}"))
    }

    /// Plots p99 over the rate, both axes logarithmic.
    fn ramp(&self) -> String {
        let all = || self.ramps.iter().flat_map(|ramp| &ramp.steps);
        let (left, width) = extent(all().map(|(rate, _)| rate.log10()));
        let (low, height) = extent(all().map(|(_, p99)| micros(*p99).log10()));
        let at = |(rate, p99): &(f64, u64)| {
            let x = MARGIN + (rate.log10() - left) / width * (WIDTH - LABELS - MARGIN);
            let y = HEIGHT - MARGIN - (micros(*p99).log10() - low) / height * (HEIGHT - 2.0 * MARGIN);
            (x, y)
        };
        let mut lines = String::from("<title>p99 over the rate of an open loop</title>");
        writeln!(
            lines,
            "<text class=\"title\" x=\"0\" y=\"16\">p99 of 1 KB chats at a growing rate</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">requests per second</text>",
            f64::midpoint(WIDTH - LABELS, MARGIN),
            HEIGHT - 20.0,
        )
        .unwrap();
        let mut y = MARGIN;
        for ramp in &self.ramps {
            let points: Vec<String> = ramp.steps.iter().map(at).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let colour = self.colour(ramp.name);
            writeln!(
                lines,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" \
                 y=\"{y}\" style=\"fill:{colour}\">{}</text>",
                points.join(" "),
                WIDTH - LABELS + 20.0,
                escaped(ramp.name.trim()),
            )
            .unwrap();
            y += 16.0;
        }
        for (rate, p99) in all().take(1).chain(all().max_by(|one, other| one.0.total_cmp(&other.0))) {
            let (x, _) = at(&(*rate, *p99));
            writeln!(lines, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{rate:.0}/s</text>", HEIGHT - 20.0)
                .unwrap();
        }
        for p99 in [1_000, 10_000, 50_000] {
            let (_, y) = at(&(1.0, p99));
            writeln!(
                lines,
                "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{}\" y=\"{y:.1}\" \
                 text-anchor=\"end\">{} ms</text>",
                WIDTH - LABELS,
                MARGIN - 8.0,
                p99 / 1000,
            )
            .unwrap();
        }
        svg(HEIGHT, &lines)
    }
}

/// Returns the lowest value and the distance to the highest.
fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    (low, (high - low).max(0.1))
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark")]
fn micros(value: u64) -> f64 {
    value.max(1) as f64
}

fn svg(height: f64, content: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">{STYLE}{content}</svg>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
