-- What instructions are told to be alike by that say the same in other words: float32, little endian.
CREATE TABLE row_vectors (
    id INTEGER PRIMARY KEY,
    seed_id TEXT NOT NULL, -- whose instruction it is, or of whose outcome
    place INTEGER NOT NULL, -- as in signatures
    embedder TEXT NOT NULL,
    vector BLOB NOT NULL
) STRICT;
CREATE INDEX row_vectors_by_seed ON row_vectors (seed_id);
