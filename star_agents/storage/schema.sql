-- The store, version 1. Later versions are numbered files in migrations/.
-- JSON columns are text in the form that records.py gives; times are seconds since 1970; money is US dollars.

-- Single facts about the store, such as the referee's salt. The first value stays.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Every agents.yaml that was in force, and from which outcome on.
CREATE TABLE revisions (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL,
    config TEXT NOT NULL, -- JSON
    at REAL NOT NULL,
    after_seq INTEGER NOT NULL -- the newest outcome when it came into force; 0: none
) STRICT;

-- The queue. A seed waits, is leased by one worker, and is done once it has an outcome.
CREATE TABLE seeds (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    sample TEXT NOT NULL, -- JSON
    source TEXT NOT NULL,
    meta TEXT NOT NULL, -- JSON
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'working', 'done')),
    attempts INTEGER NOT NULL DEFAULT 0, -- leases so far
    added_at REAL NOT NULL
) STRICT;
CREATE INDEX seeds_by_state ON seeds (state, ordinal);

-- The journal of paid calls: intent durable, then send, then answer durable, then use.
-- Without a reference to seeds: what was paid for stays on the books whatever becomes of the queue.
CREATE TABLE calls (
    key TEXT PRIMARY KEY,
    seed_id TEXT NOT NULL,
    step TEXT NOT NULL,
    agent TEXT NOT NULL,
    revision INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intent', 'answered', 'withdrawn')),
    sends INTEGER NOT NULL CHECK (sends > 0), -- withdrawn sends do not count
    parameters TEXT NOT NULL, -- JSON
    reply TEXT, -- JSON
    cost_usd REAL, -- NULL: nobody knows the price
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    reserved_usd REAL, -- most that one send may cost; NULL: unknown
    intended_at REAL NOT NULL,
    answered_at REAL,
    CHECK ((state = 'answered') = (reply IS NOT NULL))
) STRICT;
-- Holds all that the sums need, so that they never read a reply.
CREATE INDEX calls_by_agent ON calls (
    agent, state, sends, cost_usd, prompt_tokens, completion_tokens, reserved_usd
);

-- What a recipe decided by chance, so that its second run decides the same.
CREATE TABLE steps (
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    step TEXT NOT NULL,
    payload TEXT NOT NULL, -- JSON
    PRIMARY KEY (seed_id, step)
) STRICT;

-- What became of the seeds, in the order in which it took effect. Only a seed's newest outcome counts;
-- older ones are dropped ones that were queued again.
CREATE TABLE outcomes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    seed_id TEXT NOT NULL REFERENCES seeds (id),
    kind TEXT NOT NULL CHECK (kind IN ('kept', 'base', 'dropped')),
    reason TEXT NOT NULL,
    pair TEXT, -- who won; NULL exactly when dropped
    pi REAL, -- of the winner, where known
    payload TEXT NOT NULL, -- JSON, without the candidates
    revision INTEGER NOT NULL,
    cost_usd REAL, -- NULL: some price is unknown
    at REAL NOT NULL,
    CHECK ((kind = 'dropped') = (pair IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_selection_per_seed ON outcomes (seed_id) WHERE kind != 'dropped';
CREATE INDEX outcomes_by_seed ON outcomes (seed_id, seq);
CREATE INDEX outcomes_by_kind ON outcomes (kind);

-- Every candidate of every outcome, the losers included.
CREATE TABLE candidates (
    seq INTEGER NOT NULL REFERENCES outcomes (seq),
    ord INTEGER NOT NULL, -- order of drawing
    pair TEXT NOT NULL,
    is_base INTEGER NOT NULL CHECK (is_base IN (0, 1)),
    failure TEXT NOT NULL,
    pi_dual REAL,
    pi REAL,
    chosen INTEGER NOT NULL CHECK (chosen IN (0, 1)),
    payload TEXT NOT NULL, -- JSON
    PRIMARY KEY (seq, ord)
) STRICT;

-- The bandit, as of one outcome.
CREATE TABLE policy (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    after_seq INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    state TEXT NOT NULL, -- JSON
    start TEXT NOT NULL -- JSON, the first state ever saved
) STRICT;

-- The instruction memory bank: float32, little endian.
CREATE TABLE memory (
    seq INTEGER PRIMARY KEY REFERENCES outcomes (seq),
    pair TEXT NOT NULL,
    pi REAL NOT NULL,
    embedder TEXT NOT NULL,
    dimension INTEGER NOT NULL CHECK (dimension > 0),
    embedding BLOB NOT NULL CHECK (length(embedding) = 4 * dimension)
) STRICT;
