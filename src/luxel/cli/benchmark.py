"""`luxel benchmark`: the methods that can be compared, and the table of what came of them."""

import json as jsonlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from luxel.benchmark.methods import Listed

benchmark = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_WIDE = 100_000  # columns of a table that goes to a file or another program: nothing is folded


class Task(StrEnum):
    """Tasks of the benchmark."""

    pixel = "pixel"
    score = "score"


class Format(StrEnum):
    """Formats of the table."""

    terminal = "terminal"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"
    html = "html"


class Precision(StrEnum):
    """Precisions of training."""

    full = "32"
    bf16 = "bf16"


@benchmark.callback()
def _about() -> None:
    """Compare methods of exposure assessment: which there are, and the table of a run.

    \b
    Examples:
      luxel benchmark methods
      luxel benchmark table runs/benchmark
    """


@benchmark.command()
def methods(
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines, with all facts, instead of a table.")] = False,
) -> None:
    """List every method: tasks, family, exact or re-creation, parameters as counted and as the paper prints them.

    Ablations of P-IEANet and statistical methods, which are not trained, come after the trained ones. "params" are
    counted on our networks with the head of the task, "published" on the source's own network with its own head.

    \b
    Examples:
      luxel benchmark methods
      luxel benchmark methods --json > methods.jsonl
    """
    _need_train_extra("luxel benchmark methods")
    from luxel.benchmark.methods import PAPER_PARAMS_NOTE, listed, record

    found = listed()
    if json:
        for method in found:
            typer.echo(jsonlib.dumps(record(method)))
        return
    _print_methods(found)
    typer.echo(PAPER_PARAMS_NOTE)
    for method in found:
        if method.kind == "re-creation":
            typer.echo(f"re-creation, {method.title}: {method.facts['note']}.")


