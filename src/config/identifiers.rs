//! Parses valves, formats, the length limit and static metadata: the parts of [`Policy`].

use super::reader::{Reader, Reported};
use super::scope::Scope;
use super::values;
use callsign_core::identity::format::Format;
use callsign_core::identity::identifier::{IdentifierRow, PerIdentifier, TABLE};
use callsign_core::identity::limit::{DEFAULT_MAX_ID_CHARS, HIGHEST_MAX_ID_CHARS, fits};
use callsign_core::identity::longest;
use callsign_core::identity::missing::MissingUser;
use callsign_core::identity::secret::IdSecret;
use callsign_core::identity::valve::{TRACE, Valves};
use callsign_core::identity::{Formats, Policy};
use callsign_core::secret::Secret;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Policy, Reported> {
    let valves = read_valves(reader);
    let formats = read_formats(reader);
    let max_id_chars = reader
        .required("max_id_chars", values::number(1, HIGHEST_MAX_ID_CHARS as u64))
        .map(|number| usize::try_from(number).unwrap_or(DEFAULT_MAX_ID_CHARS));
    let missing_user = reader.required("missing_user", missing_user);
    let metadata = read_metadata(reader, "metadata", "metadata");
    let secret = reader.optional("id_secret", |text| IdSecret::new(&Secret::new(text)));
    let policy = Policy {
        valves: valves?,
        formats: formats?,
        max_id_chars: max_id_chars?,
        missing_user: missing_user?,
        metadata: metadata?,
        secret: secret?,
        // `Config` sets it.
        container_keys: false,
    };
    check(&policy, Scope::Operator, "CALLSIGN_ID_SECRET", false, reader).map(|()| policy)
}

/// Parses `omit`, `reject` or `shared:ID`.
pub(super) fn missing_user(text: &str) -> Result<MissingUser, String> {
    MissingUser::parse(text)
        .filter(|_| !text.chars().any(char::is_control))
        .ok_or_else(|| format!("expected omit, reject, or shared:ID with an id of at most {} bytes", longest::ID))
}

fn read_valves(reader: &mut Reader<'_>) -> Result<Valves, Reported> {
    let identifiers = PerIdentifier::from_fn(|row| reader.required(row.valve.path, values::switch));
    let trace = reader.required(TRACE.path, values::switch);
    Ok(Valves { identifiers: identifiers.transpose()?, trace: trace? })
}

fn read_formats(reader: &mut Reader<'_>) -> Result<Formats, Reported> {
    PerIdentifier::from_fn(|row| reader.required(row.format.path, format)).transpose()
}

/// Parses a format.
pub(super) fn format(text: &str) -> Result<Format, String> {
    if text.chars().any(char::is_control) {
        return Err("has a control character; remove it".to_owned());
    }
    Format::parse(text).map_err(|error| error.to_string())
}

/// Reads the static metadata pairs below `path` in order of name. Problems name the table `label`.
pub(super) fn read_metadata(
    reader: &mut Reader<'_>,
    path: &str,
    label: &str,
) -> Result<Vec<(String, String)>, Reported> {
    let mut pairs = Ok(Vec::new());
    for (name, found) in reader.layers.values(path) {
        if IdentifierRow::of_metadata(&name).is_some() {
            let place = found.place(&format!("{label}.{name}"));
            pairs = reader.refuse(place, "is reserved for the caller's own id; choose another name");
        } else if let Ok(pairs) = &mut pairs {
            pairs.push((name, found.text));
        }
    }
    pairs
}

/// Returns true if there is no secret although a format whose valve is on needs one.
pub(super) fn lacks_secret(policy: &Policy) -> bool {
    let needs = |row: &IdentifierRow| policy.valves[row.identifier] && policy.formats[row.identifier].needs_secret();
    policy.secret.is_none() && TABLE.iter().any(needs)
}

/// Checks the rules between these settings. A missing secret is reported at `place`, unless `is_known`.
pub(super) fn check(
    policy: &Policy,
    scope: Scope<'_>,
    place: &str,
    is_known: bool,
    reader: &mut Reader<'_>,
) -> Result<(), Reported> {
    let mut result = Ok(());
    for row in &TABLE {
        let needs = policy.valves[row.identifier] && policy.formats[row.identifier].needs_secret();
        if needs && policy.secret.is_none() && !is_known {
            let (of_format, valve) = (scope.place(row.format.path, reader), scope.place(row.valve.path, reader));
            let (missing, mend) = match scope {
                Scope::Operator => ("is not set", "set it"),
                Scope::Tenant(_) => ("has no id_secret, nor is there a CALLSIGN_ID_SECRET", "set one of them"),
            };
            let message = format!(
                "{missing}, but {of_format} uses hmac or seal and its valve is on ({valve}); {mend} (try: openssl rand \
                 -hex 32) or use sha256 in that format"
            );
            result = reader.refuse(place, message);
        }
    }
    if let MissingUser::Shared(id) = &policy.missing_user
        && !fits(id, policy.max_id_chars)
    {
        let place = scope.place("missing_user", reader);
        result = reader.refuse(place, "shares an id longer than CALLSIGN_MAX_ID_CHARS; shorten it or raise that limit");
    }
    result
}
