//! Attributes one request to its user, as callsign does, without a server: `cargo run -p callsign-core --example
//! attribution`. It goes from the request's headers to the caller, to the identifiers, and to the body that is sent.
#![expect(clippy::print_stdout, reason = "an example shows its results")]

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use callsign_core::auth::key::{Directory, Grant, Key};
use callsign_core::auth::preset::Preset;
use callsign_core::auth::verifier::Verifier;
use callsign_core::auth::{AuthContext, Caller, Need};
use callsign_core::endpoint::{Inference, REMOVED_FIELDS};
use callsign_core::identity::format::Format;
use callsign_core::identity::identifier::Identifier;
use callsign_core::identity::secret::IdSecret;
use callsign_core::identity::valve::Valves;
use callsign_core::identity::{Formats, Policy};
use callsign_core::rewrite::{Filter, Output, ReservedFields};
use callsign_core::secret::{KeyDigest, Secret};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

/// The key of an app that serves many users. callsign stores only its digest.
const APP_KEY: &str = "sk-cs-example-key-of-the-chat-app";

fn main() -> Result<(), Box<dyn Error>> {
    // The operator's settings. Requests with the app's key name their user in the header `x-user-id` (preset
    // `generic`).
    let preset = Preset::built_in("generic").ok_or("there is no preset `generic`")?;
    let key = Key::new("chat-app", KeyDigest::of(APP_KEY.as_bytes()), Grant::Preset(preset));
    let directory = Directory::new([key], None, false);
    // OpenRouter gets the user as 32 digits of a keyed hash, and the session as the app named it.
    let mut policy = Policy::new(Formats::defaults()?);
    policy.formats[Identifier::User] = Format::parse("acme_{hmac:32 user}")?;
    policy.valves = Valves::on(&[Identifier::User, Identifier::Session]);
    policy.secret = Some(IdSecret::new(&Secret::new("an example secret; use openssl rand -hex 32"))?);

    // A request as the app sends it. The body claims another user, whom callsign must not believe.
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {APP_KEY}"))?);
    headers.insert("x-user-id", HeaderValue::from_static("alice@acme.example"));
    headers.insert("x-session-id", HeaderValue::from_static("session-7"));
    let body = Bytes::from_static(br#"{"model":"openai/gpt-5","user":"mallory","temperature":1.0,"messages":[]}"#);

    // 1. Who is calling? There are no token issuers here, so the verifier is empty. Address and time are arguments.
    let verifier = Verifier::default();
    let context = AuthContext {
        directory: &directory,
        verifier: &verifier,
        stored: &callsign_core::stored_key::NoStoredKeys,
        now: Timestamp::now(),
    };
    let caller = Caller::resolve(&headers, IpAddr::V4(Ipv4Addr::LOCALHOST), context, Need::Identity)?;

    // 2. Which identifiers are sent? It depends on the endpoint: embeddings, for example, have no metadata.
    let endpoint = Inference::find_by_name("chat/completions")?;
    let identifiers = policy.identify(&caller.identity(), caller.metadata, endpoint.fields)?;

    // 3. Remove the members that only callsign may write, and append its own. All other bytes pass unchanged.
    let reserved = Arc::new(ReservedFields::new(REMOVED_FIELDS, None));
    let mut filter = Filter::new(reserved, identifiers.members());
    let mut output = Output::default();
    filter.feed(&body, &mut output)?; // A server calls it for each piece of the body.
    filter.finish()?;
    let sent: Vec<u8> = output.into_pieces().flatten().collect();

    println!("caller: user {:?} with key {:?}", caller.user.as_deref(), caller.key);
    println!("before: {}", String::from_utf8_lossy(&body));
    println!("after:  {}", String::from_utf8_lossy(&sent));
    assert!(!sent.windows(7).any(|part| part == b"mallory") && sent.windows(5).any(|part| part == b"acme_"));
    Ok(())
}
