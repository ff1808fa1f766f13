//! Parses the settings of the shutdown and the log.

use std::time::Duration;

use tracing_subscriber::filter::Targets;

use super::reader::{Reader, Reported};
use super::values;
use callsign_telemetry::logging::LogFormat;

/// Timing of the shutdown after SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// `CALLSIGN_DRAIN_SECONDS`: time from the signal until running responses are aborted.
    pub total: Duration,
    /// `CALLSIGN_DRAIN_DELAY_SECONDS`: time from the signal until new connections are refused.
    pub delay: Duration,
}

/// Filter and format of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `CALLSIGN_LOG`, a valid filter of `tracing-subscriber`.
    pub filter: String,
    /// `CALLSIGN_LOG_FORMAT`.
    pub format: LogFormat,
}

impl Drain {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Reported> {
        let total = reader.required("drain_seconds", values::seconds(0));
        let delay = reader.required("drain_delay_seconds", values::seconds(0));
        let (total, delay) = (total?, delay?);
        if delay > total {
            let place = reader.place("drain_delay_seconds");
            return reader.refuse(place, "is more than CALLSIGN_DRAIN_SECONDS, of which it is a part; lower it");
        }
        Ok(Self { total, delay })
    }
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Reported> {
        let filter = reader.required("log", filter);
        let format =
            reader.required("log_format", values::choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]));
        Ok(Self { filter: filter?, format: format? })
    }
}

/// Parses a log filter: a level, or levels by module. `Targets` accepts any text as a module name, so names are checked
/// here.
fn filter(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
    let named = |part: &str| {
        let name = part.split('=').next().unwrap_or_default().trim();
        !name.is_empty() && name.bytes().all(plain)
    };
    if text.split(',').all(named) && text.parse::<Targets>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("expected a log level, as info, or levels by module, as warn,callsign=debug")
    }
}
