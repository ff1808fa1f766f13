-- Indexes the beginning of user ids on SQLite. A whole id takes up to 512 bytes.
DROP INDEX people_user;
CREATE INDEX people_user ON people (substr(user_id, 1, 32), tenant);
