//! The table of known kinds of issuers, with their default settings.
//!
//! This module is data only. The configuration applies the defaults; `jwt` checks tokens. Each row follows the vendor's
//! documentation.

use jsonwebtoken::Algorithm::{self, ES256, HS256, RS256};

/// The default settings of a kind of issuer.
#[derive(Debug, PartialEq, Eq)]
pub struct IssuerPreset {
    /// The preset's name in the configuration.
    pub name: &'static str,
    /// The expected `iss`.
    pub issuer: IssuerClaim,
    /// The source of its keys, unless configured.
    pub keys: Keys,
    /// The accepted algorithms, unless configured.
    pub algorithms: &'static [Algorithm],
    /// The header of its tokens.
    pub header: &'static str,
    /// The claim with the user id.
    pub user: &'static str,
    /// The claim with the session id, if tokens have one.
    pub session: Option<&'static str>,
    /// The header in which a caller may send the chat id.
    pub chat: &'static str,
    /// The header in which a caller may send the message id.
    pub message: &'static str,
    /// The rule for the audience, which keeps out tokens for other apps of the issuer.
    pub audience: Audience,
    /// The issuer-specific checks.
    pub profile: TokenProfile,
}

/// The expected `iss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerClaim {
    /// This text, for every installation.
    Fixed(&'static str),
    /// The configured `issuer`, unchanged.
    Configured,
    /// The configured `issuer`, without `/` at the end.
    WithoutSlash,
    /// The configured `issuer`, with `/` at the end.
    WithSlash,
    /// This text followed by the audience.
    Audience(&'static str),
    /// The configured `issuer`, if any. The vendor does not guarantee the claim.
    Optional,
    /// No `iss`; it is not checked.
    Absent,
}

/// The source of an issuer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// A JWK set at this URL.
    At(&'static str),
    /// A JWK set at this path below the issuer's URL (`https://` if that has no scheme).
    Below(&'static str),
    /// The `jwks_uri` in the issuer's OpenID configuration.
    Discovered,
    /// A PEM file for each key id, below the configured URL.
    PemByKid,
    /// A shared secret.
    Secret,
}

/// The rule for `aud`, which restricts tokens to the intended app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// No audience is needed: the issuer serves one app.
    Own,
    /// This audience, unless configured.
    Default(&'static str),
    /// `audience` must be configured; otherwise other apps' tokens would be accepted.
    Required,
    /// `audience` or `authorized_parties` should be configured; otherwise there is a warning.
    Recommended,
}

/// The kind of issuer-specific checks; see [`TokenRules`](super::TokenRules).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProfile {
    /// No additional checks.
    None,
    /// Refuses machine, OAuth and template tokens and pending sessions.
    Clerk,
    /// Refuses anonymous and service keys.
    Supabase,
    /// Refuses other kinds of tokens signed with the same secret.
    OpenWebUiSession,
    /// Refuses tokens of other load balancers; accepts padding.
    AwsAlb,
}

/// The values that most rows share: a token in `Authorization`, the user in `sub`, chat and message in `x-…-id`.
const USUAL: IssuerPreset = IssuerPreset {
    name: "oidc",
    issuer: IssuerClaim::Configured,
    keys: Keys::Discovered,
    algorithms: &[RS256],
    header: "authorization",
    user: "sub",
    session: Some("sid"),
    chat: "x-chat-id",
    message: "x-message-id",
    audience: Audience::Recommended,
    profile: TokenProfile::None,
};

/// The values that Open WebUI's rows share.
const OPEN_WEBUI: IssuerPreset = IssuerPreset {
    keys: Keys::Secret,
    algorithms: &[HS256],
    chat: "x-openwebui-chat-id",
    message: "x-openwebui-message-id",
    audience: Audience::Own,
    ..USUAL
};

/// All known kinds of issuers.
pub static PRESETS: [IssuerPreset; 13] = [
    // Any OpenID provider (OpenID Connect Discovery 1.0).
    USUAL,
    // Session tokens are valid for one minute. The same key signs other tokens (Clerk docs, "Session tokens", "Manual
    // JWT verification").
    IssuerPreset {
        name: "clerk",
        issuer: IssuerClaim::WithoutSlash,
        keys: Keys::Below("/.well-known/jwks.json"),
        audience: Audience::Own,
        profile: TokenProfile::Clerk,
        ..USUAL
    },
    // Created for each model call (Open WebUI, `FORWARD_USER_INFO_HEADER_JWT_SECRET`); it has no `aud`.
    IssuerPreset {
        name: "openwebui-jwt",
        issuer: IssuerClaim::Fixed("open-webui"),
        header: "x-openwebui-user-jwt",
        session: None,
        ..OPEN_WEBUI
    },
    // A user's login session, signed with `WEBUI_SECRET_KEY`; it has neither `iss` nor `sub`.
    IssuerPreset {
        name: "openwebui-session",
        issuer: IssuerClaim::Absent,
        user: "id",
        session: Some("jti"),
        profile: TokenProfile::OpenWebUiSession,
        ..OPEN_WEBUI
    },
    // `https://REF.supabase.co/auth/v1` (Supabase docs, "JWT signing keys").
    IssuerPreset {
        name: "supabase",
        issuer: IssuerClaim::WithoutSlash,
        keys: Keys::Below("/.well-known/jwks.json"),
        algorithms: &[ES256, RS256],
        session: Some("session_id"),
        audience: Audience::Default("authenticated"),
        profile: TokenProfile::Supabase,
        ..USUAL
    },
    // Google signs the tokens of all projects with one key set (Firebase docs, "Verify ID tokens").
    IssuerPreset {
        name: "firebase",
        issuer: IssuerClaim::Audience("https://securetoken.google.com/"),
        keys: Keys::At("https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"),
        session: None,
        audience: Audience::Required,
        ..USUAL
    },
    // `https://TENANT/`, with the slash. Without an audience Auth0's access tokens are opaque (Auth0 docs, "Access
    // tokens").
    IssuerPreset {
        name: "auth0",
        issuer: IssuerClaim::WithSlash,
        keys: Keys::Below("/.well-known/jwks.json"),
        session: None,
        audience: Audience::Required,
        ..USUAL
    },
    // `https://HOST/realms/REALM`. A realm signs the tokens of all its clients.
    IssuerPreset { name: "keycloak", issuer: IssuerClaim::WithoutSlash, ..USUAL },
    // `https://TEAM.cloudflareaccess.com`. One key signs for all applications (Cloudflare docs, "Validate JWTs").
    IssuerPreset {
        name: "cloudflare-access",
        issuer: IssuerClaim::WithoutSlash,
        keys: Keys::Below("/cdn-cgi/access/certs"),
        header: "cf-access-jwt-assertion",
        session: Some("identity_nonce"),
        audience: Audience::Required,
        ..USUAL
    },
    // All of Google Cloud is one issuer (Google docs, "Getting the user's identity with signed headers").
    IssuerPreset {
        name: "google-iap",
        issuer: IssuerClaim::Fixed("https://cloud.google.com/iap"),
        keys: Keys::At("https://www.gstatic.com/iap/verify/public_key-jwk"),
        algorithms: &[ES256],
        header: "x-goog-iap-jwt-assertion",
        session: None,
        audience: Audience::Required,
        ..USUAL
    },
    // The header's `signer` takes the role of an audience (AWS docs, "Authenticate users using an Application Load
    // Balancer"). The payload's `iss` is the identity provider's and not guaranteed.
    IssuerPreset {
        name: "aws-alb",
        issuer: IssuerClaim::Optional,
        keys: Keys::PemByKid,
        algorithms: &[ES256],
        header: "x-amzn-oidc-data",
        session: None,
        audience: Audience::Own,
        profile: TokenProfile::AwsAlb,
        ..USUAL
    },
    // `iss` is the cluster's name, `aud` the URI of the application (Teleport docs, "Use JWT tokens with application
    // access"). Clusters with newer signature suites sign with ES256.
    IssuerPreset {
        name: "teleport",
        keys: Keys::Below("/.well-known/jwks.json"),
        algorithms: &[RS256, ES256],
        header: "teleport-jwt-assertion",
        session: None,
        ..USUAL
    },
    // `iss` and `aud` are the route's host, or its URL if so configured (Pomerium docs, "JWT verification").
    IssuerPreset {
        name: "pomerium",
        keys: Keys::Below("/.well-known/pomerium/jwks.json"),
        algorithms: &[ES256],
        header: "x-pomerium-jwt-assertion",
        ..USUAL
    },
];

impl IssuerPreset {
    /// Finds the preset of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Returns all names, for messages.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each value decides which tokens are accepted, and rows share values. The snapshot shows all rows that a change
    /// affects.
    #[test]
    fn every_row_as_it_stands_in_force() {
        insta::assert_debug_snapshot!(PRESETS);
    }

    #[test]
    fn every_row_is_found_by_its_name() {
        assert_eq!(IssuerPreset::names().count(), PRESETS.len());
        for (name, preset) in IssuerPreset::names().zip(&PRESETS) {
            assert!(IssuerPreset::find(name).is_some_and(|found| std::ptr::eq(found, preset)), "{name}");
        }
        assert!(IssuerPreset::find("nobody").is_none());
    }
}
