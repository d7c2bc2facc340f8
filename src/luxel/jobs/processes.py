"""The process pool: warm workers that do one task at a time; what goes wrong with a task is a value, not the end.

A worker that dies over a task (a decoder crashed, no memory) or exceeds its time limit is killed and replaced, and
costs that task only. Processes are spawned, never forked: LibRaw and ONNX Runtime hold threads that a fork would leave
locked. They ignore Ctrl-C, which reaches the whole process group, since the parent decides what happens then; and they
end with their parent, however it ends.
"""

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

from luxel.errors import LuxelError

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

MAX_FAILED_STARTS = 3
"""Workers that die one after the other before they are ready; then the pool gives up."""

_READY, _DONE, _FAILED, _FATAL = "ready", "done", "failed", "fatal"
_GRACE_SECONDS = 5.0
_AHEAD = 2


@dataclass(frozen=True, slots=True)
class TaskError:
    """A task that has no result.

    kind: "error" for an unexpected exception, "died" where the process did, "timeout" beyond the time limit.
    reason: one line, for the task's row.
    """

    kind: Literal["error", "died", "timeout"]
    reason: str


@dataclass(eq=False, slots=True)
class _Job(Generic[TaskT, ResultT]):
    task: TaskT
    timeout: float | None
    future: "Future[ResultT | TaskError]" = field(default_factory=Future)


@dataclass(eq=False, slots=True)
class _Worker(Generic[TaskT, ResultT]):
    process: BaseProcess
    pipe: Connection
    ready: bool = False
    done: int = 0
    job: _Job[TaskT, ResultT] | None = None
    deadline: float | None = None


