//! No output contains a secret.

use std::fmt::Write;

use super::*;

/// Sets every secret as the value of every setting and searches all output for it.
#[test]
fn no_secret_is_ever_printed() {
    let secrets = [KEY, OTHER_KEY, API_KEY, ID_SECRET];
    let files = settings::all().filter(|setting| setting.secret).filter_map(|setting| setting.variable);
    let variables: Vec<String> = settings::all()
        .filter_map(|setting| setting.variable)
        .map(str::to_owned)
        .chain(files.map(|name| format!("{name}_FILE")))
        .collect();
    let mut printed = String::new();
    for secret in secrets {
        for variable in &variables {
            // The path of the configuration file precedes each of its problems, so it is printed.
            if variable == "CALLSIGN_CONFIG" {
                continue;
            }
            if let Err(problems) = Config::load(&environment(&[(variable, secret)]).serving()) {
                writeln!(printed, "{problems}\n{problems:?}").unwrap();
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
    writeln!(printed, "{loaded:?}{}", String::from_utf8(listing).unwrap()).unwrap();
    assert_eq!(value_of(&loaded, "user_keys"), Some("***"));
    let leaks: Vec<_> = printed.lines().filter(|line| line.contains("very-secret")).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(printed.lines().count() > 100, "something was printed");
}
