-- What admission has against rows, children and seeds. Rows that it refused lie here, and not among the rows.
CREATE TABLE findings (
    seq INTEGER NOT NULL REFERENCES outcomes (seq),
    ord INTEGER NOT NULL,
    filter TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('refused', 'reported', 'redacted')),
    kind TEXT NOT NULL CHECK (kind IN ('row', 'child', 'seed', 'trial')), -- what it is about
    payload TEXT NOT NULL, -- JSON
    text_of INTEGER, -- ord of the trial that holds the refused row's text
    PRIMARY KEY (seq, ord)
) STRICT, WITHOUT ROWID;
CREATE INDEX findings_by_filter ON findings (action, filter, seq);

-- Rows by what they say, so that none is in the dataset twice.
CREATE TABLE row_digests (
    digest BLOB PRIMARY KEY,
    seed_id TEXT NOT NULL, -- whose outcome gave it
    place INTEGER NOT NULL -- among its rows
) STRICT, WITHOUT ROWID;
CREATE INDEX row_digests_by_seed ON row_digests (seed_id);
