"""`luxel light`: photographers' numbers, and pictures that show exposure as cameras do."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luxel.cli.assess import Backend
from luxel.errors import LuxelError

if TYPE_CHECKING:
    from luxel.assessment.assessor import Assessment
    from luxel.jobs.find import Found


class Palette(StrEnum):
    """Palette of the pictures."""

    classic = "classic"
    safe = "safe"


def light(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, folders or quoted globs.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.", metavar="DIR")] = None,
    false_colour: Annotated[
        bool, typer.Option("--false-colour", help="Write NAME.false-colour.png: exposure in colours.")
    ] = False,
    zebra: Annotated[
        bool, typer.Option("--zebra", help="Write NAME.zebra.png: stripes near white and near black.")
    ] = False,
    zones: Annotated[bool, typer.Option("--zones", help="Write NAME.zones.png: flat tones of Adams' zones.")] = False,
    palette: Annotated[
        Palette, typer.Option(help="Palette of the pictures; safe is for colour blindness too.")
    ] = Palette.classic,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search subfolders too.")] = False,
    weights: Annotated[
        Path | None, typer.Option(help="ONNX weights to use instead of the shipped ones.", metavar="FILE")
    ] = None,
    backend: Annotated[Backend, typer.Option(help="What runs the network.")] = Backend.auto,
) -> None:
    """Zones, clipped shares, compensation, the bracket a scene needs, raw headroom; false-colour, zebra, zone pictures.

    \b
    Examples:
      luxel light photo.jpg
      luxel light shoot --json
      luxel light photo.CR3 --out out --false-colour --zebra --zones --palette safe

    Exit code: 0 all fine, 1 some pictures could not be measured, 2 wrong usage.
    """
    wanted = [kind for kind, asked in (("false-colour", false_colour), ("zebra", zebra), ("zones", zones)) if asked]
    if wanted and out is None:
        raise typer.BadParameter("the pictures need a folder; add --out DIR", param_hint=f"--{wanted[0]}")
    if out is not None and not wanted:
        raise typer.BadParameter("say which pictures: --false-colour, --zebra, --zones", param_hint="--out")

    from luxel import images
    from luxel.assessment.assessor import Assessor
    from luxel.assessment.meter import measure
    from luxel.assessment.tables import printable
    from luxel.errors import ImageError
    from luxel.jobs.find import find

    assessor = Assessor(weights, backend=backend.value)
    failed = False
    pictures = find(paths, endings=images.SUFFIXES, recursive=recursive, warn=_warn)
    for found in pictures:
        path = printable(str(found.path))
        try:
            assessment = assessor.assess(found.path)
            numbers = measure(assessment)
        except ImageError as error:
            failed = True
            reason = str(error).removeprefix(f"{found.path}: ")
            _print(json, {"path": path, "error": reason}, [f"{path}: {reason}"])
            continue
        files = [] if out is None else _write(assessment, found, wanted, palette, out)
        row = {"path": path, "error": None, **numbers.to_dict(), "outputs": [str(file) for file in files]}
        _print(json, row, [path, *(f"  {line}" for line in numbers.lines()), *(f"  wrote {file}" for file in files)])
    raise typer.Exit(1 if failed else 0)


def _write(assessment: "Assessment", found: "Found", kinds: Sequence[str], palette: Palette, out: Path) -> list[Path]:
    """Draws and writes the pictures, at a screen's size; returns their paths."""
    from luxel import images
    from luxel.draw.false_colour import DRAWINGS
    from luxel.draw.heatmap import fit

    image = fit(assessment.image)
    files = []
    for kind in kinds:
        file = found.output(out, kind)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LuxelError(f"{file.parent}: cannot be made ({error.strerror}); choose another --out") from error
        images.write(file, DRAWINGS[kind](image, palette=palette.value))
        files.append(file)
    return files


def _print(json: bool, row: dict[str, object], lines: Sequence[str]) -> None:
    from json import dumps

    sys.stdout.write((dumps(row, allow_nan=False) if json else "\n".join(lines)) + "\n")
    sys.stdout.flush()


def _warn(message: str) -> None:
    typer.echo(f"luxel: {message}", err=True)
