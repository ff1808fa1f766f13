//! Parses the settings of the archive.

use std::path::PathBuf;

use super::layers::{ConfigInputs, Layers};
use super::problem::Problems;
use super::reader::{Reader, Reported};
use super::scope::Scope;
use super::tenants::Entry;
use super::values;
use callsign_core::identity::Policy;
use callsign_core::identity::identifier::Identifier;
use callsign_core::identity::secret::WeakSecretError;
use callsign_core::secret::Secret;
use callsign_store::archive::settings::{Place, Settings};

/// Maximum retention: 100 years.
const MOST_DAYS: u64 = 36_500;
/// Maximum password length in bytes: 7-Zip's `kPasswordSizeMax` (`WzAes.h`).
const LONGEST_PASSWORD: usize = 99;
/// Maximum size in bytes, above any machine's memory.
const MOST_BYTES: u64 = 1 << 40;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Settings, Reported> {
    let place = place(reader);
    let days = |text: &str| values::number(1, MOST_DAYS)(text).map(|days| u32::try_from(days).unwrap_or(u32::MAX));
    let size =
        |text: &str| values::number(1, MOST_BYTES)(text).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let retention_days = reader.required("archive.retention_days", days);
    let required = reader.required("archive.required", values::switch);
    let by_default = reader.required("archive.by_default", values::switch);
    let sample_percent = reader.required("archive.sample_percent", values::number(1, 100));
    let max_body = reader.required("archive.max_body_bytes", size);
    let max_memory = reader.required("archive.max_memory_bytes", size);
    let (place, required) = (place?, required?);
    if required && place.is_none() {
        let at = reader.place("archive.required");
        return reader.refuse(at, "requires the archive, but it is off; set CALLSIGN_ARCHIVE_DIR");
    }
    Ok(Settings {
        place,
        retention_days: retention_days?,
        required,
        by_default: by_default?,
        sample_percent: sample_percent?,
        max_body: max_body?,
        max_memory: max_memory?,
    })
}

/// Checks that the formats of user, chat and message can be rendered: they name the archive's files even while
/// their valves are off.
pub(super) fn check(archive: &Settings, operator: &Policy, tenants: &[Entry], reader: &mut Reader<'_>) {
    if archive.place.is_none() {
        return;
    }
    check_formats(operator, Scope::Operator, "CALLSIGN_ID_SECRET", reader);
    for tenant in tenants.iter().filter(|_| operator.secret.is_none()) {
        check_formats(&tenant.tenant(operator).policy, tenant.scope(), tenant.source(), reader);
    }
}
fn check_formats(policy: &Policy, scope: Scope<'_>, place: &str, reader: &mut Reader<'_>) {
    if policy.secret.is_some() {
        return;
    }
    for identifier in [Identifier::User, Identifier::Chat, Identifier::Message] {
        // With the valve on, `identifiers::check` reports it.
        if !policy.formats[identifier].needs_secret() || policy.valves[identifier] {
            continue;
        }
        let of_format = scope.place(identifier.row().format.path, reader);
        let message = format!(
            "is not set, but {of_format} uses hmac or seal and names archive files even while its valve is off; set it \
             (try: openssl rand -hex 32) or use sha256 in that format"
        );
        reader.problems.push(place, message);
    }
}