@benchmark.command()
def run(
    methods: Annotated[
        str,
        typer.Option(help="Names divided by commas, or all, ablations, untrained; see luxel benchmark methods."),
    ] = "all",
    data: Annotated[
        str, typer.Option(help="Folder of a built dataset in either layout, or procedural: scenes drawn by a program.")
    ] = "procedural",
    task: Annotated[Task, typer.Option(help="What the methods learn to predict.")] = Task.pixel,
    out: Annotated[Path, typer.Option(help="Folder for the rows; a run goes on where it stopped.")] = Path(
        "runs/benchmark"
    ),
    budget: Annotated[
        str, typer.Option(help="Of every row: 90s, 2m, 1h (on a CPU, of one core), or a number of images.")
    ] = "2m",
    splits: Annotated[int, typer.Option(min=1, max=5, help="Scene-disjoint splits; the paper averages 5.")] = 2,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of every method on every split.")] = 1,
    side: Annotated[int, typer.Option(min=32, help="Side of the square pictures; the paper's is 256.")] = 128,
    batch: Annotated[int, typer.Option(min=1, help="Pictures per step, over all devices.")] = 8,
    released: Annotated[
        Path | None, typer.Option(help="The authors' released checkpoint (.pth), as a row.", show_default=False)
    ] = None,
    trunk: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD:TRUNK=FILE", help="Weights for a trunk to start from. Repeatable."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Make failed rows again.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    accelerator: Annotated[str, typer.Option(help="Lightning Fabric's: auto, cpu, cuda, mps.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Devices that train one row together.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that train one row together, OUT being shared.")] = 1,
    precision: Annotated[Precision, typer.Option(help="Of the training.")] = Precision.full,
) -> None:
    """Train and measure methods by one protocol: same splits, budget, pictures, heads and loss for all.

    Trivial predictors and the shipped weights are always measured too. A method that fails is a row with the reason.

    \b
    Examples:
      luxel benchmark run --methods mslt,cliplit,pieanet --budget 2m
      luxel benchmark run --data mydataset --task score --splits 5 --side 256 --budget 1h
      luxel benchmark run --data mydataset --methods ablations --seeds 3 --out runs/ablations
      luxel benchmark table runs/benchmark

    Exit code: 0 all rows have results, 1 some methods failed, 2 wrong usage.
    """
    _need_train_extra("luxel benchmark run")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from luxel.benchmark import run as protocol
    from luxel.benchmark.data import prepare_frames
    from luxel.benchmark.settings import BenchmarkSettings, TrunkWeights
    from luxel.benchmark.training import Budget
    from luxel.cli.progress import bar

    chosen = protocol.choose_methods([name.strip() for name in methods.split(",") if name.strip()], task.value)
    if released is not None:
        chosen.append(protocol.RELEASED)
    each = Budget.parse(budget)
    frames = prepare_frames(data, side, out / "frames", progress=lambda stream, n: bar(stream, n, "preparing frames"))
    settings = BenchmarkSettings(
        frames=frames,
        out=out,
        budget=each,
        batch=batch,
        threads=threads,
        released=released,
        trunks=tuple(TrunkWeights.parse(text) for text in trunk or ()),
        accelerator=accelerator,
        devices=devices,
        nodes=nodes,
        precision=precision.value,
    )
    jobs = protocol.plan(chosen, task.value, splits=splits, seeds=seeds)
    console = Console(stderr=True)
    trained = sum(not protocol.is_untrained(job.method) for job in jobs)
    console.print(f"{len(jobs)} rows, {trained} to train with {each} each", highlight=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        rows = shown.add_task("", total=len(jobs))
        made = protocol.run(
            jobs,
            settings,
            report=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
            starting=lambda done, job: shown.update(rows, completed=done, description=str(job)),
            retry_failed=retry_failed,
        )
    typer.echo(f"{out}: {len(made)} rows made, {len(jobs) - len(made)} were there; luxel benchmark table {out}")
    raise typer.Exit(1 if any(row.status == "failed" for row in made) else 0)


@benchmark.command()
def table(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder that a run wrote its rows to.", show_default=False)
    ],
    task: Annotated[Task | None, typer.Option(help="Only this task; all that have rows if left out.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write the table.")] = Format.terminal,
    out: Annotated[
        Path | None, typer.Option(help="Write to this file instead of stdout.", metavar="FILE", show_default=False)
    ] = None,
) -> None:
    """Table of a run: means and spread over splits, significance against P-IEANet, sizes, the paper's figures beside.

    CSV has every number with all its digits and no footnotes; those go to stderr.

    \b
    Examples:
      luxel benchmark table runs/benchmark
      luxel benchmark table runs/benchmark --task pixel --format markdown --out table.md
      luxel benchmark table runs/benchmark --format csv --out table.csv

    Exit code: 0 all rows have results, 1 some methods failed (the table says why), 2 wrong usage or damaged rows.
    """
    _need_train_extra("luxel benchmark table")
    from rich.console import Console

    from luxel.benchmark.table import tables
    from luxel.benchmark.table_formats import FORMATS, terminal
    from luxel.jobs.atomic import write_file

    found = tables(folder, task.value if task else None)
    folded = format_ is Format.terminal and out is None and sys.stdout.isatty()
    text = terminal(found, width=Console().width) if folded else FORMATS[format_.value](found)
    if format_ is Format.csv:
        for note in dict.fromkeys(note for one in found for note in one.notes):
            typer.echo(note, err=True)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_file(out, text, remedy="choose another --out")
        typer.echo(f"luxel: wrote {out}", err=True)
    raise typer.Exit(1 if any(record["failed"] for one in found for record in one.records) else 0)


def _print_methods(found: "list[Listed]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from luxel.benchmark.methods import short_count

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("name", "method", "family", "tasks", "kind"):
        drawn.add_column(column, overflow="fold")
    for column in ("params map", "params score", "published", "paper Params"):
        drawn.add_column(column, justify="right")
    for method in found:
        counts = (method.params.get("pixel"), method.params.get("score"), method.facts.get("official_params"))
        drawn.add_row(
            method.name,
            Text(method.title),
            method.family,
            ", ".join(method.tasks),
            method.kind,
            *("-" if count is None else short_count(count) for count in counts),
            method.paper_params or "-",
        )
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(drawn)


def _need_train_extra(command: str) -> None:
    import importlib.util

    from luxel.errors import MissingExtraError

    if any(importlib.util.find_spec(name) is None for name in ("torch", "scipy")):
        raise MissingExtraError(command, "train")
