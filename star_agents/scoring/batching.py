"""Batches under a budget of tokens, which is halved when memory runs out. Pure: no torch, no models."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from star_agents.scoring.encoding import Reason

Item = TypeVar("Item")
Result = TypeVar("Result")
Done = TypeVar("Done")

AHEAD = 1
"""Batches that are begun while another one's results are not read yet."""


def plan(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices in batches whose longest length times size is at most ``tokens``; one that is longer goes alone.

    Longest first, so that what could run out of memory does so at the start, and neighbours need little padding. Equal
    lengths keep their order.
    """
    batches: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if not batches or longest * (len(batches[-1]) + 1) > tokens:
            batches.append([])
            longest = lengths[index]
        batches[-1].append(index)
    return batches


class Batcher:
    """Runs work in batches and remembers how many tokens fit into memory.

    A batch is begun before the results of the one before it are read, so that a GPU never waits for its host.
    After an out-of-memory the budget is half of what the failed batch took, for the rest of its life, and the batch is
    planned again. An item that does not fit by itself gets a reason and the others go on.
    """

    def __init__(
        self,
        tokens: int,
        *,
        is_out_of_memory: Callable[[Exception], bool],
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self.tokens = tokens
        """The budget: rows per batch."""
        self._is_out_of_memory = is_out_of_memory
        self._release = release

    def run(
        self,
        items: Sequence[Item],
        length: Callable[[Item], int],
        work: Callable[[Sequence[Item]], Iterable[Result]],
        plan_items: Callable[[Sequence[Item], int], list[list[int]]] | None = None,
    ) -> list[Result | Reason]:
        """Results of ``work``, in the items' order. Without ``plan_items``, batches are of similar length.

        ``work`` begins a batch; iterating over what it returns may wait for the results.
        """
        lengths = [length(item) for item in items]
        plan_some = plan_items or (lambda some, tokens: plan([length(item) for item in some], tokens))
        results: list[Result | Reason] = [Reason("not run")] * len(items)
        waiting = deque(plan_some(items, self.tokens))
        begun: deque[tuple[list[int], Iterable[Result]]] = deque()
        while waiting or begun:
            if waiting and len(begun) <= AHEAD:
                batch = waiting.popleft()
                started = self._attempt(partial(work, [items[index] for index in batch]))
                if started is not None:
                    begun.append((batch, started))
                    continue
            else:
                batch, started = begun.popleft()
                done: list[Result] | None = self._attempt(partial(list, started))
                if done is not None:
                    for index, result in zip(batch, done, strict=True):
                        results[index] = result
                    continue
            if len(batch) == 1:
                tokens = lengths[batch[0]]
                results[batch[0]] = Reason(f"out of memory on a sequence of {tokens} tokens: lower scoring.max_length")
            else:
                self.tokens = max(1, min(self.tokens, sum(lengths[index] for index in batch)) // 2)
                left = [*batch, *(index for later in waiting for index in later)]
                parts = plan_some([items[index] for index in left], self.tokens)
                waiting = deque([left[at] for at in part] for part in parts)
        return results

    def _attempt(self, work: Callable[[], Done]) -> Done | None:
        """What ``work`` returns, or ``None`` where memory ran out."""
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not self._is_out_of_memory(error):
                raise
        # Only here, with the exception gone, are the tensors of its frames free to be given back.
        self._release()
        return None
