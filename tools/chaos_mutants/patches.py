"""What each mutant changes. An edit names its text exactly: where that text is gone, the mutant has to be made anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos_mutants.edits import Edit


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One promise switched off."""

    name: str
    promise: str
    edits: Sequence[Edit]
    loop: str
    rounds: int
    sign: str
    """Pattern of the violation by which the loop must notice: a mutant that merely breaks proves nothing."""


_CALLS, _STORE = "star_agents/bench/paid_calls.py", "star_agents/storage/store.py"
_RECORD = "            await self._store.record_answers(list(answered.items()))\n"
_INTEND = "                await self._intend(intents)\n"
_INTEND_LATE = "            await self._intend(intents)\n"
_COMMIT = """\
        return await self._writer.run(commit)
"""
_COMMIT_IN_TWO = """\
        written = await self._writer.run(commit)
        for one, committed in zip(group, written, strict=True):
            if isinstance(committed, Committed):
                await self.save_pools(committed.pools, one.revision)
        return written
"""
_RECORD_LATER = """\
            asyncio.get_running_loop().call_later(
                5.0, lambda: asyncio.ensure_future(self._store.record_answers(list(answered.items())))
            )
"""

MUTANTS = (
    Mutant(
        name="answer-before-use",
        promise="an answer is durable before it is used",
        edits=[
            Edit(_CALLS, "import anyio\n", "import asyncio\n\nimport anyio\n"),
            Edit(_CALLS, _RECORD, _RECORD_LATER),
        ],
        loop="daemon",
        rounds=4,
        sign="was used and is not durable",
    ),
    Mutant(
        name="intent-row",
        promise="an intent is durable before the call is sent",
        edits=[Edit(_CALLS, _INTEND, ""), Edit(_CALLS, _RECORD, _INTEND_LATE + _RECORD)],
        loop="daemon",
        rounds=6,
        sign="sends were intended|does not count it",
    ),
    Mutant(
        name="single-transaction",
        promise="outcome, policy, memory row and seed state are one transaction",
        edits=[
            Edit(_STORE, _COMMIT, _COMMIT_IN_TWO),
            Edit(
                "star_agents/storage/ledger.py",
                "        _save_pool(connection, pool, state, revision)\n        curve.add_outcome",
                "        curve.add_outcome",
            ),
        ],
        loop="store",
        rounds=60,
        sign="outcomes, memory, policy and seeds disagree",
    ),
    Mutant(
        name="unique-key-of-a-call",
        promise="the same call has the same key, however often the seed is worked",
        edits=[
            Edit(_CALLS, "import anyio\n", "import os\n\nimport anyio\n"),
            Edit(
                _CALLS,
                "name = [self._seed_id, step, agent, told, parameters]",
                "name = [self._seed_id, step, agent, told, parameters, os.getpid()]",
            ),
        ],
        loop="daemon",
        rounds=6,
        sign="was paid again once its answer was durable",
    ),
    Mutant(
        name="unique-key-of-a-selection",
        promise="a seed is selected once",
        edits=[
            Edit(
                "star_agents/storage/schema.sql",
                "CREATE UNIQUE INDEX one_selection_per_seed",
                "CREATE INDEX one_selection_per_seed",
            ),
            Edit(
                "star_agents/storage/queries.sql",
                "SET state = 'done', deaths = 0 WHERE id = :id AND state != 'done' RETURNING parent, labels, meta,",
                "SET state = 'done', deaths = 0 WHERE id = :id RETURNING parent, labels, meta,",
            ),
        ],
        loop="model",
        rounds=400,
        sign="differs from its model",
    ),
    Mutant(
        name="a-claim-is-bounded",
        promise="a count that a provider claims is no more and no less than it can be",
        edits=[
            Edit(
                "star_agents/agents/replies/usage.py",
                "    if _is_number(claimed) and 0 <= claimed <= most and claimed == math.floor(claimed):\n",
                "    if _is_number(claimed) and abs(claimed) < 2**62:\n",
            )
        ],
        loop="usage",
        rounds=200,
        sign="a budget was earned back|the worst case does not count",
    ),
    Mutant(
        name="the-worst-case-counts",
        promise="where a provider's counts cannot be so, what was reserved counts",
        edits=[
            Edit(
                "star_agents/agents/budget_ledger.py",
                "_amounts(actual, round_down, unknown=reserved)",
                "_amounts(actual, round_down)",
            )
        ],
        loop="usage",
        rounds=200,
        sign="the worst case does not count",
    ),
    Mutant(
        name="a-field-beside-an-answer",
        promise="an answer is taken whatever stands beside it",
        edits=[
            Edit(
                "star_agents/agents/transports/json_body.py",
                "json.loads(reply, parse_int=_whole_number)",
                "json.loads(reply)",
            )
        ],
        loop="usage",
        rounds=400,
        sign="an answer was lost for a field beside it",
    ),
    Mutant(
        name="canary-hexadecimal",
        promise="a secret is struck out in every form that a provider may give it",
        edits=[
            Edit(
                "star_agents/text/redaction.py",
                "hexadecimal = {secret.encode().hex(), secret.encode().hex().upper()}",
                "hexadecimal = {secret}",
            )
        ],
        loop="canary",
        rounds=60,
        sign="of (key|password|query|gate|door): ",
    ),
    Mutant(
        name="canary-headers",
        promise="what looks like a key in a header of agents.yaml is known as a secret",
        edits=[
            Edit(
                "star_agents/config/secrets.py",
                "    return _in_headers(name) and bool(SECRET_NAME.search(name[-1]) or",
                "    return False and bool(SECRET_NAME.search(name[-1]) or",
            )
        ],
        loop="canary",
        rounds=60,
        sign="of door: ",
    ),
    Mutant(
        name="synchronous-full",
        promise="what is said to be durable is synced",
        edits=[
            Edit("star_agents/storage/connection.py", '"PRAGMA synchronous = FULL"', '"PRAGMA synchronous = NORMAL"')
        ],
        loop="sync",
        rounds=40,
        sign="before the log was synced",
    ),
    Mutant(
        name="edit-address",
        promise="an address that cannot be one is a problem with its line",
        edits=[
            Edit(
                "star_agents/config/base.py", "return value if value is None else server_address(value)", "return value"
            ),
            Edit(
                "star_agents/agents/endpoints.py",
                "            _resolved(surroundings, agent, endpoint",
                "            _endpoint(surroundings, agent, endpoint",
            ),
        ],
        loop="config",
        rounds=1000,
        sign="raised ValueError",
    ),
    Mutant(
        name="edit-pairs",
        promise="more pairs than can be told apart are refused before one is made",
        edits=[
            Edit(
                "star_agents/config/references.py",
                "    if (count := config.pairs_configured) <= MAX_PAIRS:",
                "    if (count := 0) <= MAX_PAIRS:",
            )
        ],
        loop="config",
        rounds=1300,
        sign="agents: took",
    ),
    Mutant(
        name="edit-size",
        promise="a text is counted while it is read",
        edits=[
            Edit("star_agents/config/yaml_core.py", "        _refuse_more_than(MAX_NODES, self._nodes, line)\n", "")
        ],
        loop="config",
        rounds=1300,
        sign="large: .* took",
    ),
    Mutant(
        name="run-drain-limit",
        promise="a batch that was told to stop ends within its limit, whatever it waits for",
        edits=[
            Edit(
                "star_agents/engine/interruption.py",
                "                scope.deadline = anyio.current_time() + limit\n",
                "",
            )
        ],
        loop="run-drain",
        rounds=8,
        sign="did not end within",
    ),
    Mutant(
        name="run-second-signal",
        promise="a second signal ends a batch at once",
        edits=[
            Edit(
                "star_agents/engine/interruption.py",
                "                    scope.cancel()\n                    return\n",
                "                    continue\n",
            )
        ],
        loop="run-drain",
        rounds=12,
        sign=" then .* did not end within",
    ),
    Mutant(
        name="lock",
        promise="one daemon works on a store",
        edits=[
            Edit(
                "star_agents/storage/lock.py",
                "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
                "            pass\n",
            )
        ],
        loop="lock",
        rounds=2,
        sign="two daemons work on one store",
    ),
    Mutant(
        name="gone-acknowledged",
        promise="nothing is acknowledged into a store whose files are gone",
        edits=[
            Edit(
                "star_agents/storage/writer.py",
                "                settled = self._transact(connection, batch)\n            self.check_files()\n",
                "                settled = self._transact(connection, batch)\n",
            )
        ],
        loop="gone",
        rounds=20,
        sign="acknowledged although the file is gone",
    ),
    Mutant(
        name="gone-replaced",
        promise="a file of the same name is not taken for the one that is open",
        edits=[
            Edit(
                "star_agents/storage/open_files.py",
                "    return found.st_dev, found.st_ino\n",
                "    return found.st_dev, 0\n",
            )
        ],
        loop="gone",
        rounds=20,
        sign="replaced .* acknowledged although the file is gone",
    ),
    Mutant(
        name="gone-unheeded",
        promise="an idle store notices that its files are gone",
        edits=[
            Edit(
                "star_agents/storage/store.py",
                "            self._writer.check_files()\n            await anyio.sleep(FILES_LOOK_S)\n",
                "            await anyio.sleep(FILES_LOOK_S)\n",
            )
        ],
        loop="gone",
        rounds=2,
        sign="not noticed by an idle store",
    ),
    Mutant(
        name="scorer-stopped",
        promise="a scorer process that is stopped is replaced",
        edits=[Edit("star_agents/scoring/hangs.py", "if self._stopped_s >= self.limits.stopped_s:", "if False:")],
        loop="scorer",
        rounds=4,
        sign="stopped at rest: no answer",
    ),
    Mutant(
        name="scorer-hung",
        promise="a scorer process that hangs is replaced",
        edits=[Edit("star_agents/scoring/hangs.py", "elif self._waited_s >= self._allowed_s:", "elif False:")],
        loop="scorer",
        rounds=4,
        sign="hung at work: no answer",
    ),
    Mutant(
        name="scorer-loading",
        promise="a scorer process that dies while loading gets a second try",
        edits=[Edit("star_agents/scoring/supervisor.py", "LOADINGS = 2\n", "LOADINGS = 1\n")],
        loop="scorer",
        rounds=4,
        sign="killed while loading: no answer",
    ),
)
