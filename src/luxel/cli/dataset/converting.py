"""The command that turns one layout of a dataset into the other."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from luxel.cli.console import Progress, put, require
from luxel.cli.dataset.options import CsvOption, DatasetArgument
from luxel.cli.options import ReadersLimitOption


def convert(
    folder: DatasetArgument,
    *,
    out: Annotated[Path, typer.Option(help="New folder.", metavar="DIR")],
    to: Annotated[Literal["luxel", "iea40k"], typer.Option(help="Layout to write.")] = "iea40k",
    side: Annotated[
        int,
        typer.Option(
            help="To iea40k: stretch everything to this side; the authors' scripts need 256. 0: keep sizes.",
            min=0,
        ),
    ] = 0,
    csv: CsvOption = None,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Convert between luxel's layout and that of the released IEA40K, exact to 1/255.

    \b
    Examples:
      luxel dataset convert data --out IEA --to iea40k --side 256
      luxel dataset convert IEA40K --out data --to luxel --csv train_256.csv --csv valid_256_2ev.csv
    """
    require("dataset", "luxel dataset convert")
    from luxel.dataset.iea40k.convert_released import export_released, import_released

    with Progress("converting", None) as progress:
        if to == "iea40k":
            frames = export_released(folder, out, side=side or None, progress=progress.advance)
        else:
            frames = len(import_released(folder, out, csv or (), progress=progress.advance))
    put(f"{out}: {frames} frames in the {to} layout")
