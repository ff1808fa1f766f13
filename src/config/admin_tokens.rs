//! Parses `[[admin.tokens]]`: named tokens of the admin port (docs/SPEC.md#admin-tokens).

use super::reader::{Reader, Reported};
use super::table_reader::TableReader;
use super::values;
use callsign_console::{AdminToken, PROXY, Role};
use callsign_core::secret::KeyDigest;

/// The names that are not of tokens in the audit log.
const RESERVED: [&str; 2] = ["admin", "callsign"];
/// The beginnings of such names.
const RESERVED_PREFIXES: [&str; 2] = ["cli:", PROXY];

/// Reads all entries.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<AdminToken>, Reported> {
    let entries = reader.layers.tables("admin.tokens").into_iter();
    let read: Vec<_> = entries.map(|entry| read_one(TableReader::entry(reader, "admin.tokens", &entry))).collect();
    let tokens = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut unique = Ok(());
    for (index, (token, source)) in tokens.iter().enumerate() {
        let is_same = |(other, _): &&(AdminToken, String)| other.name == token.name || other.digest == token.digest;
        if tokens.iter().take(index).any(|other| is_same(&other)) {
            unique = reader.refuse(source, "has the name or the token of an earlier entry; choose another");
        }
    }
    unique.map(|()| tokens.into_iter().map(|(token, _)| token).collect())
}

fn read_one(mut reader: TableReader<'_, '_>) -> Result<(AdminToken, String), Reported> {
    let name = reader.needed("name", "set it", name);
    let digest = reader.needed("sha256", "set it", |text| {
        KeyDigest::from_hex(text)
            .ok_or("expected the 64 hexadecimal digits of a SHA-256 (printf %s \"$TOKEN\" | sha256sum)")
    });
    let role = reader.needed("role", "set it to viewer or operator", |text| match text {
        "viewer" => Ok(Role::Viewer),
        "operator" => Ok(Role::Operator),
        _ => Err("expected viewer or operator"),
    });
    let persons = reader.field("persons", values::switch);
    let token = AdminToken { name: name?, digest: digest?, role: role?, persons: persons?.unwrap_or_default() };
    Ok((token, reader.source))
}

fn name(text: &str) -> Result<String, String> {
    if RESERVED.contains(&text) || RESERVED_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return Err("is the name of another operator in the audit log; choose another".to_owned());
    }
    values::name(text).map_err(str::to_owned)
}
