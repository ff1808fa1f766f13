-- The version with which an entry changed last, so that a server reads only what changed since its own version.
ALTER TABLE callsign_entries ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX callsign_entries_changed ON callsign_entries (changed);

-- The latest versions and their tokens. A server whose version is not among them reads all entries.
CREATE TABLE callsign_versions (
    number INTEGER PRIMARY KEY,
    token TEXT NOT NULL
);
INSERT INTO callsign_versions (number, token) SELECT number, token FROM callsign_mark;
