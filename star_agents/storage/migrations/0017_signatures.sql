-- What texts that were taken in are known again by, so that one that nearly repeats an earlier one is found.
CREATE TABLE signatures (
    id INTEGER PRIMARY KEY,
    seed_id TEXT NOT NULL, -- whose text it is, or of whose outcome
    place INTEGER NOT NULL, -- of its trial among those of the outcome; -1: it is the text of the seed itself
    signature BLOB NOT NULL
) STRICT;
-- Keys that similar signatures have in common.
CREATE TABLE signature_bands (
    band INTEGER NOT NULL,
    id INTEGER NOT NULL REFERENCES signatures (id),
    PRIMARY KEY (band, id)
) STRICT, WITHOUT ROWID;
