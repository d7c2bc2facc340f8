"""`luxel demo`: a made backlit scene, assessed and drawn, with no data needed."""

from pathlib import Path
from typing import Annotated

import typer

from luxel.cli.assess import Backend, Palette
from luxel.errors import LuxelError


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.", metavar="DIR")] = Path("luxel-demo"),
    palette: Annotated[
        Palette, typer.Option(help="Colours: over-under. orange-purple is safe for colour blindness.")
    ] = Palette.red_blue,
    weights: Annotated[
        Path | None, typer.Option(help="ONNX weights to use instead of the shipped ones.", metavar="FILE")
    ] = None,
    backend: Annotated[Backend, typer.Option(help="What runs the network.")] = Backend.auto,
) -> None:
    """Make a backlit scene, assess it and draw its maps.

    Someone sits at a bright window: the view is overexposed, the room and the person are underexposed. The scene is
    rendered and always the same; nothing is downloaded.

    \b
    Examples:
      luxel demo
      luxel demo --out demo --palette orange-purple
    """
    from rich.console import Console

    from luxel import images
    from luxel.assessment.batch import Settings, assess_one
    from luxel.assessment.tables import terminal_table
    from luxel.draw import demo as scenes
    from luxel.jobs.find import Found

    settings = Settings(
        weights=weights, backend=backend.value, palette=palette.value, outputs=("heatmap", "tinted", "overlay")
    )
    assessor = settings.assessor()
    picture = Found(out / "backlit.jpg", "backlit")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LuxelError(f"{out}: cannot be made ({error.strerror}); choose another --out folder") from error
    images.write(picture.path, scenes.scene())
    row = assess_one(picture, settings, assessor, out)
    if row["error"]:
        raise LuxelError(f"{picture.path}: {row['error']}")
    Console().print(terminal_table([row]))
    typer.echo("Written:")
    about = {"heatmap": "heat map", "tinted": "tinted beyond the threshold", "overlay": "all three side by side"}
    typer.echo(f"  {picture.path}  the picture")
    for kind, file in row["outputs"].items():
        typer.echo(f"  {out / file}  {about[kind]}")
