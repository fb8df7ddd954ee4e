-- Rows that are kept beside the dataset, since it has all that are wanted (target_rows, quota). What may become of
-- something is a constraint, so the table is made anew.
CREATE TABLE new_findings (
    seq INTEGER NOT NULL REFERENCES outcomes (seq),
    ord INTEGER NOT NULL,
    filter TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('refused', 'reported', 'redacted', 'spare')),
    kind TEXT NOT NULL CHECK (kind IN ('row', 'child', 'seed', 'trial')), -- what it is about
    payload TEXT NOT NULL, -- JSON
    text_of INTEGER, -- ord of the trial that holds the text of the row
    PRIMARY KEY (seq, ord)
) STRICT, WITHOUT ROWID;
INSERT INTO new_findings (seq, ord, filter, action, kind, payload, text_of)
SELECT seq, ord, filter, action, kind, payload, text_of FROM findings;
DROP TABLE findings;
ALTER TABLE new_findings RENAME TO findings;
CREATE INDEX findings_by_filter ON findings (action, filter, seq);
