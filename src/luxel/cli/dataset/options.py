"""Arguments and options that commands of `luxel dataset` share."""

from pathlib import Path
from typing import Annotated

import typer

SourcesArgument = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="Files and folders of source material.", show_default=False)
]
TagsOption = Annotated[
    Path | None,
    typer.Option(help="CSV of tags: name, scene, light, tone, licence, source.", metavar="FILE", show_default=False),
]
TaxonomyOption = Annotated[
    Path | None,
    typer.Option(
        "--taxonomy",
        help="TOML of the names that tags may have; see luxel dataset taxonomy.",
        metavar="FILE",
        show_default=False,
    ),
]
ViewsOption = Annotated[int, typer.Option(help="Views of every HDR panorama.", min=1, metavar="N")]
GapOption = Annotated[
    float,
    typer.Option(
        "--gap",
        help="Longest pause within a bracket in seconds, from the end of an exposure to the beginning of the next.",
        min=0.0,
        metavar="SECONDS",
    ),
]
DatasetArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A dataset's folder.", show_default=False)]
CoresOption = Annotated[int, typer.Option(help="Scenes at a time; 0: one per processor core.", min=0, metavar="N")]
SceneOption = Annotated[
    list[str] | None, typer.Option("--scene", help="Only this scene. Repeatable.", metavar="ID", show_default=False)
]
CsvOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--csv",
        help="List of a released dataset, if not in its folder. Repeatable.",
        metavar="FILE",
        show_default=False,
    ),
]
