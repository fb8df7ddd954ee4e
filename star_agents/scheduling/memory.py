"""The instruction memory bank (paper, section 3.3): which pair won on instructions like this one.

The rows in the store are the truth; the graphs are a cache of them (``memory_segments``), written beside the store now
and then (``memory_files``), and made anew from the rows where the files are missing, torn, of another embedder or ahead
of the store.

Up to ``FIRST`` instructions there is one graph of whole vectors, and whoever adds one makes it grow at once. Above that
there are graphs of sketches, and a thread of the bank's own makes them grow: one that was just added is compared by
itself until it is in a graph, and no search waits longer than one more of them takes to enter. The same thread measures
what graphs find, and makes anew what finds too little (``memory_renewal``), in turns with what enters.
"""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice
from pathlib import Path

from star_agents.scheduling.forgetting import kept
from star_agents.scheduling.memory_files import Facts, Files, Read
from star_agents.scheduling.memory_graphs import Graphs
from star_agents.scheduling.memory_segments import Found, Room
from star_agents.scheduling.remembered import BankState as BankState
from star_agents.scheduling.remembered import KeptRows as KeptRows
from star_agents.scheduling.remembered import Remembered as Remembered
from star_agents.scheduling.remembered import Waiting
from star_agents.scheduling.vector_codes import Vector as Vector
from star_agents.scheduling.vector_codes import as_vector as as_vector
from star_agents.scheduling.vector_codes import is_comparable as is_comparable
from star_agents.scheduling.vector_codes import vector_from_bytes as vector_from_bytes

FIRST = 5000
"""Instructions in a graph of whole vectors: up to here a bank gives the same bits whenever it is asked the same."""
OTHERS = 500_000
"""Instructions in each graph of sketches: a search looks through all graphs, each of which costs it nearly as much
whatever its size."""
WAITING = 512
"""Instructions that were just added and are compared by themselves; those before them are read again when their turn
comes."""
_PAGE = 256
_IDLE_S = 0.5
"""Seconds without work after which the thread ends."""
_SEEN, _LEFT_OUT = 1, 2


