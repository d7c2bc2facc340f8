"""`luxel dataset`: from source material to pictures with pixel-level labels, and what to do with them."""

import typer

from luxel.cli.dataset.building import build, label, reference, split
from luxel.cli.dataset.converting import convert
from luxel.cli.dataset.looking import check, stats
from luxel.cli.dataset.material import align, scan, tags, taxonomy

dataset = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@dataset.callback()
def _about() -> None:
    """Build, check, correct and describe datasets with pixel-level exposure labels.

    \b
    Examples:
      luxel dataset scan photos
      luxel dataset check data
      luxel dataset stats data
    """


for command in (scan, tags, align, build, reference, label, check, split, stats, convert, taxonomy):
    dataset.command()(command)
