"""The weights inside luxel: where they are, and which they are.

Two files share one stem: pieanet.onnx, which every engine and torch read (`luxel.model.export`), and pieanet.json, its
metadata. There, "name" is a string and "sha256" maps each file's name to its SHA-256 in hexadecimal. Both are checked
here; whatever else stands there (recipe, commit, date, licence, validation figures) is passed on as it is.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luxel.errors import WeightsError

STEM = "pieanet"

SHIPPED = Path(__file__).parents[1] / "model/shipped"
"""Folder of the weights that come with luxel."""


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """Which weights made a result. name: as in the metadata, or the file's stem. sha256: of the file, hexadecimal."""

    name: str
    sha256: str


def locate(weights: str | Path | None = None, *, suffixes: tuple[str, ...] = (".onnx",)) -> Path:
    """Path of a weights file: the given one, or the shipped one if None.

    weights: a file, or None.
    suffixes: the endings that a given file may have.

    Raises WeightsError if the file is not there or has another suffix.
    """
    suffix = " or ".join(suffixes)
    if weights is None:
        shipped = SHIPPED / f"{STEM}.onnx"
        if not shipped.is_file():
            raise WeightsError(f"{shipped}: shipped weights are missing; reinstall luxel or give weights=PATH")
        return shipped
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such weights file; give a path to {suffix} weights, or None for the shipped ones"
        )
    if path.suffix.lower() not in suffixes:
        raise WeightsError(f"{path}: weights end in {path.suffix or 'nothing'} here; {suffix} is needed")
    return path


def metadata(path: str | Path) -> dict[str, Any]:
    """The metadata that lie beside a weights file as STEM.json; empty if there is none.

    path: the weights file. Raises WeightsError if the JSON cannot be read, or has no "name" and "sha256" as above.
    """
    beside = Path(path).with_suffix(".json")
    if not beside.is_file():
        return {}
    try:
        facts = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{beside}: not readable as JSON ({_first_line(error)}); restore or remove it") from error
    known = isinstance(facts, dict) and isinstance(facts.get("name"), str) and isinstance(facts.get("sha256"), dict)
    if not known:
        raise WeightsError(f'{beside}: needs "name" (text) and "sha256" (file name to hash); restore or remove it')
    return dict(facts)


def describe(path: str | Path) -> WeightsInfo:
    """Name and SHA-256 of a weights file, checked against the metadata beside it.

    Raises WeightsError if the file cannot be read, its metadata are broken, or its hash is not the one they state.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); give a readable weights file") from error
    facts = metadata(path)
    if not facts:
        return WeightsInfo(path.stem, digest)
    stated = facts["sha256"].get(path.name)
    if stated != digest:
        raise WeightsError(
            f"{path}: SHA-256 is {digest[:12]}, its metadata say {str(stated)[:12]}; reinstall, or export both again"
        )
    return WeightsInfo(facts["name"], digest)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
