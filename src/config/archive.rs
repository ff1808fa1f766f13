//! What is archived of requests, where, and for how long (contract, section 6).

use std::path::PathBuf;

use super::layers::{Layers, Sources};
use super::problem::Problems;
use super::reader::{Reader, Recorded};
use super::scope::Scope;
use super::tenants::Entry;
use super::values;
use crate::identifiers::Policy;
use crate::identifiers::secret::WeakSecret;
use crate::secret::Secret;

/// The longest retention: a hundred years.
const MOST_DAYS: u64 = 36_500;
/// The longest password that 7-Zip takes (`kPasswordSizeMax` in its `WzAes.h`).
const LONGEST_PASSWORD: usize = 99;
/// Beyond any machine's memory.
const MOST_BYTES: u64 = 1 << 40;

/// The archive's settings.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where archives go; `None` is off.
    pub place: Option<Place>,
    /// Archives that were written longer ago are removed.
    pub retention_days: u32,
    /// Whether a request that could not be archived is refused.
    pub required: bool,
    /// Whether callers are archived of whose key and tenant it is not said.
    pub everybody: bool,
    /// Conversations of a hundred.
    pub sample_percent: u64,
    /// The most that is kept of one body, in bytes.
    pub max_body: usize,
    /// The most memory that all records together take, in bytes.
    pub max_memory: usize,
}

/// What it takes to read archives, and to write them.
#[derive(Clone, Debug)]
pub struct Place {
    /// Their directory.
    pub directory: PathBuf,
    /// Their password.
    pub password: Secret,
}

impl Archive {
    /// Nothing is archived.
    pub const OFF: Self = Self {
        place: None,
        retention_days: 90,
        required: false,
        everybody: true,
        sample_percent: 100,
        max_body: 32 << 20,
        max_memory: 256 << 20,
    };

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let place = place(reader);
        let days = |text: &str| values::number(1, MOST_DAYS)(text).map(|days| u32::try_from(days).unwrap_or(u32::MAX));
        let size =
            |text: &str| values::number(1, MOST_BYTES)(text).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let retention_days = reader.required("archive.retention_days", days);
        let required = reader.required("archive.required", values::switch);
        let everybody = reader.required("archive.everybody", values::switch);
        let sample_percent = reader.required("archive.sample_percent", values::number(1, 100));
        let max_body = reader.required("archive.max_body_bytes", size);
        let max_memory = reader.required("archive.max_memory_bytes", size);
        let (place, required) = (place?, required?);
        if required && place.is_none() {
            let at = reader.place("archive.required");
            return reader.refuse(at, "needs an archive, but it is off; set CALLSIGN_ARCHIVE_DIR");
        }
        Ok(Self {
            place,
            retention_days: retention_days?,
            required,
            everybody: everybody?,
            sample_percent: sample_percent?,
            max_body: max_body?,
            max_memory: max_memory?,
        })
    }

    /// Files are named by the formats, so that these must be able to write something although their valve is off.
    pub(super) fn check(&self, operator: &Policy, tenants: &[Entry], reader: &mut Reader<'_>) {
        if self.place.is_none() {
            return;
        }
        check_formats(operator, Scope::Operator, "CALLSIGN_ID_SECRET", reader);
        for tenant in tenants.iter().filter(|_| operator.secret.is_none()) {
            check_formats(&tenant.tenant(operator).policy, tenant.scope(), tenant.source(), reader);
        }
    }
}

fn check_formats(policy: &Policy, scope: Scope<'_>, place: &str, reader: &mut Reader<'_>) {
    if policy.secret.is_some() {
        return;
    }
    let formats = &policy.formats;
    let valves = &policy.valves;
    let named = [
        ("formats.user", &formats.user, valves.user),
        ("formats.chat", &formats.chat, valves.chat),
        ("formats.message", &formats.message, valves.message),
    ];
    // Where the valve is on it is said already.
    for (id, _, _) in named.into_iter().filter(|(_, format, on)| format.needs_secret() && !on) {
        let of_format = scope.place(id, reader);
        let message = format!(
            "is not set, but {of_format} uses hmac or seal, and archives are named by it whatever its valve; set it (try: \
             openssl rand -hex 32) or use sha256 in that format"
        );
        reader.problems.push(place, message);
    }
}

