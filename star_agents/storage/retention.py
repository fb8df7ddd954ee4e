"""Retention: after some time the texts behind a sample go, the books stay.

Cleared are the answers of a seed that has its sample, the texts of its trials but of those that rows are made of, the
reasons of judges, rows that admission refused with what it found in any, and examples of what failed. What stays for
ever: the rows, what was measured of every trial and said by every judge, how often what failed, and every call's key,
tokens and cost, which is what keeps a call from being paid for twice. Such a seed never asks again. A seed that waits,
is in quarantine or ended as dropped may ask again, and keeps all its answers.

Should a cleared answer be asked for all the same, the call is refused (``journal.find_answer``): it was answered and
paid for, its text is gone, and nobody pays again without being told.
"""

from __future__ import annotations

import sqlite3

from star_agents.storage.sql import execute


def clear_texts(connection: sqlite3.Connection, *, before: float, limit: int, at: float) -> int:
    """Clear the texts behind up to ``limit`` samples selected before a moment; return how many there were.

    Args:
        connection: In a transaction.
        before: Seconds since 1970.
        limit: Samples in this batch; small, because other work of the store waits for it.
        at: Now, in seconds since 1970.
    """
    execute(connection, "clear_examples", before=before)
    found = execute(connection, "outcomes_with_texts", before=before, limit=limit).fetchall()
    for seq, seed_id in found:
        execute(connection, "clear_answers", seed_id=seed_id)
        execute(connection, "clear_trials", seed_id=seed_id)
        execute(connection, "clear_judgements", seed_id=seed_id)
        execute(connection, "clear_findings", seed_id=seed_id)
        execute(connection, "mark_cleared", seq=seq, at=at)
    return len(found)
