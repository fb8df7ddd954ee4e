-- meta_get --
-- One fact about the store.
SELECT value FROM meta WHERE key = :key;

-- meta_by_prefix --
-- Facts whose names begin alike.
SELECT key, value FROM meta WHERE key GLOB :prefix;

-- meta_set_default --
-- Set a fact that is not set yet.
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING;

-- meta_set --
-- Set a fact, whatever it was before.
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- newest_revision --
-- The config revision in force.
SELECT id, digest FROM revisions ORDER BY id DESC LIMIT 1;

-- add_revision --
-- Record a config as in force from the next outcome on.
INSERT INTO revisions (digest, config, at, after_seq)
VALUES (:digest, :config, :at, (SELECT coalesce(max(seq), 0) FROM outcomes))
RETURNING id;

-- revisions --
-- Every config that was in force, oldest first.
SELECT id, digest, config, at, after_seq FROM revisions ORDER BY id;

-- make_gathered_seeds --
-- Seeds that are read and not queued yet, in a database of their own (gathered_seeds.py).
CREATE TABLE gathered (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    kind TEXT NOT NULL,
    recipe TEXT NOT NULL,
    labels TEXT NOT NULL,
    parent TEXT NOT NULL,
    round INTEGER NOT NULL,
    source TEXT NOT NULL,
    meta TEXT NOT NULL
) STRICT;

-- gather_seed --
-- Keep a seed unless an equal one is there.
INSERT INTO gathered (id, content, kind, recipe, labels, parent, round, source, meta)
VALUES (:id, :content, :kind, :recipe, :labels, :parent, :round, :source, :meta)
ON CONFLICT (id) DO NOTHING;

-- gathered_source --
-- Where one came from.
SELECT source FROM gathered WHERE id = :id;

-- gathered_after --
-- Those behind a place.
SELECT place, id, content, kind, recipe, labels, parent, round, source, meta FROM gathered
WHERE place > :last ORDER BY place LIMIT :count;

-- gathered_ids_after --
-- The ids of those behind a place.
SELECT place, id FROM gathered WHERE place > :last ORDER BY place LIMIT :count;

-- gathered_slice --
-- Those behind so many others.
SELECT place, id, content, kind, recipe, labels, parent, round, source, meta FROM gathered
ORDER BY place LIMIT :count OFFSET :start;

-- gathered_shuffled --
-- All, in an order by chance.
SELECT id, content, kind, recipe, labels, parent, round, source, meta FROM gathered ORDER BY shuffle_key(id);

-- add_seed --
-- Queue a seed unless an equal one was queued before.
INSERT INTO seeds (id, content, kind, recipe, labels, parent, round, source, meta, added_at)
VALUES (:id, :content, :kind, :recipe, :labels, :parent, :round, :source, :meta, :at)
ON CONFLICT (id) DO NOTHING;

-- count_deaths --
-- Seeds that were in hand when a process died: one death more each, and quarantine at the limit.
UPDATE seeds SET deaths = deaths + 1, state = CASE WHEN deaths + 1 >= :limit THEN 'quarantined' ELSE 'waiting' END
WHERE state = 'working';

-- requeue_working --
-- Seeds that are in hand when a process ends in good order.
UPDATE seeds SET state = 'waiting' WHERE state = 'working';

-- suspects --
-- Whether any seed is in hand, and the most deaths of a seed in hand and of one that waits.
SELECT
    EXISTS (SELECT 1 FROM seeds WHERE state = 'working'),
    (SELECT coalesce(max(deaths), 0) FROM seeds INDEXED BY suspects WHERE state = 'working' AND deaths > 0),
    (
        SELECT coalesce(max(deaths), 0) FROM seeds INDEXED BY suspects
        WHERE state = 'waiting' AND deaths > 0 AND (:scoped = 0 OR ordinal IN (SELECT ordinal FROM temp.run_seeds))
            AND id NOT IN (SELECT id FROM temp.put_off)
            AND (:taken IS NULL OR (recipe, kind) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:taken)))
            AND (:parts IS NULL OR labels ->> '$.":part"' IN (SELECT value FROM json_each(:parts)))
    );

-- any_waiting --
-- Whether any seed waits that may be leased.
SELECT EXISTS (
    SELECT 1 FROM seeds WHERE state = 'waiting' AND ordinal BETWEEN :first AND :last
    AND id NOT IN (SELECT id FROM temp.put_off)
    AND (:scoped = 0 OR ordinal IN (SELECT ordinal FROM temp.run_seeds))
    AND (:taken IS NULL OR (recipe, kind) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:taken)))
    AND (:parts IS NULL OR labels ->> '$.":part"' IN (SELECT value FROM json_each(:parts)))
);

-- lease_suspect --
-- Hand out the seed that waits with most deaths.
UPDATE seeds SET state = 'working', attempts = attempts + 1
WHERE ordinal = (
    SELECT ordinal FROM seeds INDEXED BY suspects
    WHERE state = 'waiting' AND deaths > 0 AND (:scoped = 0 OR ordinal IN (SELECT ordinal FROM temp.run_seeds))
    AND id NOT IN (SELECT id FROM temp.put_off)
    AND (:taken IS NULL OR (recipe, kind) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:taken)))
    AND (:parts IS NULL OR labels ->> '$.":part"' IN (SELECT value FROM json_each(:parts)))
    ORDER BY deaths DESC, ordinal LIMIT 1
)
RETURNING ordinal, id, content, kind, recipe, labels, parent, round, source, meta, attempts;

-- lease_unsuspected --
-- Hand out the seeds without a death that wait longest. It begins to look where the first one is that may be taken: those
-- that nobody takes may be many, and wait before all others.
UPDATE seeds SET state = 'working', attempts = attempts + 1
WHERE ordinal IN (
    SELECT ordinal FROM seeds INDEXED BY seeds_by_state
    WHERE state = 'waiting' AND deaths = 0 AND ordinal <= :last AND ordinal >= max(:first, CASE
        WHEN :taken IS NULL THEN 0
        WHEN :parts IS NOT NULL THEN coalesce((
            SELECT min((
                SELECT min(s.ordinal) FROM seeds AS s INDEXED BY seeds_by_part
                WHERE s.labels ->> '$.":part"' = part.value AND s.state = 'waiting'
                    AND s.recipe = kind.value ->> 0 AND s.kind = kind.value ->> 1
            )) FROM json_each(:taken) AS kind, json_each(:parts) AS part
        ), 9223372036854775807)
        ELSE coalesce((
            SELECT min((
                SELECT min(s.ordinal) FROM seeds AS s INDEXED BY waiting_by_recipe
                WHERE s.state = 'waiting' AND s.recipe = value ->> 0 AND s.kind = value ->> 1
            )) FROM json_each(:taken)
        ), 9223372036854775807)
    END)
    AND id NOT IN (SELECT id FROM temp.put_off)
    AND (:scoped = 0 OR ordinal IN (SELECT ordinal FROM temp.run_seeds))
    AND (:taken IS NULL OR (recipe, kind) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:taken)))
    AND (:parts IS NULL OR labels ->> '$.":part"' IN (SELECT value FROM json_each(:parts)))
    ORDER BY ordinal LIMIT :count
)
RETURNING ordinal, id, content, kind, recipe, labels, parent, round, source, meta, attempts;

-- lease_newest_child --
-- Hand out the seed without a death that a recipe made last, of those that may be taken.
UPDATE seeds SET state = 'working', attempts = attempts + 1
WHERE ordinal = (
    SELECT max((
        SELECT s.ordinal FROM seeds AS s INDEXED BY waiting_by_recipe
        WHERE s.state = 'waiting' AND s.recipe = value ->> 0 AND s.kind = value ->> 1 AND s.deaths = 0
        AND s.id NOT IN (SELECT id FROM temp.put_off)
        AND (:scoped = 0 OR s.ordinal IN (SELECT ordinal FROM temp.run_seeds))
        ORDER BY s.ordinal DESC LIMIT 1
    )) FROM json_each(:taken) WHERE value ->> 0 != ''
)
RETURNING ordinal, id, content, kind, recipe, labels, parent, round, source, meta, attempts;

-- lease_newest_child_of_part --
-- The same of the parts that are worked alone, however many children of others wait.
UPDATE seeds SET state = 'working', attempts = attempts + 1
WHERE ordinal = (
    SELECT max((
        SELECT s.ordinal FROM seeds AS s INDEXED BY seeds_by_part
        WHERE s.state = 'waiting' AND s.labels ->> '$.":part"' = part.value
        AND s.recipe = kind.value ->> 0 AND s.kind = kind.value ->> 1 AND s.deaths = 0
        AND s.id NOT IN (SELECT id FROM temp.put_off)
        AND (:scoped = 0 OR s.ordinal IN (SELECT ordinal FROM temp.run_seeds))
        ORDER BY s.ordinal DESC LIMIT 1
    )) FROM json_each(:taken) AS kind, json_each(:parts) AS part WHERE kind.value ->> 0 != ''
)
RETURNING ordinal, id, content, kind, recipe, labels, parent, round, source, meta, attempts;

-- make_run_seeds --
-- The seeds that this run is about. They are gone with the connection, so that no crash leaves a limit behind.
CREATE TEMP TABLE run_seeds (ordinal INTEGER PRIMARY KEY);

