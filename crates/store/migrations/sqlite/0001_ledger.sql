-- The ledger on SQLite. Times are microseconds since 1970 (UTC), money is in nano-USD (10^-9 US dollars).
-- In `requests` what is unknown is NULL; in tables whose keys may hold no NULL it is ''.

-- One row per request. What it shares with others is in `contexts`; the view `ledger` puts both together. `id`: 6 bytes of
-- milliseconds since 1970 and 120 random bits, so rows are in order of time. `sent_message`: '' if it is the message as
-- stated. `ending` is NULL while the request runs: 0 complete, 1 client gone, 2 upstream cut, 3 refused, 4 unknown (the
-- process died), 5 upstream silent, 6 blocked. `node`: the run of callsign that the request is in flight in. `bill`: 0
-- free, 1 known, 2 pending (a generation record will tell the cost), 3 never (no record can be found). `count`: equal
-- refusals of one minute are one row.
CREATE TABLE requests (
    id BLOB NOT NULL PRIMARY KEY,
    began_us INTEGER NOT NULL,
    context INTEGER NOT NULL,
    message TEXT,
    sent_message TEXT,
    node TEXT,
    generation TEXT,
    count INTEGER NOT NULL,
    ending INTEGER,
    status INTEGER,
    error TEXT,
    refusing_limit TEXT,
    bill INTEGER,
    requested_model TEXT,
    model TEXT,
    provider TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    -- What OpenRouter charges; what a provider bills directly; the part of the cost that server tools caused.
    cost INTEGER,
    provider_cost INTEGER,
    server_tool_cost INTEGER,
    request_bytes INTEGER,
    response_bytes INTEGER,
    -- From the request's head to the answer's head, to the first output, and to the end.
    head_us INTEGER,
    first_output_us INTEGER,
    duration_us INTEGER
) WITHOUT ROWID;
CREATE INDEX requests_generation ON requests (generation) WHERE generation IS NOT NULL;
CREATE INDEX requests_open ON requests (node) WHERE node IS NOT NULL;
CREATE INDEX requests_pending ON requests (id) WHERE bill = 2;
CREATE INDEX requests_error ON requests (error, id) WHERE error IS NOT NULL;

-- What requests of one person and chat share. `context`: milliseconds of its first use, times 4,194,304, and 22 random
-- bits. Several contexts may be equal: they are not read before one is written. A text as sent is '' if it is the text
-- as stated.
CREATE TABLE contexts (
    context INTEGER NOT NULL PRIMARY KEY,
    person INTEGER NOT NULL,
    session TEXT,
    chat TEXT,
    sent_user TEXT,
    sent_session TEXT,
    sent_metadata_session TEXT,
    sent_chat TEXT,
    endpoint TEXT NOT NULL,
    -- A fingerprint of the OpenRouter account that pays; NULL for a caller's own key.
    account TEXT,
    -- Millionths; what the operator charges is cost times this. NULL is 1.
    markup INTEGER
);
CREATE INDEX contexts_person ON contexts (person);

-- The finished requests of each person.
CREATE TABLE requests_by_person (
    person INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (person, id)
) WITHOUT ROWID;

-- Batches of rows that are not in `requests_by_person`, `identifiers`, `sums` and `speed` yet. The process that deletes
-- one adds its rows to them in the same transaction. `ids`: the ids of the rows, 21 bytes each.
CREATE TABLE unsummed (
    node TEXT NOT NULL,
    number INTEGER NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (node, number)
) WITHOUT ROWID;

-- Everybody who sent a request: a user of a key, or the key itself (user_id ''). `person`: a digest of the three names.
-- `sent`: the identifier that the latest request carried.
CREATE TABLE people (
    person INTEGER NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- The number of the tenant alone.
    tenant_person INTEGER NOT NULL,
    sent TEXT,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    requests INTEGER NOT NULL
);
CREATE INDEX people_user ON people (user_id, tenant);

