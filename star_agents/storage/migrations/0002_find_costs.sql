-- What a day cost, and what is open, without reading the whole journal.
CREATE INDEX calls_by_time ON calls (intended_at);
CREATE INDEX calls_in_doubt ON calls (state, sends) WHERE state != 'answered' OR sends > 1;

-- What each candidate cost; a rewrite that pairs share counts for each of them. NULL: nobody knows.
ALTER TABLE candidates ADD COLUMN cost_usd REAL;
UPDATE candidates SET cost_usd = json_extract(payload, '$.candidate.cost_usd');
-- Holds all that the sums need, so that they never read a candidate's text.
CREATE INDEX candidates_by_outcome ON candidates (seq, pair, chosen, cost_usd);
