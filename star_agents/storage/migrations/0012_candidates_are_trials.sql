-- What Star wrote, heard and chose stands where every recipe's trials, judgements, rows and rewards stand.
ALTER TABLE trials ADD COLUMN role TEXT NOT NULL DEFAULT ''; -- what it is to its recipe
ALTER TABLE trials ADD COLUMN failed INTEGER NOT NULL DEFAULT 0; -- 1: nothing usable came of it
ALTER TABLE trials ADD COLUMN chosen INTEGER NOT NULL DEFAULT 0; -- 1: a row is made of it
ALTER TABLE trials ADD COLUMN cost_usd REAL; -- NULL: nobody knows
UPDATE trials SET
    role = json_extract(payload, '$.role'),
    failed = json_extract(payload, '$.failure') IS NOT NULL,
    chosen = EXISTS (
        SELECT 1 FROM rows AS r, json_each(r.payload, '$.from_trials') AS place
        WHERE r.seq = trials.seq AND place.value = trials.ord
    ),
    cost_usd = json_extract(payload, '$.cost_usd');

-- A row whose text is a trial's own does not hold it once more.
ALTER TABLE rows ADD COLUMN text_of INTEGER; -- ord of the trial

-- What two trials were compared for; one order says nothing of agreement.
INSERT INTO judgements (seq, ord, judge, payload)
SELECT c.seq, row_number() OVER (PARTITION BY c.seq ORDER BY c.ord, said.key) - 1,
    json_extract(said.value, '$.judge'), said.value
FROM candidates AS c
JOIN outcomes AS o ON o.seq = c.seq
LEFT JOIN revisions AS r ON r.id = o.revision
JOIN json_each(judgements_of_candidate(
    c.payload,
    c.ord,
    (SELECT min(ord) FROM candidates WHERE seq = c.seq AND is_base = 1 AND failure = ''),
    coalesce(json_extract(r.config, '$.star.referee.orders'), json_extract(r.config, '$.referee.orders'))
)) AS said;

INSERT INTO rows (seq, ord, shape, payload, text_of)
SELECT seq, 0, 'sft', '{"shape":"sft","labels":{},"from_trials":[' || ord || ']}', ord FROM candidates WHERE chosen = 1;

INSERT INTO trials (seq, ord, arm, payload, role, failed, chosen, cost_usd)
SELECT seq, ord, pair, trial_of_candidate(payload), CASE is_base WHEN 1 THEN 'base' ELSE 'drawn' END,
    failure != '', chosen, cost_usd
FROM candidates;
-- Holds all that the sums need, so that they never read a text.
CREATE INDEX trials_by_outcome ON trials (seq, arm, chosen, failed, cost_usd);

-- The arm of what was chosen in place of the pair and its π, which are among the measures.
DROP INDEX outcomes_by_pair;
ALTER TABLE outcomes DROP COLUMN pi;
ALTER TABLE outcomes RENAME COLUMN pair TO arm;
UPDATE outcomes SET payload = outcome_with_earned(payload);
UPDATE outcomes
SET arm = coalesce((SELECT arm FROM trials WHERE seq = outcomes.seq AND chosen = 1 ORDER BY ord LIMIT 1), '')
WHERE arm = '';
CREATE INDEX outcomes_by_arm ON outcomes (arm, kind) WHERE arm IS NOT NULL;

-- Sums. What each arm of a pool was tried for, and how often a row came of it.
UPDATE tallies SET name = 'pools.tried', item = json_array('star.pairs', item) WHERE name = 'pairs.drawn';
UPDATE tallies SET name = 'pools.won', item = json_array('star.pairs', item) WHERE name = 'pairs.won';
INSERT INTO tallies (name, item, n)
SELECT 'pools.draws', item, n FROM tallies WHERE name = 'pools.tried';
INSERT INTO tallies (name, item, n)
SELECT 'pools.rewards', json_array('star.pairs', json_extract(one.value, '$.arm')), count(*)
FROM outcomes AS o, json_each(o.payload, '$.earned') AS one
WHERE json_extract(one.value, '$.pool') = 'star.pairs' GROUP BY 2;
INSERT INTO tallies (name, item, n)
SELECT 'pools.earned', json_array('star.pairs', json_extract(one.value, '$.arm')),
    CAST(sum(CAST(round(1000000 * json_extract(one.value, '$.value')) AS INTEGER)) AS INTEGER)
FROM outcomes AS o, json_each(o.payload, '$.earned') AS one
WHERE json_extract(one.value, '$.pool') = 'star.pairs' GROUP BY 2;

-- What judges came to, and their votes, by recipe.
UPDATE tallies SET name = 'judges.verdicts', item = json_array('star', item) WHERE name = 'referee';
UPDATE tallies SET name = 'judges.votes', item = json_array('star', item) WHERE name = 'votes';
UPDATE tallies SET name = 'memory.draws' WHERE name = 'draws';

-- Every measure is counted in bins of its range, once for all trials and once for the chosen ones; those that Star
-- declares beside its gap are counted from the trials when it declares them.
INSERT INTO measures (recipe, name, place, what, better, low, high, n, total)
SELECT 'star', 'gap', 0, '', 'high', -1.0, 1.0, count(gap), coalesce(sum(gap), 0.0)
FROM (
    SELECT json_extract(payload, '$.score.ifd_small') - json_extract(payload, '$.score.ifd_large') AS gap
    FROM candidates
) HAVING count(gap) > 0;
INSERT INTO tallies (name, item, n)
SELECT 'recipes.measured', json_array('star', 'gap', CAST(item AS INTEGER)), sum(n)
FROM tallies WHERE name IN ('gaps.chosen', 'gaps.others') GROUP BY item;
UPDATE tallies SET name = 'recipes.chosen', item = json_array('star', 'gap', CAST(item AS INTEGER))
WHERE name = 'gaps.chosen';
DELETE FROM tallies WHERE name = 'gaps.others';
INSERT INTO tallies (name, item, n)
SELECT 'recipes.trials', json_array('star', kind), count(*)
FROM (SELECT coalesce(json_extract(t.payload, '$.failure.kind'), '') AS kind FROM trials AS t
    JOIN outcomes AS o ON o.seq = t.seq WHERE o.recipe = 'star')
GROUP BY kind;

-- What the bank remembers: an arm and what it earned.
ALTER TABLE memory RENAME COLUMN pair TO arm;
ALTER TABLE memory RENAME COLUMN pi TO value;

DROP TABLE candidates;
