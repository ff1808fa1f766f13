-- Entries of all kinds. An entry never changes, except that it can be lifted. A lifted entry has an empty body.
CREATE TABLE callsign_entries (
    kind TEXT NOT NULL,
    op TEXT NOT NULL,
    lifted BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, op)
);

-- The version of the entries. Every change increments the number and draws a new random token.
CREATE TABLE callsign_mark (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    number BIGINT NOT NULL,
    token TEXT NOT NULL
);
INSERT INTO callsign_mark (one, number, token) VALUES (1, 0, '');

-- Running servers, and the version that each has applied.
CREATE TABLE callsign_nodes (
    node TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    applied BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL
);

-- Acts of operators.
CREATE TABLE callsign_audit (
    op TEXT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    who TEXT NOT NULL,
    act TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX callsign_audit_at ON callsign_audit (at_ms);
