// What a reader's page has from their identity provider's library, with a token of tokens.mjs.

const tokens = JSON.parse(process.env.TOKENS);
export const getAccessTokenSilently = async () => tokens.auth0;
export const keycloak = { updateToken: async () => true, token: tokens.keycloak };
export const supabase = { auth: { getSession: async () => ({ data: { session: { access_token: tokens.supabase } } }) } };
