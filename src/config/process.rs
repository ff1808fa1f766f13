//! How the process ends and what it logs.

use std::time::Duration;

use tracing_subscriber::filter::Targets;

use super::reader::{Reader, Recorded};
use super::values;

/// What happens after SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// `CALLSIGN_DRAIN_SECONDS`: when running responses are cut, counted from the signal.
    pub total: Duration,
    /// `CALLSIGN_DRAIN_DELAY_SECONDS`: until when new connections are taken, counted from the signal.
    pub delay: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `CALLSIGN_LOG`, a valid filter of `tracing-subscriber`.
    pub filter: String,
    /// `CALLSIGN_LOG_FORMAT`.
    pub format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Drain {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let total = reader.required("drain_seconds", values::seconds(0));
        let delay = reader.required("drain_delay_seconds", values::seconds(0));
        let (total, delay) = (total?, delay?);
        if delay > total {
            let place = reader.place("drain_delay_seconds");
            return reader.refuse(place, "is more than CALLSIGN_DRAIN_SECONDS, within which everything ends; lower it");
        }
        Ok(Self { total, delay })
    }
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let filter = reader.required("log", filter);
        let format =
            reader.required("log_format", values::choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]));
        Ok(Self { filter: filter?, format: format? })
    }
}

/// A level, or levels by module. The library takes any text for the name of a module.
fn filter(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
    let named = |part: &str| {
        let name = part.split('=').next().unwrap_or_default().trim();
        !name.is_empty() && name.bytes().all(plain)
    };
    if text.split(',').all(named) && text.parse::<Targets>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("is no filter; write a level as info, or levels by module as warn,callsign=debug")
    }
}
