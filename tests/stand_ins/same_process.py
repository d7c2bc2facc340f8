"""A process pool without processes, for tests of what a task does; the pool has tests of its own."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self


class SameProcess:
    """Does each task where it is submitted."""

    def __init__(self, start: Callable[[], Callable[[Any], Any]], **options: object) -> None:
        self._work = start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, task: object) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(self._work(task))
        return future
