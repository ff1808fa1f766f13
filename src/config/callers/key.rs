//! The keys of callers: the one shape that they all end in, `CALLSIGN_USER_KEYS`, and `[[keys]]`.

use ipnet::IpNet;

use super::super::headers::check_brought;
use super::super::reader::{Reader, Recorded};
use super::super::stanza::Stanza;
use super::super::values;
use super::grant::{BadGrant, Grants};
use crate::caller::key::{Grant, Key};
use crate::secret::KeyDigest;

/// `alice=KEY,bob=KEY`: entries are told apart by number, since what looks like a user may be half of a key.
pub(super) fn user_keys(text: &str) -> Result<Vec<Key>, String> {
    let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).enumerate();
    let (keys, errors): (Vec<_>, Vec<_>) = entries
        .map(|(index, entry)| {
            let (user, key) =
                entry.split_once('=').ok_or_else(|| format!("entry {} has no `=`; write USER=KEY", index + 1))?;
            let user =
                values::name(user.trim_end()).map_err(|_| format!("entry {} has no user before its `=`", index + 1))?;
            let key =
                values::key(key.trim_start()).map_err(|error| format!("the key of entry {} {error}", index + 1))?;
            Ok(Key::new(user.clone(), key.digest(), Grant::User(user)))
        })
        .partition(Result::is_ok);
    let errors: Vec<String> = errors.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() { Ok(keys.into_iter().filter_map(Result::ok).collect()) } else { Err(errors.join("; ")) }
}

/// Every `[[keys]]` entry. `grants` finds a preset.
pub(super) fn read(reader: &mut Reader<'_>, grants: Grants<'_>) -> Result<Vec<Key>, Recorded> {
    let entries = reader.layers.tables("keys").into_iter();
    let read: Vec<_> = entries.map(|entry| read_one(Stanza::entry(reader, "keys", &entry), grants)).collect();
    let keys = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut unique = Ok(());
    for (index, key) in keys.iter().enumerate() {
        if keys.iter().take(index).any(|earlier| earlier.name == key.name) {
            unique = reader.refuse(&key.source, "has the name of an earlier entry; give each its own");
        }
    }
    unique.map(|()| keys)
}

fn read_one(mut stanza: Stanza<'_, '_>, grants: Grants<'_>) -> Result<Key, Recorded> {
    let name = stanza.needed("name", "give it one", values::name);
    let digest = stanza.needed("sha256", "callsign key new prints it", |text| {
        KeyDigest::from_hex(text).ok_or("takes the 64 hexadecimal digits of a SHA-256 (printf %s \"$KEY\" | sha256sum)")
    });
    let grant = grant(&mut stanza, grants);
    let tenant = stanza.field("tenant", values::name);
    let expires = stanza
        .field("expires", |text| text.parse().map_err(|_| "takes a moment with its offset, as 2027-01-01T00:00:00Z"));
    let disabled = stanza.field("disabled", values::switch);
    let bring_chat = stanza.field("bring.chat", check_brought);
    let bring_message = stanza.field("bring.message", check_brought);
    let from = stanza.list("from", network);
    let archive = stanza.field("archive", values::switch);
    let metadata = stanza.metadata();
    let (grant, bring_chat, bring_message) = (grant?, bring_chat?, bring_message?);
    if !matches!(grant, Grant::User(_)) && (bring_chat.is_some() || bring_message.is_some()) {
        let field = if bring_chat.is_some() { "bring.chat" } else { "bring.message" };
        return stanza.refuse(field, "is for a key with a user; an app's headers are those of its preset or issuer");
    }
    Ok(Key {
        tenant: tenant?,
        metadata: metadata?,
        expires: expires?,
        disabled: disabled?.unwrap_or_default(),
        bring_chat,
        bring_message,
        from: from?,
        archive: archive?,
        source: stanza.source,
        ..Key::new(name?, digest?, grant)
    })
}

fn grant(stanza: &mut Stanza<'_, '_>, grants: Grants<'_>) -> Result<Grant, Recorded> {
    let user = stanza.field("user", values::name);
    let preset = stanza.field("preset", values::name);
    let issuer = stanza.field("issuer", values::name);
    match (user?, preset?, issuer?) {
        (Some(user), None, None) => Ok(Grant::User(user)),
        (None, Some(preset), issuer) => match grants.find(&preset, issuer.as_deref()) {
            Ok(grant) => Ok(grant),
            Err(BadGrant { field, message }) => stanza.refuse(field, message),
        },
        (Some(_), Some(_), _) => stanza.refuse("", "has both a user and a preset; a key has one of them"),
        (_, None, Some(_)) => stanza.refuse("issuer", "goes with a signed preset; add preset, or remove it"),
        (None, None, None) => {
            stanza.refuse("", "has neither a user nor a preset; a personal key names its user, an app's key a preset")
        }
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "is no network; write it as 10.0.0.0/8 or 2001:db8::/32")
}
