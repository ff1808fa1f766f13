//! Turns identifiers into path components ("parts") that are safe on every file system.
//!
//! Different identifiers get different parts (test: `two_identifiers_never_share_a_part`). A plain identifier is used
//! unchanged. Any other identifier becomes a readable prefix, `~`, and a hash of the whole identifier; plain
//! identifiers contain no `~`. Parts have at most `LONGEST` bytes, begin with a letter or a digit, contain no
//! characters that a file system or a shell interprets, and are not reserved on Windows. Only the folders `_none` and
//! `_tenant-…`, which callsign names itself, begin with `_`.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Maximum length of a part in bytes. With a sibling's number and `.zip` appended, a file name stays below the usual
/// limit of 255.
pub(super) const LONGEST: usize = 96;
/// Maximum length in bytes of the readable prefix.
const READABLE: usize = 48;
/// Hexadecimal digits of the SHA-256 in a part. 160 bits make finding two identifiers with one part infeasible.
const DIGITS: usize = 40;
/// The user folder of requests without a user.
const NOBODY: &str = "_none";
/// The prefix of a tenant's folder. Parts cannot begin with `_`.
const TENANT: &str = "_tenant-";
/// The extension of an archive.
pub(super) const ENDING: &str = ".zip";

/// Device names that Windows reserves with any extension (Microsoft, "Naming Files, Paths, and Namespaces").
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// Device names that Windows reserves when one digit follows.
const PORTS: [&str; 2] = ["com", "lpt"];

/// A file system's treatment of upper-case letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// Case-sensitive: `Alice` and `alice` are two names.
    #[default]
    Kept,
    /// Case-insensitive: `Alice` and `alice` are one name, so identifiers with upper-case letters are not plain.
    Ignored,
}

/// The identifiers that form an archive's path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// The tenant, if any.
    pub tenant: Option<&'a str>,
    /// The rendered user, if any.
    pub user: Option<&'a str>,
    /// The rendered chat, or its fallback.
    pub chat: &'a str,
    /// The rendered message, or its fallback.
    pub message: &'a str,
}

impl Named<'_> {
    /// Returns the folders below the archive's directory, outermost first.
    pub fn folders(&self, case: Case) -> Vec<String> {
        let tenant = self.tenant.map(|name| tenant(name, case));
        let user = self.user.map_or_else(|| NOBODY.to_owned(), |user| part(user, case));
        tenant.into_iter().chain([user, part(self.chat, case)]).collect()
    }

    /// Returns the path below the archive's directory. `number` counts the requests of one message from 1.
    pub fn path(&self, case: Case, number: u32) -> PathBuf {
        let mut path: PathBuf = self.folders(case).iter().collect();
        path.push(file(&part(self.message, case), number));
        path
    }
}

/// Returns the file name of the message's request with that number. `message` is a part.
pub(super) fn file(message: &str, number: u32) -> String {
    // Parts contain no `+`, so a sibling's name cannot be another message's name.
    if number <= 1 { format!("{message}{ENDING}") } else { format!("{message}+{number}{ENDING}") }
}

/// Returns the name of a tenant's folder.
pub(super) fn tenant(name: &str, case: Case) -> String {
    format!("{TENANT}{}", part(name, case))
}

/// Returns true if a folder of this name may be a tenant's.
pub(super) fn is_tenant(name: &str) -> bool {
    name.strip_prefix(TENANT).is_some_and(is_part)
}

/// Returns true if a folder of this name may be a user's.
pub(super) fn is_user(name: &str) -> bool {
    name == NOBODY || is_part(name)
}

/// Returns true if [`part`] may have returned this name.
pub(super) fn is_part(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| is_plain_byte(byte) || byte == b'~')
}

/// Returns the message's part of a file name, without a sibling's number. `None` if the file is not an archive.
pub(super) fn message_of(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(ENDING)?;
    let message = stem.split_once('+').map_or(stem, |(message, _)| message);
    is_part(message).then_some(message)
}

