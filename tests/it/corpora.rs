//! Replays the kept inputs of the fuzz targets: the packs in `fuzz/corpus/` (inputs with the best coverage) and the
//! files in `fuzz/findings/` (inputs that once failed). The checks are in `fuzz/checks/`; `docs/TESTING.md` explains
//! fuzzing.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a check fails by panicking; the test prints the number of replayed inputs"
)]

use std::io::{Cursor, Read};
use std::path::Path;

use zip::ZipArchive;

#[path = "../../fuzz/checks/credentials.rs"]
mod credentials;
#[path = "../../fuzz/checks/formats.rs"]
mod formats;
#[path = "../../fuzz/checks/http1_answers.rs"]
mod http1_answers;
#[path = "../../fuzz/checks/multipart.rs"]
mod multipart;
#[path = "../../fuzz/checks/paths.rs"]
mod paths;
#[path = "../../fuzz/checks/rewrite.rs"]
mod rewrite;
#[path = "../../fuzz/checks/settings.rs"]
mod settings;
#[path = "../../fuzz/checks/shared_tools.rs"]
mod shared_tools;
#[path = "../../fuzz/checks/tokens.rs"]
mod tokens;
#[path = "../../fuzz/checks/usage_reader.rs"]
mod usage_reader;

/// An input and its name in messages.
type Input = (String, Vec<u8>);

/// Reads the inputs in a pack, a ZIP file that `fuzz/corpus.py` writes.
fn packed(pack: &Path) -> Vec<Input> {
    let bytes = std::fs::read(pack).unwrap_or_else(|error| panic!("{}: {error}", pack.display()));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut inputs = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = format!("{} in {}", entry.name().unwrap(), pack.display());
        let mut input = Vec::new();
        entry.read_to_end(&mut input).unwrap();
        inputs.push((name, input));
    }
    inputs
}

/// Reads the files of a folder in order of name; none if there is no such folder.
fn files(folder: &Path) -> Vec<Input> {
    let paths = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<Input> = paths.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
    inputs.sort();
    inputs
}

/// Runs every kept input of a target. Fails if there are none.
fn replay(target: &str, check: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let kept = packed(&fuzz.join("corpus").join(target).with_extension("pack"));
    assert!(!kept.is_empty(), "no corpus of {target}");
    let findings = files(&fuzz.join("findings").join(target));
    for (name, input) in kept.iter().chain(&findings) {
        if let Err(panic) = std::panic::catch_unwind(|| check(input)) {
            eprintln!("{target}: failed with {name}");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{target}: {} inputs and {} findings replayed", kept.len(), findings.len());
}

#[test]
fn bodies_are_rewritten_as_an_oracle_says() {
    replay("rewrite", rewrite::check);
}

#[test]
fn shared_tools_are_found_as_a_reader_of_trees_finds_them() {
    replay("shared_tools", shared_tools::check);
}

#[test]
fn credentials_let_in_whom_they_name() {
    replay("credentials", credentials::check);
}

#[test]
fn tokens_are_held_to_their_issuers_rules() {
    replay("tokens", tokens::check);
}

#[test]
fn formats_render_what_they_say() {
    replay("formats", formats::check);
}

#[test]
fn forms_keep_what_nobody_owns() {
    replay("multipart", multipart::check);
}

#[test]
fn paths_lead_nowhere_else() {
    replay("paths", paths::check);
}

#[test]
fn settings_repeat_no_secret() {
    replay("settings", settings::check);
}

#[test]
fn answers_tell_what_a_second_reading_finds() {
    replay("usage_reader", usage_reader::check);
}

#[test]
fn answers_are_read_as_hyper_reads_them() {
    replay("http1_answers", http1_answers::check);
}
