//! Manual pages and shell completions, which are rendered from the command line.
//! `UPDATE_DOCS=1 cargo test --test it deploy::generated` rewrites them.

use std::collections::BTreeSet;
use std::path::Path;

use callsign::cli::args::Args;
use clap::CommandFactory;
use clap_complete::Shell;

use super::{files, repository};

#[expect(clippy::disallowed_methods, reason = "how a developer asks this test to write the files")]
fn is_to_write() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// Compares a directory of the repository with the files that `render` writes.
fn assert_rendered(directory: &str, render: impl FnOnce(&Path)) {
    let rendered = tempfile::tempdir().unwrap();
    render(rendered.path());
    let names: BTreeSet<_> = std::fs::read_dir(rendered.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let kept = repository(directory);
    if is_to_write() {
        let _absent = std::fs::remove_dir_all(&kept);
        std::fs::create_dir_all(&kept).unwrap();
        for name in &names {
            std::fs::copy(rendered.path().join(name), kept.join(name)).unwrap();
        }
    }
    let hint = "run: UPDATE_DOCS=1 cargo test --test it deploy::generated";
    let expected: BTreeSet<_> = names.iter().map(|name| format!("{directory}/{name}")).collect();
    assert_eq!(files(directory), expected, "{hint}");
    for name in names {
        let [ours, theirs] =
            [kept.join(&name), rendered.path().join(&name)].map(|path| std::fs::read_to_string(path).unwrap());
        assert!(ours == theirs, "{directory}/{name} does not match the command line; {hint}");
    }
}

#[test]
fn the_manual_pages_are_rendered_from_the_command_line() {
    assert_rendered("deploy/man", |directory| clap_mangen::generate_to(Args::command(), directory).unwrap());
}

#[test]
fn the_completions_are_rendered_from_the_command_line() {
    assert_rendered("deploy/completions", |directory| {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            clap_complete::generate_to(shell, &mut Args::command(), "callsign", directory).unwrap();
        }
    });
}