-- make_put_off --
-- Seeds that are not handed out until they are called back. They wait as others do, and after a restart are tried anew.
CREATE TEMP TABLE put_off (id TEXT PRIMARY KEY) WITHOUT ROWID;

-- put_off --
-- Hand a seed out no more until it is called back.
INSERT INTO temp.put_off (id) VALUES (:id) ON CONFLICT (id) DO NOTHING;

-- call_back --
-- Whoever was put off waits as others do.
DELETE FROM temp.put_off;

-- forget_run_seeds --
-- Begin anew.
DELETE FROM temp.run_seeds;

-- add_run_seeds --
-- This run is about these seeds.
INSERT OR IGNORE INTO temp.run_seeds SELECT DISTINCT s.ordinal FROM json_each(:ids) AS asked JOIN seeds AS s ON s.id = asked.value;

-- adopt_children --
-- Children of a seed of this run are of this run.
INSERT OR IGNORE INTO temp.run_seeds
SELECT child.ordinal FROM seeds AS child JOIN seeds AS parent ON parent.id = child.parent
WHERE child.parent = :parent AND parent.ordinal IN (SELECT ordinal FROM temp.run_seeds);

-- span_of_run_seeds --
-- Where they stand in the queue.
SELECT coalesce(min(ordinal), 0), coalesce(max(ordinal), 0) FROM temp.run_seeds;

-- count_run_seeds --
-- Seeds of this run by state, and how many others wait.
SELECT
    count(*),
    coalesce(sum(s.state = 'done'), 0),
    coalesce(sum(s.state IN ('waiting', 'parked')), 0),
    (SELECT count(*) FROM seeds WHERE state IN ('waiting', 'parked'))
        - coalesce(sum(s.state IN ('waiting', 'parked')), 0)
FROM temp.run_seeds AS r JOIN seeds AS s ON s.ordinal = r.ordinal;

-- waiting_by_recipe --
-- Seeds that wait, by the recipe that takes them and by kind; by leaps, for those that are not taken alone are counted.
WITH RECURSIVE found (recipe, kind) AS (
    SELECT * FROM (
        SELECT recipe, kind FROM seeds INDEXED BY waiting_by_recipe WHERE state = 'waiting' ORDER BY recipe, kind LIMIT 1
    )
    UNION ALL
    SELECT following.value ->> 0, following.value ->> 1 FROM found, json_each((
        SELECT json_array(json_array(recipe, kind)) FROM seeds INDEXED BY waiting_by_recipe
        WHERE state = 'waiting' AND (recipe, kind) > (found.recipe, found.kind) ORDER BY recipe, kind LIMIT 1
    )) AS following
)
SELECT recipe, kind, (
    SELECT count(*) FROM seeds AS s INDEXED BY waiting_by_recipe
    WHERE s.state = 'waiting' AND s.recipe = found.recipe AND s.kind = found.kind
) FROM found
WHERE (recipe, kind) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(:taken));

-- waiting_of_other_parts --
-- Seeds that wait and are of a kind that is taken, of parts that are not worked, by part.
SELECT labels ->> '$.":part"', count(*) FROM seeds INDEXED BY seeds_by_part
WHERE state = 'waiting' AND labels ->> '$.":part"' IS NOT NULL
    AND labels ->> '$.":part"' NOT IN (SELECT value FROM json_each(:parts))
    AND (recipe, kind) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:taken))
GROUP BY 1;

-- seeds_by_part --
-- How many seeds of each part are in which state.
SELECT labels ->> '$.":part"', state, count(*) FROM seeds INDEXED BY seeds_by_part
WHERE labels ->> '$.":part"' IS NOT NULL GROUP BY 2, 1;

-- seeds_without_part --
-- Seeds that have no part yet, parents first.
SELECT ordinal, id, parent, meta FROM seeds WHERE labels ->> '$.":part"' IS NULL AND ordinal > :after
ORDER BY ordinal LIMIT :limit;

-- set_part --
-- A seed belongs to a part.
UPDATE seeds SET labels = json_set(labels, '$.":part"', :part) WHERE ordinal = :ordinal;

-- part_of --
-- The part of a seed.
SELECT labels ->> '$.":part"' FROM seeds WHERE id = :id;

-- quarantined --
-- Seeds in quarantine, oldest first.
SELECT id, source, attempts, deaths FROM seeds WHERE state = 'quarantined' ORDER BY ordinal LIMIT :limit;

-- release_all --
-- Let every seed in quarantine wait again.
UPDATE seeds SET state = 'waiting', deaths = 0 WHERE state = 'quarantined';

-- release_some --
-- Let some seeds in quarantine wait again.
UPDATE seeds SET state = 'waiting', deaths = 0
WHERE state = 'quarantined' AND id IN (SELECT value FROM json_each(:ids))
RETURNING id;

-- release_seed --
-- Give a leased seed back.
UPDATE seeds SET state = 'waiting' WHERE id = :id AND state = 'working';

-- requeue_dropped --
-- Queue again what ended as dropped.
UPDATE seeds SET state = 'waiting'
WHERE state = 'done' AND id NOT IN (SELECT seed_id FROM outcomes WHERE kind != 'dropped')
    AND (:scoped = 0 OR ordinal IN (SELECT ordinal FROM temp.run_seeds));

-- finish_seed --
-- A seed has its outcome; whatever died beside it, it is innocent.
UPDATE seeds SET state = 'done', deaths = 0 WHERE id = :id AND state != 'done' RETURNING parent, labels, meta,
    EXISTS (SELECT 1 FROM batch_calls WHERE seed_id = :id), EXISTS (SELECT 1 FROM reopened WHERE seed_id = :id);

-- outcomes_lacking --
-- A page of a recipe's outcomes in which not all of these arms have a trial, of seeds that are done.
SELECT o.seq, o.revision, o.at, o.payload, o.cleared_at
FROM outcomes AS o JOIN seeds AS s ON s.id = o.seed_id
WHERE o.seq > :after AND o.recipe = :recipe AND o.kind != 'dropped' AND s.state = 'done'
    AND (:scoped = 0 OR s.ordinal IN (SELECT ordinal FROM temp.run_seeds))
    AND (:parts IS NULL OR s.labels ->> '$.":part"' IN (SELECT value FROM json_each(:parts)))
    AND :arms_asked > (
        SELECT count(DISTINCT t.arm) FROM trials AS t INDEXED BY trials_by_outcome
        WHERE t.seq = o.seq AND t.arm IN (SELECT value FROM json_each(:arms))
    )
ORDER BY o.seq LIMIT :limit;

-- reopen --
-- Remember what finished seeds have already, whose texts are there still; another may have reopened them meanwhile.
INSERT INTO reopened (seed_id, seq)
SELECT o.seed_id, o.seq FROM outcomes AS o JOIN seeds AS s ON s.id = o.seed_id
WHERE o.seq IN (SELECT value FROM json_each(:seqs)) AND o.cleared_at IS NULL AND s.state = 'done';

-- requeue_reopened --
-- They wait once more.
UPDATE seeds SET state = 'waiting'
WHERE state = 'done' AND id IN (SELECT seed_id FROM reopened WHERE seq IN (SELECT value FROM json_each(:seqs)));

-- close_reopened --
-- Seeds of a recipe that wait to add to what they have are done with it as it is.
UPDATE seeds SET state = 'done' WHERE state = 'waiting' AND id IN (
    SELECT r.seed_id FROM reopened AS r JOIN outcomes AS o ON o.seq = r.seq WHERE o.recipe = :recipe
);

-- forget_closed --
-- Nobody adds to the outcomes of seeds that are done.
DELETE FROM reopened WHERE seed_id IN (SELECT id FROM seeds WHERE state = 'done');

-- count_reopened --
-- Seeds that are to add to what they have, by its kind.
SELECT o.kind, count(*) FROM reopened AS r JOIN outcomes AS o ON o.seq = r.seq GROUP BY o.kind;

-- outcome_so_far --
-- What a seed has that is to add to it.
SELECT o.seq, o.revision, o.at, o.payload FROM reopened AS r JOIN outcomes AS o ON o.seq = r.seq
WHERE r.seed_id = :seed_id;

-- forget_reopened --
-- It has added to it.
DELETE FROM reopened WHERE seed_id = :seed_id;

-- count_spare --
-- Spare rows of a shape, as far as their texts are there, and how many of them a quota keeps back.
SELECT count(*), coalesce(sum(filter = 'quota'), 0) FROM findings WHERE action = 'spare' AND payload ->> '$.row.shape' = :shape;

-- seeds_for_recipe --
-- Seeds that were made for a recipe and have no outcome yet.
SELECT count(*) FROM seeds WHERE recipe = :recipe AND state IN ('waiting', 'working', 'parked');

-- count_spare_rows --
-- Spare rows by shape, as far as their texts are there.
SELECT payload ->> '$.row.shape', count(*) FROM findings
WHERE action = 'spare' AND payload ->> '$.row.shape' IS NOT NULL GROUP BY 1;

-- ended_alone --
-- Seeds that have ended and have no children: what they gave are their own rows.
SELECT count(*) FROM seeds AS s WHERE s.state = 'done'
AND NOT EXISTS (SELECT 1 FROM seeds AS child WHERE child.parent = s.id AND child.parent != '');

-- count_rows_of_shape --
-- How many are in the dataset.
SELECT count(*) FROM rows WHERE shape = :shape;

