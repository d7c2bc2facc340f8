"""luxel train, luxel export, luxel evaluate: from a recipe to weights, and what they are worth."""

from pathlib import Path
from typing import Annotated

import typer

from luxel.cli.console import Progress, note, output_folder, put, require, say, track
from luxel.cli.options import CacheOption, ReadersLimitOption


def train(
    recipe: Annotated[Path, typer.Argument(help="TOML recipe, for example recipes/pieanet.toml.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one value, for example --set train.lr=1e-4. Repeatable.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again even if the run has a checkpoint.")] = False,
    cache: CacheOption = Path("runs/cache"),
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Train the network by a recipe; run again to resume where it stopped.

    \b
    luxel train recipes/pieanet-tiny.toml                  a minute, on scenes it makes itself
    LUXEL_DATA=data luxel train recipes/pieanet.toml       the network from scratch
    luxel train recipes/pieanet.toml --set train.steps=200
    luxel train recipes/holistic.toml --set data.table=scores.csv --set data.pictures=photos
    """
    require("train", "luxel train")
    from luxel.train.recipe import HolisticRecipe, load_any_recipe

    loaded = load_any_recipe(recipe, set_)
    if isinstance(loaded, HolisticRecipe):
        from json import dumps

        from luxel.train.holistic import fine_tune

        with output_folder(Path(loaded.output.folder)):
            rows = fine_tune(
                loaded,
                report=note,
                progress=lambda pictures, total: track(pictures, total, "assessing"),
            )
        put(*dumps(rows, indent=1).splitlines())
        return
    from luxel.train import loop

    with output_folder(Path(loaded.output.folder)), Progress("training", loaded.train.steps) as bar:
        progress = loop.train(
            loaded,
            cache=cache,
            resume=not fresh,
            report=note,
            render_progress=lambda scenes, total: track(scenes, total, "rendering scenes", show=not bar.shown),
            on_step=lambda step, loss: bar.update(step, f"loss {loss:.4f}"),
        )
    put(f"{loaded.output.folder}: step {progress.step}, best MAE {progress.best_mae:.4f} at step {progress.best_step}")


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights: NAME.safetensors, NAME.onnx, NAME.json.")],
    name: Annotated[str, typer.Option(help="Name of the weights.")] = "pieanet",
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "Apache-2.0",
    cache: CacheOption = Path("runs/cache"),
    pictures: Annotated[int | None, typer.Option(help="Validation pictures to measure on; all if left out.")] = None,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Write a run's averaged weights for torch and ONNX, measured, with the facts about them beside.

    \b
    luxel export runs/pieanet --out weights
    """
    require("train", "luxel export")
    from luxel.train.export import export_run

    facts = export_run(run, out, name=name, licence=licence, cache=cache, pictures=pictures)
    put(f"{out / name}.onnx: MAE {facts['validation']['mae']:.4f}, parity {facts['parity']:.1e}")


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
    cache: CacheOption = Path("runs/cache"),
    out: Annotated[Path | None, typer.Option(help="Write every row to this CSV file.")] = None,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Measure weights on the fixed validation pictures, beside every trivial predictor.

    \b
    LUXEL_DATA=data luxel evaluate
    LUXEL_DATA=data luxel evaluate --weights weights/pieanet.onnx --pictures 142
    luxel evaluate --implied wavelet.pth dev_scenes
    luxel evaluate --people dev_scenes
    luxel evaluate --implied wavelet.pth dev_scenes_c --level-zero -0.5 --released wavelet.pth
    """
    require("train", "luxel evaluate")
    from luxel.assessment.runtime import load, predict
    from luxel.assessment.weights import locate
    from luxel.benchmark.evaluate import markdown, measure_predictors, on_development, rows_csv, trivial_predictors
    from luxel.dataset.reference.bracket import LEVELS
    from luxel.errors import RecipeError
    from luxel.jobs.atomic import write_file
    from luxel.photometry import as_unit_float
    from luxel.samples.scenes import data_root, list_sources, render_store
    from luxel.samples.validation import is_fixed_list

    network = load(locate(weights))
    predictors = {**trivial_predictors(), "luxel": lambda image: predict(network, as_unit_float(image))}
    if released is not None:
        from luxel.model.released import load_released

        authors = load_released(released)
        predictors["released checkpoint"] = lambda image: authors.predict(as_unit_float(image))
    if (implied is None and not people) != (not scenes):
        raise RecipeError("luxel evaluate: folders of scenes go with --implied CHECKPOINT or --people; give both")
    if people:
        from luxel.benchmark.protocol.people import joined, people_markdown, read_scenes

        parts = [
            read_scenes(
                folder,
                predictors["luxel"],
                level_zero=level_zero,
                progress=lambda items, total: track(items, total, "assessing scenes"),
            )
            for folder in scenes or []
        ]
        put(*people_markdown(joined(parts)).splitlines())
    if implied is not None:
        from luxel.benchmark.tables.implied_table import against_implied, implied_markdown, scene_files
        from luxel.model.released import load_released

        files = scene_files(scenes or [])[:pictures]
        maps, references = against_implied(
            load_released(implied),
            predictors,
            files,
            level_zero=level_zero,
            cache=cache / "implied",
            progress=lambda items, total: track(items, total, "measuring scenes"),
        )
        put(*implied_markdown(maps, references).splitlines())
    if scenes:
        return
    root = data_root()
    store = render_store(
        cache,
        list_sources(root, "val", views=views, seed=0),
        root,
        short_side=256,
        progress=lambda scenes, total: track(scenes, total, "rendering scenes"),
    )
    if not is_fixed_list(store):
        say("note: not the scenes of luxel's validation list; figures cannot be compared with ours")
    # First: a wrong folder shows before minutes of measuring, not after.
    scores = on_development(predictors, development) if development else None
    rows = measure_predictors(
        predictors,
        store,
        limit=pictures,
        progress=lambda items, total: track(items, total, f"measuring at {len(LEVELS)} levels"),
    )
    put(*markdown(rows, scores).splitlines())
    if out:
        write_file(out, rows_csv(rows))
