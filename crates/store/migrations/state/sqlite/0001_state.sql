-- Entries of all kinds. An entry never changes, except that it can be lifted. A lifted entry has an empty body.
CREATE TABLE callsign_entries (
    kind TEXT NOT NULL,
    op TEXT NOT NULL,
    lifted INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, op)
) WITHOUT ROWID;

-- The version of the entries. Every change increments the number and draws a new random token.
CREATE TABLE callsign_mark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    token TEXT NOT NULL
);
INSERT INTO callsign_mark (one, number, token) VALUES (1, 0, '');

-- Running servers, and the version that each has applied.
CREATE TABLE callsign_nodes (
    node TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    applied INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Acts of operators.
CREATE TABLE callsign_audit (
    op TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    act TEXT NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX callsign_audit_at ON callsign_audit (at_ms);

-- Counters of limits by digest of the caller, for a server without a shared store.
CREATE TABLE callsign_counters (
    subject TEXT PRIMARY KEY,
    counters TEXT NOT NULL
) WITHOUT ROWID;
