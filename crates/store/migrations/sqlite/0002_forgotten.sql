-- The number of times somebody was forgotten, on SQLite. Running processes that see it change no longer rely on
-- what they remember of the tables.
ALTER TABLE state ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