class MemoryBank:
    """Nearest instructions by cosine similarity. Asked, added to, loaded and saved by one thread at a time.

    Args:
        embedder: Name of what makes the vectors; an index file of another embedder is not used.
        at_most: Instructions that it holds; ``forgetting`` says which go. ``None``: all.
        read: Reads what was added; without it the vectors of all that wait to enter a graph are held.
        first: ``FIRST``.
        others: ``OTHERS``.
        finds_all: All that wait to enter a graph are compared, not only the newest ``WAITING``, and their vectors held.

    Attributes:
        not_written: Why its files could not be written when that was last tried; empty: they were.
    """

    def __init__(
        self,
        embedder: str,
        *,
        at_most: int | None = None,
        read: Read | None = None,
        first: int = FIRST,
        others: int = OTHERS,
        finds_all: bool = False,
    ) -> None:
        self._embedder, self._at_most, self._compared = embedder, at_most, None if finds_all else WAITING
        half = others if at_most is None else -(-at_most // 2)
        self._room = Room(first=min(first, -(-half // 2)), other=min(others, half))
        self._news = threading.Condition()
        """Guards what is to be taken in, and the thread that does."""
        self._thread: threading.Thread | None = None
        self._files: Files | None = None
        self._clear(read)

    def _clear(self, read: Read | None) -> None:
        self._graphs: Graphs | None = None
        self._seen = bytearray()
        self._last_seq = self._forgotten = self._left_out = self._told = 0
        self._waiting = Waiting()
        """Just added, and in no graph yet."""
        self._in_hand: Remembered | None = None
        """Enters one now."""
        self._backlog: deque[tuple[int, str]] = deque()
        """Those before them, to be read again."""
        self._page: dict[int, Vector] = {}
        self._read = read
        self._is_closing = self._is_to_write = False
        self._trouble = self.not_written = ""

    def __len__(self) -> int:
        state = self.state()
        return state.size + state.waiting

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest instruction; 0 when empty."""
        return self._last_seq

    def state(self) -> BankState:
        """How it stands."""
        graphs = self._graphs
        with self._news:
            return BankState(
                size=0 if graphs is None else len(graphs),
                waiting=len(self._waiting) + len(self._backlog) + (self._in_hand is not None),
                forgotten=self._forgotten + (0 if graphs is None else graphs.forgotten),
                left_out=self._left_out,
                trouble=self._trouble,
                renewed=0 if graphs is None else len(graphs.renewed),
                recall=None if graphs is None else graphs.recall,
            )

    def renewals(self) -> list[str]:
        """What is to be told of each graph that was made anew since it was last asked."""
        told = [] if self._graphs is None else self._graphs.renewed[self._told :]
        self._told += len(told)
        return told

    # Searching

    def nearest_pairs(self, embedding: Vector, count: int) -> list[str]:
        """Winning pairs of the ``count`` most similar instructions, nearest first; see ``nearest``."""
        return [found.arm for found in self.nearest(embedding, count)]

    def nearest(self, embedding: Vector, count: int) -> list[Found]:
        """The same with the cosine similarity of each.

        Fewer when the bank holds fewer, or when the search, which is approximate, reaches fewer.
        """
        if self._graphs is None or len(embedding) != self._graphs.dimension:
            return []
        return self._graphs.nearest(embedding, count, lambda: self._newest(embedding))

    def _newest(self, embedding: Vector) -> list[Found]:
        """Those that were just added and are in no graph yet."""
        with self._news:
            found, one = self._waiting.similar(embedding, self._compared), self._in_hand
        return found if one is None else [*found, Found(one.pair, float(one.embedding @ embedding))]

    # Taking in

    def add(self, row: Remembered) -> None:
        """Store one instruction; one that graphs do not take is left out (``Graphs.takes``)."""
        if self._is_seen(row.seq):
            return
        if self._graphs is None:
            self._graphs = Graphs(len(row.embedding), self._room, self._at_most)
        if not self._graphs.takes(row.embedding) or self._trouble:
            self._leave_out(row.seq)
            return
        self._last_seq = max(self._last_seq, row.seq)
        with self._news:
            is_direct = self._graphs.has_room_in_first and not (self._waiting or self._backlog or self._in_hand)
        if is_direct:
            self._graphs.add(row.seq, row.pair, row.embedding)
            return
        with self._news:
            self._waiting.append(row)
            while self._read is not None and len(self._waiting) > (self._compared or len(self._waiting)):
                old = self._waiting.popleft()
                self._backlog.append((old.seq, old.pair))
            self._begin()

    def load(self, rows: KeptRows, path: Path | None = None) -> None:
        """Fill the bank from the store's rows, taking the files at ``path`` as a head start where they fit them.

        What is left to do then is done by the bank's own thread where it is much; ``wait`` waits for it.
        """
        self.close()
        self._clear(rows.vectors)
        self._files = None if path is None else Files(path)
        if not rows.seqs:
            return
        dimension = rows.dimensions[0]
        fitting = zip(rows.seqs, rows.arms, rows.dimensions, strict=True)
        arms = {seq: arm for seq, arm, size in fitting if size == dimension}
        self._left_out = len(rows.seqs) - len(arms)
        self._last_seq = max(arms)
        self._seen = bytearray(self._last_seq + 1)
        for seq in arms:
            self._seen[seq] = _SEEN
        self._graphs = Graphs(dimension, self._room, self._at_most)
        head = self._take_files(self._graphs, arms)
        new = [(seq, arm) for seq, arm in arms.items() if seq > head]
        if self._at_most is not None and len(new) > self._at_most:
            stays = kept([arm for _, arm in new], self._at_most)
            self._forgotten = len(new) - self._at_most
            new = [one for one, stay in zip(new, stays, strict=True) if stay]
        self._backlog = deque(new)
        if len(self._graphs) + len(new) <= self._room.first:
            while self._backlog:
                self._take_in()
        else:
            with self._news:
                self._begin()

    def _take_files(self, graphs: Graphs, arms: dict[int, str]) -> int:
        """Take over the files, where they fit; return the newest sequence number that they know of."""
        if self._files is None or self._read is None:
            return 0
        found = self._files.read(self._embedder, arms, self._room, self._read)
        if found is None or found[1].dimension != graphs.dimension:
            return 0
        segments, facts = found
        if self._at_most is not None and sum(map(len, segments)) > self._at_most:
            return 0  # It may hold fewer now.
        self._files.take_over(segments)
        graphs.segments, graphs.forgotten = segments, facts.forgotten
        return facts.last_seq

    def _is_seen(self, seq: int) -> bool:
        """Whether this one was here before; from now on it was."""
        if seq >= len(self._seen):
            self._seen.extend(bytes(max(1024, seq + 1, 2 * len(self._seen)) - len(self._seen)))
        seen, self._seen[seq] = bool(self._seen[seq]), _SEEN
        return seen

    def _leave_out(self, seq: int) -> None:
        self._seen[seq] = _LEFT_OUT
        self._left_out += 1

    # The thread

    def wait(self, timeout_s: float | None = None, *, for_renewals: bool = True) -> bool:
        """Wait until everything is in a graph and none is to be made anew, or nothing is taken in any more; say whether
        it came to that in time."""
        with self._news:
            return self._news.wait_for(lambda: not self._is_at_work(for_renewals), timeout_s)

    def close(self) -> None:
        """End the thread after what it has in hand; what it has not taken in it takes in when it is added to again."""
        with self._news:
            self._is_closing, thread = True, self._thread
            self._news.notify_all()
        if thread is not None:
            thread.join()
        self._is_closing = False

    def _is_at_work(self, for_renewals: bool) -> bool:
        has_more = self._has_more if for_renewals else self._has_more_to_take_in or self._is_to_write
        return self._thread is not None and (has_more or self._in_hand is not None)

    @property
    def _has_more_to_take_in(self) -> bool:
        return bool(self._waiting or self._backlog)

    @property
    def _has_more(self) -> bool:
        graphs = self._graphs
        return self._has_more_to_take_in or self._is_to_write or (graphs is not None and graphs.has_to_tend)

    def _begin(self) -> None:
        """Let the thread be at work; the caller holds the news."""
        if self._thread is None and not self._trouble:
            # No daemon: one that is cut off inside a graph would take the interpreter with it.
            self._thread = threading.Thread(target=self._work, name="memory bank")
            self._thread.start()
        self._news.notify_all()

    def _work(self) -> None:
        try:
            while self._goes_on():
                if self._is_to_write:
                    self._write(in_full=False)
                    self._is_to_write = False
                    continue
                is_to_write = self._has_more_to_take_in and self._take_in()
                if self._graphs is not None and self._graphs.tend():
                    is_to_write = True
                if is_to_write:
                    self._write(in_full=True)
        except Exception as error:  # Of the store or the disk: told by ``state``, and seeds go on without.
            with self._news:
                self._trouble, self._thread = f"{type(error).__name__}: {error}", None
                self._news.notify_all()

    def _goes_on(self) -> bool:
        """Whether there is more to do; where there is none for a while, the thread is no longer ours."""
        with self._news:
            self._news.notify_all()
            self._news.wait_for(lambda: self._has_more or self._is_closing, _IDLE_S)
            if self._has_more and not self._is_closing and threading.main_thread().is_alive():
                return True
            self._thread = None
            self._news.notify_all()
            return False

    def _take_in(self) -> bool:
        """Let the next one enter a graph; say whether what is in them is to be written."""
        with self._news:
            asked = list(islice(self._backlog, _PAGE))
        if asked and asked[0][0] not in self._page:
            assert self._read is not None, "what is to be read again came from somewhere"
            self._page = self._read([seq for seq, _ in asked])
        with self._news:
            if asked:
                seq, arm = self._backlog.popleft()
                vector = self._page.pop(seq, None)
                row = None if vector is None else Remembered(seq=seq, pair=arm, pi=0.0, embedding=vector)
            else:
                row = self._waiting.popleft()
            self._in_hand = row
        graphs = self._graphs
        if row is None or graphs is None or not graphs.takes(row.embedding):
            self._leave_out(seq)
            self._entered()
            return False
        return graphs.add(row.seq, row.pair, row.embedding, self._entered)

    def _entered(self) -> None:
        self._in_hand = None

    # Files

    def save(self, path: Path) -> None:
        """Write everything that is in a graph: to new files, synced, then renamed over the earlier ones. Where that
        cannot be, ``not_written`` says why, and a start makes the graphs from the store."""
        self.close()
        self._write_to(path)
        self._write(in_full=True)

    def save_soon(self, path: Path) -> None:
        """The same where one graph is all there is; else the bank's own thread writes those graphs that are full.

        What is in the newest one is read from the store again after a kill.
        """
        if self._graphs is None:
            return
        if self._graphs.has_room_in_first and self._thread is None:
            self.save(path)
            return
        self._write_to(path)
        with self._news:
            self._is_to_write = True
            self._begin()

    def _write_to(self, path: Path) -> None:
        if self._files is None or self._files.path != path:
            self._files = Files(path)

    def _write(self, *, in_full: bool) -> None:
        if self._graphs is None or self._files is None:
            return
        segments = self._graphs.segments if in_full else self._graphs.full_ones()
        if not segments or (not in_full and self._files.hold(segments)):
            return  # A graph that was written before it was full stays in force until it is.
        last_seq = max(one.span()[1] for one in segments)
        held = sum(map(len, segments))
        facts = Facts(
            embedder=self._embedder,
            dimension=self._graphs.dimension,
            last_seq=last_seq,
            forgotten=self._seen.count(_SEEN, 0, last_seq + 1) - held,
        )
        try:
            self._files.write(segments, facts)
        except (OSError, RuntimeError) as error:
            self.not_written = f"{type(error).__name__}: {error}"
        else:
            self.not_written = ""
