-- The ledger on SQLite. Times are microseconds since 1970 (UTC), money is in nano-USD.
-- In `requests` what is unknown is NULL; in the other tables, whose keys may hold no NULL, it is ''.

-- What the requests of one conversation in one month have in common: who asked, and what was sent for them. The id is a
-- digest of the rest. `until_us`: when the month ends.
CREATE TABLE contexts (
    id INTEGER NOT NULL PRIMARY KEY,
    until_us INTEGER NOT NULL,
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
    markup INTEGER,
    -- The context that rows are to move to while somebody is being forgotten.
    becomes INTEGER
);

-- One row per request, with its UUIDv7. `ending` is NULL while it runs: 0 complete, 1 client gone, 2 upstream cut,
-- 3 refused, 4 unknown. `node`: the run of callsign that it is in flight in.
CREATE TABLE requests (
    id BLOB NOT NULL PRIMARY KEY,
    began_us INTEGER NOT NULL,
    node TEXT,
    context INTEGER NOT NULL,
    message TEXT,
    sent_message TEXT,
    generation TEXT,
    ending INTEGER,
    status INTEGER,
    error TEXT,
    model TEXT,
    provider TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cached_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost INTEGER,
    request_bytes INTEGER,
    response_bytes INTEGER,
    first_byte_us INTEGER,
    duration_us INTEGER
) WITHOUT ROWID;
CREATE INDEX requests_generation ON requests (generation) WHERE generation IS NOT NULL;
CREATE INDEX requests_message ON requests (message) WHERE message IS NOT NULL;
CREATE INDEX requests_sent_message ON requests (sent_message)
    WHERE sent_message IS NOT NULL AND sent_message IS DISTINCT FROM message;
CREATE INDEX requests_open ON requests (node) WHERE node IS NOT NULL;

-- For whoever reads by hand: everything that is known of a request.
CREATE VIEW ledger AS
SELECT
    hex(r.id) AS id, datetime(r.began_us / 1000000, 'unixepoch') AS began,
    c.tenant, c.key_name, c.user_id, c.session, c.chat, r.message,
    c.sent_user, c.sent_session, c.sent_metadata_session, c.sent_chat, r.sent_message,
    c.endpoint, r.generation, r.ending, r.status, r.error, r.model, r.provider,
    r.prompt_tokens, r.completion_tokens, r.cached_tokens, r.reasoning_tokens, r.cost, c.markup,
    r.request_bytes, r.response_bytes, r.first_byte_us, r.duration_us
FROM requests r LEFT JOIN contexts c ON c.id = r.context;

-- Sums over finished requests. `grain`: 0 hour, 1 day, 2 month (each with every name), 3 day (tenant and model only).
CREATE TABLE sums (
    grain INTEGER NOT NULL,
    bucket_us INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    first_byte_us INTEGER NOT NULL,
    first_bytes INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    PRIMARY KEY (grain, bucket_us, tenant, key_name, user_id, model, endpoint)
) WITHOUT ROWID;

-- Errors by the hour. `kind`: a code, an upstream's error type, `upstream_cut` or `status_NNN`.
CREATE TABLE errors (
    bucket_us INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (bucket_us, tenant, key_name, user_id, kind)
) WITHOUT ROWID;

-- Who carried an identifier. `kind`: 0 user, 1 session, 2 chat. `way`: 1 internal, 2 as sent, 3 both.
CREATE TABLE identifiers (
    kind INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key_name TEXT NOT NULL,
    way INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (kind, identifier, tenant, user_id, key_name)
) WITHOUT ROWID;
CREATE INDEX identifiers_user ON identifiers (user_id, tenant);

-- Everybody who was ever named. `sent`: the identifier that the latest request carried.
CREATE TABLE users (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    sent TEXT,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id)
) WITHOUT ROWID;

-- Finished requests (ids, 16 bytes each) that the tables above do not hold yet.
CREATE TABLE pending (
    node TEXT NOT NULL,
    batch INTEGER NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (node, batch)
);

-- Runs of callsign that write here.
CREATE TABLE nodes (
    node TEXT NOT NULL PRIMARY KEY,
    seen_us INTEGER NOT NULL
);

-- Everything that began before this is deleted; and how often somebody was forgotten.
CREATE TABLE retained (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    from_us INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
);
INSERT INTO retained (one, from_us, forgotten) VALUES (1, 0, 0);
