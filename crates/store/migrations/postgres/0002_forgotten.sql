-- The number of times somebody was forgotten, on PostgreSQL. Running processes that see it change no longer rely on
-- what they remember of the tables.
ALTER TABLE state ADD COLUMN forgotten BIGINT NOT NULL DEFAULT 0;
