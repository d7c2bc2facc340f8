"""luxel train, luxel export, luxel evaluate: from a recipe to weights, and what they are worth."""

from pathlib import Path
from typing import Annotated, Any

import typer


def _need_train_extra(command: str) -> None:
    import importlib.util

    from luxel.errors import MissingExtraError

    needed = ("torch", "lightning_fabric", "safetensors", "tensorboard", "cv2", "skimage", "scipy")
    if any(importlib.util.find_spec(name) is None for name in needed):
        raise MissingExtraError(command, "train")


def train(
    recipe: Annotated[Path, typer.Argument(help="TOML recipe, for example recipes/pieanet.toml.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one value, for example --set train.lr=1e-4. Repeatable.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again even if the run has a checkpoint.")] = False,
    cache: Annotated[Path, typer.Option(help="Folder for rendered scenes.")] = Path("runs/cache"),
) -> None:
    """Train the network by a recipe; run again to go on where it stopped.

    \b
    luxel train recipes/pieanet-tiny.toml                  a minute, on scenes it makes itself
    LUXEL_DATA=data luxel train recipes/pieanet.toml       the network from nothing
    luxel train recipes/pieanet.toml --set train.steps=200
    luxel train recipes/holistic.toml --set data.table=scores.csv --set data.pictures=photos
    """
    _need_train_extra("luxel train")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from luxel.cli.progress import bar
    from luxel.train.recipe import HolisticRecipe, load_any_recipe

    loaded = load_any_recipe(recipe, set_)
    console = Console(stderr=True)
    if isinstance(loaded, HolisticRecipe):
        import json

        from luxel.train.holistic import fine_tune

        rows = fine_tune(
            loaded,
            report=lambda line: console.print(line, markup=False, highlight=False),
            progress=lambda pictures, total: bar(pictures, total, "assessing"),
        )
        typer.echo(json.dumps(rows, indent=1))
        return
    from luxel.train.loop import train as run

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task("", total=loaded.train.steps, visible=False)

        def on_step(step: int, loss: float) -> None:
            shown.update(task, completed=step, description=f"loss {loss:.4f}", visible=True)

        def rendering(scenes: Any, total: int) -> Any:
            return scenes if shown.tasks[0].visible else bar(scenes, total, "rendering scenes")

        progress = run(
            loaded,
            cache=cache,
            resume=not fresh,
            report=lambda line: console.print(line, markup=False, highlight=False),
            render_progress=rendering,
            on_step=on_step,
        )
    typer.echo(
        f"{loaded.output.folder}: step {progress.step}, best MAE {progress.best_mae:.4f} at step {progress.best_step}"
    )


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights: NAME.safetensors, NAME.onnx, NAME.json.")],
    name: Annotated[str, typer.Option(help="Name of the weights.")] = "pieanet",
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "Apache-2.0",
    cache: Annotated[Path, typer.Option(help="Folder for rendered scenes.")] = Path("runs/cache"),
    pictures: Annotated[int | None, typer.Option(help="Validation pictures to measure on; all if left out.")] = None,
) -> None:
    """Write a run's averaged weights for torch and ONNX, measured, with the facts about them beside.

    \b
    luxel export runs/pieanet --out weights
    """
    _need_train_extra("luxel export")
    from luxel.train.export import ship

    facts = ship(run, out, name=name, licence=licence, cache=cache, pictures=pictures)
    typer.echo(f"{out / name}.onnx: MAE {facts['validation']['mae']:.4f}, parity {facts['parity']:.1e}")