-- row_origins --
-- Where the rows of a shape come from.
SELECT s.labels, r.payload ->> '$.labels', o.recipe, s.source, coalesce((
    SELECT t.arm FROM trials AS t WHERE t.seq = r.seq AND t.ord = r.payload ->> '$.from_trials[0]'
), '')
FROM rows AS r JOIN outcomes AS o ON o.seq = r.seq JOIN seeds AS s ON s.id = o.seed_id WHERE r.shape = :shape;

-- spare_outcomes --
-- A page of outcomes with spare rows, and their seeds.
SELECT o.seq, o.revision, o.at, o.payload, s.id, s.content, s.kind, s.recipe, s.labels, s.parent, s.round, s.source, s.meta
FROM outcomes AS o JOIN seeds AS s ON s.id = o.seed_id
WHERE o.seq > :after AND o.seq IN (SELECT seq FROM findings WHERE action = 'spare' AND seq > :after)
ORDER BY o.seq LIMIT :limit;

-- set_outcome_arm --
-- What is chosen is another trial.
UPDATE outcomes SET arm = :arm WHERE seq = :seq;

-- remove_rows --
-- Of an outcome that another takes the place of.
DELETE FROM rows WHERE seq = :seq;

-- remove_findings --
-- Likewise.
DELETE FROM findings WHERE seq = :seq;

-- remove_judgements --
-- Likewise.
DELETE FROM judgements WHERE seq = :seq;

-- remove_trials --
-- Likewise.
DELETE FROM trials WHERE seq = :seq;

-- remove_outcome --
-- Once its parts are gone.
DELETE FROM outcomes WHERE seq = :seq;

-- is_done --
-- Whether a seed neither waits nor is in hand.
SELECT NOT EXISTS (SELECT 1 FROM seeds WHERE id = :id AND state IN ('waiting', 'working', 'parked'));

-- has_seed --
-- Whether a seed was ever queued.
SELECT 1 FROM seeds WHERE id = :id;

-- find_answer --
-- The recorded reply of a call.
SELECT reply FROM calls WHERE key = :key AND state = 'answered';

-- answered_otherwise --
-- Whether a step of a seed was answered to another prompt.
SELECT EXISTS (
    SELECT 1 FROM calls WHERE seed_id = :seed_id AND step = :step AND state = 'answered' AND key != :key
) AND NOT EXISTS (SELECT 1 FROM calls WHERE key = :key AND state = 'answered');

-- intend --
-- Record that a call is about to be sent, once more if an earlier send was never answered.
INSERT INTO calls (
    key, seed_id, step, agent, revision, state, sends, parameters, reserved_usd, reserved_tokens, intended_at
)
VALUES (:key, :seed_id, :step, :agent, :revision, 'intent', 1, :parameters, :reserved_usd, :reserved_tokens, :at)
ON CONFLICT (key) DO UPDATE SET
    state = 'intent', sends = sends + 1, revision = excluded.revision, reserved_usd = excluded.reserved_usd,
    reserved_tokens = excluded.reserved_tokens, intended_at = excluded.intended_at
WHERE state != 'answered';

-- record_answer --
-- What a call brought back, beside its intent.
UPDATE calls SET state = 'answered', reply = :reply, cost_usd = :cost_usd, prompt_tokens = :prompt_tokens,
    completion_tokens = :completion_tokens, answered_at = :at
WHERE key = :key AND state = 'intent';

-- withdraw_first --
-- Forget a call whose only send was certainly not paid for.
DELETE FROM calls WHERE key = :key AND state = 'intent' AND sends = 1;

-- withdraw_again --
-- Take back the last send of a call; the ones before may have been paid for.
UPDATE calls SET state = 'withdrawn', sends = sends - 1 WHERE key = :key AND state = 'intent';

-- find_step --
-- A recorded decision of a recipe.
SELECT payload FROM steps WHERE seed_id = :seed_id AND step = :step;

-- documents --
-- Documents from outside, in the order in which they came.
SELECT ordinal, content FROM seeds WHERE ordinal > :after AND kind = 'document' AND parent = ''
ORDER BY ordinal LIMIT :limit;

-- record_step --
-- Record a decision unless one stands already.
INSERT INTO steps (seed_id, step, payload) VALUES (:seed_id, :step, :payload)
ON CONFLICT (seed_id, step) DO NOTHING;

-- add_outcome --
-- What became of a seed.
INSERT INTO outcomes (seed_id, recipe, kind, reason, arm, payload, revision, cost_usd, at)
VALUES (:seed_id, :recipe, :kind, :reason, :arm, :payload, :revision, :cost_usd, :at)
RETURNING seq;

-- add_memory --
-- One instruction of the memory bank.
INSERT INTO memory (seq, arm, value, embedder, dimension, embedding)
VALUES (:seq, :arm, :value, :embedder, :dimension, :embedding);

-- add_row --
-- One line that an outcome gives to the dataset; where its text is a trial's, it stands there alone.
INSERT INTO rows (seq, ord, shape, payload, text_of) VALUES (:seq, :ord, :shape, :payload, :text_of);

-- rows_of --
-- The lines of some outcomes, in order.
SELECT seq, payload, text_of FROM rows WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq, ord;

-- add_finding --
-- What admission has against a row or a child of an outcome, or its seed.
INSERT INTO findings (seq, ord, filter, action, kind, payload, text_of)
VALUES (:seq, :ord, :filter, :action, :kind, :payload, :text_of);

-- findings_of --
-- What it has against those of some outcomes, in order.
SELECT seq, payload, text_of FROM findings WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq, ord;

-- add_trial --
-- One attempt at the seed of an outcome.
INSERT INTO trials (seq, ord, arm, role, failed, chosen, cost_usd, payload)
VALUES (:seq, :ord, :arm, :role, :failed, :chosen, :cost_usd, :payload);

-- trials_of --
-- The attempts of some outcomes, in order.
SELECT seq, ord, payload FROM trials WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq, ord;

-- add_judgement --
-- What a judge said of two trials of an outcome.
INSERT INTO judgements (seq, ord, judge, payload) VALUES (:seq, :ord, :judge, :payload);

-- judgements_of --
-- What judges said for some outcomes, in order.
SELECT seq, payload FROM judgements WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq, ord;

-- arena_answers --
-- What players answered in the outcomes that count after one, in characters; what was cleared has none.
SELECT t.seq, t.ord, o.seed_id, t.arm, length(json_extract(t.payload, '$.sample.response'))
FROM trials AS t
JOIN outcomes AS o ON o.seq = t.seq AND o.seq = (SELECT max(seq) FROM outcomes WHERE seed_id = o.seed_id)
WHERE t.seq > :after AND t.role IN ('target', 'opponent')
ORDER BY t.seq, t.ord;

-- arena_judgements --
-- What judges said of two trials each, in the outcomes after one, in the order in which seeds were queued: that of the
-- outcomes is of chance.
SELECT j.seq, j.judge, json_extract(j.payload, '$.left'), json_extract(j.payload, '$.right'),
    json_extract(j.payload, '$.scores[0]'), json_extract(j.payload, '$.scores[1]'),
    json_extract(j.payload, '$.gap'), json_extract(j.payload, '$.rewards[1]') IS NOT NULL
FROM judgements AS j
JOIN outcomes AS o ON o.seq = j.seq
JOIN seeds AS s ON s.id = o.seed_id
WHERE j.seq > :after
ORDER BY s.ordinal, j.seq, j.ord;

-- arena_labels --
-- What else is told of the seeds whose outcomes came after one.
SELECT s.id, json_extract(s.meta, '$.category'), json_extract(s.meta, '$.language'), json_extract(s.meta, '$.set'),
    s.labels ->> '$.":part"'
FROM outcomes AS o
JOIN seeds AS s ON s.id = o.seed_id
WHERE o.seq > :after AND (s.meta != '{}' OR s.labels != '{}');

-- replaced_since --
-- Whether an outcome after one takes the place of one before it.
SELECT EXISTS (
    SELECT 1 FROM outcomes AS new
    WHERE new.seq > :after AND EXISTS (SELECT 1 FROM outcomes AS old WHERE old.seed_id = new.seed_id AND old.seq <= :after)
);

-- save_pool --
-- A pool's state as of the newest outcome; the first state ever is kept beside it.
INSERT INTO pools (name, after_seq, revision, state, start)
VALUES (:pool, (SELECT coalesce(max(seq), 0) FROM outcomes), :revision, :state, :state)
ON CONFLICT (name) DO UPDATE SET
    after_seq = excluded.after_seq, revision = excluded.revision, state = excluded.state;

-- load_pools --
-- The state of every pool.
SELECT name, after_seq, revision, state, start FROM pools ORDER BY name;

-- arm_notes --
-- What each arm began with, and what is said of it; of a store that did not note it, what the pool began with.
SELECT name, arm_starts, arm_marks, start FROM pools ORDER BY name;

-- arm_starts --
-- What the arms of a pool began with.
SELECT arm_starts FROM pools WHERE name = :pool;

-- note_arm_starts --
-- Arms came to a pool.
UPDATE pools SET arm_starts = :starts WHERE name = :pool;

-- arm_marks --
-- What is said of the arms of a pool.
SELECT arm_marks FROM pools WHERE name = :pool;

-- note_arm_marks --
-- Say something else of the arms of a pool.
UPDATE pools SET arm_marks = :marks WHERE name = :pool;

