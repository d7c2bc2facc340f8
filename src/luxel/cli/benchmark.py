"""`luxel benchmark`: the methods that can be compared, and the table of what came of them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from luxel.cli.console import Column, Progress, note, output_folder, print_table, put, require, say, table_text, track
from luxel.cli.options import ReadersLimitOption, with_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luxel.benchmark.listing import Listed
    from luxel.benchmark.tables.table import Table

benchmark = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


TaskName = Literal["pixel", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolOptions:
    """What every row of a run shares."""

    data: Annotated[
        str,
        typer.Option(
            help="Folder of a built dataset in either layout; procedural: scenes drawn by a program; for --task score "
            "also SPAQ's folder, or IEA40K's images with a CSV."
        ),
    ] = "procedural"
    task: Annotated[TaskName, typer.Option(help="What the methods learn to predict.")] = "pixel"
    budget: Annotated[
        str, typer.Option(help="Budget of every row: 90s, 2m, 1h (on a CPU, of one core), or a number of images.")
    ] = "2m"
    splits: Annotated[int, typer.Option(min=1, max=5, help="Scene-disjoint splits; the paper averages 5.")] = 2
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of every method on every split.")] = 1
    side: Annotated[int, typer.Option(min=32, help="Side of the square pictures; the paper's is 256.")] = 128
    batch: Annotated[int, typer.Option(min=1, help="Pictures per step, over all devices.")] = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOptions:
    """Where a run trains."""

    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1
    accelerator: Annotated[
        str, typer.Option(help="Accelerator as Lightning Fabric names it: auto, cpu, cuda, mps.")
    ] = "auto"
    devices: Annotated[int, typer.Option(min=1, help="Devices that train one row together.")] = 1
    nodes: Annotated[int, typer.Option(min=1, help="Machines that train one row together, OUT being shared.")] = 1
    precision: Annotated[Literal["32", "bf16"], typer.Option(help="Precision of the training.")] = "32"


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
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, with all facts, instead of a table.")
    ] = False,
) -> None:
    """List every method: tasks, family, kind, parameters and multiply-adds as counted, the paper's Params.

    Kind: exact (the published network), denoiser (the network of a diffusion method, trained as a regression),
    re-creation (parts are ours), ablation (P-IEANet with one change), control (the score is taken of the map),
    statistical (a published formula, not trained). "params" are counted on what is trained, with the head of the task,
    "published" on the source's own network with its own head.

    \b
    Examples:
      luxel benchmark methods
      luxel benchmark methods --json > methods.json
    """
    require("train", "luxel benchmark methods")
    from json import dumps

    from luxel.benchmark.listing import MACS_NOTE, PAPER_PARAMS_NOTE, listed, record

    found = listed()
    if json:
        put(*dumps([record(method) for method in found], indent=1).splitlines())
        return
    _print_methods(found)
    put(PAPER_PARAMS_NOTE, MACS_NOTE)
    for method in found:
        if method.note:
            put(f"{method.kind}, {method.title}: {method.note}.")


@benchmark.command()
@with_groups
def run(
    *,
    methods: Annotated[
        str,
        typer.Option(help="Names divided by commas, or all, ablations, untrained; see luxel benchmark methods."),
    ] = "all",
    protocol: ProtocolOptions,
    out: Annotated[Path, typer.Option(help="Folder for the rows; a run resumes where it stopped.")] = Path(
        "runs/benchmark"
    ),
    released: Annotated[
        Path | None, typer.Option(help="The authors' released checkpoint (.pth), as a row.", show_default=False)
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD:BACKBONE=FILE", help="Weights for a backbone to start from. Repeatable."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed rows again.")] = False,
    device: DeviceOptions,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Train and measure methods by one protocol: same splits, budget, pictures, heads and loss for all.

    Trivial predictors and the shipped weights are always measured too. A method that fails is a row with the reason.

    \b
    Examples:
      luxel benchmark run --methods mslt,cliplit,pieanet --budget 2m
      luxel benchmark run --data mydataset --task score --splits 5 --side 256 --budget 1h
      luxel benchmark run --data SPAQ --task score --splits 5 --out runs/spaq
      luxel benchmark run --data mydataset --methods ablations --seeds 3 --out runs/ablations
      luxel benchmark table runs/benchmark

    Exit code: 0 all rows have results, 1 some methods failed, 2 wrong usage.
    """
    require("train", "luxel benchmark run")
    from luxel.benchmark.protocol.data import prepare_frames
    from luxel.benchmark.protocol.run import RELEASED, choose_methods, is_untrained, plan, run_rows
    from luxel.benchmark.protocol.settings import BackboneWeights, BenchmarkSettings
    from luxel.benchmark.protocol.training import Budget

    chosen = choose_methods([name.strip() for name in methods.split(",") if name.strip()], protocol.task)
    if released is not None:
        chosen.append(RELEASED)
    each = Budget.parse(protocol.budget)
    # With several nodes, as many runs write into one folder, by rank.
    with output_folder(out if device.nodes == 1 else None):
        frames = prepare_frames(
            protocol.data,
            protocol.side,
            out / "frames",
            task=protocol.task,
            progress=lambda stream, total: track(stream, total, "preparing frames"),
        )
        settings = BenchmarkSettings(
            frames=frames,
            out=out,
            budget=each,
            batch=protocol.batch,
            threads=device.threads,
            released=released,
            backbones=tuple(BackboneWeights.parse(text) for text in backbone or ()),
            accelerator=device.accelerator,
            devices=device.devices,
            nodes=device.nodes,
            precision=device.precision,
        )
        jobs = plan(chosen, protocol.task, splits=protocol.splits, seeds=protocol.seeds)
        trained = sum(not is_untrained(job.method) for job in jobs)
        note(f"{len(jobs)} rows, {trained} to train with {each} each")
        with Progress("measuring", len(jobs)) as bar:
            made = run_rows(
                jobs,
                settings,
                report=note,
                starting=lambda done, job: bar.update(done, str(job)),
                retry_failed=retry_failed,
            )
    put(f"{out}: {len(made)} rows made, {len(jobs) - len(made)} were there; luxel benchmark table {out}")
    raise typer.Exit(1 if any(row.status == "failed" for row in made) else 0)


