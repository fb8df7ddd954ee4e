-- What was tolerated, by part and reason, kept in the transaction of the outcome that it belongs to. A row without a
-- reason counts the tries. Outcomes of older releases did not note it, so they are not counted.
CREATE TABLE failures (
    part TEXT NOT NULL, -- agent, referee, scorer or embedder
    name TEXT NOT NULL, -- of the agent or embedder
    reason TEXT NOT NULL, -- empty: tries
    n INTEGER NOT NULL,
    example TEXT NOT NULL, -- what was said the first time; empty once its text was cleared
    at REAL NOT NULL, -- of the first time, in seconds since 1970
    PRIMARY KEY (part, name, reason)
) STRICT, WITHOUT ROWID;
