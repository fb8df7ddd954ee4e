-- Most tokens of one send, prompt and answer, for budgets that count tokens. NULL: unknown, and of older calls.
ALTER TABLE calls ADD COLUMN reserved_tokens INTEGER;
-- Holds all that the sums need, so that they never read a reply.
DROP INDEX calls_by_agent;
CREATE INDEX calls_by_agent ON calls (
    agent, state, sends, cost_usd, prompt_tokens, completion_tokens, reserved_usd, reserved_tokens
);