-- expect_rewards --
-- Children of a seed carry what an arm of a pool was drawn for.
INSERT INTO rewards_due (parent, pool, arm, children) VALUES (:parent, :pool, :arm, :children)
ON CONFLICT (parent, pool, arm) DO NOTHING;

-- hear_of_child --
-- What one child is worth to the arms in its labels; NULL: that is not known.
UPDATE rewards_due SET heard = heard + 1, known = known + (:worth IS NOT NULL), earned = earned + coalesce(:worth, 0.0)
WHERE parent = :parent AND pool = :pool AND arm = :arm
RETURNING children, heard, known, earned;

-- forget_reward_due --
-- Every child was heard of.
DELETE FROM rewards_due WHERE parent = :parent AND pool = :pool AND arm = :arm;

-- lineage --
-- Whose child a seed is, and what was drawn for it on the way.
SELECT parent, labels FROM seeds WHERE id = :id;

-- count_verdicts_on_seed --
-- How often a seed came to an outcome that says something of it, and not only of its recipe's code.
SELECT count(*) FROM outcomes WHERE seed_id = :seed_id AND json_extract(payload, '$.is_fault') IS NOT 1;

-- note_recollection --
-- What was near when an arm was drawn; a seed that is worked again keeps what is known already.
INSERT INTO recollections (seed_id, pool, arm, embedder, embedding, value)
VALUES (:seed_id, :pool, :arm, :embedder, :embedding, :value)
ON CONFLICT (seed_id, pool, arm) DO UPDATE SET value = coalesce(value, excluded.value);

-- complete_recollection --
-- The children of a draw were all heard of.
UPDATE recollections SET value = coalesce(value, :value) WHERE seed_id = :seed_id AND pool = :pool AND arm = :arm;

-- recollection --
-- What an arm earned near something; nothing where it earned nothing, or that is not known yet.
SELECT id, pool, arm, value, embedder, embedding FROM recollections
WHERE seed_id = :seed_id AND pool = :pool AND arm = :arm AND value > 0;

-- recollections --
-- A page of what arms earned near something, oldest first.
SELECT id, pool, arm, value, embedder, embedding FROM recollections
WHERE value > 0 AND embedder = :embedder AND id > :after ORDER BY id LIMIT :limit;

-- vectors_of_recollections --
-- Vectors of some of them.
SELECT id, embedding FROM recollections WHERE id IN (SELECT value FROM json_each(:numbers));

-- candidates --
-- Texts that have bands in common with one, those first that have most; of each band the first texts alone, no more than
-- can be counted in a moment.
SELECT s.id, s.seed_id, s.place, s.signature
FROM (
    SELECT id, count(*) AS met FROM (
    SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_0 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_1 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_2 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_3 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_4 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_5 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_6 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_7 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_8 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_9 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_10 ORDER BY id LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id FROM signature_bands WHERE band = :band_11 ORDER BY id LIMIT :most)
    ) GROUP BY id ORDER BY met DESC, id LIMIT :compared
) AS found JOIN signatures AS s ON s.id = found.id;

-- add_signature --
-- What a text is known again by from now on.
INSERT INTO signatures (seed_id, place, signature) VALUES (:seed_id, :place, :signature) RETURNING id;

-- add_signature_bands --
-- The keys by which a signature is found.
INSERT INTO signature_bands (band, id) SELECT value, :id FROM json_each(:bands);

-- add_row_vector --
-- What an instruction is known again by in other words.
INSERT INTO row_vectors (seed_id, place, embedder, vector) VALUES (:seed_id, :place, :embedder, :vector) RETURNING id;

-- vector_of_seed --
-- That of a seed's own text.
SELECT id, seed_id, place, vector FROM row_vectors WHERE seed_id = :seed_id AND place = -1 AND embedder = :embedder;

-- row_vectors --
-- All of an embedder, in order, with the size of each vector alone.
SELECT id, seed_id, place, length(vector) FROM row_vectors WHERE embedder = :embedder ORDER BY id;

-- vectors_of_rows --
-- Vectors of some of them.
SELECT id, vector FROM row_vectors WHERE id IN (SELECT value FROM json_each(:numbers));

-- forget_vectors_of_seed --
-- Its rows are no longer in the dataset.
DELETE FROM row_vectors WHERE seed_id = :seed_id AND place < -1;

-- find_row --
-- Who gave a row that says the same.
SELECT seed_id, place FROM row_digests WHERE digest = :digest;

-- add_row_digest --
-- Let a row be found from now on.
INSERT INTO row_digests (digest, seed_id, place) VALUES (:digest, :seed_id, :place)
ON CONFLICT (digest) DO NOTHING;

-- forget_rows_of_seed --
-- Its rows are no longer in the dataset.
DELETE FROM row_digests WHERE seed_id = :seed_id;

-- source_of_seed --
-- Where a seed came from, for people.
SELECT source FROM seeds WHERE id = :id;

-- memory_rows --
-- Instructions of the memory bank in the order in which they entered.
SELECT seq, arm, value, embedder, embedding FROM memory
WHERE seq > :after_seq AND (:embedder IS NULL OR embedder = :embedder)
ORDER BY seq;

-- memory_keys --
-- The same without the vectors.
SELECT seq, arm, dimension FROM memory WHERE embedder = :embedder ORDER BY seq;

-- vectors_of_memory --
-- Vectors of some of them.
SELECT seq, embedding FROM memory WHERE seq IN (SELECT value FROM json_each(:numbers));

-- outcomes --
-- A page of outcomes in the order in which they took effect.
SELECT seq, revision, at, payload FROM outcomes WHERE seq > :after_seq ORDER BY seq LIMIT :limit;

-- finished_seeds --
-- A page of finished seeds with their newest outcome, in the order in which they were queued. The table is gone through as
-- it lies: by an index all that are left would be sorted for every page.
FROM seeds AS s NOT INDEXED
JOIN outcomes AS o ON o.seq = (SELECT max(seq) FROM outcomes WHERE seed_id = s.id)
WHERE (s.state = 'done' OR s.id IN (SELECT seed_id FROM reopened)) AND s.ordinal > :after AND s.ordinal <= :up_to
ORDER BY s.ordinal LIMIT :limit

-- count_finished --
-- Seeds that are done, from their index alone.
SELECT count(*) FROM seeds WHERE state = 'done';

-- place_of_finished --
-- The place in the queue of the one behind so many others of them.
SELECT ordinal FROM seeds WHERE state = 'done' ORDER BY ordinal LIMIT 1 OFFSET :offset;

-- results --
-- With everything that columns say of them.
SELECT s.ordinal, s.id, s.content, s.kind, s.recipe, s.labels, s.parent, s.round, s.source, s.meta,
    o.seq, o.revision, o.at, o.kind, o.recipe, o.cost_usd, o.payload
{finished_seeds};

-- row_sources --
-- With what rows are made of, and no more: a row, the place of the trial whose text it has, and that trial, of all rows in
-- one JSON array, and what judges said in another.
SELECT s.ordinal, s.id, s.labels, s.parent, s.round, s.source, o.seq, o.revision, o.kind, o.recipe, o.cost_usd,
    (
        SELECT '[' || coalesce(group_concat(told), '') || ']' FROM (
            SELECT r.payload || ',' || coalesce(r.text_of, 'null') || ',' || coalesce(t.payload, 'null') AS told
            FROM rows AS r LEFT JOIN trials AS t ON t.seq = r.seq AND t.ord = r.text_of
            WHERE r.seq = o.seq ORDER BY r.ord
        )
    ),
    (
        SELECT '[' || coalesce(group_concat(payload), '') || ']'
        FROM (SELECT payload FROM judgements WHERE seq = o.seq ORDER BY ord)
    )
{finished_seeds};

-- results_of --
-- The seeds of some outcomes with these, in the order of the outcomes.
SELECT s.ordinal, s.id, s.content, s.kind, s.recipe, s.labels, s.parent, s.round, s.source, s.meta,
    o.seq, o.revision, o.at, o.kind, o.recipe, o.cost_usd, o.payload
FROM json_each(:seqs) AS asked
JOIN outcomes AS o ON o.seq = asked.value
JOIN seeds AS s ON s.id = o.seed_id
ORDER BY o.seq;

-- count_seeds --
-- Seeds by state.
SELECT state, count(*) FROM seeds GROUP BY state;

-- count_selections --
-- Seeds by what was selected for them; one selection per seed at most.
SELECT kind, count(*) FROM outcomes WHERE kind IN ('kept', 'base') GROUP BY kind;

-- sums_of_calls --
-- Of all calls, or of those in a state, from an index that holds all that it needs.
WITH asked AS (SELECT * FROM calls INDEXED BY calls_by_agent WHERE :state IS NULL OR state = :state),
{sums_of_asked}

-- sums_of_calls_after --
-- Of the calls behind a place, and of some before it, found by their places: the index would have to be read whole.
WITH asked AS (
    SELECT * FROM calls NOT INDEXED
    WHERE (rowid > :after OR rowid IN (SELECT value FROM json_each(:besides))) AND (:state IS NULL OR state = :state)
),
{sums_of_asked}

