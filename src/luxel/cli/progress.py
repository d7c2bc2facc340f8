"""A progress bar on stderr, only where a person watches."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def bar(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items unchanged; meanwhile a bar with count and remaining time on stderr if that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(
        items, total=total, description=what, console=console, disable=not console.is_terminal, transient=True
    )
