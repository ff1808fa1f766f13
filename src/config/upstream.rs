//! Parses URL, credentials and timeouts of the upstream.

use http::Uri;

use super::reader::{Reader, Reported};
use super::values;
use callsign_gateway::upstream::settings::Settings;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Settings, Reported> {
    let url = reader.required("upstream.url", base_url);
    let api_key = reader.optional("upstream.api_key", values::credential);
    let org_id = reader.optional("upstream.org_id", values::name);
    let management_key = reader.optional("upstream.management_key", values::credential);
    let connect_timeout = reader.required("upstream.connect_timeout_seconds", values::seconds(1));
    let first_byte_timeout = reader.required("upstream.first_byte_timeout_seconds", values::seconds(1));
    let idle_timeout = reader.required("upstream.idle_timeout_seconds", values::seconds(1));
    let http2 = reader.required("upstream.http2", values::switch);
    Ok(Settings {
        url: url?,
        api_key: api_key?,
        org_id: org_id?,
        management_key: management_key?,
        connect_timeout: connect_timeout?,
        first_byte_timeout: first_byte_timeout?,
        idle_timeout: idle_timeout?,
        http2: http2?,
    })
}

fn base_url(text: &str) -> Result<Uri, &'static str> {
    const MESSAGE: &str = "expected an http or https URL with a host, as https://openrouter.ai/api/v1";
    // http::Uri drops a fragment silently.
    if text.contains('#') {
        return Err("has a fragment; remove it");
    }
    let url: Uri = text.parse().map_err(|_| MESSAGE)?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err(MESSAGE);
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("contains credentials; remove them and set OPENROUTER_API_KEY");
    }
    if url.query().is_some() {
        return Err("has a query; remove it");
    }
    let has_port = url.authority().is_some_and(|a| a.as_str().rsplit(']').next().is_some_and(|end| end.contains(':')));
    if has_port && url.port_u16().is_none_or(|port| port == 0) {
        return Err("has an invalid port; expected 1 to 65535");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_a_scheme_a_host_and_nothing_after_its_path() {
        for text in ["https://openrouter.ai/api/v1", "http://127.0.0.1:1/", "http://[::1]:9/v1", "https://host"] {
            assert!(base_url(text).is_ok(), "{text}");
        }
        for text in [
            "openrouter.ai/api/v1",
            "ftp://host",
            "https://",
            "https:///v1",
            "https://me:pw@host/v1",
            "https://host/v1?x=1",
            "https://host/v1#x",
            "https://host:0/",
            "https://host:/",
            "https://host:99999/",
            "/v1",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }
}
