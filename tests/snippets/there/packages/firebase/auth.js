export const getAuth = () => ({ currentUser: { getIdToken: async () => JSON.parse(process.env.TOKENS).firebase } });
