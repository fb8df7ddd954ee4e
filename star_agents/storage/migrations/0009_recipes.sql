-- Seeds of every kind, and what any recipe makes of them.
ALTER TABLE seeds RENAME COLUMN sample TO content; -- JSON, of the kind that stands beside it
ALTER TABLE seeds ADD COLUMN kind TEXT NOT NULL DEFAULT 'sample' CHECK (kind IN ('sample', 'instruction', 'document'));
ALTER TABLE seeds ADD COLUMN recipe TEXT NOT NULL DEFAULT ''; -- empty: the first stage, whichever it is
ALTER TABLE seeds ADD COLUMN labels TEXT NOT NULL DEFAULT '{}'; -- JSON, pool to arm
ALTER TABLE seeds ADD COLUMN parent TEXT NOT NULL DEFAULT ''; -- id; empty: it came from outside
ALTER TABLE seeds ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
CREATE INDEX seeds_by_parent ON seeds (parent) WHERE parent != '';

ALTER TABLE outcomes ADD COLUMN recipe TEXT NOT NULL DEFAULT 'star';

-- Every line that a recipe gives to the dataset.
CREATE TABLE rows (
    seq INTEGER NOT NULL REFERENCES outcomes (seq),
    ord INTEGER NOT NULL,
    shape TEXT NOT NULL CHECK (shape IN ('sft', 'preference', 'reward', 'instruction')),
    payload TEXT NOT NULL, -- JSON
    PRIMARY KEY (seq, ord)
) STRICT;
CREATE INDEX rows_by_shape ON rows (shape);

-- Every attempt at a seed, those that came to nothing included.
CREATE TABLE trials (
    seq INTEGER NOT NULL REFERENCES outcomes (seq),
    ord INTEGER NOT NULL,
    arm TEXT NOT NULL,
    payload TEXT NOT NULL, -- JSON
    PRIMARY KEY (seq, ord)
) STRICT;

-- What judges said of two trials of an outcome.
CREATE TABLE judgements (
    seq INTEGER NOT NULL REFERENCES outcomes (seq),
    ord INTEGER NOT NULL,
    judge TEXT NOT NULL,
    payload TEXT NOT NULL, -- JSON
    PRIMARY KEY (seq, ord)
) STRICT;

-- What is drawn from, each with its policy's state as of one outcome.
CREATE TABLE pools (
    name TEXT PRIMARY KEY, -- recipe.pool
    after_seq INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    state TEXT NOT NULL, -- JSON
    start TEXT NOT NULL -- JSON, the first state ever saved
) STRICT;
INSERT INTO pools (name, after_seq, revision, state, start)
SELECT 'star.pairs', after_seq, revision, state, start FROM policy;
DROP TABLE policy;

-- Rewards that wait for the outcomes of all children of a draw: their mean is one reward.
CREATE TABLE rewards_due (
    parent TEXT NOT NULL, -- the seed whose children carry the label
    pool TEXT NOT NULL,
    arm TEXT NOT NULL,
    children INTEGER NOT NULL CHECK (children > 0),
    heard INTEGER NOT NULL DEFAULT 0, -- children that have an outcome
    known INTEGER NOT NULL DEFAULT 0, -- those of them of which it is known what they are worth
    earned REAL NOT NULL DEFAULT 0.0,
    PRIMARY KEY (parent, pool, arm)
) STRICT, WITHOUT ROWID;

-- One curve for each pool.
CREATE TABLE new_curve (
    pool TEXT NOT NULL,
    seq INTEGER NOT NULL, -- the outcome that they follow from; 0: none yet
    at REAL NOT NULL,
    probabilities TEXT NOT NULL, -- JSON
    PRIMARY KEY (pool, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO new_curve (pool, seq, at, probabilities) SELECT 'star.pairs', seq, at, probabilities FROM curve;
DROP TABLE curve;
ALTER TABLE new_curve RENAME TO curve;
UPDATE meta SET key = 'curve_stride star.pairs' WHERE key = 'curve_stride';
