-- What recipes declare, so that a store can be read without their files, and sums over what they did.
CREATE TABLE recipes (
    name TEXT PRIMARY KEY,
    stage INTEGER, -- place in the chain; NULL: no longer in it
    takes TEXT NOT NULL -- JSON, kinds of seeds
) STRICT, WITHOUT ROWID;

-- What recipes measure of their trials; how often each value came up stands in tallies, in bins of this range.
CREATE TABLE measures (
    recipe TEXT NOT NULL,
    name TEXT NOT NULL,
    place INTEGER NOT NULL, -- among the recipe's measures
    what TEXT NOT NULL, -- in words
    better TEXT NOT NULL CHECK (better IN ('high', 'low', '')),
    low REAL NOT NULL,
    high REAL NOT NULL,
    n INTEGER NOT NULL DEFAULT 0, -- values so far
    total REAL NOT NULL DEFAULT 0.0, -- their sum
    PRIMARY KEY (recipe, name)
) STRICT, WITHOUT ROWID;

INSERT INTO tallies (name, item, n)
SELECT 'recipes.outcomes', json_array(recipe, kind), count(*) FROM outcomes GROUP BY recipe, kind;
INSERT INTO tallies (name, item, n)
SELECT 'recipes.rows', json_array(o.recipe, given.shape), count(*)
FROM (SELECT seq, shape FROM rows UNION ALL SELECT seq, 'sft' FROM candidates WHERE chosen = 1) AS given
JOIN outcomes AS o ON o.seq = given.seq GROUP BY o.recipe, given.shape;
INSERT INTO tallies (name, item, n)
SELECT 'recipes.children', json_array(o.recipe), count(*)
FROM seeds AS s JOIN outcomes AS o ON o.seq = (SELECT min(seq) FROM outcomes WHERE seed_id = s.parent)
WHERE s.parent != '' GROUP BY o.recipe;
INSERT INTO tallies (name, item, n)
SELECT 'recipes.trials', json_array(o.recipe, coalesce(json_extract(t.payload, '$.failure.kind'), '')), count(*)
FROM trials AS t JOIN outcomes AS o ON o.seq = t.seq GROUP BY 2;
