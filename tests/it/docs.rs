//! The pages that are rendered from tables, or must agree with tables or the source tree. `UPDATE_DOCS=1 cargo test
//! --test it docs` writes the rendered ones.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use callsign_core::auth::AuthError;
use callsign_core::endpoint::{Dialect, removed_fields};
use callsign_core::error_code;
use callsign_core::identity::identifier;
use callsign_gateway::error::Refusal;

const INTRO: &str = "\
# Errors

<!-- Rendered from crates/core/src/error_code.rs by `UPDATE_DOCS=1 cargo test --test it docs`. -->

An error response of callsign has the header `x-callsign-error` with one of the codes below. An error response without
this header comes from OpenRouter; callsign passes it on. Both carry `x-callsign-request-id`, which the operator finds
in the log as `request_id`.

callsign answers in the format of the endpoint's API. The `type` is the same in both formats and follows from the
status.
";

const HINTS: &str = "\
429 and 503 carry the header `retry-after` with the seconds to wait. If they are more than 60, `x-should-retry: false`
tells SDKs not to try again. callsign itself does not repeat requests.

`callsign_rejected_total{code=…}` counts error responses by code, and the console's overview lists the most frequent
codes.
";

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[expect(clippy::disallowed_methods, reason = "UPDATE_DOCS makes this test write the page")]
fn is_to_write() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// Renders the response to a request without a key.
fn example(dialect: Dialect) -> String {
    let response = Refusal::from(AuthError::MissingCredential).response(dialect, false);
    let code = response.headers()["x-callsign-error"].to_str().unwrap();
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    let body = serde_json::to_string_pretty(&body).unwrap();
    format!("```text\nHTTP/1.1 {}\nx-callsign-error: {code}\n\n{body}\n```\n", response.status())
}

fn errors_page() -> String {
    let mut page = format!(
        "{INTRO}\nOpenAI's format, on all endpoints except `messages`:\n\n{}\nAnthropic's format, on `messages` and \
         `messages/count_tokens`:\n\n{}\n{HINTS}\n| code | status | type | cause | remedy |\n|---|---|---|---|---|\n",
        example(Dialect::OpenAi),
        example(Dialect::Anthropic)
    );
    for row in &error_code::TABLE {
        let [cause, remedy] = [row.cause, row.remedy].map(|text| text.replace('|', "\\|"));
        writeln!(page, "| `{}` | {} | `{}` | {cause} | {remedy} |", row.name, row.status, row.code.kind()).unwrap();
    }
    page
}

#[test]
fn the_page_of_errors_is_rendered_from_the_table() {
    let (path, rendered) = (repository("docs/ERRORS.md"), errors_page());
    if is_to_write() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(rendered.lines()).find(|(committed, rendered)| committed != rendered);
    let hint = "docs/ERRORS.md differs from the table of error codes; run: UPDATE_DOCS=1 cargo test --test it docs";
    assert!(committed == rendered, "{hint}\n{differs:?}");
}