-- sums_of_asked --
-- Part of the two before: calls, tokens and dollars by agent. A send without an answer, or with one of unknown price, may
-- cost what it reserved. What no reply can have, as older releases recorded it, is unknown (`doctor --repair` makes it so
-- for good).
believed AS (
    SELECT agent, state, sends, reserved_usd, reserved_tokens,
        CASE WHEN can_be THEN cost_usd WHEN reserved_usd = 0 THEN 0.0 END AS cost_usd,
        can_be * prompt_tokens AS prompt_tokens, can_be * completion_tokens AS completion_tokens
    FROM (
        SELECT *, prompt_tokens BETWEEN 0 AND :most_tokens AND completion_tokens BETWEEN 0 AND :most_tokens
            AND coalesce(cost_usd, 0.0) BETWEEN 0 AND :most_usd AS can_be
        FROM asked
    )
)
SELECT agent,
    sum(state = 'answered'),
    sum(state = 'intent'),
    sum(sends - (state != 'withdrawn')),
    sum(prompt_tokens),
    sum(completion_tokens),
    coalesce(sum(cost_usd), 0.0),
    sum(state = 'answered' AND cost_usd IS NULL),
    coalesce(sum(reserved_usd * (sends - (state = 'answered' AND cost_usd IS NOT NULL))), 0.0),
    -- Where nothing could be reserved for some, and nothing stands against it, it is not known.
    max(reserved_usd IS NULL AND sends > (state = 'answered' AND cost_usd IS NOT NULL)),
    sum(sends),
    sum(
        prompt_tokens + completion_tokens
        + coalesce(reserved_tokens * (sends - (state = 'answered' AND prompt_tokens + completion_tokens > 0)), 0)
    )
FROM believed GROUP BY agent;

-- open_call_places --
-- Where calls lie that have no answer.
SELECT rowid FROM calls INDEXED BY calls_in_doubt WHERE (state != 'answered' OR sends > 1) AND state != 'answered'
ORDER BY rowid LIMIT :limit;

-- newest_call --
-- The last call that was answered, of the newest ones: where it lies, and its key.
SELECT rowid, key FROM calls WHERE state = 'answered' ORDER BY rowid DESC LIMIT 1;

-- call_at --
-- The key of the call at a place.
SELECT key FROM calls WHERE rowid = :place;

-- usage_of_seeds --
-- What each of these seeds took that is done, with all that came of it; one may have called nobody. What no reply can
-- have is unknown.
WITH RECURSIVE family (root, id, state) AS (
    SELECT s.id, s.id, s.state FROM json_each(:ids) AS asked JOIN seeds AS s ON s.id = asked.value
    UNION
    SELECT family.root, child.id, child.state
    FROM family JOIN seeds AS child ON child.parent = family.id AND child.parent != ''
)
SELECT family.root,
    coalesce(sum(c.state = 'answered'), 0),
    coalesce(sum(CASE WHEN c.prompt_tokens BETWEEN 0 AND :most_tokens THEN c.prompt_tokens END), 0),
    coalesce(sum(CASE WHEN c.completion_tokens BETWEEN 0 AND :most_tokens THEN c.completion_tokens END), 0),
    coalesce(sum(CASE WHEN c.cost_usd BETWEEN 0 AND :most_usd THEN c.cost_usd END), 0.0),
    coalesce(sum(c.state = 'answered' AND coalesce(c.cost_usd NOT BETWEEN 0 AND :most_usd, TRUE)), 0)
FROM family LEFT JOIN calls AS c ON c.seed_id = family.id
GROUP BY family.root HAVING min(family.state = 'done');

-- has_calls_before --
-- Whether any call was sent before a moment.
SELECT EXISTS (SELECT 1 FROM calls WHERE intended_at < :since);

-- taken_since --
-- Most dollars, sends and tokens of the calls sent since a moment, by agent; of one that was sent again all sends count.
-- An answer without a price may cost what was reserved, one whose tokens nobody counted may have as many.
WITH believed AS (
    SELECT agent, state, sends, reserved_usd, reserved_tokens,
        CASE WHEN can_be THEN cost_usd WHEN reserved_usd = 0 THEN 0.0 END AS cost_usd,
        can_be * prompt_tokens AS prompt_tokens, can_be * completion_tokens AS completion_tokens
    FROM (
        SELECT *, prompt_tokens BETWEEN 0 AND :most_tokens AND completion_tokens BETWEEN 0 AND :most_tokens
            AND coalesce(cost_usd, 0.0) BETWEEN 0 AND :most_usd AS can_be
        FROM calls INDEXED BY calls_by_time WHERE intended_at >= :since
    )
)
SELECT agent,
    sum(
        coalesce(cost_usd, 0.0)
        + coalesce(reserved_usd * (sends - (state = 'answered' AND cost_usd IS NOT NULL)), 0.0)
    ),
    sum(sends),
    sum(
        prompt_tokens + completion_tokens
        + coalesce(reserved_tokens * (sends - (state = 'answered' AND prompt_tokens + completion_tokens > 0)), 0)
    )
FROM believed GROUP BY agent;

-- sent_since --
-- Agent, time and tokens of each call sent since a moment: those of the reply, or the most that it may have.
SELECT agent, intended_at, CASE state
    WHEN 'answered' THEN min(max(prompt_tokens, 0), :most_tokens) + min(max(completion_tokens, 0), :most_tokens)
    ELSE coalesce(json_extract(parameters, '$.max_tokens'), json_extract(parameters, '$.max_completion_tokens'), 0)
END
FROM calls INDEXED BY calls_by_time WHERE intended_at >= :since AND state != 'withdrawn';

-- count_open --
-- Seeds and calls that are in hand, sends that were repeated, and seeds in quarantine.
SELECT
    (SELECT count(*) FROM seeds WHERE state = 'working'),
    coalesce(sum(state = 'intent'), 0),
    coalesce(sum(sends - (state != 'withdrawn')), 0),
    (SELECT count(*) FROM seeds WHERE state = 'quarantined')
FROM calls INDEXED BY calls_in_doubt WHERE state != 'answered' OR sends > 1;

-- pair_sums_after --
-- Trials, how many a row was made of, and dollars by arm, over a recipe's outcomes after one: the newest of finished seeds.
SELECT t.arm, count(*), sum(t.chosen), coalesce(sum(t.cost_usd), 0.0), sum(t.cost_usd IS NULL)
FROM outcomes AS o
CROSS JOIN seeds AS s ON s.id = o.seed_id
CROSS JOIN trials AS t INDEXED BY trials_by_outcome ON t.seq = o.seq
WHERE o.seq > :after AND o.recipe = :recipe AND s.state = 'done'
    AND o.seq = (SELECT max(seq) FROM outcomes WHERE seed_id = o.seed_id)
GROUP BY t.arm;

-- outcomes_with_texts --
-- Selections that are older than a moment, and whose texts are kept.
SELECT seq, seed_id FROM outcomes INDEXED BY outcomes_with_texts
WHERE kind != 'dropped' AND cleared_at IS NULL AND at < :before AND seed_id NOT IN (SELECT seed_id FROM reopened)
ORDER BY at LIMIT :limit;

-- clear_answers --
-- Take the texts out of a seed's answers.
UPDATE calls SET reply = json_remove(json_set(reply, '$.text', NULL, '$.reasoning', ''), '$.tool_calls')
WHERE seed_id = :seed_id AND state = 'answered';

-- clear_trials --
-- Take the texts out of a seed's trials; what of them became a row stays, here or there.
UPDATE trials
SET payload = json_replace(
    payload, '$.sample', json('{"instruction":""}'), '$.failure.detail', '', '$.reasoning', '', '$.notes.trace', ''
)
WHERE seq IN (SELECT seq FROM outcomes WHERE seed_id = :seed_id)
    AND NOT EXISTS (SELECT 1 FROM rows WHERE rows.seq = trials.seq AND rows.text_of = trials.ord);

-- clear_findings --
-- Take what was found in a seed's rows, and the rows that were refused, out of what admission has against them.
UPDATE findings SET payload = json_remove(json_replace(payload, '$.evidence', ''), '$.row'), text_of = NULL
WHERE seq IN (SELECT seq FROM outcomes WHERE seed_id = :seed_id);

-- clear_judgements --
-- Take the reasons out of what judges said of a seed's trials; why none of them answered is no text of theirs.
UPDATE judgements SET payload = json_replace(payload, '$.reason', '')
WHERE judge != '' AND seq IN (SELECT seq FROM outcomes WHERE seed_id = :seed_id);

-- mark_cleared --
-- The texts behind a selection are gone.
UPDATE outcomes SET cleared_at = :at, payload = json_remove(payload, '$.tried') WHERE seq = :seq;

-- find_request --
-- What intake of that name was told.
SELECT digest, response FROM requests WHERE key = :key AND at >= :since;

-- add_request --
-- Remember intake and what it was told.
INSERT INTO requests (key, digest, response, at) VALUES (:key, :digest, :response, :at);

-- forget_requests --
-- Intake is known by its name for some days.
DELETE FROM requests WHERE at < :before;

-- add_curve_point --
-- The probabilities that follow from an outcome, or from a change of the pairs after it.
INSERT INTO curve (pool, seq, at, probabilities) VALUES (:pool, :seq, :at, :probabilities)
ON CONFLICT (pool, seq) DO UPDATE SET at = excluded.at, probabilities = excluded.probabilities;

-- last_curve_point --
-- The probabilities written last.
SELECT seq, at, probabilities FROM curve WHERE pool = :pool ORDER BY seq DESC LIMIT 1;

-- count_curve --
-- Points of the curve.
SELECT count(*) FROM curve WHERE pool = :pool;

