use std::collections::HashSet;

use super::names::may_matter;
use super::table::{Exemption, KEYS, TOOLS};
use super::type_name::TypeName;
use super::*;

#[test]
fn every_row_has_its_source_and_its_own_name() {
    assert!(TOOLS.iter().all(|row| row.source.len() > 10 && row.name.len() <= LONGEST_TYPE));
    assert!(KEYS.iter().all(|row| row.source.len() > 5 && row.name.len() <= table::LONGEST_KEY));
    let names: HashSet<_> = TOOLS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TOOLS.len());
    assert!(Exemption::ALL.iter().enumerate().all(|(number, exemption)| *exemption as usize == number));
}

#[test]
fn the_fast_check_misses_no_spelling_without_escapes() {
    for row in &KEYS {
        for spelling in [row.name.to_owned(), row.name.to_uppercase()] {
            assert!(may_matter(spelling.as_bytes()), "{spelling}");
        }
        if row.role.is_lenient() {
            // Its exact spelling alone counts.
            continue;
        }
        // Each subset of the letters that fold from a longer character.
        for letters in 0..1_u32 << row.name.len() {
            let fold = |(at, letter)| match letter {
                's' if (letters >> at) & 1 == 1 => '\u{17f}',
                'k' if (letters >> at) & 1 == 1 => '\u{212a}',
                other => other,
            };
            let spelling: String = row.name.chars().enumerate().map(fold).collect();
            assert!(may_matter(spelling.as_bytes()), "{spelling}");
        }
    }
    for other in ["", "role", "content", "text", "name", "description", "required", "index"] {
        assert!(!may_matter(other.as_bytes()), "{other}");
    }
}

#[test]
fn the_scanner_skips_exactly_the_nested_members_that_are_always_exempt() {
    let names = KEYS.iter().flat_map(|row| [row.name.to_owned(), row.name.to_uppercase(), format!("{}_", row.name)]);
    for name in names.chain([String::new(), "name".to_owned()]) {
        let found = find_key(RawName::of_text(name.as_bytes()), false);
        let is_exempt = found.is_some_and(|(_, row)| row.role == Role::Exempt);
        assert_eq!(names::is_exempt(name.as_bytes()), is_exempt, "{name}");
    }
    assert!(names::is_exempt(b"function") && !names::is_exempt(b"functions") && !names::is_exempt(b"parameters"));
}

#[test]
fn types_are_granted_as_the_table_says() {
    let policy = SharedToolPolicy::new(vec!["openrouter:bash".to_owned()]);
    let grant = |text: &str| policy.grant(&TypeName::of(text.as_bytes()));
    for free in ["function", "FUNCTION", "bash_20250124", "web_search_preview_2025_03_11", "openrouter:datetime_v12"] {
        assert_eq!(grant(free), Grant::Free, "{free}");
    }
    for container in ["code_interpreter", "openrouter:bash", "OpenRouter:Bash"] {
        assert_eq!(grant(container), Grant::Container, "{container}");
    }
    for other in ["openrouter:bash_v2", "openrouter:function", "bash", "bash_2025", "datetime_v", "datetime_v1x", ""] {
        assert!(!matches!(grant(other), Grant::Free | Grant::Container), "{other}");
    }
}
