//! Replays the kept inputs of the fuzz targets: `fuzz/corpus/` (inputs with the best coverage) and `fuzz/findings/`
//! (inputs that once failed). The checks are in `fuzz/checks/`; `docs/TESTING.md` explains fuzzing.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a check fails by panicking; the test prints the number of replayed inputs"
)]

use std::path::{Path, PathBuf};

#[path = "../../fuzz/checks/credentials.rs"]
mod credentials;
#[path = "../../fuzz/checks/formats.rs"]
mod formats;
#[path = "../../fuzz/checks/multipart.rs"]
mod multipart;
#[path = "../../fuzz/checks/paths.rs"]
mod paths;
#[path = "../../fuzz/checks/rewrite.rs"]
mod rewrite;
#[path = "../../fuzz/checks/settings.rs"]
mod settings;
#[path = "../../fuzz/checks/tokens.rs"]
mod tokens;
#[path = "../../fuzz/checks/usage_reader.rs"]
mod usage_reader;

/// Lists the files of a folder in order of name; none if there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs every kept input of a target. Fails if there are none.
fn replay(target: &str, check: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let kept = files(&fuzz.join("corpus").join(target));
    assert!(!kept.is_empty(), "no corpus of {target}");
    let findings = files(&fuzz.join("findings").join(target));
    for file in kept.iter().chain(&findings) {
        let input = std::fs::read(file).unwrap();
        if let Err(panic) = std::panic::catch_unwind(|| check(&input)) {
            eprintln!("{target}: failed with {}", file.display());
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
