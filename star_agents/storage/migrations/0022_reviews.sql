-- What people said of rows, each time anew: of a row the newest counts, and the row itself stays as it is.
CREATE TABLE reviews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    digest BLOB NOT NULL, -- of what the row says, as in row_digests
    verdict TEXT NOT NULL CHECK (verdict IN ('accepted', 'rejected', 'edited', 'withdrawn')),
    data TEXT, -- JSON: what the row says instead
    reviewer TEXT NOT NULL,
    at REAL NOT NULL,
    CHECK ((verdict = 'edited') = (data IS NOT NULL))
) STRICT;
CREATE INDEX reviews_by_row ON reviews (seed_id, digest, id);
