"""Arguments and options that several commands share, each said once; groups of them are dataclasses.

A command takes a group as one parameter and `with_groups` makes an option of each of its fields:

    @with_groups
    def light(paths: PathsArgument, *, network: NetworkOptions) -> None: ...
"""

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

if TYPE_CHECKING:
    from luxel.assessment.assessor import Assessor
    from luxel.images import ReadOptions


def _threshold(value: float) -> float:
    if not 0.0 < value < 1.0:
        raise typer.BadParameter(f"{value} is not between 0 and 1")
    return value


def _limit(value: float) -> float:
    if not 0.0 < value <= 1.0:
        raise typer.BadParameter(f"{value} is not above 0 and at most 1")
    return value


def _above_zero(value: float) -> float:
    if not value > 0.0:
        raise typer.BadParameter(f"{value} is not above 0")
    return value


MEGAPIXELS_VARIABLE = "LUXEL_MAX_MEGAPIXELS"  # also in luxel.images.picture, which must not be imported for a help text


def _limit_of_readers(value: float) -> float:
    os.environ[MEGAPIXELS_VARIABLE] = repr(_above_zero(value))  # which processes that the command starts inherit
    return value


PathsArgument = Annotated[
    list[str], typer.Argument(metavar="PATH...", help="Files, folders or quoted globs.", show_default=False)
]
RecursiveOption = Annotated[bool, typer.Option("--recursive", "-r", help="Search subfolders too.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines.")]
JobsOption = Annotated[
    int, typer.Option(help="Files at a time, each in its own process; 0: one per usable core.", min=0, metavar="N")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        help="Seconds that one file may take; 0: no limit. Default: 60 where there are several files.",
        min=0.0,
        metavar="SECONDS",
        show_default=False,
    ),
]
ThresholdOption = Annotated[
    float,
    typer.Option(
        help="|residual| above which a pixel counts as over or under, in (0, 1).", metavar="T", callback=_threshold
    ),
]
LimitOption = Annotated[
    float,
    typer.Option(
        help="|residual| from which on the colours of the maps are full, in (0, 1].", metavar="L", callback=_limit
    ),
]
PaletteOption = Annotated[
    Literal["red-blue", "orange-purple"],
    typer.Option(help="Colours: over-under. orange-purple is safe for colour blindness."),
]
HeadOption = Annotated[
    Path | None,
    typer.Option(help="Score by a head that luxel train recipes/holistic.toml wrote.", metavar="FILE"),
]
CriteriaOption = Annotated[str, typer.Option(help="Shipped criteria, or your own .toml file.", metavar="NAME_OR_FILE")]
_MAX_MEGAPIXELS: dict[str, Any] = {
    "help": "Largest picture in megapixels; a larger one is an error before it is decoded.",
    "metavar": "N",
    "envvar": MEGAPIXELS_VARIABLE,
    "show_envvar": False,
}
MaxMegapixelsOption = Annotated[float, typer.Option(callback=_above_zero, **_MAX_MEGAPIXELS)]
ReadersLimitOption = Annotated[float, typer.Option("--max-megapixels", callback=_limit_of_readers, **_MAX_MEGAPIXELS)]
"""The same for a command that hands no reader a limit: it holds for all that is read until the command ends."""

CacheOption = Annotated[Path, typer.Option(help="Folder for rendered scenes.", metavar="DIR")]


DEFAULT_TIMEOUT = 60.0
"""Seconds that one file of several may take."""


def time_limit(timeout: float | None, files: int) -> float | None:
    """The time limit of a run, None for none.

    A limit needs a process that can be ended. Where one file is all there is, its start is not worth it unless asked
    for, since Ctrl-C ends the command too.

    timeout: seconds as given, 0 for no limit, None where nothing was said. files: how many there are.

    >>> time_limit(None, 1), time_limit(None, 2), time_limit(0.0, 2), time_limit(5.0, 1)
    (None, 60.0, None, 5.0)
    """
    if timeout is None:
        return DEFAULT_TIMEOUT if files > 1 else None
    return timeout or None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """Which network assesses, and what runs it."""

    weights: Annotated[
        Path | None, typer.Option(help="ONNX weights to use instead of the shipped ones.", metavar="FILE")
    ] = None
    backend: Annotated[
        Literal["auto", "onnxruntime", "openvino", "torch"], typer.Option(help="What runs the network.")
    ] = "auto"
    device: Annotated[
        Literal["cpu", "cuda", "coreml", "directml"],
        typer.Option(help="What the network runs on. Others than cpu need a package of ONNX Runtime that has them."),
    ] = "cpu"

    def assessor(self, **options: Any) -> "Assessor":
        """An assessor for these options. options: further ones of `Assessor`."""
        from luxel.assessment.assessor import Assessor

        return Assessor(self.weights, backend=self.backend, device=self.device, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessingOptions(NetworkOptions):
    """Which network assesses pictures, what runs it, and how their files are read."""

    raw: Annotated[
        Literal["neutral", "preview"],
        typer.Option(help="Camera RAW: the sensor data without a tone curve, or the JPEG that the camera embedded."),
    ] = "neutral"
    max_megapixels: MaxMegapixelsOption = 200.0

    @property
    def reading(self) -> "ReadOptions":
        """How files are read."""
        from luxel.images import ReadOptions

        return ReadOptions(max_megapixels=self.max_megapixels, raw=self.raw)

    def assessor(self, **options: Any) -> "Assessor":
        """An assessor for these options. options: further ones of `Assessor`."""
        return NetworkOptions.assessor(self, reading=self.reading, **options)


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters that are dataclasses became options, one for each of their fields."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        group = groups.get(parameter.name)
        if group is None:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name]))
            continue
        kinds = get_type_hints(group, include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=kinds[field.name]
            )
            for field in fields(group)
        ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        made = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**values, **made)

    del run.__wrapped__  # typer would read the parameters from there
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": None}
    return run
