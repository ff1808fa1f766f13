//! Parses callers' keys from `CALLSIGN_USER_KEYS` and `[[keys]]`.

use ipnet::IpNet;

use super::super::headers::check_brought;
use super::super::reader::{Reader, Reported};
use super::super::table_reader::TableReader;
use super::super::values;
use super::grant::{BadGrant, Grants};
use callsign_core::auth::key::{Grant, Key};
use callsign_core::secret::KeyDigest;
use callsign_core::stored_key;

/// Parses `alice=KEY,bob=KEY`. Messages name entries by number, because text that looks like a user may be part of a
/// key.
pub(super) fn user_keys(text: &str) -> Result<Vec<Key>, String> {
    let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).enumerate();
    let (keys, errors): (Vec<_>, Vec<_>) = entries
        .map(|(index, entry)| {
            let (user, key) =
                entry.split_once('=').ok_or_else(|| format!("entry {}: has no `=`; write USER=KEY", index + 1))?;
            let user = user.trim_end();
            if user.is_empty() {
                return Err(format!("entry {}: has no user; write USER=KEY", index + 1));
            }
            // The user is the key's name too.
            let user = values::caller_name(user).map_err(|error| format!("entry {}: the user {error}", index + 1))?;
            let key = values::key(key.trim_start()).map_err(|error| format!("entry {}: the key {error}", index + 1))?;
            Ok(Key::of_text(user.clone(), &key, Grant::User(user)))
        })
        .partition(Result::is_ok);
    let errors: Vec<String> = errors.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() { Ok(keys.into_iter().filter_map(Result::ok).collect()) } else { Err(errors.join("; ")) }
}

/// Reads all `[[keys]]` entries. `grants` resolves their presets.
pub(super) fn read(reader: &mut Reader<'_>, grants: Grants<'_>) -> Result<Vec<Key>, Reported> {
    let entries = reader.layers.tables("keys").into_iter();
    let read: Vec<_> = entries.map(|entry| read_one(TableReader::entry(reader, "keys", &entry), grants)).collect();
    let keys = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut unique = Ok(());
    for (index, key) in keys.iter().enumerate() {
        if keys.iter().take(index).any(|earlier| earlier.name == key.name) {
            unique = reader.refuse(&key.source, "has the name of an earlier entry; choose another");
        }
    }
    unique.map(|()| keys)
}

fn read_one(mut table_reader: TableReader<'_, '_>, grants: Grants<'_>) -> Result<Key, Reported> {
    let name = table_reader.needed("name", "set it", values::caller_name);
    let digest = table_reader.needed("sha256", "callsign key create --print-only prints it", |text| {
        KeyDigest::from_hex(text)
            .ok_or("expected the 64 hexadecimal digits of a SHA-256 (printf %s \"$KEY\" | sha256sum)")
    });
    let grant = grant(&mut table_reader, grants);
    let tenant = table_reader.field("tenant", values::name);
    let expires = table_reader
        .field("expires", |text| text.parse().map_err(|_| "expected a time with its offset, as 2027-01-01T00:00:00Z"));
    let disabled = table_reader.field("disabled", values::switch);
    let chat_header = table_reader.field("headers.chat", check_brought);
    let message_header = table_reader.field("headers.message", check_brought);
    let from = table_reader.list("allowed_networks", network);
    let archive = table_reader.field("archive", values::switch);
    let metadata = table_reader.metadata();
    let (grant, chat_header, message_header) = (grant?, chat_header?, message_header?);
    if !matches!(grant, Grant::User(_)) && (chat_header.is_some() || message_header.is_some()) {
        let field = if chat_header.is_some() { "headers.chat" } else { "headers.message" };
        return table_reader
            .refuse(field, "applies only to a key with a user; set the headers of an app in its preset");
    }
    Ok(Key {
        tenant: tenant?,
        metadata: metadata?,
        expires: expires?,
        disabled: disabled?.unwrap_or_default(),
        chat_header,
        message_header,
        from: from?,
        archive: archive?,
        source: table_reader.source,
        ..Key::new(name?, digest?, grant)
    })
}

fn grant(table_reader: &mut TableReader<'_, '_>, grants: Grants<'_>) -> Result<Grant, Reported> {
    let user = table_reader.field("user", values::user_id);
    let preset = table_reader.field("preset", values::name);
    let issuer = table_reader.field("issuer", values::name);
    match (user?, preset?, issuer?) {
        (Some(user), None, None) => Ok(Grant::User(user)),
        (None, Some(preset), issuer) => match grants.find(&preset, issuer.as_deref()) {
            Ok(grant) => Ok(grant),
            Err(BadGrant { field, message }) => table_reader.refuse(field, message),
        },
        (Some(_), Some(_), _) => table_reader.refuse("", "has both user and preset; keep one"),
        (_, None, Some(_)) => {
            table_reader.refuse("issuer", "applies only to the preset of a token issuer; set preset or remove it")
        }
        (None, None, None) => {
            table_reader.refuse("", "has neither user nor preset; set user for a personal key, preset for an app's key")
        }
    }
}

/// Parses a network or a single address.
fn network(text: &str) -> Result<IpNet, &'static str> {
    stored_key::network(text).ok_or("expected a network or an address, as 10.0.0.0/8 or 2001:db8::1")
}
