// Prints a token for alice from each issuer in the pages, and the key set that verifies them: `[{name: token},
// keySet]`. The claims match the configurations in the pages.

import { generateKeyPairSync, sign } from "node:crypto";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const now = Math.floor(Date.now() / 1000);
const lasting = { iat: now, nbf: now - 5, exp: now + 3600 };
const CLAIMS = {
  clerk: { iss: "https://clerk.acme.example", azp: "https://acme.example", sub: "user_2alice", sid: "sess_2alice" },
  supabase: {
    iss: "https://abcdefghijklmnopqrst.supabase.co/auth/v1", aud: "authenticated", role: "authenticated", sub: "alice", session_id: "s",
  },
  firebase: { iss: "https://securetoken.google.com/acme-prod", aud: "acme-prod", sub: "alice" },
  auth0: { iss: "https://acme.eu.auth0.com/", aud: "https://llm.acme.example", sub: "auth0|alice" },
  keycloak: { iss: "https://sso.acme.example/realms/acme", azp: "chat-app", typ: "Bearer", sub: "alice", sid: "s" },
};

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function token(claims) {
  const signed = `${encoded({ alg: "RS256", typ: "JWT", kid: "one" })}.${encoded({ ...lasting, ...claims })}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), privateKey).toString("base64url")}`;
}

const tokens = Object.fromEntries(Object.entries(CLAIMS).map(([name, claims]) => [name, token(claims)]));
const keys = [{ ...publicKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" }];
console.log(JSON.stringify([tokens, { keys }]));
