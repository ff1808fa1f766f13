//! Checks the Dockerfile, the systemd unit and the Debian package's metadata without the tools that read them.

use std::time::Duration;

use callsign::cli::args::{Args, Command};
use clap::Parser;

use super::{USER, Variables, files, read, repository, serves};

/// Returns the values of a unit's setting.
fn values<'u>(unit: &'u str, name: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_starts_a_callsign_that_serves() {
    let unit = read("deploy/systemd/callsign.service");
    let [start] = values(&unit, "ExecStart")[..] else { panic!("one ExecStart") };
    let args = Args::try_parse_from(start.split_whitespace()).unwrap();
    assert!(matches!(args.command, Command::Serve { demo: false }));
    // The path at which the package installs the file.
    assert_eq!(args.config.as_deref(), Some("/etc/callsign/callsign.toml".as_ref()));
    let key = [("CALLSIGN_APP_KEY".to_owned(), "http://no-secret-in-a-test".to_owned())];
    let variables: Variables = values(&unit, "Environment")
        .iter()
        .map(|text| text.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.replace("%S", "/var/lib")))
        .chain(key)
        .collect();
    let config = serves("the unit", &variables, "%d/", None, Some("config/callsign.toml"));
    let stop: u64 = values(&unit, "TimeoutStopSec")[0].parse().unwrap();
    assert!(Duration::from_secs(stop) > config.drain.total, "TimeoutStopSec is not longer than the drain");
    let state = format!("/var/lib/{}", values(&unit, "StateDirectory")[0]);
    assert_eq!(config.ledger.data_dir.as_deref(), Some(state.as_ref()));
    for credential in variables.iter().filter_map(|(_, value)| value.strip_prefix("%d/")) {
        let loaded = values(&unit, "LoadCredential");
        assert!(loaded.iter().any(|line| line.starts_with(&format!("{credential}:"))), "{credential}");
    }
}

#[test]
fn the_debian_package_has_all_that_is_there_for_it() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    let sources: Vec<_> = assets.iter().map(|asset| asset[0].as_str().unwrap()).collect();
    for source in &sources {
        // cargo-deb replaces this prefix with the directory of the profile that it builds.
        let there = *source == "target/release/callsign" || source.ends_with("/*") || repository(source).exists();
        assert!(there, "{source}");
    }
    assert!(sources.contains(&"deploy/man/*"), "the manual pages");
    for completion in files("deploy/completions") {
        assert!(sources.contains(&completion.as_str()), "{completion}");
    }
    let units = deb["systemd-units"]["unit-scripts"].as_str().unwrap();
    assert!(repository(units).join("callsign.service").exists(), "{units}");
    let conf: Vec<_> = deb["conf-files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    for file in conf {
        let placed = assets.iter().any(|asset| format!("/{}", asset[1].as_str().unwrap()) == file);
        assert!(placed, "{file} is not an asset of the package");
    }
}

#[test]
fn the_dockerfile_copies_what_it_is_given() {
    let dockerfile = read("Dockerfile");
    let admitted: Vec<_> =
        read(".dockerignore").lines().filter_map(|line| Some(line.strip_prefix('!')?.to_owned())).collect();
    let copied: Vec<_> = dockerfile
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from"))
        .flat_map(|line| {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            words[1..words.len() - 1].to_vec()
        })
        .collect();
    for source in &copied {
        assert!(admitted.contains(source), "{source} is copied, but .dockerignore keeps it out");
        assert!(repository(source).exists(), "{source}");
    }
    assert!(admitted.iter().all(|file| copied.contains(file)), "no more than that: {admitted:?}");
    assert!(dockerfile.contains(concat!("ARG VERSION=", env!("CARGO_PKG_VERSION"), "\n")));
    assert!(dockerfile.contains(&format!("\nUSER {USER}:{USER}\n")));
    // cargo searches the files of targets without a path, and the image does not have these files.
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    for target in ["bin", "test", "bench"].iter().flat_map(|kind| manifest[*kind].as_array().unwrap()) {
        assert!(target.get("path").is_some(), "no path in Cargo.toml: {target:?}");
    }
    // The program is built from these.
    for made_of in ["Cargo.toml", "Cargo.lock", "crates", "src"] {
        assert!(copied.iter().any(|source| source == made_of), "{made_of}");
    }
    // In the profile of the shipped program.
    assert!(manifest["profile"].get("dist").is_some(), "no [profile.dist] in Cargo.toml");
    let script = read("deploy/binary/build.sh");
    for part in ["WHAT=(--profile dist --locked ", "cargo auditable build \"${WHAT[@]}\"", "/dist/callsign\""] {
        assert!(script.contains(part), "{part}");
    }
    assert!(dockerfile.contains("deploy/binary/build.sh ${BUILD_OPTIONS} /callsign"));
}
