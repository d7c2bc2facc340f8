"""What commands of `luxel dataset` print: a bar, a table, a line on stderr."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from luxel.dataset.build import SceneOutcome

_WIDE = 100_000  # columns of a table that goes to a file or another program: nothing is folded


@contextmanager
def progress(what: str, total: int | None) -> "Iterator[Callable[[SceneOutcome | str], None]]":
    """A bar on stderr if a person watches. Yields what to call with each scene that is done; failed ones are told."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[scene]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total, scene="")

        def advance(done: "SceneOutcome | str") -> None:
            scene = done if isinstance(done, str) else done.scene_id
            progress.update(task, advance=1, scene=scene)
            if not isinstance(done, str) and done.state == "failed":
                progress.console.print(f"luxel: {scene}: {done.reason}", markup=False, highlight=False, soft_wrap=True)

        yield advance


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else _WIDE, markup=False, highlight=False).print(table)


def say(message: str) -> None:
    typer.echo(f"luxel: {message}", err=True)
