//! `[presets.NAME]`: header names of the operator's choice.

use std::collections::BTreeMap;

use super::super::headers::check_brought;
use super::super::reader::{Reader, Recorded};
use crate::caller::issuer::preset::IssuerPreset;
use crate::caller::preset::Preset;

/// The operator's own presets by name.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<BTreeMap<String, Preset>, Recorded> {
    let names = reader.layers.tables("presets");
    let read: Vec<_> = names.into_iter().map(|name| read_one(reader, name)).collect();
    read.into_iter().collect()
}

fn read_one(reader: &mut Reader<'_>, name: String) -> Result<(String, Preset), Recorded> {
    let label = format!("presets.{name}");
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let refused = match Preset::built_in(&name) {
        _ if !plain => Some("takes a name of letters, digits, - and _"),
        Some(_) => Some("has the name of a built-in preset; choose another"),
        None if IssuerPreset::find(&name).is_some() => Some("has the name of a signed preset; choose another"),
        None => None,
    };
    if let Some(message) = refused {
        return reader.refuse(label, message);
    }
    let mut header = |field: &str| {
        let path = format!("{label}.{field}");
        reader.optional_at(&path, &path, check_brought)
    };
    let (user, session, chat, message) = (header("user"), header("session"), header("chat"), header("message"));
    let preset = Preset { user: user?, session: session?, chat: chat?, message: message? };
    if preset.user.is_none() {
        let place = reader.layers.place_of(&label).unwrap_or_default();
        return reader.refuse(format!("{place}: {label}"), "names no user header; add user = \"X-…\"");
    }
    Ok((name, preset))
}