-- thin_curve --
-- Leave out every second point; the first one stays.
DELETE FROM curve WHERE pool = :pool AND seq IN (
    SELECT seq FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM curve WHERE pool = :pool)
    WHERE place % 2 = 0
);

-- double_curve_stride --
-- From now on half as many outcomes leave a point.
INSERT INTO meta (key, value) VALUES ('curve_stride ' || :pool, '2')
ON CONFLICT (key) DO UPDATE SET value = CAST(2 * CAST(value AS INTEGER) AS TEXT);

-- curve --
-- The whole curve, oldest point first.
SELECT seq, at, probabilities FROM curve WHERE pool = :pool ORDER BY seq;

-- moment_of_revision --
-- The newest outcome, and when a revision came into force, or else that outcome was committed.
SELECT coalesce(max(seq), 0), coalesce((SELECT at FROM revisions WHERE id = :revision), max(at), 0.0)
FROM (SELECT seq, at FROM outcomes ORDER BY seq DESC LIMIT 1);

-- add_to_tally --
-- Count.
INSERT INTO tallies (name, item, n) VALUES (:name, :item, :n)
ON CONFLICT (name, item) DO UPDATE SET n = n + excluded.n;

-- tallies --
-- Every count.
SELECT name, item, n FROM tallies;

-- forget_tally --
-- Count anew.
DELETE FROM tallies WHERE name = :of AND item = :item;

-- forget_stages --
-- No recipe has a place in the chain.
UPDATE recipes SET stage = NULL WHERE stage IS NOT NULL;

-- declare_recipe --
-- A recipe of the chain.
INSERT INTO recipes (name, stage, takes) VALUES (:recipe, :stage, :takes)
ON CONFLICT (name) DO UPDATE SET stage = excluded.stage, takes = excluded.takes;

-- declared_recipes --
-- Recipes that were declared: those of the chain in its order, then the others.
SELECT name, stage, takes FROM recipes ORDER BY stage IS NULL, stage, name;

-- declare_measure --
-- A measure of a recipe; one of another range begins anew.
INSERT INTO measures (recipe, name, place, what, better, low, high, by_label)
VALUES (:recipe, :measure, :place, :what, :better, :low, :high, :by_label)
ON CONFLICT (recipe, name) DO UPDATE SET
    place = excluded.place, what = excluded.what, better = excluded.better, low = excluded.low, high = excluded.high,
    by_label = excluded.by_label,
    n = CASE WHEN :anew THEN 0 ELSE n END, total = CASE WHEN :anew THEN 0.0 ELSE total END;

-- forget_measure --
-- A measure that its recipe no longer declares; the trials keep it.
DELETE FROM measures WHERE recipe = :recipe AND name = :measure;

-- declared_measures --
-- What recipes measure, and what came of it.
SELECT recipe, name, what, better, low, high, by_label, n, total FROM measures ORDER BY recipe, place;

-- ranges_of_recipe --
-- The ranges of a recipe's measures, and the sums of their values.
SELECT name, low, high, total FROM measures WHERE recipe = :recipe;

-- add_measured --
-- Some values more, and the new sum of all.
UPDATE measures SET n = n + :n, total = :total WHERE recipe = :recipe AND name = :measure;

-- measures_of_recipe --
-- What was measured of each trial of a recipe, in order, and whether a row was made of it.
SELECT t.chosen, json_extract(t.payload, '$.measures')
FROM trials AS t CROSS JOIN outcomes AS o ON o.seq = t.seq
WHERE o.recipe = :recipe ORDER BY t.seq, t.ord;

-- measures_by_label --
-- Those of a recipe's measures that are counted by the labels of its seeds.
SELECT name FROM measures WHERE recipe = :recipe AND by_label = 1;

-- find_labelled --
-- How the seeds of a recipe with a label ended.
SELECT outcomes, dropped, measures FROM labelled WHERE recipe = :recipe AND label = :label AND value = :value;

-- count_label_values --
-- Values of a label that are counted apart.
SELECT count(*) FROM labelled WHERE recipe = :recipe AND label = :label;

-- save_labelled --
-- Count the seeds of a recipe with a label.
INSERT INTO labelled (recipe, label, value, outcomes, dropped, measures)
VALUES (:recipe, :label, :value, :outcomes, :dropped, :measures)
ON CONFLICT (recipe, label, value) DO UPDATE SET
    outcomes = excluded.outcomes, dropped = excluded.dropped, measures = excluded.measures;

-- labelled --
-- How seeds with labels ended.
SELECT recipe, label, value, outcomes, dropped, measures FROM labelled ORDER BY recipe, label, value;

-- forget_labelled --
-- Count a recipe's seeds anew.
DELETE FROM labelled WHERE recipe = :recipe;

-- outcomes_with_labels --
-- Every outcome of a recipe in order, with its seed's labels and columns, and what was measured of its trials.
SELECT o.seq, o.kind, s.labels, s.meta, (
    SELECT json_group_array(json(json_extract(t.payload, '$.measures'))) FROM trials AS t WHERE t.seq = o.seq
)
FROM outcomes AS o CROSS JOIN seeds AS s ON s.id = o.seed_id
WHERE o.recipe = :recipe ORDER BY o.seq;

-- add_failures --
-- Count tries of a part, or its failures for a reason; the first example stays.
INSERT INTO failures (part, name, reason, n, example, at) VALUES (:part, :of, :reason, :n, :example, :at)
ON CONFLICT (part, name, reason) DO UPDATE SET n = n + excluded.n;

-- failure_reasons --
-- The reasons for which a part has failed.
SELECT reason FROM failures WHERE part = :part AND name = :of;

-- forget_failures --
-- Count a part anew.
DELETE FROM failures WHERE part = :part AND name = :of;

-- failures --
-- Every count, the most frequent of each part first.
SELECT part, name, reason, n, example FROM failures ORDER BY part, name, n DESC, reason;

-- clear_examples --
-- What was said before a moment is cleared; the counts stay.
UPDATE failures SET example = '' WHERE at < :before AND example != '';

-- latest_seq --
-- The newest outcome; 0: none.
SELECT coalesce(max(seq), 0) FROM outcomes;

-- arms_that_won --
-- Every arm that won anything, by leaps through the index.
WITH RECURSIVE won (arm) AS (
    SELECT min(arm) FROM outcomes WHERE arm IS NOT NULL
    UNION ALL
    SELECT (SELECT min(arm) FROM outcomes WHERE arm > won.arm) FROM won WHERE won.arm IS NOT NULL
)
SELECT arm FROM won WHERE arm IS NOT NULL;

-- newest_of_kind --
-- The newest outcomes of a kind between two others.
SELECT seq FROM outcomes INDEXED BY outcomes_by_kind
WHERE kind = :kind AND seq > :after AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- oldest_of_kind --
-- The oldest outcomes of a kind between two others.
SELECT seq FROM outcomes INDEXED BY outcomes_by_kind
WHERE kind = :kind AND seq > :after AND seq < :before ORDER BY seq LIMIT :limit;

-- newest_of_arm --
-- The newest outcomes of a kind that an arm won, between two others.
SELECT seq FROM outcomes INDEXED BY outcomes_by_arm
WHERE arm = :arm AND kind = :kind AND seq > :after AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- oldest_of_arm --
-- The oldest outcomes of a kind that an arm won, between two others.
SELECT seq FROM outcomes INDEXED BY outcomes_by_arm
WHERE arm = :arm AND kind = :kind AND seq > :after AND seq < :before ORDER BY seq LIMIT :limit;

-- summaries --
-- Some outcomes in a line each. The question is given as bytes: a lone surrogate in it is no UTF-8.
SELECT o.seq, o.at, o.seed_id, o.recipe, o.kind, o.reason, o.arm, o.cost_usd,
    (SELECT json_extract(payload, '$.measures') FROM trials WHERE seq = o.seq AND chosen = 1 ORDER BY ord LIMIT 1),
    (SELECT count(*) FROM trials WHERE seq = o.seq),
    (SELECT count(*) FROM trials WHERE seq = o.seq AND failed = 1),
    (SELECT count(*) FROM rows WHERE seq = o.seq),
    (SELECT count(*) FROM seeds WHERE parent != '' AND parent = o.seed_id),
    CAST(substr(
        coalesce(
            json_extract(s.content, '$.instruction') || coalesce(char(10, 10) || json_extract(s.content, '$.input'), ''),
            json_extract(s.content, '$.title') || char(10, 10) || json_extract(s.content, '$.text'),
            json_extract(s.content, '$.text')
        ),
        1, :longest
    ) AS BLOB)
FROM json_each(:seqs) AS asked
JOIN outcomes AS o ON o.seq = asked.value
JOIN seeds AS s ON s.id = o.seed_id
ORDER BY asked.key;

-- find_seed --
-- One seed, whatever became of it.
SELECT id, content, kind, recipe, labels, parent, round, source, meta, state, attempts, deaths, added_at
FROM seeds WHERE id = :id;

-- seed_of_outcome --
-- Whose outcome it is.
SELECT seed_id FROM outcomes WHERE seq = :seq;

-- newest_draw --
-- What was drawn for a seed last.
SELECT payload FROM steps WHERE seed_id = :seed_id AND step GLOB 'draw*' ORDER BY rowid DESC LIMIT 1;

-- calls_of_seed --
-- The books of a seed's calls, without their texts. The model is given as bytes: a provider may name it as it likes.
SELECT step, agent, CAST(json_extract(reply, '$.model') AS BLOB), state, sends, cost_usd,
    prompt_tokens, completion_tokens, intended_at, answered_at
