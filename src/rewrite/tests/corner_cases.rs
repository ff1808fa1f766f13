//! The corner cases of JSON that the whole server is held to, here at every split, and once more deeper down, where the
//! scanner has a shortcut.

use super::*;
use table::Fate::{Arrives, Refused};

#[path = "../../../tests/it/json_suite/table.rs"]
#[expect(dead_code, reason = "who says so is counted by the integration test alone")]
mod table;

/// Splitting longer bodies at every byte would take long and show nothing new.
const SHORT: usize = 64;

/// The body as it leaves, or the offset at which it is refused.
fn outcome(filter: Filter, body: &[u8], splits: &[usize]) -> Result<String, u64> {
    run(filter, body, splits).map_err(|rejected| match rejected {
        Rejected::Invalid(invalid) => invalid.offset,
        other => panic!("{other}"),
    })
}

fn check(name: &str, body: &[u8], expected: &Result<String, u64>) {
    let plain = || Filter::new(owned(), String::new());
    for split in 0..=body.len() {
        assert_eq!(&outcome(plain(), body, &[split]), expected, "{name} at {split}");
    }
    for watched in [plain(), plain().block_shared_tools()] {
        assert_eq!(&outcome(watched, body, &vec![1; body.len()]), expected, "{name}, byte by byte");
    }
    assert_eq!(&outcome(plain().block_shared_tools(), body, &[]), expected, "{name}, watched");
}

#[test]
fn are_accepted_and_refused_at_any_split_and_depth() {
    let mut deeper = 0;
    for table::Case { name, body, fate, .. } in table::cases().iter().filter(|case| case.body.len() <= SHORT) {
        let text = || String::from_utf8(body.clone()).unwrap();
        let expected = match fate {
            Arrives => Ok(text()),
            Refused(at) => Err(*at as u64),
        };
        check(name, body, &expected);

        // What is no object, or followed by something, is another matter in an array.
        let is_whole = |end: usize| serde_json::from_slice::<IgnoredAny>(&body[..end]).is_ok();
        if body.trim_ascii_start().first() != Some(&b'{') || matches!(fate, Refused(at) if is_whole(*at)) {
            continue;
        }
        deeper += 1;
        let before = r#"{"a":["#;
        let (around, expected) = match fate {
            Arrives => ("]}", Ok(format!("{before}{}]}}", text()))),
            Refused(at) => ("", Err((before.len() + at) as u64)),
        };
        check(name, &[before.as_bytes(), body, around.as_bytes()].concat(), &expected);
    }
    assert!(deeper > 500, "{deeper}");
}
