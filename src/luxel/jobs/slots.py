"""Tasks in processes of their own: one that dies (a crashed decoder, no memory) costs its own task only."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Died:
    """The process died over this task. reason: one line."""

    reason: str


def usable_cores() -> int:
    """Processor cores this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def in_slots(
    function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[tuple[int, Result | Died]]:
    """(index of the task, its result) as results come, from `jobs` processes; 1 works in this process.

    function, tasks and results must pickle. Each slot is a pool of one, so that a death names its task. Processes are
    spawned: LibRaw deadlocks in forked ones. They end when this process ends, even when it is killed. What `function`
    raises is raised here, after the tasks in hand are finished.
    """
    if jobs <= 1:
        for index, task in enumerate(tasks):
            yield index, function(task)
        return

    def new_slot() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)

    slots = [new_slot() for _ in range(min(jobs, len(tasks)))]
    free = list(slots)
    pending = iter(enumerate(tasks))
    running: dict[Future[Result], tuple[int, ProcessPoolExecutor]] = {}
    try:
        while True:
            while free and (item := next(pending, None)) is not None:
                slot = free.pop()
                running[slot.submit(function, item[1])] = (item[0], slot)
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index, slot = running.pop(future)
                try:
                    result: Result | Died = future.result()
                except BrokenProcessPool:
                    result = Died("the process working on it died (a crash, or out of memory: use fewer jobs)")
                    slots.remove(slot)
                    slot.shutdown(wait=False)
                    slot = new_slot()
                    slots.append(slot)
                free.append(slot)
                yield index, result
    finally:
        for slot in slots:
            slot.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """The start of a process: no Ctrl-C of its own, no life after its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