/// Reads directory and password; `None` if the archive is off.
fn place(reader: &mut Reader<'_>) -> Result<Option<Place>, Reported> {
    let directory = reader.optional("archive.dir", |text| values::name(text).map(PathBuf::from));
    let password = reader.optional("archive.password", zip_password);
    match (directory?, password?) {
        (Some(directory), Some(password)) => Ok(Some(Place { directory, password })),
        (Some(_), None) => {
            let message = "is not set, but CALLSIGN_ARCHIVE_DIR is; set it (try: openssl rand -base64 33), or \
                           CALLSIGN_ARCHIVE_PASSWORD_FILE";
            reader.refuse("CALLSIGN_ARCHIVE_PASSWORD", message)
        }
        (None, Some(_)) => {
            let message = "has no effect without CALLSIGN_ARCHIVE_DIR; set that or remove this";
            reader.warn(&reader.place("archive.password"), message);
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

/// Parses a password: long enough, and accepted by all common zip tools.
pub(crate) fn zip_password(text: &str) -> Result<Secret, String> {
    if text.len() > LONGEST_PASSWORD {
        return Err(format!("has {} bytes; expected at most {LONGEST_PASSWORD}, the maximum of 7-Zip", text.len()));
    }
    // Zip tools encode other characters differently.
    if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') || text.trim() != text {
        return Err("expected visible ASCII characters without leading or trailing spaces".to_owned());
    }
    let password = Secret::new(text);
    WeakSecretError::check(&password).map_err(|error| error.to_string())?;
    Ok(password)
}

/// Loads only directory and password, for commands that read archives. They work while other settings are invalid.
///
/// # Errors
/// The problems of these two settings.
pub fn load_place(sources: &ConfigInputs) -> Result<Place, Problems> {
    let (mut problems, mut warnings) = (Problems::default(), Vec::new());
    let layers = Layers::read(sources, &mut problems, &mut warnings);
    let unread = std::mem::take(&mut problems);
    let mut reader = Reader { layers: &layers, problems: &mut problems, warnings: &mut warnings };
    let found = place(&mut reader);
    if let Ok(None) = found {
        problems.push("CALLSIGN_ARCHIVE_DIR", "is not set; set CALLSIGN_ARCHIVE_DIR and CALLSIGN_ARCHIVE_PASSWORD");
    }
    match found {
        Ok(Some(place)) => Ok(place),
        // A setting that seems missing may be in a file that could not be read.
        _ => Err(unread.and(problems)),
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const PASSWORD: &str = "correct horse battery staple";

    fn load(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let loaded = Config::load(&ConfigInputs::environment(variables.iter().copied()));
        loaded.map(|loaded| loaded.config.archive).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_directory_and_a_password_make_an_archive() {
        assert!(load(&[]).unwrap().place.is_none());
        let archive = load(&[("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)]).unwrap();
        let place = archive.place.as_ref().unwrap();
        assert_eq!((place.directory.as_os_str(), place.password.expose()), ("/a".as_ref(), PASSWORD));
        assert_eq!((archive.retention_days, archive.required, archive.by_default), (90, false, true));
        assert_eq!(archive.max_body, Settings::OFF.max_body);
        assert_eq!(archive.max_memory, Settings::OFF.max_memory);
        assert!(!format!("{archive:?}").contains("battery"));
    }

    #[test]
    fn an_archive_without_a_good_password_is_refused() {
        let refused = load(&[("CALLSIGN_ARCHIVE_DIR", "/a")]).unwrap_err();
        assert!(refused.contains("CALLSIGN_ARCHIVE_PASSWORD: is not set"), "{refused}");
        let long = "x1".repeat(50);
        for (wrong, why) in [
            ("fifteen-letters", "15 bytes; at least 16"),
            ("passwordpassword", "placeholder"),
            ("aaaaaaaaaaaaaaaaaaaa", "placeholder"),
            ("motörhead-motörhead", "visible ASCII"),
            (" correct horse battery", "leading or trailing"),
            (&long, "at most 99"),
        ] {
            let refused = load(&[("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", wrong)]).unwrap_err();
            assert!(refused.contains(why) && refused.contains("env CALLSIGN_ARCHIVE_PASSWORD"), "{refused}");
            assert!(!refused.contains(wrong), "{refused}");
        }
    }

    #[test]
    fn a_required_archive_that_is_off_is_refused() {
        let refused = load(&[("CALLSIGN_ARCHIVE_REQUIRED", "true")]).unwrap_err();
        assert!(refused.contains("env CALLSIGN_ARCHIVE_REQUIRED: requires the archive"), "{refused}");
    }

    #[test]
    fn formats_of_file_names_need_their_secret_even_with_valves_off() {
        let on = [("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)];
        for format in ["USER_ID_FORMAT", "CHAT_ID_FORMAT", "MESSAGE_ID_FORMAT"] {
            let hashed = [(format, "{hmac user chat message}")];
            let refused = load(&[&on[..], &hashed].concat()).unwrap_err();
            assert!(refused.contains("CALLSIGN_ID_SECRET: is not set") && refused.contains(format), "{refused}");
            let secret = [("CALLSIGN_ID_SECRET", "a long and random secret")];
            assert!(load(&[&on[..], &hashed, &secret].concat()).is_ok());
            assert!(load(&hashed).is_ok(), "without an archive the formats name no files");
        }
    }

    #[test]
    fn reading_needs_directory_and_password_alone() {
        let broken =
            [("CALLSIGN_LISTEN", "nonsense"), ("CALLSIGN_NO_SUCH", "x"), ("CALLSIGN_ARCHIVE_RETENTION_DAYS", "0")];
        let on = [("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)];
        let place = load_place(&ConfigInputs::environment([&broken[..], &on].concat())).unwrap();
        assert_eq!(place.directory.as_os_str(), "/a");
        let missing = load_place(&ConfigInputs::environment(broken)).unwrap_err().to_string();
        assert!(missing.contains("CALLSIGN_ARCHIVE_DIR: is not set"), "{missing}");
        let unreadable = [("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD_FILE", "/no/such/file")];
        let missing = load_place(&ConfigInputs::environment(unreadable)).unwrap_err().to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
    }
}
