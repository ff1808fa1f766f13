//! Checks the shape of the source tree: a crate depends only on the crates below it, no modules import each other in a
//! circle, and every citation of `docs/SPEC.md` resolves. The tests read manifests and sources as text.

mod circles;
mod rust_paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use circles::Modules;

/// Each crate of the workspace and those of its siblings that it may depend on. The root package may depend on all.
const ARROWS: [(&str, &[&str]); 7] = [
    ("core", &[]),
    ("http1", &[]),
    ("telemetry", &["callsign-core"]),
    ("store", &["callsign-core", "callsign-telemetry"]),
    ("gateway", &["callsign-core", "callsign-http1", "callsign-telemetry", "callsign-store"]),
    ("console", &["callsign-core", "callsign-telemetry", "callsign-store"]),
    ("mock-openrouter", &[]),
];
/// Crates for I/O, logging and randomness. `callsign-core` is pure and depends on none of them, nor on `tokio-util` and
/// the like.
const IMPURE: [&str; 5] = ["tokio", "hyper", "axum", "tracing", "getrandom"];
/// Names in code that reads a clock, files or the environment.
const READS: [&str; 5] = ["Timestamp::now", "SystemTime", "Instant", "std::fs", "std::env"];
/// Names of documents outside of the repository, which sources must not cite.
const ABSENT: [&str; 6] = [
    concat!("contract", ", section"),
    concat!("Contract", ", section"),
    concat!("openrouter", ".md"),
    concat!("clients", ".md"),
    concat!("amend", "ment"),
    concat!("Amend", "ment"),
];
/// File name extensions of the files whose citations are checked.
const CITING: [&str; 6] = ["rs", "md", "toml", "yaml", "sh", "py"];

#[test]
fn crates_only_import_what_is_below_them() {
    let on_disk: BTreeSet<String> =
        entries(&root().join("crates")).iter().map(|path| path.file_name().unwrap().display().to_string()).collect();
    assert_eq!(on_disk, ARROWS.map(|(name, _)| name.to_owned()).into(), "crates/ and the table in this file differ");
    for (name, allowed) in ARROWS {
        let dependencies = dependencies(&format!("crates/{name}/Cargo.toml"));
        let ours = dependencies.iter().filter(|name| name.starts_with("callsign") || *name == "mock-openrouter");
        let surplus: Vec<_> = ours.filter(|dependency| !allowed.contains(&dependency.as_str())).collect();
        assert!(surplus.is_empty(), "crates/{name} may depend on {allowed:?}, and depends on {surplus:?}");
    }
    let core = dependencies("crates/core/Cargo.toml");
    let is_impure = |name: &&String| IMPURE.contains(&name.split('-').next().unwrap());
    let impure: Vec<_> = core.iter().filter(is_impure).collect();
    assert!(impure.is_empty(), "crates/core does no I/O and no logging, and depends on {impure:?}");
    let program = dependencies("Cargo.toml");
    let is_used = |name: &str| program.iter().any(|used| used.trim_start_matches("callsign-") == name);
    // Only the gateway uses `http1`.
    let mut named = ARROWS.iter().map(|(name, _)| *name).filter(|name| *name != "http1");
    assert!(named.all(is_used), "the root package lacks one of {on_disk:?}: {program:?}");
}

#[test]
fn core_reads_no_clock_files_or_environment() {
    let reading = |path: &PathBuf| {
        let source = fs::read_to_string(path).ok()?;
        let found = READS.iter().find(|name| source.contains(**name))?;
        Some(format!("{}: {found}", shown(path)))
    };
    let found: Vec<_> = files_below(&root().join("crates/core/src")).iter().filter_map(reading).collect();
    assert!(found.is_empty(), "crates/core gets what it needs as arguments, and reads it itself in {found:?}");
}

#[test]
fn no_module_circles() {
    let mut sources: Vec<PathBuf> = ARROWS.map(|(name, _)| root().join("crates").join(name).join("src")).into();
    sources.push(root().join("src"));
    let circles: Vec<String> = sources.iter().flat_map(|source| Modules::read(source).circles()).collect();
    assert!(circles.is_empty(), "{} circles of modules:\n\n{}", circles.len(), circles.join("\n"));
}

#[test]
fn every_cited_anchor_exists() {
    let slugs = slugs(&fs::read_to_string(root().join("docs/SPEC.md")).unwrap());
    let mut wrong = Vec::new();
    for path in files_below(root()) {
        let extension = path.extension().map(|extension| extension.display().to_string()).unwrap_or_default();
        if !CITING.contains(&extension.as_str()) {
            continue;
        }
        let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for (line, number) in content.lines().zip(1..) {
            let place = format!("{}:{number}", shown(&path));
            let missing = cited_anchors(line).filter(|anchor| !slugs.contains(anchor));
            wrong.extend(missing.map(|anchor| format!("{place}: docs/SPEC.md has no heading #{anchor}")));
            let absent = ABSENT.iter().filter(|word| extension == "rs" && line.contains(**word));
            wrong.extend(absent.map(|word| format!("{place}: cites \"{word}\", which is not in the repository")));
        }
    }
    assert!(wrong.is_empty(), "{} wrong citations:\n{}", wrong.len(), wrong.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Formats a path relative to the repository.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Lists all files below a directory, except build output, `.git` and installed packages.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let skipped = ["target", ".git", "node_modules"].map(|name| Some(name.as_ref()));
    let kept = entries(directory).into_iter().filter(|path| !skipped.contains(&path.file_name()));
    kept.flat_map(|path| if path.is_dir() && !path.is_symlink() { files_below(&path) } else { vec![path] })
        .filter(|path| path.is_file())
        .collect()
}

/// Returns the names in the `[dependencies]` table of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = fs::read_to_string(root().join(manifest)).unwrap().parse().unwrap();
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

/// Returns the anchors that GitHub gives to the headings of a Markdown text: lower case, no punctuation, hyphens for
/// blanks. A repeated heading gets a number.
fn slugs(markdown: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut repeated: BTreeMap<String, usize> = BTreeMap::new();
    let mut fenced = false;
    for line in markdown.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let Some(heading) = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#') && !fenced)
        else {
            continue;
        };
        let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
        let slug = heading.trim().to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-");
        let count = repeated.entry(slug.clone()).or_default();
        found.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    found
}

fn cited_anchors(line: &str) -> impl Iterator<Item = String> {
    let is_in_anchor = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    let anchors = line.split("SPEC.md#").skip(1).map(move |rest| rest.chars().take_while(is_in_anchor).collect());
    anchors.filter(|anchor: &String| !anchor.is_empty())
}
