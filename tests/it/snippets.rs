//! The TOML blocks in README and docs: each is a configuration that loads, or names the program whose file it is
//! (`of=`).
//!
//! `tests/external/snippets.sh` runs blocks in other languages. Few blocks may be marked `not-run`.

use std::path::{Path, PathBuf};

use callsign::config::{Config, ConfigInputs};

/// The most blocks marked `not-run` in all pages together.
const MAX_NOT_RUN: usize = 8;

/// Lists README.md and every page below `docs/`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let mut directories = vec![root.join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "md") {
                pages.push(entry);
            }
        }
    }
    pages.sort_unstable();
    pages
}

/// Returns the info string and content of every fenced block.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(info) if !open => found.push((info.trim().to_owned(), String::new())),
            Some(_) => {}
            None if open => found.last_mut().unwrap().1.extend([line, "\n"]),
            None => continue,
        }
        open ^= line.trim_start().starts_with("```");
    }
    assert!(!open, "a code fence is not closed");
    found
}

/// Replaces placeholders, and creates the secret files that a block names.
fn filled_in(toml: &str, directory: &Path) -> String {
    let mut text = toml.replace("…64 hex…", &"0f".repeat(32)).replace('…', "-0123456789abcdef");
    for (index, rest) in toml.split("/run/secrets/").skip(1).enumerate() {
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap();
        std::fs::write(directory.join(name), format!("0123456789abcdef-{index}\n")).unwrap();
    }
    text = text.replace("/run/secrets/", &format!("{}/", directory.display()));
    text
}

/// Loads a block as `callsign check` does, with a `CALLSIGN_ID_SECRET` as its page's command sets it.
fn loads(toml: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("callsign.toml");
    std::fs::write(&path, filled_in(toml, directory.path())).unwrap();
    let secret = [("CALLSIGN_ID_SECRET", "a-secret-of-this-test")];
    Config::load(&ConfigInputs::environment(secret).file(Some(path))).map(drop).map_err(|problems| problems.to_string())
}

#[test]
fn every_toml_block_loads() {
    let mut loaded = 0;
    for page in pages() {
        for (info, content) in blocks(&std::fs::read_to_string(&page).unwrap()) {
            let mut words = info.split_whitespace();
            if words.next() != Some("toml") || words.any(|word| word.starts_with("of=")) {
                continue;
            }
            loads(&content).unwrap_or_else(|problems| panic!("{}: {problems}\n{content}", page.display()));
            loaded += 1;
        }
    }
    assert!(loaded >= 20, "only {loaded} blocks");
    assert!(loads("[valves]\nsend_end_user_idd = true\n").is_err(), "a block with a mistake loads");
}

#[test]
fn few_blocks_are_not_run() {
    let mut marked = Vec::new();
    for page in pages() {
        for (info, _) in blocks(&std::fs::read_to_string(&page).unwrap()) {
            if let Some((_, reason)) = info.split_once("not-run") {
                assert!(reason.len() > 1 && reason.starts_with('='), "{}: {info} gives no reason", page.display());
                marked.push(format!("{}: {info}", page.display()));
            }
        }
    }
    assert!(marked.len() <= MAX_NOT_RUN, "{}", marked.join("\n"));
}

/// "The same with variables only": both configurations of a page open the same valves.
#[test]
fn the_variables_of_a_page_do_what_its_file_does() {
    let valves = |sources: ConfigInputs, page: &Path| {
        let loaded = Config::load(&sources).unwrap_or_else(|problems| panic!("{}: {problems}", page.display()));
        let config = loaded.config;
        let open =
            config.tenants.operator.valves.list().into_iter().filter(|valve| valve.on).map(|valve| valve.variable);
        (open.collect::<Vec<_>>(), config.callers.client_session)
    };
    let mut compared = 0;
    for page in pages().into_iter().filter(|page| page.parent().is_some_and(|parent| parent.ends_with("identity"))) {
        let text = std::fs::read_to_string(&page).unwrap();
        let Some((file, variables)) = text.split_once("The same with variables only") else { continue };
        let directory = tempfile::tempdir().unwrap();
        let block = |text: &str, language: &str| {
            let (_, content) = blocks(text).into_iter().find(|(info, _)| info == language).unwrap();
            filled_in(&content, directory.path())
        };
        let path = directory.path().join("callsign.toml");
        std::fs::write(&path, block(file, "toml")).unwrap();
        let command = block(variables, "sh").replace("\\\n", " ");
        let words = command.split_once("callsign serve").unwrap().0;
        let set: Vec<_> = words.split_whitespace().map(|word| word.split_once('=').unwrap()).collect();
        let none: [(&str, &str); 0] = [];
        let of_file = valves(ConfigInputs::environment(none).file(Some(path)), &page);
        assert_eq!(valves(ConfigInputs::environment(set), &page), of_file, "{}", page.display());
        compared += 1;
    }
    assert!(compared >= 15, "only {compared} pages");
}
