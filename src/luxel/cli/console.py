"""What commands print: the one line on stderr, the one table, the one progress bar, the one check for extras.

Results go to stdout, everything else to stderr. Whatever is printed goes through `luxel.text.printable` first, because
names of files come from untrusted sources.
"""

import io
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import typer

from luxel.errors import LuxelError, MissingExtraError, missing_packages
from luxel.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

T = TypeVar("T")

TableCell = str | tuple[str | tuple[str, ...], str]
"""A table's cell: text, or (text or several lines of it, rich style)."""

_WIDE = 100_000  # columns of a table that goes to a file or another program: nothing is folded


def say(message: str) -> None:
    """Prints one line on stderr: a warning, an error, what was written."""
    typer.echo(f"luxel: {printable(message)}", err=True)


def note(line: str) -> None:
    """Prints a line of a long run's log on stderr, without a name before it."""
    typer.echo(printable(line), err=True)


def put(*lines: str) -> None:
    """Prints lines of a result on stdout at once, so that a reader at the other end of a pipe does not wait."""
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. right: numbers. fold: long text continues on the next line, only where a person reads."""

    title: str
    right: bool = False
    fold: bool = True


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[TableCell]], *, folded_at: int | None = None
) -> None:
    """Prints a table on stdout, as wide as the terminal; in a file or pipe every row is one line.

    folded_at: width in characters that is used even where no person reads.
    """
    from rich.console import Console

    width = folded_at or (None if sys.stdout.isatty() else _WIDE)
    Console(width=width, highlight=False, markup=False).print(_table(columns, rows))


def table_text(columns: Sequence[Column], rows: Iterable[Sequence[TableCell]], *, width: int | None = None) -> str:
    """A table as `print_table` prints it, without styles. width: in characters; None: every row is one line."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width or _WIDE, highlight=False, markup=False).print(_table(columns, rows))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()).strip("\n") + "\n"


def _table(columns: Sequence[Column], rows: Iterable[Sequence[TableCell]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        justify, overflow = ("right" if column.right else "left"), ("fold" if column.fold else "ellipsis")
        table.add_column(
            Text(printable(column.title)),
            justify=justify,  # type: ignore[arg-type]
            overflow=overflow,  # type: ignore[arg-type]
            no_wrap=not column.fold,
        )
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        table.add_row(*(Text(_lines(text), style=style) for text, style in cells))
    return table


def _lines(text: str | tuple[str, ...]) -> str:
    return "\n".join(map(printable, (text,) if isinstance(text, str) else text))


class Progress:
    """A bar on stderr with count and remaining time, only where a person watches. It appears with the first `update`.

    what: one or two words on the work. total: how much there is; None if nobody knows. show: False shows nothing.
    """

    def __init__(self, what: str, total: int | None = None, *, show: bool = True) -> None:
        self._what, self._total, self._done = what, total, 0
        self._show = show and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def shown(self) -> bool:
        """Whether the bar is on the screen now."""
        return self._bar is not None

    def update(self, done: int, note: str = "") -> None:
        """Shows how much is done. note: what is in work, shown after the bar."""
        self._done = done
        if not self._show:
            return
        if self._bar is None:
            self._begin()
        self._bar.update(self._task, completed=done, note=printable(note))

    def advance(self, note: str = "") -> None:
        """One more is done."""
        self.update(self._done + 1, note)

    def _begin(self) -> None:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}", markup=False),
        )
        self._bar = progress.Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._what, total=self._total, note="")
        self._bar.start()


def track(items: Iterable[T], total: int | None, what: str, *, show: bool = True) -> Generator[T]:
    """The items unchanged, with a `Progress` bar while they are worked on."""
    with Progress(what, total, show=show) as progress:
        progress.update(0)
        for item in items:
            yield item
            progress.advance()


def require(extra: str, command: str) -> None:
    """Checks that the packages of an extra are installed, without importing them.

    extra: key of `luxel.errors.EXTRAS`. command: what needs them, for the message.
    Raises MissingExtraError, which names the packages to install.
    """
    if missing_packages(extra):
        raise MissingExtraError(command, extra)


@contextmanager
def output_folder(out: "Path | None", inputs: Iterable["Path"] = ()) -> Iterator[None]:
    """Makes the folder of a command's files and holds its lock while the block runs: one run at a time writes there.

    out: None for a command that writes no files.
    inputs: files and folders that are read; the folder of none of them may be `out`.
    Raises LuxelError when it cannot be made, holds inputs, or another run writes there.
    """
    if out is None:
        yield
        return
    if any(out.resolve() == (path if path.is_dir() else path.parent).resolve() for path in inputs):
        raise LuxelError(f"{out}: holds the pictures that are read; choose another --out folder")
    from luxel.jobs.lock import locked

    with locked(out):
        yield