FROM calls WHERE seed_id = :seed_id ORDER BY intended_at, step;

-- models_of_calls --
-- By agent: the model that was asked, what replies call the one that answered, calls, and how many are of unknown price.
-- Names are given as bytes: a provider may write them as it likes.
SELECT agent, CAST(json_extract(reply, '$.model') AS BLOB), CAST(json_extract(reply, '$.answered_as') AS BLOB),
    count(*), coalesce(sum(cost_usd), 0.0), sum(cost_usd IS NULL)
FROM calls WHERE state = 'answered' GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 2, 3;

-- outcomes_of_seed --
-- Every outcome of a seed, newest first.
SELECT seq, revision, at, payload, cleared_at FROM outcomes WHERE seed_id = :seed_id ORDER BY seq DESC;

-- count_impossible --
-- Calls with counts or dollars that no reply can have: releases that believed whatever a provider said wrote them.
SELECT count(*) FROM calls INDEXED BY calls_by_agent
WHERE NOT (
    prompt_tokens BETWEEN 0 AND :most_tokens AND completion_tokens BETWEEN 0 AND :most_tokens
    AND coalesce(cost_usd, 0.0) BETWEEN 0 AND :most_usd
);

-- repair_calls --
-- Make them unknown, in the row and in its reply; what cost nothing whatever its length still costs nothing.
UPDATE calls SET
    prompt_tokens = 0, completion_tokens = 0, cost_usd = CASE WHEN reserved_usd = 0 THEN 0.0 END,
    reply = json_set(
        reply, '$.prompt_tokens', 0, '$.completion_tokens', 0, '$.cost_usd', CASE WHEN reserved_usd = 0 THEN 0.0 END,
        '$.usage_doubt', 'counts that no reply can have were taken out by doctor --repair'
    )
WHERE NOT (
    prompt_tokens BETWEEN 0 AND :most_tokens AND completion_tokens BETWEEN 0 AND :most_tokens
    AND coalesce(cost_usd, 0.0) BETWEEN 0 AND :most_usd
);

-- repair_trials --
-- The same for what followed from such calls.
UPDATE trials SET cost_usd = NULL, payload = json_set(payload, '$.cost_usd', NULL)
WHERE NOT cost_usd BETWEEN 0 AND :most_usd;

-- repair_outcomes --
-- Likewise for the sums of seeds.
UPDATE outcomes SET cost_usd = NULL, payload = json_set(payload, '$.cost_usd', NULL)
WHERE NOT cost_usd BETWEEN 0 AND :most_usd;

-- meta_forget --
-- Let a fact be unknown again.
DELETE FROM meta WHERE key = :key;

-- count_secret_parameters --
-- Calls whose parameters hold secrets (secrets_at_rest).
SELECT 'calls', count(*) FROM calls WHERE without_headers(parameters) != parameters;

-- count_secret_texts --
-- The same with what was said, by table.
SELECT 'calls', count(*) FROM calls
WHERE without_headers(parameters) != parameters OR without_secrets(reply) != reply
UNION ALL
SELECT 'outcomes', count(*) FROM outcomes
WHERE without_secrets(payload) != payload OR without_secrets_plain(reason) != reason
UNION ALL
SELECT 'parts', count(*) FROM (
    SELECT payload FROM rows UNION ALL SELECT payload FROM trials UNION ALL SELECT payload FROM judgements
    UNION ALL SELECT payload FROM findings
    UNION ALL SELECT payload FROM steps UNION ALL SELECT value FROM meta WHERE key GLOB 'grown:*'
) WHERE without_secrets(payload) != payload
UNION ALL
SELECT 'seeds', count(*) FROM seeds
WHERE without_secrets(content) != content OR without_secrets(meta) != meta OR without_secrets(labels) != labels;

-- strike_revision --
-- Keep a config without its secrets.
UPDATE revisions SET digest = :digest, config = :config WHERE id = :id;

-- strike_calls --
-- Strike secrets out of what was sent and said.
UPDATE calls SET parameters = without_headers(parameters), reply = without_secrets(reply)
WHERE without_headers(parameters) != parameters OR without_secrets(reply) != reply;

-- strike_outcomes --
-- Likewise for the outcomes themselves.
UPDATE outcomes SET payload = without_secrets(payload), reason = without_secrets_plain(reason)
WHERE without_secrets(payload) != payload OR without_secrets_plain(reason) != reason;

-- strike_rows --
-- What recipes gave to the dataset.
UPDATE rows SET payload = without_secrets(payload) WHERE without_secrets(payload) != payload;

-- strike_findings --
-- What admission has against it.
UPDATE findings SET payload = without_secrets(payload) WHERE without_secrets(payload) != payload;

-- strike_trials --
-- What they tried.
UPDATE trials SET payload = without_secrets(payload), arm = without_secrets_plain(arm)
WHERE without_secrets(payload) != payload OR without_secrets_plain(arm) != arm;

-- strike_judgements --
-- What was said of it.
UPDATE judgements SET payload = without_secrets(payload) WHERE without_secrets(payload) != payload;

-- strike_steps --
-- What they decided.
UPDATE steps SET payload = without_secrets(payload) WHERE without_secrets(payload) != payload;

-- strike_grown_arms --
-- What their new arms are made of.
UPDATE meta SET value = without_secrets(value) WHERE key GLOB 'grown:*' AND without_secrets(value) != value;

-- strike_seeds --
-- What waits, or was worked.
UPDATE seeds
SET content = without_secrets(content), meta = without_secrets(meta), labels = without_secrets(labels)
WHERE without_secrets(content) != content OR without_secrets(meta) != meta OR without_secrets(labels) != labels;

-- tallies_of_pool --
-- What the arms of one pool were drawn for and earned.
SELECT name, item ->> 1, n FROM tallies
WHERE name IN ('pools.draws', 'pools.rewards', 'pools.earned') AND item ->> 0 = :pool;

-- earners --
-- The newest seeds that were worth something to arms which were drawn on their way, of the newest outcomes.
SELECT s.id, label.value, o.payload ->> '$.worth', s.content
FROM outcomes AS o JOIN seeds AS s ON s.id = o.seed_id, json_each(s.labels) AS label
WHERE o.seq > (SELECT max(seq) FROM outcomes) - :back AND o.kind != 'dropped' AND o.payload ->> '$.worth' > 0
    AND label.key = :pool AND label.value IN (SELECT value FROM json_each(:arms))
ORDER BY o.seq DESC LIMIT :count;

-- gather_call --
-- A call waits for a batch.
INSERT INTO batch_calls (key, seed_id, agent, state, request, bytes, at)
VALUES (:key, :seed_id, :agent, 'gathered', :request, :bytes, :at)
ON CONFLICT (key) DO NOTHING;

-- batch_call --
-- How a call that goes by batch stands.
SELECT state, failure FROM batch_calls WHERE key = :key;

-- park_seed --
-- A seed waits for answers that are to come by batch; one that has them already waits for a worker.
UPDATE seeds SET state = CASE WHEN EXISTS (
    SELECT 1 FROM batch_calls WHERE seed_id = :id AND state IN ('gathered', 'sent')
) THEN 'parked' ELSE 'waiting' END
WHERE id = :id AND state = 'working'
RETURNING state;

-- unpark_seeds --
-- Those of some seeds that wait for no batch any more wait for a worker.
UPDATE seeds SET state = 'waiting'
WHERE state = 'parked' AND id IN (SELECT value FROM json_each(:ids)) AND NOT EXISTS (
    SELECT 1 FROM batch_calls AS b WHERE b.seed_id = seeds.id AND b.state IN ('gathered', 'sent')
);

-- any_to_come --
-- Whether a seed waits for a batch or is in hand, of those that may be worked.
SELECT EXISTS (
    SELECT 1 FROM seeds WHERE state IN ('parked', 'working')
    AND (:scoped = 0 OR ordinal IN (SELECT ordinal FROM temp.run_seeds))
);

-- gathered_calls --
-- By agent, the calls that wait for a batch: how many, their bytes, and since when the first of them does.
SELECT agent, count(*), sum(bytes), min(at) FROM batch_calls INDEXED BY batch_calls_gathered
WHERE state = 'gathered' GROUP BY agent;

-- first_gathered --
-- The calls of an agent that wait longest.
SELECT ordinal, bytes FROM batch_calls INDEXED BY batch_calls_gathered
WHERE state = 'gathered' AND agent = :agent ORDER BY at, ordinal LIMIT :limit;

-- make_batch --
-- Decide on a batch.
INSERT INTO batches (id, agent, model, requests, made_at) VALUES (:id, :agent, :model, :requests, :at);

-- put_into_batch --
-- Calls that wait go out with it.
UPDATE batch_calls SET state = 'sent', batch = :batch WHERE ordinal IN (SELECT value FROM json_each(:ordinals));

-- requests_of_batch --
-- A page of the calls of a batch.
SELECT key, request FROM batch_calls INDEXED BY batch_calls_by_batch
WHERE batch = :batch AND state = 'sent' AND key > :after ORDER BY key LIMIT :limit;

-- keys_of_batch --
-- All of its calls.
SELECT key FROM batch_calls INDEXED BY batch_calls_by_batch WHERE batch = :batch AND state = 'sent';