class Pool(Generic[TaskT, ResultT]):
    """Processes that work on tasks one at a time each, started when they are first needed and kept.

    May be used by several threads at once. Use it as a context manager, or call `close`.
    """

    def __init__(
        self,
        start: Callable[[], Callable[[TaskT], ResultT]],
        *,
        workers: int,
        timeout: float | None = None,
        tasks_per_worker: int | None = None,
        nested: bool = False,
        grace: float = _GRACE_SECONDS,
    ) -> None:
        """start: called once in each process, returns the function that does a task; it, tasks and results must pickle.

        workers: processes at most, 1 or more.
        timeout: seconds a task may take, None for no limit; loading in `start` does not count.
        tasks_per_worker: a process is replaced after so many, None for never.
        nested: whether tasks start processes of their own.
        grace: seconds that tasks in work may still take on `close`, so that what they write is complete.
        """
        self._start = start
        self._limit = max(1, workers)
        self._timeout = timeout
        self._tasks_per_worker = tasks_per_worker
        self._nested = nested
        self._grace = grace
        self._new: queue.SimpleQueue[_Job[TaskT, ResultT]] = queue.SimpleQueue()
        self._waiting: deque[_Job[TaskT, ResultT]] = deque()
        self._workers: list[_Worker[TaskT, ResultT]] = []
        self._failed_starts = 0
        self._broken: BaseException | None = None
        self._closing = False
        self._wake, self._woken = multiprocessing.Pipe()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, task: TaskT, *, timeout: float | None = None) -> "Future[ResultT | TaskError]":
        """Queues a task. timeout: seconds, instead of the pool's.

        The future's result is the task's, or a `TaskError`. It raises the LuxelError that `start` or the task raised,
        which says that the run cannot continue. Raises RuntimeError after `close`.
        """
        job: _Job[TaskT, ResultT] = _Job(task, self._timeout if timeout is None else timeout)
        with self._lock:
            if self._closing:
                raise RuntimeError("this pool is closed")
            if self._broken is not None:
                _fail(job, self._broken)
                return job.future
            self._new.put(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="luxel pool", daemon=True)
                self._thread.start()
            self._wake.send_bytes(b"+")
        return job.future

    def close(self) -> None:
        """Ends the processes. Tasks that have not begun are cancelled. May be called twice."""
        with self._lock:
            self._closing = True
            if self._thread is not None and self._thread.is_alive():
                with suppress(OSError):
                    self._wake.send_bytes(b"-")
        if self._thread is not None:
            self._thread.join()
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.pipe.close()
        end = time.monotonic() + self._grace
        try:
            for worker in workers:
                worker.process.join(max(0.0, end - time.monotonic()))
        finally:  # a second Ctrl-C does not wait
            for worker in workers:
                if worker.process.is_alive():
                    worker.process.terminate()
                _end(worker.process, grace=1.0)
                if worker.job is not None:
                    worker.job.future.set_result(TaskError("died", "the pool was closed"))
            self._wake.close()
            self._woken.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        """The pool's own thread: hands out tasks, collects results, replaces processes."""
        _block_interrupts()
        try:
            while not self._closing:
                self._hand_out()
                self._collect()
        except BaseException as error:  # nobody else would see it
            self._break(error)
            for worker in self._workers:
                if worker.job is not None:
                    _fail(worker.job, error)
                    worker.job = None
        finally:
            while not self._new.empty():
                self._waiting.append(self._new.get())
            for job in self._waiting:
                job.future.cancel()

    def _hand_out(self) -> None:
        while not self._new.empty():
            self._waiting.append(self._new.get())
        while self._waiting and self._broken is not None:
            _fail(self._waiting.popleft(), self._broken)
        for worker in self._workers:
            if worker.ready and worker.job is None and (job := self._next()) is not None:
                self._give(worker, job)
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(self._limit - len(self._workers), len(self._waiting) - starting)):
            self._workers.append(self._spawn())

    def _next(self) -> _Job[TaskT, ResultT] | None:
        while self._waiting:
            job = self._waiting.popleft()
            if job.future.set_running_or_notify_cancel():
                return job
        return None

    def _give(self, worker: _Worker[TaskT, ResultT], job: _Job[TaskT, ResultT]) -> None:
        worker.job = job
        worker.deadline = None if job.timeout is None else time.monotonic() + job.timeout
        try:
            worker.pipe.send(job.task)
        except OSError:
            pass  # it died in this very moment, which is met at the next wait, with this task in its hands
        except Exception as error:  # the task does not pickle
            worker.job = worker.deadline = None
            job.future.set_result(TaskError("error", _describe(error)))

    def _spawn(self) -> _Worker[TaskT, ResultT]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._start), daemon=not self._nested)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _collect(self) -> None:
        """Waits until something happens, and handles it."""
        deadlines = [worker.deadline for worker in self._workers if worker.deadline is not None]
        timeout = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        by_sign: dict[Any, _Worker[TaskT, ResultT]] = {}
        for worker in self._workers:
            by_sign[worker.pipe] = by_sign[worker.process.sentinel] = worker
        signs = connection.wait([self._woken, *by_sign], timeout)
        if self._woken in signs:
            self._woken.recv_bytes()
        for worker in {id(by_sign[sign]): by_sign[sign] for sign in signs if sign is not self._woken}.values():
            self._hear(worker)
        now = time.monotonic()
        for worker in [w for w in self._workers if w.deadline is not None and w.deadline <= now]:
            if not worker.pipe.poll():
                worker.process.kill()
                self._lose(worker, timeout=True)

    def _hear(self, worker: _Worker[TaskT, ResultT]) -> None:
        try:
            if not worker.pipe.poll():  # only its end was seen
                raise EOFError
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):
            self._lose(worker)
            return
        except Exception as error:  # a result that cannot be unpickled here
            kind, value = _FAILED, _describe(error)
        if kind == _READY:
            worker.ready, self._failed_starts = True, 0
            return
        job, worker.job, worker.deadline = worker.job, None, None
        if kind == _FATAL:
            fatal = _rebuilt(*value)
            if job is None:
                self._break(fatal)
            else:
                _fail(job, fatal)
                worker.done += 1
        elif job is not None:
            worker.done += 1
            job.future.set_result(TaskError("error", value) if kind == _FAILED else value)
        if self._tasks_per_worker is not None and worker.done >= self._tasks_per_worker:
            worker.pipe.close()
            _end(worker.process)
            self._workers.remove(worker)

    def _lose(self, worker: _Worker[TaskT, ResultT], *, timeout: bool = False) -> None:
        """A worker that is dead, or was just killed for its time limit."""
        worker.pipe.close()
        _end(worker.process)
        self._workers.remove(worker)
        end = _autopsy(worker.process.exitcode or 0)
        if worker.job is not None:
            limit = worker.job.timeout
            reason = f"took longer than {limit:g} s and was stopped" if timeout else f"the process working on it {end}"
            worker.job.future.set_result(TaskError("timeout" if timeout else "died", reason))
        elif not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                self._break(LuxelError(f"worker processes do not start: the last one {end}; try --jobs 1"))

    def _break(self, error: BaseException) -> None:
        """Nothing can be done any more: every task that waits raises the error."""
        self._broken = error
        while self._waiting:
            _fail(self._waiting.popleft(), error)


