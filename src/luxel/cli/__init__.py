"""The `luxel` command. Command files import only typer at the top: help must not wait for NumPy or ONNX Runtime."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from luxel import __version__
from luxel.cli.annotate import annotate
from luxel.cli.assess import assess
from luxel.cli.benchmark import benchmark
from luxel.cli.compare import compare
from luxel.cli.console import say
from luxel.cli.criteria import criteria
from luxel.cli.dataset import dataset
from luxel.cli.demo import demo
from luxel.cli.enhance import enhance
from luxel.cli.figures import figures
from luxel.cli.light import light
from luxel.cli.report import report, xmp
from luxel.cli.score import score
from luxel.cli.sequence import sequence
from luxel.cli.serve import serve
from luxel.cli.train import evaluate, export, train
from luxel.errors import LuxelError
from luxel.text import printable

_UsageError: Any = typer.BadParameter.__base__
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def _on_one_line() -> Iterator[None]:
    """Messages about wrong usage quote what was typed, names of files among it: nothing of that acts on a terminal."""
    try:
        yield
    except _UsageError as error:
        error.message = printable(error.message)
        raise


@contextmanager
def _flushed_stdout() -> Iterator[None]:
    """What was printed reaches its file or pipe while an error can still be one line, not when the process ends."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):  # what is left goes nowhere: writing it again would fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


class _Commands(TyperGroup):
    """All commands; what the user can fix becomes one line and exit code 2, never a traceback."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _on_one_line():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _on_one_line(), _flushed_stdout():
                return super().invoke(ctx)
        except LuxelError as error:
            say(str(error))
            raise typer.Exit(2) from error
        except OSError as error:
            if error.errno not in _FULL:
                raise
            say(f"{error.filename or 'standard output'}: {error.strerror}; free some space, or write to another disk")
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            say("stopped")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(assess)
app.command()(demo)
app.add_typer(dataset, name="dataset")
app.add_typer(annotate, name="annotate")
app.command()(score)
app.add_typer(criteria, name="criteria")
app.command()(light)
app.command()(compare)
app.command()(report)
app.command()(xmp)
app.command()(sequence)
app.command(context_settings={"auto_envvar_prefix": "LUXEL_SERVE"})(serve)
app.command()(train)
app.command()(export)
app.command()(evaluate)
app.add_typer(benchmark, name="benchmark")
app.add_typer(enhance, name="enhance")
app.add_typer(figures, name="figures")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"luxel {__version__}")
        raise typer.Exit


@app.callback()
def luxel(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """How far is every pixel of a photo from ideal exposure?

    \b
    luxel assess photo.jpg                           one photo: score, areas, advice
    luxel assess photos --out out --heatmap          a folder, with heat maps
    luxel demo                                       see it work on a made scene
    """


def main() -> None:
    """Entry point of the `luxel` command. Exit code 0: fine, 1: some pictures failed, 2: usage, 130: stopped."""
    # A stream that was closed before the start (>&-) is missing: what would go there goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    # Text that the terminal's encoding cannot hold must not stop a listing half way.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="luxel")
