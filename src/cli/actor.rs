//! The operator who runs a command, for lists and the audit log.

use rustix::process::getuid;

/// The users of the system. A line is `name:password:uid:…`.
const USERS: &str = "/etc/passwd";

/// Returns `cli:USER`, with the number of a user who has no name.
pub(super) fn name() -> String {
    let uid = getuid().as_raw().to_string();
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    format!("cli:{}", found(&users, &uid).unwrap_or(&uid))
}

fn found<'u>(users: &'u str, uid: &str) -> Option<&'u str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)? == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_or_numbered() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!((found(users, "0"), found(users, "1000")), (Some("root"), Some("ada")));
        assert_eq!((found(users, "1001"), found("", "0")), (None, None));
        assert!(name().len() > "cli:".len());
    }
}
