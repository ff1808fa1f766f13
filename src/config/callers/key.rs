//! The keys of callers: the one shape that they all end in, `CALLSIGN_USER_KEYS`, and `[[keys]]`.

use std::fmt::Display;

use ipnet::IpNet;

use super::super::headers::check_brought;
use super::super::identifiers::read_metadata;
use super::super::reader::{Reader, Recorded};
use super::super::values;
use crate::caller::key::{Grant, Key};
use crate::caller::preset::Preset;
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

/// Every `[[keys]]` entry. `named` finds a preset.
pub(super) fn read(
    reader: &mut Reader<'_>,
    named: &impl Fn(&str) -> Result<Preset, String>,
) -> Result<Vec<Key>, Recorded> {
    let entries = reader.layers.tables("keys").into_iter();
    let read: Vec<_> = entries.map(|entry| Stanza::new(reader, format!("keys.{entry}")).read(named)).collect();
    let keys = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut unique = Ok(());
    for (index, key) in keys.iter().enumerate() {
        if keys.iter().take(index).any(|earlier| earlier.name == key.name) {
            unique = reader.refuse(&key.source, "has the name of an earlier entry; give each its own");
        }
    }
    unique.map(|()| keys)
}

/// One `[[keys]]` entry being read.
struct Stanza<'r, 'l> {
    reader: &'r mut Reader<'l>,
    /// What it is filed under.
    path: String,
    /// Where it stands, for problems with it as a whole.
    source: String,
}

impl<'r, 'l> Stanza<'r, 'l> {
    fn new(reader: &'r mut Reader<'l>, path: String) -> Self {
        let source = format!("{}: keys", reader.layers.place_of(&path).unwrap_or_default());
        Self { reader, path, source }
    }

    fn field<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Recorded> {
        self.reader.optional_at(&format!("{}.{name}", self.path), &format!("keys[].{name}"), parse)
    }

    /// A field that every entry has; `hint` says where to get it.
    fn needed<T, E: Display>(
        &mut self,
        name: &str,
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Recorded> {
        match self.field(name, parse)? {
            Some(value) => Ok(value),
            None => self.reader.refuse(&self.source, format!("has no {name}; {hint}")),
        }
    }

    fn read(mut self, named: &impl Fn(&str) -> Result<Preset, String>) -> Result<Key, Recorded> {
        let name = self.needed("name", "give it one", values::name);
        let digest = self.needed("sha256", "callsign key new prints it", |text| {
            KeyDigest::from_hex(text)
                .ok_or("takes the 64 hexadecimal digits of a SHA-256 (printf %s \"$KEY\" | sha256sum)")
        });
        let grant = self.grant(named);
        let expires = self.field("expires", |text| {
            text.parse().map_err(|_| "takes a moment with its offset, as 2027-01-01T00:00:00Z")
        });
        let disabled = self.field("disabled", values::switch);
        let bring_chat = self.field("bring.chat", check_brought);
        let bring_message = self.field("bring.message", check_brought);
        let from = self.reader.list(&format!("{}.from", self.path), "keys[].from", network);
        let metadata = read_metadata(self.reader, &format!("{}.metadata", self.path), "keys[].metadata");
        Ok(Key {
            metadata: metadata?,
            expires: expires?,
            disabled: disabled?.unwrap_or_default(),
            bring_chat: bring_chat?,
            bring_message: bring_message?,
            from: from?,
            source: self.source,
            ..Key::new(name?, digest?, grant?)
        })
    }

    fn grant(&mut self, named: &impl Fn(&str) -> Result<Preset, String>) -> Result<Grant, Recorded> {
        let user = self.field("user", values::name);
        let preset = self.field("preset", named);
        match (user?, preset?) {
            (Some(user), None) => Ok(Grant::User(user)),
            (None, Some(preset)) => Ok(Grant::Preset(preset)),
            (Some(_), Some(_)) => {
                self.reader.refuse(&self.source, "has both a user and a preset; a key has one of them")
            }
            (None, None) => self.reader.refuse(
                &self.source,
                "has neither a user nor a preset; a personal key names its user, an app's key a preset",
            ),
        }
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "is no network; write it as 10.0.0.0/8 or 2001:db8::/32")
}
