//! Runs the JSON corner cases of the integration tests on the filter: at every split, and again nested in an array,
//! where the scanner uses its fast path.

use super::*;
use table::Disposition::{Arrives, Refused};

#[path = "../../../../../tests/it/json_suite/table.rs"]
#[expect(dead_code, reason = "only the integration test reads the source of each case")]
mod table;

/// Longest body in bytes that is tested at every split, which keeps the test fast.
const SHORT: usize = 64;

/// Returns the outgoing body, or the offset at which the body is refused.
fn outcome(filter: Filter, body: &[u8], splits: &[usize]) -> Result<String, u64> {
    run(filter, body, splits).map_err(|rejected| match rejected {
        RewriteError::Invalid(invalid) => invalid.offset,
        other => panic!("{other}"),
    })
}

fn blocking() -> Filter {
    let mut filter = Filter::new(reserved(), String::new());
    filter.block_shared_tools(Arc::default(), false);
    filter
}

fn check(name: &str, body: &[u8], expected: &Result<String, u64>) {
    let plain = || Filter::new(reserved(), String::new());
    for split in 0..=body.len() {
        assert_eq!(&outcome(plain(), body, &[split]), expected, "{name} at {split}");
    }
    for filter in [plain(), blocking()] {
        assert_eq!(&outcome(filter, body, &vec![1; body.len()]), expected, "{name}, byte by byte");
    }
    assert_eq!(&outcome(blocking(), body, &[]), expected, "{name}, with shared tools blocked");
}

#[test]
fn are_accepted_and_refused_at_any_split_and_depth() {
    let mut nested = 0;
    for table::Case { name, body, fate, .. } in table::cases().iter().filter(|case| case.body.len() <= SHORT) {
        let text = || String::from_utf8(body.clone()).unwrap();
        let expected = match fate {
            Arrives => Ok(text()),
            Refused(at) => Err(*at as u64),
        };
        check(name, body, &expected);

        // In an array, a value other than an object and text after an object have other outcomes.
        let is_whole = |end: usize| serde_json::from_slice::<IgnoredAny>(&body[..end]).is_ok();
        if body.trim_ascii_start().first() != Some(&b'{') || matches!(fate, Refused(at) if is_whole(*at)) {
            continue;
        }
        nested += 1;
        let before = r#"{"a":["#;
        let (around, expected) = match fate {
            Arrives => ("]}", Ok(format!("{before}{}]}}", text()))),
            Refused(at) => ("", Err((before.len() + at) as u64)),
        };
        check(name, &[before.as_bytes(), body, around.as_bytes()].concat(), &expected);
    }
    assert!(nested > 500, "{nested}");
}

#[test]
fn syntax_around_members_of_the_detector_is_checked_at_every_split() {
    let passes = |body: &str, splits: &[usize], valid: bool| {
        match run(blocking(), body.as_bytes(), splits) {
            Ok(_) => true,
            // A tool may be refused before a later byte is read.
            Err(RewriteError::SharedTool(_)) => valid,
            Err(_) => false,
        }
    };
    for name in ["function", "input_schema", "type", "tools", "output", "annotations", "x"] {
        for (value, valid) in [
            (r#":{"a":[]}"#, true),
            (" : { } ", true),
            (r#": [ ] ,"b":1"#, true),
            (r#":"function""#, true),
            ("::{}", false),
            (": :{}", false),
            (":,", false),
            (":{]", false),
            (":[}", false),
            (r#":"function""x""#, false),
            (r#":"function":1"#, false),
            (r#":"function"}"#, false),
            (":{}}", false),
            (":{},", false),
            (":", false),
        ] {
            for (open, close) in [("", ""), (r#""a":{"#, "}"), (r#""a":[{"type":"function","#, "}]")] {
                let body = format!(r#"{{{open}"{name}"{value}{close}}}"#);
                for split in 0..body.len() {
                    assert_eq!(passes(&body, &[split], valid), valid, "{body} at {split}");
                }
                assert_eq!(passes(&body, &vec![1; body.len()], valid), valid, "{body}");
            }
        }
    }
}
