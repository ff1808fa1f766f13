-- The ledger on PostgreSQL. Times are microseconds since 1970 (UTC), money is in nano-USD (10^-9 US dollars).
-- In `requests` what is unknown is NULL; in tables whose keys may hold no NULL it is ''.

-- One row per request. `id`: 6 bytes of milliseconds since 1970 and 120 random bits, so rows are in order of time.
-- `person`: a digest of tenant, key and user. `ending` is NULL while the request runs: 0 complete, 1 client gone,
-- 2 upstream cut, 3 refused, 4 unknown (the process died), 5 upstream silent, 6 blocked. `node`: the run of callsign
-- that the request is in flight in. `bill`: 0 free, 1 known, 2 pending (a generation record will tell the cost),
-- 3 never (no record can be found). `count`: equal refusals of one minute are one row.
CREATE TABLE requests (
    id BYTEA NOT NULL PRIMARY KEY,
    began_us BIGINT NOT NULL,
    node TEXT,
    person BIGINT NOT NULL,
    tenant TEXT,
    key_name TEXT NOT NULL,
    user_id TEXT,
    session TEXT,
    chat TEXT,
    message TEXT,
    sent_user TEXT,
    sent_session TEXT,
    sent_metadata_session TEXT,
    sent_chat TEXT,
    sent_message TEXT,
    endpoint TEXT NOT NULL,
    -- A fingerprint of the OpenRouter account that pays; NULL for a caller's own key.
    account TEXT,
    -- Millionths; what the operator charges is cost times this. NULL is 1.
    markup BIGINT,
    generation TEXT,
    count BIGINT NOT NULL,
    ending BIGINT,
    status BIGINT,
    error TEXT,
    refusing_limit TEXT,
    bill BIGINT,
    requested_model TEXT,
    model TEXT,
    provider TEXT,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    -- What OpenRouter charges; what a provider bills directly; the part of the cost that server tools caused.
    cost BIGINT,
    provider_cost BIGINT,
    server_tool_cost BIGINT,
    request_bytes BIGINT,
    response_bytes BIGINT,
    -- From the request's head to the answer's head, to the first output, and to the end.
    head_us BIGINT,
    first_output_us BIGINT,
    duration_us BIGINT
);
CREATE INDEX requests_person ON requests (person, id);
CREATE INDEX requests_generation ON requests (generation) WHERE generation IS NOT NULL;
CREATE INDEX requests_open ON requests (node) WHERE node IS NOT NULL;
CREATE INDEX requests_pending ON requests (id) WHERE bill = 2;
CREATE INDEX requests_error ON requests (error, id) WHERE error IS NOT NULL;

-- Everybody who sent a request: a user of a key, or the key itself (user_id ''). `sent`: the identifier that the latest
-- request carried.
CREATE TABLE people (
    person BIGINT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- The number of the tenant alone.
    tenant_person BIGINT NOT NULL,
    sent TEXT,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    requests BIGINT NOT NULL
);
CREATE INDEX people_user ON people (user_id, tenant);

-- Who carried an identifier. `digest`: the first 63 bits of its SHA-256. `kind`: 0 user, 1 session, 2 chat, 3 message.
-- `way`: 1 internal, 2 as sent, 3 both. `identifier`: the text of a user's identifier as sent, else NULL.
CREATE TABLE identifiers (
    digest BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    person BIGINT NOT NULL,
    way BIGINT NOT NULL,
    identifier TEXT,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (digest, kind, person)
);
CREATE INDEX identifiers_sent ON identifiers (identifier) WHERE identifier IS NOT NULL;

-- Sums over finished requests. `grain`: 0 hour, 1 day, 2 month, 3 day with tenant and model only (`person` is then that
-- of the tenant). Hours change in the transaction that changes the rows. The other grains hold the hours before
-- `state.folded_us`; they are added when an hour is over.
CREATE TABLE sums (
    grain BIGINT NOT NULL,
    bucket_us BIGINT NOT NULL,
    person BIGINT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    status BIGINT NOT NULL,
    error TEXT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    never BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    provider_cost BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    request_bytes BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    PRIMARY KEY (grain, bucket_us, person, model, provider, status, error)
);

-- The speed of successful answers, without users. `grain`: 0 hour, 1 day. `bin`: the logarithmic class of the time to
-- the first output. `output_us`: from the first output to the end.
CREATE TABLE speed (
    grain BIGINT NOT NULL,
    bucket_us BIGINT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    bin BIGINT NOT NULL,
    answers BIGINT NOT NULL,
    first_output_us BIGINT NOT NULL,
    head_us BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_us BIGINT NOT NULL,
    PRIMARY KEY (grain, bucket_us, model, provider, bin)
);

-- Rows that the database refused. The row itself is stored without names.
CREATE TABLE rejected (
    id BYTEA NOT NULL PRIMARY KEY,
    at_us BIGINT NOT NULL,
    person BIGINT NOT NULL,
    reason TEXT NOT NULL
);

-- The acts of operators (docs/SPEC.md#audit-log). `actor`: the name of a token, or `cli:USER`.
CREATE TABLE audit (
    at_us BIGINT NOT NULL,
    number BIGINT NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT,
    detail TEXT,
    PRIMARY KEY (at_us, number)
);

-- Runs of callsign that write here.
CREATE TABLE nodes (
    node TEXT NOT NULL PRIMARY KEY,
    seen_us BIGINT NOT NULL
);

-- One row. `from_us`: everything that began before it is deleted. `folded_us`: the first hour that is not in the
-- coarser sums yet. `lookup_us`: the time of the next look-up of a
-- generation record, by whichever node; `lookup_gap_us`: the time between two of them.
CREATE TABLE state (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    from_us BIGINT NOT NULL,
    folded_us BIGINT NOT NULL,
    lookup_us BIGINT NOT NULL,
    lookup_gap_us BIGINT NOT NULL
);
INSERT INTO state (one, from_us, folded_us, lookup_us, lookup_gap_us) VALUES (1, 0, 0, 0, 50000);
