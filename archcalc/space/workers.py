"""Work in chunks on any executor, so that what comes of it does not depend on which that is.

Chunks are handed out a few at a time and come back in order. A chunk whose worker died is done
again, and what no worker can do is done here. What all chunks have in common goes along with the
first few, and later to a worker that has not got it; it is unpacked once there.
"""

from __future__ import annotations

import hashlib
import itertools
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from typing import Any

from archcalc.errors import ArchcalcError

AGAIN = 3
"""How often a chunk is tried on an executor."""

AHEAD = 32
"""Chunks that are handed out and not back yet, where an executor does not say how many it does."""

_MISSING = "archcalc: this worker has not got it yet"
_had = threading.local()
"""What this thread of a worker was sent, made ready: what it remembers is no two threads'."""

Maker = Callable[[Any], Callable[[Any], Any]]


def _do(key: str, packed: bytes | None, task: Any) -> Any:
    """A task in a worker; ``packed`` is a function's maker and what it is made of."""
    if getattr(_had, "key", "") != key:
        if packed is None:
            return _MISSING
        make, shared = pickle.loads(packed)
        _had.worker, _had.key = make(shared), key
    return _had.worker(task)


def mapped(
    make: Maker, shared: Any, tasks: Iterable[Any], executor: Executor | Callable[[], Executor]
) -> Iterator[Any]:
    """``make(shared)`` of each task, in the order of the tasks.

    ``executor`` is one, or a function that makes one, again where the last has broken; then this
    process does its share too, of what was handed out last and not begun. Raises what the work
    raises on purpose.
    """
    packed = pickle.dumps((make, shared))
    key = hashlib.sha256(packed).hexdigest()
    pool: Executor | None = executor() if callable(executor) else executor
    worker: Callable[[Any], Any] | None = None
    waiting: deque[list[Any]] = deque()  # the task, its future, how often it was tried
    pending = iter(tasks)
    ahead = 4 * getattr(pool, "_max_workers", AHEAD // 4)
    first = ahead // 4  # so many go with what all have in common
    exhausted = False

    def submit(task: Any, whole: bool) -> Future[Any] | None:
        nonlocal pool
        for _ in range(2):
            if pool is None:
                return None
            try:
                return pool.submit(_do, key, packed if whole else None, task)
            except (BrokenExecutor, RuntimeError):
                pool = executor() if callable(executor) else None
        return None

    def here(task: Any) -> Future[Any]:
        nonlocal worker
        worker = worker or make(shared)
        done: Future[Any] = Future()
        try:
            done.set_result(worker(task))
        except ArchcalcError as error:
            done.set_exception(error)
        return done

    try:
        while True:
            while not exhausted and len(waiting) < ahead:
                try:
                    task = next(pending)
                except StopIteration:
                    exhausted = True
                    break
                waiting.append([task, submit(task, first > 0), 0])
                first -= 1
            if not waiting:
                return
            task, future, tried = waiting[0]
            if future is not None and not future.done() and callable(executor):
                mine = next(
                    (each for each in reversed(waiting) if each[1] and each[1].cancel()), None
                )
                if mine is not None:
                    mine[1] = here(mine[0])
                    continue
            try:
                found = _MISSING if future is None else future.result()
            except ArchcalcError:
                raise
            except Exception:
                # The worker died, or what it sent back did: the chunk is done again.
                found = _MISSING
            if isinstance(found, str) and found == _MISSING:
                if tried < AGAIN and pool is not None:
                    waiting[0] = [task, submit(task, True), tried + 1]
                    for each in itertools.islice(waiting, 1, None):
                        if _came_to_nothing(each[1]):  # at once, or they would wait for each other
                            each[1] = submit(each[0], True)
                    continue
                found = here(task).result()
            waiting.popleft()
            yield found
    finally:
        for _, future, _ in waiting:
            if future is not None:
                future.cancel()


def _came_to_nothing(future: Future[Any] | None) -> bool:
    """Whether a worker is known to have died, or has not got what all have in common."""
    if future is None or not future.done() or future.cancelled():
        return False
    error = future.exception()
    if error is not None:
        return not isinstance(error, ArchcalcError)
    found = future.result()
    return isinstance(found, str) and found == _MISSING


@contextmanager
def processes(jobs: int) -> Iterator[Callable[[], Executor]]:
    """A maker of as many processes as make so many with this one, to which they leave
    interruptions.

    None is left when this ends: those that are not done are ended where it is left by an error.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    class Pool(ProcessPoolExecutor):
        """One whose processes are not even interrupted while they begin."""

        def submit(self, fn: Any, /, *args: Any, **how: Any) -> Future[Any]:
            with _uninterrupted():
                return super().submit(fn, *args, **how)

    made: list[Pool] = []

    def make() -> Executor:
        made.append(Pool(max(jobs - 1, 1), get_context("spawn"), _begin))
        return made[-1]

    try:
        yield make
    except BaseException:
        for pool in made:
            for process in [*(pool._processes or {}).values()]:
                process.terminate()
        raise
    finally:
        for pool in made:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is begun meanwhile is never interrupted; this process is, afterwards."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