def evaluate(
    scenes: Annotated[
        list[Path] | None, typer.Argument(help="Folders of scenes, one picture each; with --implied or --people.")
    ] = None,
    implied: Annotated[
        Path | None,
        typer.Option(help="The released checkpoint (.pth): measure against the labels it implies on SCENES."),
    ] = None,
    people: Annotated[
        bool, typer.Option("--people", help="Measure the score against people's in the labels.csv of SCENES.")
    ] = False,
    level_zero: Annotated[
        float, typer.Option(help="With SCENES: stops of level P0 beyond the file; -0.5 for FiveK's expert C.")
    ] = 0.0,
    weights: Annotated[Path | None, typer.Option(help="ONNX weights; the shipped ones if left out.")] = None,
    released: Annotated[Path | None, typer.Option(help="The authors' released checkpoint (.pth), to compare.")] = None,
    development: Annotated[
        Path | None, typer.Option(help="Folder of development scenes with labels.csv, for SRCC, LCC and MAE.")
    ] = None,
    views: Annotated[int, typer.Option(help="Validation views per panorama.")] = 8,
    pictures: Annotated[int | None, typer.Option(help="About so many validation pictures; all if left out.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder for rendered scenes.")] = Path("runs/cache"),
    out: Annotated[Path | None, typer.Option(help="Write every row to this CSV file.")] = None,
) -> None:
    """Measure weights on the fixed validation pictures, beside every trivial predictor.

    \b
    LUXEL_DATA=data luxel evaluate
    LUXEL_DATA=data luxel evaluate --weights weights/pieanet.onnx --pictures 142
    luxel evaluate --implied wavelet.pth dev_scenes
    luxel evaluate --people dev_scenes
    luxel evaluate --implied wavelet.pth dev_scenes_c --level-zero -0.5 --released wavelet.pth
    """
    _need_train_extra("luxel evaluate")
    from luxel.assessment.runtime import load, predict
    from luxel.assessment.weights import locate
    from luxel.benchmark.evaluate import evaluate as measure_all
    from luxel.benchmark.evaluate import markdown, on_development, trivial_predictors, write_rows
    from luxel.cli.progress import bar
    from luxel.dataset.reference.bracket import LEVELS
    from luxel.errors import RecipeError
    from luxel.photometry import as_unit_float
    from luxel.samples.scenes import data_root, list_sources, render_store
    from luxel.samples.validation import is_fixed_list

    network = load(locate(weights))
    predictors = {**trivial_predictors(), "luxel": lambda image: predict(network, as_unit_float(image))}
    if released is not None:
        from luxel.benchmark.released import load_released

        authors = load_released(released)
        predictors["released checkpoint"] = lambda image: authors.predict(as_unit_float(image))
    if (implied is None and not people) != (not scenes):
        raise RecipeError("luxel evaluate: folders of scenes go with --implied CHECKPOINT or --people; give both")
    if people:
        from luxel.benchmark.people import joined, people_markdown, read_scenes

        parts = [
            read_scenes(
                folder,
                predictors["luxel"],
                level_zero=level_zero,
                progress=lambda items, total: bar(items, total, "assessing scenes"),
            )
            for folder in scenes or []
        ]
        typer.echo(people_markdown(joined(parts)))
    if implied is not None:
        from luxel.benchmark.implied_table import against_implied, implied_markdown, scene_files
        from luxel.benchmark.released import load_released

        files = scene_files(scenes or [])[:pictures]
        maps, references = against_implied(
            load_released(implied),
            predictors,
            files,
            level_zero=level_zero,
            cache=cache / "implied",
            progress=lambda items, total: bar(items, total, "measuring scenes"),
        )
        typer.echo(implied_markdown(maps, references))
    if scenes:
        return
    root = data_root()
    store = render_store(
        cache,
        list_sources(root, "val", views=views, seed=0),
        root,
        short_side=256,
        progress=lambda scenes, total: bar(scenes, total, "rendering scenes"),
    )
    if not is_fixed_list(store):
        typer.echo("note: not the scenes of luxel's validation list; figures cannot be compared with ours", err=True)
    # First: a wrong folder shows before minutes of measuring, not after.
    scores = on_development(predictors, development) if development else None
    rows = measure_all(
        predictors,
        store,
        limit=pictures,
        progress=lambda items, total: bar(items, total, f"measuring at {len(LEVELS)} levels"),
    )
    typer.echo(markdown(rows, scores))
    if out:
        write_rows(rows, out)
