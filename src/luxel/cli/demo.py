"""`luxel demo`: a made backlit scene, assessed and drawn, with no data needed."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from luxel.cli.assess import print_results
from luxel.cli.console import output_folder, put
from luxel.cli.options import NetworkOptions, PaletteOption, with_groups
from luxel.errors import LuxelError


@with_groups
def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.", metavar="DIR")] = Path("luxel-demo"),
    palette: PaletteOption = "red-blue",
    network: NetworkOptions,
) -> None:
    """Write a backlit scene, assess it and draw its maps.

    Someone sits at a bright window: the view is overexposed, the room and the person are underexposed. The scene is
    rendered and always the same; nothing is downloaded.

    \b
    Examples:
      luxel demo
      luxel demo --out demo --palette orange-purple
    """
    from luxel.assessment.batch import Settings, assess_one
    from luxel.jobs.atomic import write_file
    from luxel.jobs.file_list import Found

    settings = Settings(
        weights=network.weights,
        backend=network.backend,
        device=network.device,
        palette=palette,
        outputs=("heatmap", "tinted", "overlay"),
    )
    assessor = settings.assessor()
    picture = Found(out / "backlit.jpg", "backlit")
    with output_folder(out):
        write_file(picture.path, files("luxel.cli").joinpath("backlit.jpg").read_bytes())
        row = assess_one(picture, settings, assessor, out)
    if row["error"]:
        raise LuxelError(f"{picture.path}: {row['error']}")
    print_results([row])
    about = {"heatmap": "heat map", "tinted": "tinted beyond the threshold", "overlay": "all three side by side"}
    put("Written:", f"  {picture.path}  the picture")
    put(*(f"  {out / file}  {about[kind]}" for kind, file in row["outputs"].items()))