def results(
    tasks: Iterable[TaskT],
    start: Callable[[], Callable[[TaskT], ResultT]],
    *,
    jobs: int,
    timeout: float | None = None,
    files: Callable[[TaskT], int] = lambda task: 1,
) -> Iterator[tuple[int, ResultT | TaskError]]:
    """(index of the task, its result or `TaskError`), as results come.

    start: as in `Pool`.
    jobs: processes; 1 without a time limit works in this process.
    timeout: seconds for each file of a task, None for no limit.
    files: how many files a task is.
    Raises the LuxelError that `start` or a task raised. Then, and when the caller stops early, the processes are ended.

    >>> from functools import partial
    >>> list(results([1.0, -2.0], partial(lambda: abs), jobs=1))
    [(0, 1.0), (1, 2.0)]
    """
    if jobs <= 1 and timeout is None:
        yield from enumerate(_here(tasks, start))
        return
    with Pool(start, workers=jobs, timeout=timeout) as pool:
        pending: dict[Future[ResultT | TaskError], int] = {}
        numbered = enumerate(tasks)
        while True:
            while len(pending) < _AHEAD * jobs and (item := next(numbered, None)) is not None:
                limit = None if timeout is None else timeout * files(item[1])
                pending[pool.submit(item[1], timeout=limit)] = item[0]
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result()


def ordered_results(
    tasks: Iterable[TaskT],
    start: Callable[[], Callable[[TaskT], ResultT]],
    *,
    jobs: int,
    timeout: float | None = None,
) -> Iterator[ResultT | TaskError]:
    """The result or `TaskError` of each task, in the order of the tasks. Parameters and errors as in `results`."""
    if jobs <= 1 and timeout is None:
        yield from _here(tasks, start)
        return
    with Pool(start, workers=jobs, timeout=timeout) as pool:
        pending: deque[Future[ResultT | TaskError]] = deque()
        for task in tasks:
            pending.append(pool.submit(task))
            if len(pending) >= _AHEAD * jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _here(tasks: Iterable[TaskT], start: Callable[[], Callable[[TaskT], ResultT]]) -> Iterator[ResultT | TaskError]:
    function = start()
    for task in tasks:
        try:
            result: ResultT | TaskError = function(task)
        except LuxelError:
            raise
        except Exception as error:
            result = TaskError("error", _describe(error))
        yield result


def _work(pipe: Connection, start: Callable[[], Callable[[Any], Any]]) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _unblock_interrupts()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        try:
            function = start()
        except LuxelError as error:
            pipe.send((_FATAL, (type(error), str(error))))
            return
        pipe.send((_READY, None))
        while True:
            task = pipe.recv()
            try:
                answer = (_DONE, function(task))
            except LuxelError as error:
                answer = (_FATAL, (type(error), str(error)))
            except Exception as error:
                answer = (_FAILED, _describe(error))
            try:
                pipe.send(answer)
            except OSError:
                raise
            except Exception as error:  # the result does not pickle
                pipe.send((_FAILED, _describe(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent closed its end: nothing more to do


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(process: BaseProcess, grace: float = _GRACE_SECONDS) -> None:
    """Waits for a process that has nothing more to do; one that hangs at its exit is killed."""
    process.join(grace)
    if process.is_alive():
        process.kill()
        process.join()


def _rebuilt(kind: type[LuxelError], message: str) -> LuxelError:
    # Without __init__, which may want other arguments than the message.
    return kind.__new__(kind, message)


def _fail(job: _Job[Any, Any], error: BaseException) -> None:
    if job.future.running() or job.future.set_running_or_notify_cancel():
        job.future.set_exception(error)


def _describe(error: Exception) -> str:
    """An unexpected exception in one line, with its place."""
    if isinstance(error, MemoryError):
        return "not enough memory; use fewer --jobs"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return " ".join(f"unexpected {type(error).__name__}: {error}{place}".split())


def _autopsy(code: int) -> str:
    if code == -getattr(signal, "SIGKILL", 9):
        return "was killed (out of memory? use fewer --jobs)"
    if code < 0:
        return f"crashed ({signal.Signals(-code).name}; the file may be damaged)"
    return f"stopped with exit code {code}"


if sys.platform == "win32":

    def _block_interrupts() -> None:
        pass

    def _unblock_interrupts() -> None:
        pass
else:

    def _block_interrupts() -> None:
        """For this thread and the processes it starts: they ignore Ctrl-C from their first moment."""
        # Starting its resource tracker, multiprocessing lets interrupts through again in the thread that does it; the
        # first worker would be open to them until it ignores them, and print a traceback.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def _unblock_interrupts() -> None:
        """Once it is ignored, for what this process starts in turn."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
