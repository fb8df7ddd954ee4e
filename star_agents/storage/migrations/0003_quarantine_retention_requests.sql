-- Seeds whose work killed the process. The states are a constraint, so the table is made anew.
CREATE TABLE new_seeds (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    sample TEXT NOT NULL, -- JSON
    source TEXT NOT NULL,
    meta TEXT NOT NULL, -- JSON
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'working', 'done', 'quarantined')),
    attempts INTEGER NOT NULL DEFAULT 0, -- leases so far
    deaths INTEGER NOT NULL DEFAULT 0, -- processes that died with it in hand, since it last ended or was released
    added_at REAL NOT NULL
) STRICT;
INSERT INTO new_seeds (ordinal, id, sample, source, meta, state, attempts, added_at)
SELECT ordinal, id, sample, source, meta, state, attempts, added_at FROM seeds;
DROP TABLE seeds;
ALTER TABLE new_seeds RENAME TO seeds;
CREATE INDEX seeds_by_state ON seeds (state, ordinal);
CREATE INDEX suspects ON seeds (state, deaths, ordinal) WHERE deaths > 0;

-- Retention: when the texts behind a selection were cleared; its keys, tokens and costs stay.
ALTER TABLE outcomes ADD COLUMN cleared_at REAL;
CREATE INDEX outcomes_with_texts ON outcomes (at) WHERE kind != 'dropped' AND cleared_at IS NULL;
CREATE INDEX calls_by_seed ON calls (seed_id);

-- Intake that named itself (Idempotency-Key), and what it was told.
CREATE TABLE requests (
    key TEXT PRIMARY KEY,
    digest TEXT NOT NULL, -- of the body
    response TEXT NOT NULL, -- JSON
    at REAL NOT NULL
) STRICT;
CREATE INDEX requests_by_time ON requests (at);
