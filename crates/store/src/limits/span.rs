//! Times until quota returns, as they are shown.

/// Converts milliseconds to whole seconds, rounded up.
pub(super) fn seconds(wait_ms: i64) -> u32 {
    u32::try_from(wait_ms.max(0).saturating_add(999) / 1000).unwrap_or(u32::MAX)
}

/// Formats seconds as `1h2m3s`, with the largest two or three units.
pub fn span(seconds: u32) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    for (amount, unit) in [(days, 'd'), (hours, 'h'), (minutes, 'm'), (rest, 's')] {
        if amount > 0 {
            text.push_str(&amount.to_string());
            text.push(unit);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_openais() {
        for (seconds, text) in [(0, "0s"), (1, "1s"), (60, "1m"), (3600, "1h"), (90_061, "1d1h1m1s")] {
            assert_eq!(span(seconds), text);
        }
    }
}
