-- What was near when an arm was drawn, for pools that ask what has earned for seeds like this one.
CREATE TABLE recollections (
    id INTEGER PRIMARY KEY,
    seed_id TEXT NOT NULL, -- for whom it was drawn
    pool TEXT NOT NULL,
    arm TEXT NOT NULL,
    embedder TEXT NOT NULL,
    embedding BLOB NOT NULL, -- float32, little endian
    value REAL, -- what the draw earned; NULL: its children have yet to say
    UNIQUE (seed_id, pool, arm)
) STRICT;
