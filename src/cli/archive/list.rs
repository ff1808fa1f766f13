//! `callsign archive list`.

use std::io::{self, Write};
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::json;

use crate::cli::Exit;
use callsign_core::visible::printable;
use callsign_store::archive::Meta;
use callsign_store::archive::reader::{self, Opened};
use callsign_store::archive::settings::Place;

/// The filter of `archive list`.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) chat: Option<&'a str>,
    pub(super) tenant: Option<&'a str>,
    pub(super) since: Option<Timestamp>,
}

impl Asked<'_> {
    fn takes(&self, meta: &Meta) -> bool {
        let ended: Option<Timestamp> = meta.ended.parse().ok();
        self.user.is_none_or(|user| meta.is_of_user(user))
            && self.chat.is_none_or(|chat| meta.is_of_chat(chat))
            && self.tenant.is_none_or(|tenant| meta.is_of_tenant(tenant))
            && self.since.is_none_or(|since| ended.is_none_or(|ended| ended >= since))
    }
}

/// Prints a line for each matching archive, or one JSON list. Unreadable archives are reported on `err`. Fails if nothing
/// matches.
pub(super) fn list(
    place: &Place,
    asked: Asked<'_>,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let mut listed = 0_u64;
    if json {
        write!(out, "[")?;
    }
    for found in reader::list(&place.directory, asked.since.map(SystemTime::from))? {
        let path = found.path.strip_prefix(&place.directory).unwrap_or(&found.path).display().to_string();
        match Opened::open(&found.path, &place.password) {
            Ok(Opened { meta, .. }) if asked.takes(&meta) && json => {
                let row = serde_json::to_string(&json!({ "path": path, "meta": meta }))?;
                write!(out, "{}{row}", if listed > 0 { ",\n" } else { "" })?;
                listed += 1;
            }
            Ok(Opened { meta, .. }) if asked.takes(&meta) => {
                let model = meta.model.as_deref().unwrap_or("-");
                let line = format!("{}  {:3}  {:<15}  {model}  {path}", moment(&meta.began), meta.status, meta.outcome);
                writeln!(out, "{}", printable(&line))?;
                listed += 1;
            }
            Ok(_) => {}
            Err(error) => writeln!(err, "callsign: {} {error}", printable(&path))?,
        }
    }
    if json {
        writeln!(out, "]")?;
    }
    Ok(if listed > 0 { Exit::Success } else { Exit::Failure })
}

/// Returns a time to the second, so that columns align.
fn moment(text: &str) -> String {
    text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), |time| format!("{time:.0}"))
}
