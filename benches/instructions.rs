//! How many instructions the steps of a request take: `cargo bench --bench instructions`.
//!
//! Counted by callgrind (Debian: valgrind), so that the figures are the same whatever else the machine does: this program
//! runs itself under it, each case a few times and some times more, and shows the difference for one.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking and shows a table")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use bytes::Bytes;
use callsign::caller::key::{Directory, Grant, Key};
use callsign::caller::verifier::Verifier;
use callsign::caller::{Caller, Known, Need};
use callsign::endpoint::{INFERENCE, REMOVED};
use callsign::identifiers::sources::Sources;
use callsign::rewrite::OwnedNames;
use callsign::secret::KeyDigest;
use http::{HeaderMap, HeaderValue};

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/pass.rs"]
mod pass;
#[path = "support/policy.rs"]
mod policy;

/// How often a case runs in each of its two processes.
const TIMES: [u64; 2] = [2, 12];

/// A step of a request: its name, what it handles in bytes (0: nothing that grows), and how it is done once.
type Case = (String, usize, Box<dyn FnMut()>);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, case, name, times] = words.as_slice()
        && case == "--case"
    {
        let (_, _, mut step) = cases().into_iter().find(|(known, ..)| known == name).unwrap();
        (0..times.parse::<u64>().unwrap()).for_each(|_| step());
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` passes flags of its own.
    if words.iter().any(|word| word == "--test" || word == "--list") {
        return ExitCode::SUCCESS;
    }
    println!("| step | instructions | for each byte |\n|---|---|---|");
    for (name, bytes, _) in cases() {
        let [few, many] = TIMES.map(|times| count(&words[0], &name, times));
        let (Some(few), Some(many)) = (few, many) else {
            println!("valgrind is missing, or has failed (Debian: apt-get install valgrind)");
            return ExitCode::FAILURE;
        };
        let one = (many - few) / (TIMES[1] - TIMES[0]);
        let hundredths = if bytes == 0 { 0 } else { one * 100 / bytes as u64 };
        let each = if bytes == 0 { "–".to_owned() } else { format!("{}.{:02}", hundredths / 100, hundredths % 100) };
        println!("| {name} | {one} | {each} |");
    }
    ExitCode::SUCCESS
}

/// The instructions of a process that does it so often.
fn count(program: &str, name: &str, times: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--case", name, &times.to_string()])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find_map(|line| line.split("Collected : ").nth(1))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cases() -> Vec<Case> {
    let owned = Arc::new(OwnedNames::new(REMOVED, Some("prompt_cache_key")));
    let bodies = bodies::all().into_iter().map(|(name, body)| {
        let (owned, body) = (Arc::clone(&owned), Bytes::from(body));
        let step: Box<dyn FnMut()> = Box::new({
            let body = body.clone();
            move || pass::pass(&owned, &body)
        });
        (format!("rewrite {name}"), body.len(), step)
    });
    let formats = policy::FORMATS.into_iter().map(|(name, format)| {
        let policy = policy::with(format);
        let step: Box<dyn FnMut()> = Box::new(move || {
            let identifiers = policy.identify(black_box(&Sources::SAMPLE), &[], INFERENCE[0].fields).unwrap();
            black_box(identifiers.members());
        });
        (format!("four identifiers, {name}"), 0, step)
    });
    bodies.chain([(String::from("caller by a personal key"), 0, caller())]).chain(formats).collect()
}

fn caller() -> Box<dyn FnMut()> {
    let secret = "sk-cs-a-key-of-alice-0123456789";
    let key = Key::new("laptop", KeyDigest::of(secret.as_bytes()), Grant::User("alice".to_owned()));
    let (directory, verifier) = (Directory::new([key], None, false), Verifier::default());
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {secret}")).unwrap());
    Box::new(move || {
        let known = Known { directory: &directory, verifier: &verifier };
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        black_box(Caller::resolve(black_box(&headers), address, known, Need::Identity).unwrap());
    })
}