/// Directory and password, if there is an archive.
fn place(reader: &mut Reader<'_>) -> Result<Option<Place>, Recorded> {
    let directory = reader.optional("archive.dir", |text| values::name(text).map(PathBuf::from));
    let password = reader.optional("archive.password", password);
    match (directory?, password?) {
        (Some(directory), Some(password)) => Ok(Some(Place { directory, password })),
        (Some(_), None) => {
            let message = "is not set, but CALLSIGN_ARCHIVE_DIR is; set it (try: openssl rand -base64 33), or \
                           CALLSIGN_ARCHIVE_PASSWORD_FILE";
            reader.refuse("CALLSIGN_ARCHIVE_PASSWORD", message)
        }
        (None, Some(_)) => {
            reader.warn(&reader.place("archive.password"), "is used by nothing; it goes with CALLSIGN_ARCHIVE_DIR");
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

/// A password that every common tool takes and nobody guesses.
fn password(text: &str) -> Result<Secret, String> {
    if text.len() > LONGEST_PASSWORD {
        return Err(format!("has {} bytes; 7-Zip takes {LONGEST_PASSWORD} at most", text.len()));
    }
    // Tools differ in how they encode anything else.
    if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') || text.trim() != text {
        return Err("takes visible ASCII characters, without blanks around them".to_owned());
    }
    let password = Secret::new(text);
    WeakSecret::refuse(&password).map_err(|error| error.to_string())?;
    Ok(password)
}

impl Place {
    /// Directory and password alone, for commands that read archives: whatever else is wrong with the configuration does not
    /// keep anybody from that.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let (mut problems, mut warnings) = (Problems::default(), Vec::new());
        let layers = Layers::read(sources, &mut problems, &mut warnings);
        let unread = std::mem::take(&mut problems);
        let mut reader = Reader { layers: &layers, problems: &mut problems, warnings: &mut warnings };
        let found = place(&mut reader);
        if let Ok(None) = found {
            problems.push("CALLSIGN_ARCHIVE_DIR", "is not set; set it and CALLSIGN_ARCHIVE_PASSWORD");
        }
        match found {
            Ok(Some(place)) => Ok(place),
            // A file that cannot be read may be why something seems to be missing.
            _ => Err(unread.and(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const PASSWORD: &str = "correct horse battery staple";

    fn load(variables: &[(&str, &str)]) -> Result<Archive, String> {
        let loaded = Config::load(&Sources::environment(variables.iter().copied()));
        loaded.map(|loaded| loaded.config.archive).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_directory_and_a_password_make_an_archive() {
        assert!(load(&[]).unwrap().place.is_none());
        let archive = load(&[("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)]).unwrap();
        let place = archive.place.as_ref().unwrap();
        assert_eq!((place.directory.as_os_str(), place.password.expose()), ("/a".as_ref(), PASSWORD));
        assert_eq!((archive.retention_days, archive.required, archive.everybody), (90, false, true));
        assert_eq!(archive.max_body, Archive::OFF.max_body);
        assert_eq!(archive.max_memory, Archive::OFF.max_memory);
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
            (" correct horse battery", "blanks around"),
            (&long, "99 at most"),
        ] {
            let refused = load(&[("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", wrong)]).unwrap_err();
            assert!(refused.contains(why) && refused.contains("env CALLSIGN_ARCHIVE_PASSWORD"), "{refused}");
            assert!(!refused.contains(wrong), "{refused}");
        }
    }

    #[test]
    fn a_required_archive_that_is_off_is_refused() {
        let refused = load(&[("CALLSIGN_ARCHIVE_REQUIRED", "true")]).unwrap_err();
        assert!(refused.contains("env CALLSIGN_ARCHIVE_REQUIRED: needs an archive"), "{refused}");
    }

    #[test]
    fn formats_that_name_files_need_their_secret_whatever_their_valves() {
        let on = [("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)];
        for format in ["USER_ID_FORMAT", "CHAT_ID_FORMAT", "MESSAGE_ID_FORMAT"] {
            let hashed = [(format, "{hmac user chat message}")];
            let refused = load(&[&on[..], &hashed].concat()).unwrap_err();
            assert!(refused.contains("CALLSIGN_ID_SECRET: is not set") && refused.contains(format), "{refused}");
            let secret = [("CALLSIGN_ID_SECRET", "a long and random secret")];
            assert!(load(&[&on[..], &hashed, &secret].concat()).is_ok());
            assert!(load(&hashed).is_ok(), "without an archive nothing is named");
        }
    }

    #[test]
    fn reading_needs_directory_and_password_alone() {
        let broken =
            [("CALLSIGN_LISTEN", "nonsense"), ("CALLSIGN_NO_SUCH", "x"), ("CALLSIGN_ARCHIVE_RETENTION_DAYS", "0")];
        let on = [("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)];
        let place = Place::load(&Sources::environment([&broken[..], &on].concat())).unwrap();
        assert_eq!(place.directory.as_os_str(), "/a");
        let missing = Place::load(&Sources::environment(broken)).unwrap_err().to_string();
        assert!(missing.contains("CALLSIGN_ARCHIVE_DIR: is not set"), "{missing}");
        let unreadable = [("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD_FILE", "/no/such/file")];
        let missing = Place::load(&Sources::environment(unreadable)).unwrap_err().to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
    }
}
