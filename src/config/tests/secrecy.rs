//! Nothing that is printed holds a secret.

use super::*;

/// Every secret, each in the right place and in every wrong one.
#[test]
fn no_secret_is_ever_printed() {
    let secrets = [KEY, OTHER_KEY, API_KEY, ID_SECRET];
    let variables: Vec<&str> = settings::all().filter_map(|setting| setting.variable).collect();
    let mut printed = String::new();
    for secret in secrets {
        for variable in &variables {
            // A path and an aliased prefix are said aloud; nobody takes them for a place of a secret.
            if ["CALLSIGN_CONFIG", "CALLSIGN_TLS_CERT", "CALLSIGN_TLS_KEY"].contains(variable) {
                continue;
            }
            match Config::load(&environment(&[(variable, secret)]).serving()) {
                Ok(_) => {}
                Err(problems) => printed += &format!("{problems}\n{problems:?}\n"),
            }
        }
        for path in settings::all().filter_map(|setting| setting.path).filter(|path| !path.contains(['*', '['])) {
            let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
            let table = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
            printed += &file_problems(&format!("{table}{name} = [[\"{secret}\"]]"));
            printed += &file_problems(&format!("{table}{name} = \"{secret}\" \"{secret}\""));
        }
    }
    let users = format!("alice={OTHER_KEY}");
    let all = [
        ("OPENROUTER_API_KEY", API_KEY),
        ("CALLSIGN_APP_KEY", KEY),
        ("CALLSIGN_USER_KEYS", users.as_str()),
        ("CALLSIGN_ID_SECRET", ID_SECRET),
        ("CALLSIGN_ADMIN_TOKEN", "a-very-secret-token"),
    ];
    let loaded = load(&all);
    let mut listing = Vec::new();
    crate::cli::config::print(&loaded, &mut listing).unwrap();
    printed += &format!("{loaded:?}{}", String::from_utf8(listing).unwrap());
    assert_eq!(value_of(&loaded, "user_keys"), Some("***"));
    for (index, _) in printed.match_indices("very-secret") {
        panic!("{}", printed.get(index.saturating_sub(200)..index + 20).unwrap());
    }
    assert!(printed.lines().count() > 100, "something was printed");
}
