"""Work in a thread with an event loop of its own, which is told to stop from outside and then drains.

A caller may be a script, a cell of a notebook, or a coroutine of an event loop that has other things to do: none of
them has to lend its thread, and none can be held up. Ctrl-C and cancellation of the caller become words to stop.
"""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Generic, TypeVar

import anyio

from star_agents.engine.interruption import Stop
from star_agents.errors import StarAgentsError, UsageError, first_of_ours

T = TypeVar("T")

CTRL_C = Stop(by="SIGINT", again="Ctrl-C again", number=signal.SIGINT)
CANCELLED = Stop(by="its caller", again="another cancellation", number=signal.SIGTERM)
BEAT_S = 0.5
PATIENCE = 3
"""Times that Ctrl-C is pressed before whoever waits is let go, whatever goes on in the thread."""


class StoppedBeforeWork(StarAgentsError):
    """A job was told to stop before there was anything to finish."""


class Words:
    """What is told to a job from any thread, from a signal handler or a destructor, and heard in its event loop."""

    def __init__(self) -> None:
        # Putting into it is safe where a lock is not: in a handler that interrupts the very same call.
        self._told: SimpleQueue[Stop] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scope: anyio.CancelScope | None = None
        self._hears: Callable[[Stop], None] | None = None

    def tell(self, stop: Stop) -> None:
        """Tell the job to stop; a second word tells it to do so at once. After its end it does nothing."""
        self._told.put(stop)
        self.soon(self._hand_on)

    def soon(self, what: Callable[[], None]) -> None:
        """Have something called in the job's event loop; nothing where that is closed."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what)

    @contextmanager
    def heard(self) -> Iterator[AsyncIterator[Stop]]:
        """Listen to them, as ``interruption.Stops`` has it. Before that a word ends the job where it stands; after it
        there is nothing left to stop."""
        send, receive = anyio.create_memory_object_stream[Stop](math.inf)
        with send, receive:
            self._hears = send.send_nowait
            try:
                yield receive
            finally:
                self._hears = _hear_nothing

    @contextmanager
    def reach(self, scope: anyio.CancelScope) -> Iterator[None]:
        """Reach this event loop from now on, and cancel ``scope`` while nobody listens."""
        self._loop, self._scope = asyncio.get_running_loop(), scope
        self._hand_on()
        try:
            yield
        finally:
            self._scope = None

    def _hand_on(self) -> None:
        with suppress(Empty):
            while True:
                stop = self._told.get_nowait()
                if self._hears is not None:
                    self._hears(stop)
                elif self._scope is not None:
                    self._scope.cancel()


def _hear_nothing(stop: Stop) -> None:
    return


class Job(Generic[T]):
    """One piece of work in its thread.

    Args:
        work: Is called in the job's event loop; it may listen to ``words``.
        folder: Where it works. A job that is told to stop gives its folder free only when it has drained, and the next
            one on the same folder waits for that.
    """

    def __init__(self, work: Callable[[Words], Awaitable[T]], *, folder: Path | None = None) -> None:
        self.words = Words()
        self._work = work
        self._folder = folder
        self._future: Future[T] = Future()
        self._future.set_running_or_notify_cancel()  # Nobody cancels it by cancelling what waits for it.
        self._is_told = False

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    def start(self) -> None:
        """Begin."""
        # A daemon thread: a program that ends without waiting for it ends, and the folder is as after a kill.
        threading.Thread(target=self._run, name="star_agents", daemon=True).start()

    def stop(self, stop: Stop) -> None:
        """Finish what is in hand, and end; told once more, end at once. From any thread."""
        if self._folder is not None and not self._is_told:
            _draining[self._folder] = self._future
        self._is_told = True
        self.words.tell(stop)

    def when_done(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` in the job's thread at its end, or now where it has ended."""
        self._future.add_done_callback(lambda _: tell())

    def wait(self) -> T:
        """Start it and wait in this thread; in the main thread Ctrl-C stops it.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed and it has drained.
            StarAgentsError: what ended it.
        """
        done = threading.Event()
        self.when_done(done.set)
        with _ctrl_c(self) as pressed:
            self.start()
            done.wait()
        if pressed:
            raise KeyboardInterrupt from self._future.exception()
        return self._future.result()

    async def end(self) -> T:
        """Wait in an event loop of asyncio for a job that is started; cancellation stops it and is raised at its end.

        Raises:
            StarAgentsError: what ended it.
        """
        ended = asyncio.wrap_future(self._future)
        with keep_loop_turning():
            try:
                await asyncio.wait([ended])
            except asyncio.CancelledError as cancelled:
                self.stop(CANCELLED)
                await self.drained(ended)
                raise cancelled from ended.exception()
        return ended.result()

    async def drained(self, ended: asyncio.Future[T] | None = None) -> None:
        """Wait until it has drained; what is cancelled by asyncio once more ends it at once."""
        ended = ended or asyncio.wrap_future(self._future)
        # A scope of anyio cancels what waits in it again and again until it ends; that is one cancellation.
        with anyio.CancelScope(shield=True):
            while not ended.done():
                try:
                    await asyncio.wait([ended])
                except asyncio.CancelledError:
                    self.stop(CANCELLED)
        ended.exception()  # Looked at, so that nobody is told of an error that was never looked at.

    def _run(self) -> None:
        try:
            result = anyio.run(self._main)
        except BaseException as error:
            self._give_folder_free()
            self._future.set_exception(first_of_ours(error) or error)
        else:
            self._give_folder_free()
            self._future.set_result(result)

    def _give_folder_free(self) -> None:
        if self._folder is not None and _draining.get(self._folder) is self._future:
            del _draining[self._folder]

    async def _main(self) -> T:
        with anyio.CancelScope() as scope, self.words.reach(scope):
            before = _draining.get(self._folder) if self._folder is not None else None
            if before is not None and before is not self._future:
                await asyncio.wait([asyncio.wrap_future(before)])
            return await self._work(self.words)
        raise StoppedBeforeWork("it was stopped before it had begun to work; nothing is lost")


_draining: dict[Path, Future[Any]] = {}
"""Of jobs of this process that were told to stop, by their folder, until they have ended."""


@contextmanager
def keep_loop_turning() -> Iterator[None]:
    """Let the event loop turn now and then although nothing happens in it.

    In a notebook's kernel an interrupt is noted by a signal handler that does not wake the loop: without this it would
    be heard only when something else happens.
    """

    async def turn() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(BEAT_S)

    beat = asyncio.get_running_loop().create_task(turn())
    try:
        yield
    finally:
        beat.cancel()


def running_loop() -> asyncio.AbstractEventLoop:
    """The event loop that a coroutine of ours is called in.

    Raises:
        UsageError: it is none of asyncio's.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError("this needs an event loop of asyncio; elsewhere call `run` in a thread of its own") from None


@contextmanager
def _ctrl_c(job: Job[T]) -> Iterator[list[int]]:
    """Let Ctrl-C stop the job and raise nothing; yields what was pressed.

    Only the main thread hears signals. Whoever ignores Ctrl-C goes on ignoring it.
    """
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        if len(pressed) >= PATIENCE:
            raise KeyboardInterrupt
        job.stop(CTRL_C)

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if is_main else signal.SIG_IGN
    if before is None or before == signal.SIG_IGN:
        yield pressed
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