-- Every request with what its context says of it.
CREATE VIEW ledger AS SELECT
    r.id, r.began_us, NULLIF(p.tenant, '') AS tenant, COALESCE(p.key_name, '') AS key_name,
    NULLIF(p.user_id, '') AS user_id, c.session, c.chat, r.message,
    CASE WHEN c.sent_user = '' THEN p.user_id ELSE c.sent_user END AS sent_user,
    CASE WHEN c.sent_session = '' THEN c.session ELSE c.sent_session END AS sent_session,
    CASE WHEN c.sent_metadata_session = '' THEN c.session ELSE c.sent_metadata_session END AS sent_metadata_session,
    CASE WHEN c.sent_chat = '' THEN c.chat ELSE c.sent_chat END AS sent_chat,
    CASE WHEN r.sent_message = '' THEN r.message ELSE r.sent_message END AS sent_message,
    c.endpoint, c.account, c.markup, r.node, r.generation, r.count, r.ending, r.status, r.error, r.refusing_limit, r.bill,
    r.requested_model, r.model, r.provider, r.prompt_tokens, r.completion_tokens, r.cached_tokens, r.cache_write_tokens,
    r.reasoning_tokens, r.cost, r.provider_cost, r.server_tool_cost, r.request_bytes, r.response_bytes, r.head_us,
    r.first_output_us, r.duration_us, c.person, r.context
FROM requests r JOIN contexts c ON c.context = r.context LEFT JOIN people p ON p.person = c.person;

-- Who carried an identifier. `digest`: the first 63 bits of its SHA-256. `kind`: 0 user, 1 session, 2 chat, 3 message.
-- `way`: 1 internal, 2 as sent, 3 both. `identifier`: the text of a user's identifier as sent, else NULL.
CREATE TABLE identifiers (
    digest INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    person INTEGER NOT NULL,
    way INTEGER NOT NULL,
    identifier TEXT,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (digest, kind, person)
) WITHOUT ROWID;
CREATE INDEX identifiers_sent ON identifiers (digest) WHERE identifier IS NOT NULL;

-- Sums over finished requests. `grain`: 0 hour, 1 day, 2 month, 3 day without users and keys (`person` is then that
-- of the tenant). Hours change in the transaction that changes the rows. The other grains hold the hours before
-- `state.folded_us`; they are added when an hour is over.
CREATE TABLE sums (
    grain INTEGER NOT NULL,
    bucket_us INTEGER NOT NULL,
    person INTEGER NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    status INTEGER NOT NULL,
    error TEXT NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    never INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    provider_cost INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    PRIMARY KEY (grain, bucket_us, person, model, provider, status, error)
) WITHOUT ROWID;

-- The speed of successful answers, without users. `grain`: 0 hour, 1 day. `bin`: the logarithmic class of the time to
-- the first output. `output_us`: from the first output to the end.
CREATE TABLE speed (
    grain INTEGER NOT NULL,
    bucket_us INTEGER NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    bin INTEGER NOT NULL,
    answers INTEGER NOT NULL,
    first_output_us INTEGER NOT NULL,
    head_us INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    output_us INTEGER NOT NULL,
    PRIMARY KEY (grain, bucket_us, model, provider, bin)
) WITHOUT ROWID;

-- Rows that the database refused. The row itself is stored without names.
CREATE TABLE rejected (
    id BLOB NOT NULL PRIMARY KEY,
    at_us INTEGER NOT NULL,
    person INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;

-- Runs of callsign that write here.
CREATE TABLE nodes (
    node TEXT NOT NULL PRIMARY KEY,
    seen_us INTEGER NOT NULL
);

-- One row. `from_us`: everything that began before it is deleted. `folded_us`: the first hour that is not in the
-- coarser sums yet. `lookup_us`: the time of the next look-up of a
-- generation record, by whichever node; `lookup_gap_us`: the time between two of them. `forgotten`: the number of times
-- somebody was forgotten. Running processes that see it change no longer rely on what they remember of the tables.
CREATE TABLE state (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    from_us INTEGER NOT NULL,
    folded_us INTEGER NOT NULL,
    lookup_us INTEGER NOT NULL,
    lookup_gap_us INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
);
INSERT INTO state (one, from_us, folded_us, lookup_us, lookup_gap_us, forgotten) VALUES (1, 0, 0, 0, 50000, 0);
