-- The probabilities of every pair along the way, from the start to now: fewer and fewer of the older ones are kept.
CREATE TABLE curve (
    seq INTEGER PRIMARY KEY, -- the outcome that they follow from; 0: none yet
    at REAL NOT NULL,
    probabilities TEXT NOT NULL -- JSON
) STRICT;
INSERT INTO curve (seq, at, probabilities)
SELECT 0, coalesce((SELECT min(at) FROM revisions), 0.0), json_extract(start, '$.weights') FROM policy
WHERE json_extract(start, '$.weights') IS NOT NULL;

-- Sums over all outcomes, kept in the transaction that adds to them: nobody has to read the outcomes for them.
CREATE TABLE tallies (
    name TEXT NOT NULL,
    item TEXT NOT NULL, -- what of it is counted: a bin, a pair, an answer
    n INTEGER NOT NULL,
    PRIMARY KEY (name, item)
) STRICT, WITHOUT ROWID;

-- Gaps in bins of 0.05 from -1 to 1; what lies beyond counts in the last one.
INSERT INTO tallies (name, item, n)
SELECT CASE chosen WHEN 1 THEN 'gaps.chosen' ELSE 'gaps.others' END,
    -- A cast cuts towards 0; a bin reaches from its lower edge upwards.
    CAST(min(max(20 + CAST(place AS INTEGER) - (place < CAST(place AS INTEGER)), 0), 39) AS TEXT), count(*)
FROM (
    SELECT chosen,
        20 * (json_extract(payload, '$.score.ifd_small') - json_extract(payload, '$.score.ifd_large')) AS place
    FROM candidates
) WHERE place IS NOT NULL GROUP BY 1, 2;

INSERT INTO tallies (name, item, n)
SELECT 'pairs.drawn', pair, count(*) FROM candidates WHERE is_base = 0 GROUP BY pair;
INSERT INTO tallies (name, item, n)
SELECT 'pairs.won', pair, count(*) FROM candidates WHERE is_base = 0 AND chosen = 1 GROUP BY pair;

INSERT INTO tallies (name, item, n)
SELECT 'referee', CASE WHEN value > 0.5 THEN 'wins' WHEN value < 0.5 THEN 'losses' ELSE 'ties' END, count(*)
FROM (
    SELECT json_extract(payload, '$.verdict.value') AS value FROM candidates
    WHERE json_array_length(payload, '$.verdict.votes') > 0
) GROUP BY 2;
INSERT INTO tallies (name, item, n)
SELECT 'votes', item, count(*) FROM (
    SELECT CASE json_extract(vote.value, '$.readable') WHEN 1 THEN 'readable' ELSE 'unreadable' END AS item
    FROM candidates AS c, json_each(c.payload, '$.verdict.votes') AS vote
    UNION ALL
    SELECT CASE json_extract(vote.value, '$.agreed') WHEN 1 THEN 'agreed' ELSE 'disagreed' END
    FROM outcomes AS o
    JOIN candidates AS c ON c.seq = o.seq
    JOIN json_each(c.payload, '$.verdict.votes') AS vote
    LEFT JOIN revisions AS r ON r.id = o.revision
    WHERE coalesce(json_extract(r.config, '$.referee.orders'), 'both') = 'both'
) GROUP BY item;

INSERT INTO tallies (name, item, n)
SELECT 'draws', CASE WHEN from_memory > 0 THEN 'hits' ELSE 'misses' END, count(*)
FROM (
    SELECT (
        SELECT json_extract(payload, '$.from_memory') FROM steps
        WHERE seed_id = outcomes.seed_id AND step GLOB 'draw*' ORDER BY steps.rowid DESC LIMIT 1
    ) AS from_memory
    FROM outcomes
) WHERE from_memory IS NOT NULL GROUP BY 2;

-- Pages of outcomes by who won, and who has won at all.
CREATE INDEX outcomes_by_pair ON outcomes (pair, kind) WHERE pair IS NOT NULL;
