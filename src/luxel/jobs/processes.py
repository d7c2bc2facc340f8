"""Processes that do tasks one at a time; one that dies costs its own task only."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from luxel.errors import LuxelError

Task = TypeVar("Task")
Result = TypeVar("Result")

_READY = "ready"
_DONE = "done"
_FATAL = "fatal"
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Died:
    """The process died over this task. reason: one line, for the task's row."""

    reason: str


@dataclass(slots=True)
class _Worker(Generic[Task]):
    process: BaseProcess
    connection: Connection
    ready: bool = False
    index: int | None = None


def usable_cores() -> int:
    """Processor cores this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def in_processes(
    tasks: Sequence[Task], start: Callable[[], Callable[[Task], Result]], jobs: int
) -> Iterator[tuple[int, Result | Died]]:
    """(index of the task, its result) as results come, from `jobs` processes.

    start: called once in each process, returns the function that does a task; it, the tasks and the results must
    pickle. Processes are spawned, never forked: LibRaw and ONNX Runtime hold threads that a fork would leave locked.
    A process that dies (a decoder crashed, the system ran out of memory) gives `Died` for its task and is replaced.
    Raises LuxelError with the message of one that `start` or a task raised; then, and when the caller stops early,
    the processes are ended. When this process is killed they notice and end themselves after their task.
    """
    context = multiprocessing.get_context("spawn")

    def spawn() -> _Worker[Task]:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, start), daemon=True)
        with _deaf_to_interrupts():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    pending = iter(range(len(tasks)))
    left = len(tasks)
    workers = [spawn() for _ in range(min(jobs, len(tasks)))]
    try:
        while left:
            for connection in wait([worker.connection for worker in workers]):
                place = next(n for n, worker in enumerate(workers) if worker.connection is connection)
                worker = workers[place]
                try:
                    kind, value = worker.connection.recv()
                except (EOFError, OSError):
                    reason = _autopsy(worker)
                    if not worker.ready:
                        raise LuxelError(f"a worker process {reason} before its first picture; try --jobs 1") from None
                    del workers[place]
                    if worker.index is not None:
                        left -= 1
                        if left > len(workers):
                            workers.append(spawn())
                        yield worker.index, Died(f"the process reading it {reason}")
                    continue
                if kind == _FATAL:
                    raise LuxelError(value)
                worker.ready = True
                finished = worker.index
                worker.index = next(pending, None)
                if worker.index is not None:
                    # A process that died in this very moment is met at the next wait, with this task in its hands.
                    with suppress(BrokenPipeError, ConnectionResetError):
                        worker.connection.send(tasks[worker.index])
                if kind == _DONE and finished is not None:
                    left -= 1
                    yield finished, value
    finally:
        _end(workers)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process started inside ignores Ctrl-C from its first moment, also while it still imports."""
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may do this; there a Ctrl-C in that moment costs a traceback on stderr, no more.
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(connection: Connection, start: Callable[[], Callable[[Any], Any]]) -> None:
    """The life of a worker process."""
    # Ctrl-C reaches the whole process group; the parent decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            function = start()
            connection.send((_READY, None))
            while True:
                connection.send((_DONE, function(connection.recv())))
        except LuxelError as error:
            connection.send((_FATAL, str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent closed its end: nothing more to do


def _autopsy(worker: _Worker[Task]) -> str:
    worker.connection.close()
    worker.process.join()
    code = worker.process.exitcode or 0
    if code == -getattr(signal, "SIGKILL", 9):
        return "was killed (out of memory? use fewer --jobs)"
    if code < 0:
        return f"crashed ({signal.Signals(-code).name}; the file may be damaged)"
    return f"stopped with exit code {code}"


def _end(workers: Sequence[_Worker[Task]]) -> None:
    for worker in workers:
        worker.connection.close()
    for worker in workers:
        # A picture in flight is let finish, so that no half-written output stays behind.
        worker.process.join(_PATIENCE_SECONDS)
        if worker.process.is_alive():
            worker.process.terminate()
            worker.process.join()
