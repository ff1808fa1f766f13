-- The ledger on PostgreSQL. Times are microseconds since 1970 (UTC), money is in nano-USD.
-- In `requests` what is unknown is NULL; in the other tables, whose keys may hold no NULL, it is ''.

-- What the requests of one conversation in one month have in common: who asked, and what was sent for them. The id is a
-- digest of the rest. `until_us`: when the month ends.
CREATE TABLE contexts (
    id BIGINT NOT NULL PRIMARY KEY,
    until_us BIGINT NOT NULL,
    tenant TEXT,
    key_name TEXT NOT NULL,
    user_id TEXT,
    session TEXT,
    chat TEXT,
    sent_user TEXT,
    sent_session TEXT,
    sent_metadata_session TEXT,
    sent_chat TEXT,
    endpoint TEXT NOT NULL,
    -- Millionths; what the operator charges is cost times this. NULL is 1.
    markup BIGINT,
    -- The context that rows are to move to while somebody is being forgotten.
    becomes BIGINT
);

-- One row per request, with its UUIDv7. `ending` is NULL while it runs: 0 complete, 1 client gone, 2 upstream cut,
-- 3 refused, 4 unknown. `node`: the run of callsign that it is in flight in.
CREATE TABLE requests (
    id BYTEA NOT NULL PRIMARY KEY,
    began_us BIGINT NOT NULL,
    node TEXT,
    context BIGINT NOT NULL,
    message TEXT,
    sent_message TEXT,
    generation TEXT,
    ending BIGINT,
    status BIGINT,
    error TEXT,
    model TEXT,
    provider TEXT,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    cached_tokens BIGINT,
    reasoning_tokens BIGINT,
    cost BIGINT,
    request_bytes BIGINT,
    response_bytes BIGINT,
    first_byte_us BIGINT,
    duration_us BIGINT
);
CREATE INDEX requests_generation ON requests (generation) WHERE generation IS NOT NULL;
CREATE INDEX requests_message ON requests (message) WHERE message IS NOT NULL;
CREATE INDEX requests_sent_message ON requests (sent_message)
    WHERE sent_message IS NOT NULL AND sent_message IS DISTINCT FROM message;
CREATE INDEX requests_open ON requests (node) WHERE node IS NOT NULL;

-- For whoever reads by hand: everything that is known of a request.
CREATE VIEW ledger AS
SELECT
    encode(r.id, 'hex') AS id, to_timestamp(r.began_us / 1000000.0) AS began,
    c.tenant, c.key_name, c.user_id, c.session, c.chat, r.message,
    c.sent_user, c.sent_session, c.sent_metadata_session, c.sent_chat, r.sent_message,
    c.endpoint, r.generation, r.ending, r.status, r.error, r.model, r.provider,
    r.prompt_tokens, r.completion_tokens, r.cached_tokens, r.reasoning_tokens, r.cost, c.markup,
    r.request_bytes, r.response_bytes, r.first_byte_us, r.duration_us
FROM requests r LEFT JOIN contexts c ON c.id = r.context;

-- Sums over finished requests. `grain`: 0 hour, 1 day, 2 month (each with every name), 3 day (tenant and model only).
CREATE TABLE sums (
    grain BIGINT NOT NULL,
    bucket_us BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    request_bytes BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    first_byte_us BIGINT NOT NULL,
    first_bytes BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    PRIMARY KEY (grain, bucket_us, tenant, key_name, user_id, model, endpoint)
);

-- Errors by the hour. `kind`: a code, an upstream's error type, `upstream_cut` or `status_NNN`.
CREATE TABLE errors (
    bucket_us BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (bucket_us, tenant, key_name, user_id, kind)
);

-- Who carried an identifier. `kind`: 0 user, 1 session, 2 chat. `way`: 1 internal, 2 as sent, 3 both.
CREATE TABLE identifiers (
    kind BIGINT NOT NULL,
    identifier TEXT NOT NULL,
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key_name TEXT NOT NULL,
    way BIGINT NOT NULL,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (kind, identifier, tenant, user_id, key_name)
);
CREATE INDEX identifiers_user ON identifiers (user_id, tenant);

-- Everybody who was ever named. `sent`: the identifier that the latest request carried.
CREATE TABLE users (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    sent TEXT,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id)
);

-- Finished requests (ids, 16 bytes each) that the tables above do not hold yet.
CREATE TABLE pending (
    node TEXT NOT NULL,
    batch BIGINT NOT NULL,
    ids BYTEA NOT NULL,
    PRIMARY KEY (node, batch)
);

-- Runs of callsign that write here.
CREATE TABLE nodes (
    node TEXT NOT NULL PRIMARY KEY,
    seen_us BIGINT NOT NULL
);

-- Everything that began before this is deleted; and how often somebody was forgotten.
CREATE TABLE retained (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    from_us BIGINT NOT NULL,
    forgotten BIGINT NOT NULL
);
INSERT INTO retained (one, from_us, forgotten) VALUES (1, 0, 0);
