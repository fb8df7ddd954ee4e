-- Whether a measure is counted by the labels of its seeds, too.
ALTER TABLE measures ADD COLUMN by_label INTEGER NOT NULL DEFAULT 0 CHECK (by_label IN (0, 1));

-- How seeds with a label ended, of the recipes that have such a measure.
CREATE TABLE labelled (
    recipe TEXT NOT NULL,
    label TEXT NOT NULL, -- a pool, or a column of the seed
    value TEXT NOT NULL, -- the arm that was drawn, or what stands in the column
    outcomes INTEGER NOT NULL, -- those included that were superseded later
    dropped INTEGER NOT NULL,
    measures TEXT NOT NULL, -- JSON: by name, the sums of all values and as of two earlier outcomes
    PRIMARY KEY (recipe, label, value)
) STRICT, WITHOUT ROWID;

-- The probability that each arm began with, whenever it came, and what else is said of it.
ALTER TABLE pools ADD COLUMN arm_starts TEXT NOT NULL DEFAULT '{}'; -- JSON, arm to probability
ALTER TABLE pools ADD COLUMN arm_marks TEXT NOT NULL DEFAULT '{}'; -- JSON, arm to words
