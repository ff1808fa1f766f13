// Replaces the libraries of identity providers in a reader's web page; tokens come from tokens.mjs.

const tokens = JSON.parse(process.env.TOKENS);
export const getAccessTokenSilently = async () => tokens.auth0;
export const keycloak = { updateToken: async () => true, token: tokens.keycloak };
export const supabase = { auth: { getSession: async () => ({ data: { session: { access_token: tokens.supabase } } }) } };