-- batches_at_work --
-- Batches that are not done with, in the order in which they were decided on.
SELECT id, agent, model, state, provider_id, input_file, said, requests, answered, failed, unanswered, duplicates, unknown,
    unreadable, made_at, submitted_at, ended_at
FROM batches INDEXED BY batches_at_work WHERE state != 'done' ORDER BY made_at, id;

-- known_batches --
-- The provider's ids of every batch.
SELECT provider_id FROM batches WHERE provider_id != '';

-- note_input_file --
-- Its calls are uploaded, or are to be uploaded anew.
UPDATE batches SET input_file = :file WHERE id = :id;

-- note_submitted --
-- The provider has it.
UPDATE batches SET state = 'submitted', provider_id = :provider_id, submitted_at = :at WHERE id = :id AND state = 'made';

-- note_said --
-- What the provider calls its state.
UPDATE batches SET said = :said WHERE id = :id AND said != :said;

-- find_batched --
-- A call that is in a batch, with what the journal knows of it.
SELECT b.seed_id, c.step, b.request FROM batch_calls AS b JOIN calls AS c ON c.key = b.key
WHERE b.key = :key AND b.batch = :batch AND b.state = 'sent';

-- forget_batched --
-- Its answer stands in the journal.
DELETE FROM batch_calls WHERE key = :key;

-- fail_batched --
-- A call came back with an error that another try would meet as well.
UPDATE batch_calls SET state = 'failed', failure = :failure WHERE key = :key;

-- send_elsewhere --
-- A call is to be sent alone.
UPDATE batch_calls SET state = 'elsewhere' WHERE key = :key;

-- gather_again --
-- A call waits for another batch.
UPDATE batch_calls SET state = 'gathered', batch = '', failure = '', tries = tries + :tries, at = :at
WHERE key = :key;

-- note_reason --
-- Why a batch left a call unanswered.
UPDATE batch_calls SET failure = :failure WHERE key = :key;

-- unanswered_of_batch --
-- Calls that a batch brought nothing for.
SELECT key, seed_id, tries, failure FROM batch_calls INDEXED BY batch_calls_by_batch
WHERE batch = :batch AND state = 'sent';

-- send_again --
-- A call whose answer was lost on its way may have been paid for, and is sent once more.
UPDATE calls SET sends = sends + 1, intended_at = :at WHERE key = :key AND state = 'intent';

-- begin_results --
-- What was counted of results that are read once more.
UPDATE batches SET duplicates = 0, unknown = 0, unreadable = 0 WHERE id = :id;

-- count_results --
-- What a part of a batch's results came to.
UPDATE batches SET answered = answered + :answered, failed = failed + :failed, duplicates = duplicates + :duplicates,
    unknown = unknown + :unknown, unreadable = unreadable + :unreadable
WHERE id = :id;

-- end_batch --
-- All of its results are taken in.
UPDATE batches SET state = 'ended', said = :said, unanswered = :unanswered, ended_at = :at WHERE id = :id;

-- close_batch --
-- The provider keeps nothing of it any more.
UPDATE batches SET state = 'done' WHERE id = :id;

-- forget_batch_calls --
-- A seed has its outcome, whatever became of calls of its that brought none.
DELETE FROM batch_calls WHERE seed_id = :seed_id AND state IN ('failed', 'elsewhere');

-- open_batch_calls --
-- Calls that wait for a batch or are in one, with what they may take at the most.
SELECT b.key, b.agent, c.reserved_usd, c.reserved_tokens, c.intended_at
FROM batch_calls AS b JOIN calls AS c ON c.key = b.key WHERE b.state IN ('gathered', 'sent');

-- batch_totals --
-- By agent, what its batches came to.
SELECT agent, count(*), sum(requests), sum(answered), sum(failed), sum(unanswered), sum(duplicates), sum(unknown),
    sum(unreadable)
FROM batches GROUP BY agent;

-- count_parked --
-- Seeds that wait for batches.
SELECT count(*) FROM seeds WHERE state = 'parked';

-- count_parked_of_run --
-- Of the seeds that may be worked, those that wait for batches.
SELECT count(*) FROM seeds
WHERE state = 'parked' AND (:scoped = 0 OR ordinal IN (SELECT ordinal FROM temp.run_seeds));

-- add_review --
-- Keep what a person said of a row.
INSERT INTO reviews (seed_id, digest, verdict, data, reviewer, at)
VALUES (:seed_id, :digest, :verdict, :data, :reviewer, :at);

-- reviews_that_count --
-- Of each row that was reviewed the newest review, unless it was withdrawn.
SELECT seed_id, digest, verdict, data, reviewer, at FROM reviews
WHERE id IN (SELECT max(id) FROM reviews WHERE id <= :newest GROUP BY seed_id, digest) AND verdict != 'withdrawn';

-- newest_review --
-- The number of the newest; 0: none.
SELECT coalesce(max(id), 0) FROM reviews;

-- reviews_of_row --
-- Everything that was said of a row, newest first.
SELECT verdict, data, reviewer, at FROM reviews WHERE seed_id = :seed_id AND digest = :digest ORDER BY id DESC;

-- count_reviews --
-- Reviews that count, by verdict.
SELECT verdict, count(*) FROM reviews
WHERE id IN (SELECT max(id) FROM reviews GROUP BY seed_id, digest) AND verdict != 'withdrawn' GROUP BY verdict;

-- browsed_places --
-- Where rows stand that are looked for, and seeds without any, among some outcomes, in the order of these or against it.
SELECT o.seq, coalesce(r.ord, -1) AS ord,
    CASE WHEN :by = '' THEN NULL ELSE measured(json_extract(m.payload, '$.measures'), r.payload, o.cost_usd) END
FROM outcomes AS o
JOIN seeds AS s ON s.id = o.seed_id
LEFT JOIN rows AS r ON r.seq = o.seq
LEFT JOIN trials AS x ON x.seq = o.seq AND x.ord = r.text_of
LEFT JOIN trials AS m ON m.seq = o.seq AND m.ord = json_extract(r.payload, '$.from_trials[0]')
WHERE o.seq > :above AND o.seq <= :upto
    AND (o.seq != :seq OR coalesce(r.ord, -1) > :ord)
    AND (:seed = '' OR o.seed_id = :seed)
    AND (:kind = '' OR o.kind = :kind)
    AND (:recipe = '' OR o.recipe = :recipe)
    AND (:shape = '' OR coalesce(r.shape, 'none') = :shape)
    AND (:arm = '' OR instr('/' || coalesce(m.arm, o.arm, '') || '/', '/' || :arm || '/') > 0)
    AND (:label = '' OR EXISTS (
        SELECT 1 FROM (
            SELECT key, value FROM json_each(s.labels)
            UNION ALL SELECT key, value FROM json_each(coalesce(json_extract(r.payload, '$.labels'), '{}'))
        ) AS l
        WHERE (l.key = :label OR substr(l.key, -1 - length(:label)) = ':' || :label) AND (:value = '' OR l.value = :value)
    ))
    AND o.seq = (SELECT max(seq) FROM outcomes WHERE seed_id = o.seed_id)
    AND (NOT :ranged OR within(json_extract(m.payload, '$.measures'), r.payload, o.cost_usd))
    AND (NOT :worded OR holds(coalesce(json_extract(x.payload, '$.sample'), r.payload, s.content)))
    AND (:review = '' OR reviewed(o.seed_id, r.payload, json_extract(x.payload, '$.sample')))
ORDER BY o.seq * :turn, ord LIMIT :limit;

-- browsed_rows --
-- What is shown of rows at these places, in their order.
SELECT o.seq, p.value ->> 1, o.at, o.kind, o.reason, o.recipe, coalesce(m.arm, o.arm, ''), o.cost_usd, o.seed_id,
    s.source, s.labels, s.kind, s.content, r.payload, json_extract(x.payload, '$.sample'),
    json_extract(m.payload, '$.measures')
FROM json_each(:places) AS p
JOIN outcomes AS o ON o.seq = p.value ->> 0
JOIN seeds AS s ON s.id = o.seed_id
LEFT JOIN rows AS r ON r.seq = o.seq AND r.ord = p.value ->> 1
LEFT JOIN trials AS x ON x.seq = o.seq AND x.ord = r.text_of
LEFT JOIN trials AS m ON m.seq = o.seq AND m.ord = json_extract(r.payload, '$.from_trials[0]')
ORDER BY p.key;

-- newest_labels --
-- Labels of the newest outcomes, each with how often it stands there.
SELECT key, value, count(*) FROM (
    SELECT l.key, l.value FROM (SELECT seq, seed_id FROM outcomes ORDER BY seq DESC LIMIT :outcomes) AS o
    JOIN seeds AS s ON s.id = o.seed_id, json_each(s.labels) AS l
    UNION ALL
    SELECT l.key, l.value FROM (SELECT seq FROM outcomes ORDER BY seq DESC LIMIT :outcomes) AS o
    JOIN rows AS r ON r.seq = o.seq, json_each(r.payload, '$.labels') AS l
) GROUP BY key, value ORDER BY key, count(*) DESC, value;

-- measure_names --
-- Measures that recipes declare.
SELECT DISTINCT name FROM measures ORDER BY name;

-- recipes_of_outcomes --
-- Recipes of the newest outcomes.
SELECT DISTINCT recipe FROM (SELECT recipe FROM outcomes ORDER BY seq DESC LIMIT :outcomes) ORDER BY recipe;
