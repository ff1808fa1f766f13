//! Parses `[presets.NAME]`: the operator's own presets of identity headers.

use std::collections::BTreeMap;

use super::super::headers::check_brought;
use super::super::reader::{Reader, Reported};
use callsign_core::auth::identity_header::Charset;
use callsign_core::auth::issuer::preset::IssuerPreset;
use callsign_core::auth::preset::Preset;
use callsign_core::identity::caller_identity::Field;

/// Reads the operator's presets by name.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<BTreeMap<String, Preset>, Reported> {
    let names = reader.layers.tables("presets");
    let read: Vec<_> = names.into_iter().map(|name| read_one(reader, name)).collect();
    read.into_iter().collect()
}

fn read_one(reader: &mut Reader<'_>, name: String) -> Result<(String, Preset), Reported> {
    let label = format!("presets.{name}");
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let refused = match Preset::built_in(&name) {
        _ if !plain => Some("expected a name of letters, digits, - and _"),
        Some(_) => Some("has the name of a built-in preset; choose another"),
        None if IssuerPreset::find(&name).is_some() => Some("has the name of a token issuer's preset; choose another"),
        None => None,
    };
    if let Some(message) = refused {
        return reader.refuse(label, message);
    }
    let read = Field::IDS.map(|id| {
        let path = format!("{label}.{}", id.name());
        (id, reader.optional_at(&path, &path, check_brought))
    });
    let path = format!("{label}.charset");
    let charset = reader.optional_at(&path, &path, Charset::parse);
    let mut preset = Preset::default().in_charset(charset?.unwrap_or_default());
    for (id, header) in read {
        preset = preset.with(id, header?);
    }
    if preset.header(Field::User).is_none() {
        let place = reader.layers.place_of(&label).unwrap_or_default();
        return reader.refuse(format!("{place}: {label}"), "has no user header; add user = \"X-…\"");
    }
    Ok((name, preset))
}
