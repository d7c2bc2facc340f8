"""`luxel enhance`: low-light enhancers trained with and without the exposure loss, and their table."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from luxel.cli.console import Progress, note, output_folder, put, require, say

enhance = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

DeviceOption = Annotated[str, typer.Option(help="Device as torch names it: auto, cpu, cuda, cuda:1, mps.")]


@enhance.callback()
def _about() -> None:
    """Train low-light enhancers with and without the exposure loss (paper Table 4).

    \b
    Examples:
      luxel enhance train recipes/enhance-retinexformer-short.toml --set data.folder=lol_v1
      luxel enhance evaluate runs/enhance-retinexformer-short
      luxel enhance table runs/enhance-retinexformer-short
    """


@enhance.command()
def train(
    recipe: Annotated[
        Path, typer.Argument(help="TOML recipe, such as recipes/enhance-retinexformer.toml.", show_default=False)
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override of one value, for example --set data.folder=LOLdataset. Repeatable."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(help="Only this run, such as control.seed0 or exposure-x1.seed0. Repeatable.", metavar="NAME"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again even if runs have a checkpoint.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Train every run of a recipe: the control, and the loss at each weight, from the same seeds and batches.

    Run again, it resumes where it stopped.

    \b
    Examples:
      luxel enhance train recipes/enhance-retinexformer-short.toml --set data.folder=lol_v1
      luxel enhance train recipes/enhance-retinexformer.toml --device cuda --run control.seed0
    """
    require("train", "luxel enhance train")
    from luxel.enhance.experiment import Watching, open_device, run_steps, train_experiment
    from luxel.enhance.recipe import load_enhance_recipe, plan

    loaded = load_enhance_recipe(recipe, set_)
    runs = [one for one in plan(loaded) if not run or one.name in run]
    lengths = [run_steps(loaded, one) for one in runs]
    before = {one.name: sum(lengths[:i]) for i, one in enumerate(runs)}
    with output_folder(Path(loaded.output.folder)), Progress("training", sum(lengths)) as bar:
        done = train_experiment(
            loaded,
            only=run or (),
            fresh=fresh,
            device=open_device(device),
            watching=Watching(
                report=note,
                on_step=lambda name, step, loss: bar.update(before[name] + step, f"{name} loss {loss:.4f}"),
            ),
        )
    put(f"{loaded.output.folder}: {len(done)} runs are finished; luxel enhance evaluate {loaded.output.folder}")


@enhance.command()
def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of luxel enhance train.", show_default=False)
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of the pairs; default: as in the recipe.", show_default=False)
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(help="Only this row, such as control.seed0 or lookup. Repeatable.", metavar="NAME"),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder for every output, ROW/NUMBER.png.", metavar="DIR", show_default=False)
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Measure every finished run on the test images, beside rows that enhance nothing.

    \b
    Examples:
      luxel enhance evaluate runs/enhance-retinexformer-short
      luxel enhance evaluate runs/enhance-retinexformer-short --images out --device cuda

    Exit code: 0 all fine, 1 some runs or images were left out, 2 wrong usage.
    """
    require("train", "luxel enhance evaluate")
    from luxel.enhance.evaluate import Evaluation, evaluate_experiment
    from luxel.enhance.experiment import open_device
    from luxel.enhance.recipe import stored_recipe

    recipe = stored_recipe(folder)
    if data is not None:
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"folder": str(data)})})
    left_out: list[str] = []

    def warn(line: str) -> None:
        note(line)
        left_out.append(line)

    with output_folder(folder), Progress("measuring") as bar:
        rows = evaluate_experiment(
            recipe,
            Evaluation(
                folder=folder,
                device=open_device(device),
                report=note,
                warn=warn,
                only=run or (),
                images=images,
                on_row=lambda name, done, wanted: bar.update(done, name),
            ),
        )
    put(f"{folder}: {len(rows)} rows; luxel enhance table {folder}")
    raise typer.Exit(1 if left_out else 0)


@enhance.command()
def table(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of luxel enhance evaluate.", show_default=False)
    ],
    format_: Annotated[
        Literal["terminal", "markdown", "latex", "csv", "html"],
        typer.Option("--format", help="How to write the table."),
    ] = "terminal",
    out: Annotated[
        Path | None, typer.Option(help="Write to this file instead of stdout.", metavar="FILE", show_default=False)
    ] = None,
) -> None:
    """Table 4 of an experiment: means over the test images, spread over seeds, differences to the control.

    CSV has every number with all its digits and no footnotes; those go to stderr.

    \b
    Examples:
      luxel enhance table runs/enhance-retinexformer-short
      luxel enhance table runs/enhance-retinexformer-short --format markdown --out table4.md
    """
    require("train", "luxel enhance table")
    from shutil import get_terminal_size

    from luxel.benchmark.tables.table_formats import FORMATS
    from luxel.cli.benchmark import terminal_text
    from luxel.enhance.table import enhancement_table
    from luxel.jobs.atomic import write_file

    found = enhancement_table(folder)
    if format_ == "terminal":
        watched = out is None and sys.stdout.isatty()
        text = terminal_text([found], width=get_terminal_size().columns if watched else None)
    else:
        text = FORMATS[format_]([found])
    if format_ == "csv":
        for line in found.notes:
            note(line)
    if out is None:
        put(*text.splitlines())
    else:
        write_file(out, text, remedy="choose another --out")
        say(f"wrote {out}")
