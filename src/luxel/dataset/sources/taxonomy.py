"""The names of scenes, light and tone, and the tags that people give to source material (paper 4.1, A.1)."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from luxel.dataset.sources.csv_table import read_table
from luxel.errors import DatasetError
from luxel.jobs.records import read_toml
from luxel.text import plain_cell

AXES = ("scene", "light", "tone")

NAMES_FILE = "taxonomy.toml"
"""The table of names in a dataset's folder, a copy that belongs to that dataset and can be edited."""

TAXONOMY = Path(__file__).with_name(NAMES_FILE)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """scenes: super-class to its sub-classes. light, tone: their names."""

    scenes: Mapping[str, tuple[str, ...]]
    light: tuple[str, ...]
    tone: tuple[str, ...]

    def names(self, axis: str) -> tuple[str, ...]:
        """All names of an axis: "scene" (its sub-classes), "light" or "tone"."""
        if axis == "scene":
            return tuple(name for names in self.scenes.values() for name in names)
        return {"light": self.light, "tone": self.tone}[axis]

    def super_class(self, scene: str) -> str:
        """The super-class of a sub-class, "" for a name that is not in the taxonomy."""
        return next((top for top, names in self.scenes.items() if scene in names), "")

    def check(self, axis: str, name: str, where: str) -> str:
        """The name as the taxonomy writes it ("" stays ""). Raises DatasetError for an unknown one, with the nearest.

        where: place for the error, e.g. "tags.csv, line 3".
        """
        plain = name.strip().lower().replace(" ", "_").replace("-", "_")
        known = self.names(axis)
        if not plain or plain in known:
            return plain
        if axis == "scene" and plain in self.scenes:
            raise DatasetError(f"{where}: {name!r} is a super-class; give one of {', '.join(self.scenes[plain])}")
        near = difflib.get_close_matches(plain, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}."
        raise DatasetError(f"{where}: unknown {axis} {name!r}; {hint} New names go into a file for --taxonomy")


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """The taxonomy of a TOML file, by default the one that comes with luxel.

    Raises DatasetError: missing, not TOML, a table is absent or of the wrong form, a name is listed twice.
    """
    file = path or TAXONOMY
    if not file.exists():
        raise DatasetError(f"{file}: no such file; luxel dataset taxonomy prints a table to begin with")
    data = read_toml(file)
    try:
        scenes = {str(top): tuple(map(str, names)) for top, names in data["scenes"].items()}
        taxonomy = Taxonomy(scenes, tuple(map(str, data["light"]["names"])), tuple(map(str, data["tone"]["names"])))
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{file}: a taxonomy has tables [scenes] (super-class = list of names), [light] and [tone] (names = list); "
            f"missing or wrong: {error}"
        ) from error
    for axis in AXES:
        names = taxonomy.names(axis)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DatasetError(f"{file}: {axis} {twice[0]!r} is listed twice; name each once")
    return taxonomy


def taxonomy_file(dataset: Path) -> Path:
    """The table of names that holds for a dataset: its own, or luxel's where it has none."""
    own = dataset / NAMES_FILE
    return own if own.is_file() else TAXONOMY


def read_tags(path: Path, taxonomy: Taxonomy) -> dict[str, dict[str, str]]:
    """Tags of a CSV: file name or scene id to scene, light, tone, licence and source, where given.

    path: CSV with a column "name" (or "file") and any of "scene", "light", "tone", "licence", "source". A file may be
    named with or without its folder. Raises DatasetError with the line: missing file or column, unknown name, a name
    that comes twice.
    """
    table = read_table(path, ("name", "file", *AXES, "licence", "source"))
    columns = table.columns
    key = next((c for c in ("name", "file") if c in columns), None)
    if key is None:
        raise DatasetError(f"{path}: has no column 'name'; it has {', '.join(columns) or 'no header'}")
    tags: dict[str, dict[str, str]] = {}
    for line, row in table.rows:
        where, name = f"{path}, line {line}", plain_cell(row[key])
        if not name:
            raise DatasetError(f"{where}: the {key} is empty; give a file or a scene")
        if name in tags:
            raise DatasetError(f"{where}: {name!r} appears twice; keep one line for it")
        tags[name] = {axis: taxonomy.check(axis, row.get(axis) or "", where) for axis in AXES if axis in columns}
        for extra in ("licence", "source"):
            if value := row.get(extra):
                tags[name][extra] = value
    return tags
