//! Counts the instructions of the steps of a request: `cargo bench --bench instructions`.
//!
//! The program runs itself under callgrind (Debian package `valgrind`), whose counts do not depend on the machine's
//! load. It runs each case with two numbers of repetitions and prints the difference for one repetition.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking and shows a table")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use bytes::Bytes;
use callsign_core::auth::key::{Directory, Grant, Key};
use callsign_core::auth::verifier::Verifier;
use callsign_core::auth::{AuthContext, Caller, Need};
use callsign_core::endpoint::{INFERENCE, REMOVED_FIELDS};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::rewrite::ReservedFields;
use callsign_core::secret::KeyDigest;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/pass.rs"]
mod pass;
#[path = "support/policy.rs"]
mod policy;

/// Repetitions of a case in each of its two processes.
const TIMES: [u64; 2] = [2, 12];

/// A step of a request: its name, the number of bytes that it processes (0 if its cost is constant), and a function
/// that runs it once.
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
    // `cargo test --benches` passes these flags; there is nothing to test.
    if words.iter().any(|word| word == "--test" || word == "--list") {
        return ExitCode::SUCCESS;
    }
    println!("| step | instructions | per byte |\n|---|---|---|");
    for (name, bytes, _) in cases() {
        let [few, many] = TIMES.map(|times| count(&words[0], &name, times));
        let (Some(few), Some(many)) = (few, many) else {
            println!("valgrind is missing or failed; to install it on Debian: apt-get install valgrind");
            return ExitCode::FAILURE;
        };
        let one = (many - few) / (TIMES[1] - TIMES[0]);
        let hundredths = if bytes == 0 { 0 } else { one * 100 / bytes as u64 };
        let each = if bytes == 0 { "–".to_owned() } else { format!("{}.{:02}", hundredths / 100, hundredths % 100) };
        println!("| {name} | {one} | {each} |");
    }
    ExitCode::SUCCESS
}

/// Returns the number of instructions of a process that runs the case `times` times.
fn count(program: &str, name: &str, times: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--case", name, &times.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr);
    let line = report.lines().find_map(|line| line.split("Collected : ").nth(1))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cases() -> Vec<Case> {
    let reserved = Arc::new(ReservedFields::new(REMOVED_FIELDS, Some("prompt_cache_key")));
    let bodies = bodies::all().into_iter().map(|(name, body)| {
        let (reserved, body) = (Arc::clone(&reserved), Bytes::from(body));
        let step: Box<dyn FnMut()> = Box::new({
            let body = body.clone();
            move || pass::pass(&reserved, &body)
        });
        (format!("rewrite {name}"), body.len(), step)
    });
    let formats = policy::FORMATS.into_iter().map(|(name, format)| {
        let policy = policy::with(format);
        let step: Box<dyn FnMut()> = Box::new(move || {
            let identifiers = policy.identify(black_box(&CallerIdentity::SAMPLE), &[], INFERENCE[0].fields).unwrap();
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
        let known = AuthContext {
            directory: &directory,
            verifier: &verifier,
            stored: &callsign_core::stored_key::NoStoredKeys,
            now: Timestamp::UNIX_EPOCH,
        };
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        black_box(Caller::resolve(black_box(&headers), address, known, Need::Identity).unwrap());
    })
}
