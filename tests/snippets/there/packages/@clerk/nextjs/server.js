export const auth = async () => ({ userId: "user_2alice", getToken: async () => JSON.parse(process.env.TOKENS).clerk });
