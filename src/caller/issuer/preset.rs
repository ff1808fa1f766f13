//! The issuers that callsign knows: one row each, with what fills the gaps of a configuration. Data only; what of it
//! applies is decided where the configuration is read, and what a token is held to in `jwt`.
//!
//! Every row was taken from its vendor's documentation; where tokens differ from what one would expect, the row says so.

use jsonwebtoken::Algorithm::{self, ES256, HS256, RS256};

/// What is known of a kind of issuer.
#[derive(Debug, PartialEq, Eq)]
pub struct IssuerPreset {
    /// Its name in a configuration.
    pub name: &'static str,
    /// What its tokens say in `iss`.
    pub says: Says,
    /// Where its keys are when nobody says so.
    pub keys: Keys,
    /// The algorithms that it is pinned to unless the configuration names others.
    pub algorithms: &'static [Algorithm],
    /// Where its tokens arrive.
    pub header: &'static str,
    /// The claim that names the user.
    pub user: &'static str,
    /// The claim that names the session, if tokens have one.
    pub session: Option<&'static str>,
    /// The header in which a caller may add the chat.
    pub chat: &'static str,
    /// Likewise the message.
    pub message: &'static str,
    /// Who else could have been handed a token of this issuer.
    pub audience: Audience,
    /// What else it signs with the same key.
    pub snare: Snare,
}

/// What tokens say in `iss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// This text, whoever runs it.
    Always(&'static str),
    /// What the operator gives, as it stands.
    Given,
    /// What the operator gives, which never ends in `/`.
    WithoutSlash,
    /// What the operator gives, which always ends in `/`.
    WithSlash,
    /// This text and the audience behind it.
    Audience(&'static str),
    /// What the operator gives, if anything: the vendor promises none.
    Perhaps,
    /// Nothing.
    Never,
}

/// Where keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// A JWK set at this URL.
    At(&'static str),
    /// A JWK set at this path below the issuer's URL; `https://` where that has no scheme.
    Below(&'static str),
    /// Where the issuer's OpenID configuration says.
    Discovered,
    /// A PEM file for each key id, below the URL that the operator gives.
    PemByKid,
    /// A secret that both sides know.
    Secret,
}

/// How tokens are kept to the app that they were meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One issuer is one app.
    Own,
    /// This value unless the operator gives another.
    Default(&'static str),
    /// The operator must say: without it any other app's token would do.
    Needed,
    /// The operator should say (`audience` or `authorized_parties`), and is warned otherwise.
    Advised,
}

/// Which of [`super::super::jwt::Trap`]'s rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snare {
    /// None.
    None,
    /// Machine, OAuth and template tokens; pending sessions.
    Clerk,
    /// Anonymous and service keys.
    Supabase,
    /// Other kinds of token of the same secret.
    OpenWebUiSession,
    /// Other accounts' load balancers, and padding.
    AwsAlb,
}

/// A token in `Authorization`, named by `sub`, with the usual headers beside it; what most rows have in common.
const USUAL: IssuerPreset = IssuerPreset {
    name: "oidc",
    says: Says::Given,
    keys: Keys::Discovered,
    algorithms: &[RS256],
    header: "authorization",
    user: "sub",
    session: Some("sid"),
    chat: "x-chat-id",
    message: "x-message-id",
    audience: Audience::Advised,
    snare: Snare::None,
};

/// Open WebUI's own headers beside its tokens.
const OPEN_WEBUI: IssuerPreset = IssuerPreset {
    keys: Keys::Secret,
    algorithms: &[HS256],
    chat: "x-openwebui-chat-id",
    message: "x-openwebui-message-id",
    audience: Audience::Own,
    ..USUAL
};

/// Every known kind of issuer.
pub static PRESETS: [IssuerPreset; 13] = [
    // Any OpenID provider (OpenID Connect Discovery 1.0).
    USUAL,
    // Session tokens live for a minute; the same key signs much else (Clerk docs, "Session tokens", "Manual JWT
    // verification").
    IssuerPreset {
        name: "clerk",
        says: Says::WithoutSlash,
        keys: Keys::Below("/.well-known/jwks.json"),
        audience: Audience::Own,
        snare: Snare::Clerk,
        ..USUAL
    },
    // Minted for each call to a model (Open WebUI, `FORWARD_USER_INFO_HEADER_JWT_SECRET`); it has no audience.
    IssuerPreset {
        name: "openwebui-jwt",
        says: Says::Always("open-webui"),
        header: "x-openwebui-user-jwt",
        session: None,
        ..OPEN_WEBUI
    },
    // The login of a person, signed with `WEBUI_SECRET_KEY`; it has neither `iss` nor `sub`.
    IssuerPreset {
        name: "openwebui-session",
        says: Says::Never,
        user: "id",
        session: Some("jti"),
        snare: Snare::OpenWebUiSession,
        ..OPEN_WEBUI
    },
    // `https://REF.supabase.co/auth/v1` (Supabase docs, "JWT signing keys").
    IssuerPreset {
        name: "supabase",
        says: Says::WithoutSlash,
        keys: Keys::Below("/.well-known/jwks.json"),
        algorithms: &[ES256, RS256],
        session: Some("session_id"),
        audience: Audience::Default("authenticated"),
        snare: Snare::Supabase,
        ..USUAL
    },
    // Google signs for all projects with one set of keys (Firebase docs, "Verify ID tokens").
    IssuerPreset {
        name: "firebase",
        says: Says::Audience("https://securetoken.google.com/"),
        keys: Keys::At("https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"),
        session: None,
        audience: Audience::Needed,
        ..USUAL
    },
    // `https://TENANT/`, with the slash; without an audience Auth0's access tokens are opaque (Auth0 docs, "Access tokens").
    IssuerPreset {
        name: "auth0",
        says: Says::WithSlash,
        keys: Keys::Below("/.well-known/jwks.json"),
        session: None,
        audience: Audience::Needed,
        ..USUAL
    },
    // `https://HOST/realms/REALM`; one realm signs for all of its clients.
    IssuerPreset { name: "keycloak", says: Says::WithoutSlash, ..USUAL },
    // `https://TEAM.cloudflareaccess.com`; one key signs for all applications (Cloudflare docs, "Validate JWTs").
    IssuerPreset {
        name: "cloudflare-access",
        says: Says::WithoutSlash,
        keys: Keys::Below("/cdn-cgi/access/certs"),
        header: "cf-access-jwt-assertion",
        session: Some("identity_nonce"),
        audience: Audience::Needed,
        ..USUAL
    },
    // One issuer for all of Google Cloud (Google docs, "Getting the user's identity with signed headers").
    IssuerPreset {
        name: "google-iap",
        says: Says::Always("https://cloud.google.com/iap"),
        keys: Keys::At("https://www.gstatic.com/iap/verify/public_key-jwk"),
        algorithms: &[ES256],
        header: "x-goog-iap-jwt-assertion",
        session: None,
        audience: Audience::Needed,
        ..USUAL
    },
    // The signer in the header stands for an audience (AWS docs, "Authenticate users using an Application Load
    // Balancer"); what the payload says in `iss` is the identity provider's, and not promised.
    IssuerPreset {
        name: "aws-alb",
        says: Says::Perhaps,
        keys: Keys::PemByKid,
        algorithms: &[ES256],
        header: "x-amzn-oidc-data",
        session: None,
        audience: Audience::Own,
        snare: Snare::AwsAlb,
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
    /// The row of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// All names, for messages.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cell decides who is let in or what they are called, and rows borrow from each other: whoever changes one sees
    /// here which others change with it.
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