/// Returns the text of a section of the specification, without its heading.
fn section(heading: &str) -> String {
    let specification = std::fs::read_to_string(repository("docs/SPEC.md")).unwrap();
    let (_, rest) = specification.split_once(&format!("\n### {heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    rest.split("\n### ").next().unwrap().to_owned()
}

#[test]
fn the_specification_names_every_error_code_with_its_status_and_type() {
    let (codes, shapes) = (section("Codes"), section("Error shape"));
    for row in &error_code::TABLE {
        let status = codes.lines().find(|line| line.starts_with(&format!("| {} |", row.status)));
        let name = format!("`{}`", row.name);
        assert!(status.is_some_and(|line| line.contains(&name)), "docs/SPEC.md#codes: {} {name}", row.status);
        let kind = format!("`{}`", row.code.kind());
        let line = shapes.lines().find(|line| line.contains(&kind)).unwrap_or_else(|| panic!("{kind}"));
        let is_other = row.status >= 500 && line.contains("other 5xx");
        assert!(is_other || line.contains(&row.status.to_string()), "docs/SPEC.md#error-shape: {} {kind}", row.status);
    }
}

#[test]
fn the_specification_names_every_removed_field() {
    let text = section("Removed fields");
    for field in &removed_fields::TABLE {
        assert!(text.contains(&format!("`{}`", field.name)), "docs/SPEC.md#removed-fields lacks {}", field.name);
    }
}

#[test]
fn the_specification_lists_the_metadata_keys_in_order() {
    let keys: Vec<_> = identifier::TABLE.iter().filter_map(|row| Some(format!("`{}`", row.metadata?))).collect();
    let order = format!("Order: {}, then", keys.join(", "));
    assert!(section("Metadata").contains(&order), "docs/SPEC.md#metadata lacks \"{order}\"");
}

/// Returns the file and the name that a stop of the code tour begins with: ``3. `path`, `Type::function`. …``.
fn stop(line: &str) -> Option<(&str, &str)> {
    let (number, rest) = line.split_once(". `")?;
    number.parse::<u8>().ok()?;
    let (file, rest) = rest.split_once("`, `")?;
    Some((file, rest.split_once('`')?.0))
}

#[test]
fn the_code_tour_names_existing_files_and_items() {
    let tour = std::fs::read_to_string(repository("docs/CODE_TOUR.md")).unwrap();
    let stops: Vec<_> = tour.lines().filter_map(stop).collect();
    assert!(stops.len() > 30, "the tour has {} stops", stops.len());
    for (file, name) in stops {
        let source = std::fs::read_to_string(repository(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let item = name.rsplit("::").next().unwrap();
        let is_defined = ["fn ", "struct ", "enum ", "static ", "const "].iter().any(|kind| {
            source.match_indices(&format!("{kind}{item}")).any(|(at, found)| {
                let next = source[at + found.len()..].chars().next();
                next.is_some_and(|next| !next.is_alphanumeric() && next != '_')
            })
        });
        assert!(is_defined, "docs/CODE_TOUR.md: {file} has no {name}");
    }
}

/// Returns the repository paths in code spans of a page, without patterns and placeholders (`NAME.md`).
fn paths(page: &str) -> impl Iterator<Item = &str> {
    const ROOTS: [&str; 4] = ["crates/", "src/", "tests/", "docs/"];
    let spans = page.split('`').skip(1).step_by(2);
    spans.filter(|span| {
        ROOTS.iter().any(|root| span.starts_with(root))
            && !span.contains(['*', '…', ' ', '#'])
            && !span.contains("NAME")
    })
}

#[test]
fn paths_in_pages_about_the_code_exist() {
    for page in ["docs/CODE_TOUR.md", "docs/ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(repository(page)).unwrap();
        // Code blocks would shift the pairs of backticks.
        let prose: String = text.split("```").step_by(2).collect();
        let missing: Vec<_> = paths(&prose).filter(|path| !repository(path).exists()).collect();
        assert!(missing.is_empty(), "{page} names paths that do not exist: {missing:?}");
    }
}

/// Returns the Rust sources of the repository, without what cargo builds.
fn sources(directory: &Path, found: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn each_promise_of_the_security_page_names_tests_that_exist() {
    let mut code = String::new();
    for directory in ["tests", "crates", "src"] {
        sources(&repository(directory), &mut code);
    }
    let page = std::fs::read_to_string(repository("docs/SECURITY.md")).unwrap();
    let promised = page.split("\n## ").find(|section| section.starts_with("What is promised")).unwrap();
    let rows: Vec<&str> =
        promised.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise |")).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let (_, tests) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        assert!(!tests.is_empty(), "{row}");
        for test in tests.split(", ") {
            let name = test.trim_matches('`');
            assert!(code.contains(&format!("fn {name}(")), "no test {name}, of the promise: {row}");
        }
    }
}