/// Returns the path component for an identifier.
pub fn part(id: &str, case: Case) -> String {
    if is_plain(id, case) {
        return id.to_owned();
    }
    let mut part = readable(id, case);
    part.push('~');
    let start = part.len();
    data_encoding::HEXLOWER.encode_append(&Sha256::digest(id.as_bytes()), &mut part);
    part.truncate(start + DIGITS);
    part
}

/// Returns true if an identifier can be used as a part unchanged.
fn is_plain(id: &str, case: Case) -> bool {
    let upper = |byte: u8| byte.is_ascii_uppercase() && case == Case::Ignored;
    id.len() <= LONGEST
        && id.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && id.bytes().all(|byte| is_plain_byte(byte) && !upper(byte))
        && !id.ends_with('.')
        && !is_device(id)
}

fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.@=".contains(&byte)
}

/// Returns true for a name that Windows reserves. It compares the text before the first dot and ignores case.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let port = PORTS.iter().find_map(|port| stem.strip_prefix(port));
    DEVICES.contains(&stem.as_str())
        || port.is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the readable prefix of a part: the identifier's letters, digits and hyphens. Dots are replaced, so that the
/// text before the first dot includes the hash and cannot be a device name.
fn readable(id: &str, case: Case) -> String {
    let mut out = String::with_capacity(READABLE + 1 + DIGITS);
    for character in id.chars() {
        if out.len() == READABLE {
            break;
        }
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii_alphanumeric() || (byte == b'-' && !out.is_empty()) => {
                out.push(if case == Case::Ignored { character.to_ascii_lowercase() } else { character });
            }
            _ if !out.is_empty() && !out.ends_with('_') => out.push('_'),
            _ => {}
        }
    }
    if out.is_empty() {
        out.push_str("id");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    const CASES: [Case; 2] = [Case::Kept, Case::Ignored];

    /// Asserts every guarantee that the module makes about a part.
    fn check(part: &str, case: Case) {
        assert!(is_part(part), "{part}");
        assert!(part.len() <= LONGEST, "{part}");
        assert!(!part.starts_with(['.', '-', '_']) && !part.ends_with(['.', ' ']), "{part}");
        assert!(!is_device(part), "{part}");
        assert_eq!(Path::new(part).components().collect::<Vec<_>>(), [Component::Normal(part.as_ref())]);
        if case == Case::Ignored {
            assert_eq!(part, part.to_ascii_lowercase());
        }
    }

    #[test]
    fn plain_identifiers_stay_as_they_are() {
        for id in
            ["alice", "user_2N4ZuACdqJrGGgz5c2egqQnwZaN", "a", "1", "alice@acme.example", "a=b", "console", "com10"]
        {
            assert_eq!(part(id, Case::Kept), id);
        }
        assert_eq!(part("Alice", Case::Kept), "Alice");
        assert_eq!(part("Alice", Case::Ignored), "alice~3bc51062973c458d5a6f2d8d64a023246354ad7e");
    }

    #[test]
    fn changed_identifiers_keep_a_readable_prefix() {
        for (id, readable) in [
            ("", "id"),
            ("..", "id"),
            ("../../etc/passwd", "etc_passwd"),
            ("/etc", "etc"),
            ("-rf", "rf"),
            (".hidden", "hidden"),
            ("_none", "none"),
            ("_tenant-acme", "tenant-acme"),
            ("con", "con"),
            ("NUL.txt", "NUL_txt"),
            ("com1", "com1"),
            ("alice.", "alice_"),
            ("alice ", "alice_"),
            ("a/b", "a_b"),
            ("a\\b", "a_b"),
            ("a:b", "a_b"),
            ("a+2", "a_2"),
            ("a~b", "a_b"),
            ("日本", "id"),
            ("é-lise", "lise"),
            ("a\0b", "a_b"),
        ] {
            let part = part(id, Case::Kept);
            check(&part, Case::Kept);
            assert_eq!(part.split_once('~').map(|(readable, _)| readable), Some(readable), "{id}");
        }
        // printf %s ../x | sha256sum
        assert_eq!(part("../x", Case::Kept), format!("x~{}", &hex("../x")[..DIGITS]));
    }

    fn hex(id: &str) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(id.as_bytes()))
    }

    /// Generates identifiers that try to collide with another caller's path or to leave the directory.
    fn hostile() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            ".",
            "..",
            "/",
            "\\",
            "~",
            "+",
            "+2",
            "_",
            "-",
            "_none",
            "_tenant-",
            "acme",
            "alice",
            "Alice",
            "ALICE",
            "con",
            "nul.txt",
            ".zip",
            " ",
            "\0",
            "\n",
            "%2e",
            "é",
            "e\u{301}",
            "ﬁ",
            "İ",
            "ı",
            "ß",
            "😀",
            "\u{202e}",
            "\u{feff}",
            "a",
            "A",
            "0",
            "~2bd806c97f0e00af1a1fc3328fa763a9269723c8",
        ]);
        prop_oneof![
            4 => prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat()),
            2 => "[aA~+._-]{0,4}",
            1 => any::<String>(),
            1 => ("[a-zA-Z/é]", 90_usize..110).prop_map(|(letter, times)| letter.repeat(times)),
            1 => (any::<char>(), "[ab]").prop_map(|(letter, last)| letter.to_string().repeat(10_000) + &last),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Parts do not collide, even when an identifier looks like another identifier's part.
        #[test]
        fn two_identifiers_never_share_a_part(mut ids in prop::collection::vec(hostile(), 1..60)) {
            for case in CASES {
                let again: Vec<String> = ids.iter().map(|id| part(id, case)).collect();
                ids.extend(again);
            }
            for case in CASES {
                let mut seen: HashMap<String, &str> = HashMap::new();
                for id in &ids {
                    let part = part(id, case);
                    check(&part, case);
                    let other = seen.insert(part, id);
                    prop_assert!(other.is_none_or(|other| other == id), "{id:?} and {other:?}");
                }
            }
        }

        /// Paths stay below the directory, and different identifiers get different paths.
        #[test]
        fn different_requests_never_share_a_path(
            places in prop::collection::vec(
                (prop::option::of(hostile()), prop::option::of(hostile()), hostile(), hostile(), 1_u32..4), 1..20)
        ) {
            for case in CASES {
                let mut seen = HashMap::new();
                for place in &places {
                    let (tenant, user, chat, message, number) = place;
                    let named = Named { tenant: tenant.as_deref(), user: user.as_deref(), chat, message };
                    let path = named.path(case, *number);
                    prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
                    prop_assert_eq!(path.components().count(), 3 + usize::from(tenant.is_some()));
                    for part in &path {
                        prop_assert!(part.len() <= 130 && !part.to_string_lossy().starts_with(['.', '-']));
                    }
                    let file = path.file_name().unwrap().to_str().unwrap();
                    let part = part(message, case);
                    prop_assert_eq!(message_of(file), Some(part.as_str()));
                    let other = seen.insert(path, place);
                    prop_assert!(other.is_none_or(|other| other == place), "{other:?}");
                }
            }
        }
    }

    #[test]
    fn paths_have_the_documented_shape() {
        let named = Named { tenant: None, user: Some("alice"), chat: "chat-1", message: "msg-1" };
        assert_eq!(named.path(Case::Kept, 1), Path::new("alice/chat-1/msg-1.zip"));
        assert_eq!(named.path(Case::Kept, 3), Path::new("alice/chat-1/msg-1+3.zip"));
        let named = Named { tenant: Some("acme"), user: None, ..named };
        assert_eq!(named.path(Case::Kept, 1), Path::new("_tenant-acme/_none/chat-1/msg-1.zip"));
        assert!(is_tenant("_tenant-acme") && !is_tenant("_tenant-") && !is_tenant("acme"));
        assert!(is_user("_none") && !is_user("_other") && !is_user(".tmp") && !is_user("lost+found"));
    }
}