@benchmark.command()
def table(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder that a run wrote its rows to.", show_default=False)
    ],
    task: Annotated[TaskName | None, typer.Option(help="Only this task; default: all that have rows.")] = None,
    format_: Annotated[
        Literal["terminal", "markdown", "latex", "csv", "html"],
        typer.Option("--format", help="How to write the table."),
    ] = "terminal",
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
    require("train", "luxel benchmark table")
    from shutil import get_terminal_size

    from luxel.benchmark.tables.table import tables
    from luxel.benchmark.tables.table_formats import FORMATS
    from luxel.jobs.atomic import write_file

    found = tables(folder, task)
    if format_ == "terminal":
        watched = out is None and sys.stdout.isatty()
        text = terminal_text(found, width=get_terminal_size().columns if watched else None)
    else:
        text = FORMATS[format_](found)
    if format_ == "csv":
        for line in dict.fromkeys(line for one in found for line in one.notes):
            note(line)
    if out is None:
        put(*text.splitlines())
    else:
        write_file(out, text, remedy="choose another --out")
        say(f"wrote {out}")
    raise typer.Exit(1 if any(record["failed"] for one in found for record in one.records) else 0)


def terminal_text(found: "Sequence[Table]", *, width: int | None = None) -> str:
    """A benchmark's tables for people, footnotes below each.

    found: from `luxel.benchmark.tables.table.tables`.
    width: characters in a line; None: no row is divided.

    A wider table continues below itself, with the methods named again; only remarks are folded.
    """
    from luxel.benchmark.tables.table_formats import blocks, is_text

    parts = []
    for one in found:
        divided = [list(range(len(one.columns)))] if width is None else blocks(one, width)
        texts = []
        for block in divided:
            titles = [Column(one.columns[i], not is_text(one, i), one.columns[i] == "remarks") for i in block]
            texts.append(table_text(titles, ([row[i] for i in block] for row in one.rows), width=width))
        parts.append("\n\n".join([one.caption, "\n".join(texts), "\n".join(one.notes)]))
    return "\n\n".join(parts) + "\n"


def _print_methods(found: "list[Listed]") -> None:
    from luxel.benchmark.listing import short_count

    columns = [Column(title) for title in ("name", "method", "family", "tasks", "kind")]
    columns += [
        Column(title, right=True) for title in ("params map", "params score", "GMACs", "published", "paper Params")
    ]
    lines = []
    for method in found:
        maps, score = method.costs.get("pixel"), method.costs.get("score")
        macs = next((f"{cost.macs / 1e9:.3g}" for cost in (maps, score) if cost), "-")
        official = method.facts.get("official_params")
        lines.append(
            [
                method.name,
                method.title,
                method.family,
                ", ".join(method.tasks),
                method.kind,
                *("-" if cost is None else short_count(cost.params) for cost in (maps, score)),
                macs,
                "-" if official is None else short_count(official),
                method.paper_params or "-",
            ]
        )
    print_table(columns, lines)
