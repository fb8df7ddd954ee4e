-- Seeds whose calls are in a provider's batch are in nobody's hands, and no death of a process is theirs. The states are
-- a constraint, so the table is made anew.
CREATE TABLE new_seeds (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL, -- JSON, of the kind that stands beside it
    source TEXT NOT NULL,
    meta TEXT NOT NULL, -- JSON
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'working', 'parked', 'done', 'quarantined')), -- parked: for a batch
    attempts INTEGER NOT NULL DEFAULT 0, -- leases so far
    deaths INTEGER NOT NULL DEFAULT 0, -- processes that died with it in hand, since it last ended or was released
    added_at REAL NOT NULL,
    kind TEXT NOT NULL DEFAULT 'sample' CHECK (kind IN ('sample', 'instruction', 'document')),
    recipe TEXT NOT NULL DEFAULT '', -- empty: the first stage, whichever it is
    labels TEXT NOT NULL DEFAULT '{}', -- JSON, pool to arm
    parent TEXT NOT NULL DEFAULT '', -- id; empty: it came from outside
    round INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO new_seeds (
    ordinal, id, content, source, meta, state, attempts, deaths, added_at, kind, recipe, labels, parent, round
)
SELECT ordinal, id, content, source, meta, state, attempts, deaths, added_at, kind, recipe, labels, parent, round
FROM seeds;
DROP TABLE seeds;
ALTER TABLE new_seeds RENAME TO seeds;
CREATE INDEX seeds_by_state ON seeds (state, ordinal);
CREATE INDEX suspects ON seeds (state, deaths, ordinal) WHERE deaths > 0;
CREATE INDEX seeds_by_parent ON seeds (parent) WHERE parent != '';
CREATE INDEX waiting_by_recipe ON seeds (recipe, kind, ordinal) WHERE state = 'waiting';
CREATE INDEX seeds_by_part ON seeds (state, labels ->> '$.":part"', recipe, kind, ordinal)
WHERE labels ->> '$.":part"' IS NOT NULL;

-- Batches of providers: decided on, perhaps uploaded, at the provider, taken in, and done with once its files are gone.
CREATE TABLE batches (
    id TEXT PRIMARY KEY, -- ours, which the provider is told
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'made' CHECK (state IN ('made', 'submitted', 'ended', 'done')),
    provider_id TEXT NOT NULL DEFAULT '', -- the provider's
    input_file TEXT NOT NULL DEFAULT '',
    said TEXT NOT NULL DEFAULT '', -- the provider's word for its state
    requests INTEGER NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    unanswered INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0, -- results that came twice
    unknown INTEGER NOT NULL DEFAULT 0, -- results of calls that are not in it
    unreadable INTEGER NOT NULL DEFAULT 0, -- lines
    made_at REAL NOT NULL,
    submitted_at REAL,
    ended_at REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX batches_at_work ON batches (state, agent) WHERE state != 'done';

-- Calls that go by batch, until their answer stands in the journal or their seed has its outcome.
CREATE TABLE batch_calls (
    ordinal INTEGER PRIMARY KEY, -- in the order in which they came
    key TEXT NOT NULL UNIQUE, -- of the call
    seed_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('gathered', 'sent', 'failed', 'elsewhere')), -- elsewhere: to be sent alone
    batch TEXT NOT NULL DEFAULT '',
    request TEXT NOT NULL, -- JSON
    bytes INTEGER NOT NULL, -- of its line in the batch
    tries INTEGER NOT NULL DEFAULT 0, -- batches that left it unanswered
    failure TEXT NOT NULL DEFAULT '', -- JSON: status and words
    at REAL NOT NULL -- since when it waits
) STRICT;
CREATE INDEX batch_calls_gathered ON batch_calls (agent, at, ordinal) WHERE state = 'gathered';
CREATE INDEX batch_calls_by_batch ON batch_calls (batch, key) WHERE state = 'sent';
CREATE INDEX batch_calls_by_seed ON batch_calls (seed_id, state);
