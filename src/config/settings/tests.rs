use std::collections::HashSet;

use super::*;
use callsign_core::identity::caller_identity::Field;
use callsign_core::identity::identifier::TABLE;

#[test]
fn no_two_rows_share_a_name() {
    let mut seen = HashSet::new();
    for name in all().flat_map(|setting| [setting.variable, setting.path]).flatten() {
        assert!(seen.insert(name), "{name}");
    }
}

#[test]
fn a_variable_is_found_with_the_file_form_of_secrets_only() {
    let key = by_id("upstream.api_key").unwrap();
    assert_eq!(by_variable("OPENROUTER_API_KEY"), Some(Known::Value(key)));
    assert_eq!(by_variable("OPENROUTER_API_KEY_FILE"), Some(Known::File(key)));
    assert_eq!(by_variable("CALLSIGN_LISTEN_FILE"), None);
    assert_eq!(by_variable("listen"), None);
}

#[test]
fn a_path_is_found_through_names_and_positions() {
    let found = |path: &[&str]| {
        by_path(path).map(|known| match known {
            Known::Value(setting) => setting.id().to_owned(),
            Known::File(setting) => format!("{} from a file", setting.id()),
        })
    };
    assert_eq!(found(&["listen"]).as_deref(), Some("listen"));
    assert_eq!(found(&["upstream", "api_key_file"]).as_deref(), Some("upstream.api_key from a file"));
    assert_eq!(found(&["metadata", "anything"]).as_deref(), Some("metadata.*"));
    assert_eq!(found(&["keys", "[]", "headers", "chat"]).as_deref(), Some("keys[].headers.chat"));
    assert_eq!(found(&["presets", "house", "user"]).as_deref(), Some("presets.*.user"));
    for path in [
        &["upstream"][..],
        &["metadata", "a", "b"],
        &["keys", "name"],
        &["upstream", "url_file"],
        &["OPENROUTER_USER_PREFIX"],
    ] {
        assert_eq!(found(path), None, "{path:?}");
    }
}

#[test]
fn a_section_has_settings_below_it() {
    for path in
        [&["upstream"][..], &["keys"], &["keys", "[]"], &["keys", "[]", "headers"], &["presets", "x"], &["metadata"]]
    {
        assert!(is_section(path), "{path:?}");
    }
    for path in [&["listen"][..], &["metadata", "x"], &["nonsense"], &["presets", "x", "user"]] {
        assert!(!is_section(path), "{path:?}");
    }
}

#[test]
fn every_identifier_has_its_settings() {
    let find = |path: &str| by_id(path).unwrap_or_else(|| panic!("add {path} to the table of settings"));
    for row in &TABLE {
        for (name, default) in [(row.valve, "false"), (row.format, row.default_format)] {
            let setting = find(name.path);
            assert_eq!((setting.variable, setting.default), (Some(name.variable), Some(default)));
            find(&format!("tenants[].{}", name.path));
        }
    }
    for id in Field::IDS {
        find(&format!("presets.*.{}", id.name()));
    }
}
