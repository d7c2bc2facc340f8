"""What was measured, as files: one JSON file for each row of Table 4, with the measures of every test image."""

from pathlib import Path
from urllib.parse import quote

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from luxel.enhance.measuring import OutputMeasures, mean_of
from luxel.errors import LuxelError
from luxel.jobs.atomic import write_file
from luxel.jobs.records import read_regular


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class EnhancementRow:
    """One row of measures.

    name: of the run, or of a row without training. arm: what rows of different seeds share.
    method: "retinexformer", "gsad" or "trivial". seed, steps, weight: of the training, None where nothing is trained.
    train_pairs: pairs trained on or looked up in. shared_scenes: how many of them show a test image's scene.
    images: names of the test images. measures: of each of them. version: of luxel.
    """

    name: str
    arm: str
    method: str
    images: tuple[str, ...]
    version: str
    measures: tuple[OutputMeasures, ...] = ()
    seed: int | None = None
    steps: int | None = None
    weight: float | None = None
    train_pairs: int | None = None
    shared_scenes: int | None = None

    def mean(self, column: str) -> float:
        """Mean of a measure over the test images, nan where it was not taken."""
        return mean_of(column, self.measures)


_ROW = TypeAdapter(EnhancementRow)


def write_row(folder: Path, row: EnhancementRow) -> None:
    """Writes a row into the rows of an experiment, over an earlier one of the same name. Raises LuxelError."""
    rows = folder / "rows"
    try:
        rows.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LuxelError(f"{rows}: cannot be made ({error.strerror}); free some space or choose another") from error
    write_file(rows / f"{quote(row.name, safe=' ')}.json", _ROW.dump_json(row, indent=1) + b"\n", sync=True)


def read_rows(folder: Path) -> list[EnhancementRow]:
    """The rows of an experiment, by method, arm and seed. Raises LuxelError where there is none or one is damaged."""
    paths = sorted((folder / "rows").glob("*.json"))
    if not paths:
        raise LuxelError(f"{folder}: has no rows; run luxel enhance evaluate {folder}")
    rows = []
    for path in paths:
        try:
            row = _ROW.validate_json(read_regular(path))
        except OSError as error:
            raise LuxelError(f"{path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise LuxelError(
                f"{path}: is not a row ({where}: {problem['msg'].lower()}); delete it and run luxel enhance evaluate"
            ) from None
        if not row.images or len(row.images) != len(row.measures):
            raise LuxelError(
                f"{path}: {len(row.measures)} measures for {len(row.images)} images; delete it and run again"
            )
        rows.append(row)
    return rows
