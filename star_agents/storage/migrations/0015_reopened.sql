-- Finished seeds that are worked once more, to add to the outcome that they have; it stands until then.
CREATE TABLE reopened (
    seed_id TEXT PRIMARY KEY REFERENCES seeds (id),
    seq INTEGER NOT NULL REFERENCES outcomes (seq)
) STRICT, WITHOUT ROWID;
