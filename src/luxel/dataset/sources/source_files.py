"""Which files of given folders are source material, and which of them describe it."""

from collections.abc import Iterable
from pathlib import Path

from luxel import images
from luxel.dataset.sources.bracket_csv import BRACKET_FILES
from luxel.errors import DatasetError

INDEX = "index.csv"
"""Facts about the files of its folder: columns file (or name), and any of scene, light, tone, licence, source."""


def source_files(paths: Iterable[Path]) -> dict[Path, Path]:
    """Every picture and CSV file in files and folders, absolute, to the folder its scene is named from.

    Folders are taken with everything below them, but nothing hidden. A file named alone is still described by the
    index.csv beside it. Raises DatasetError for a path that does not exist.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_file():
            root = path.resolve().parent
            found.setdefault(path.resolve(), root)
            if (root / INDEX).is_file():
                found.setdefault(root / INDEX, root)
        elif path.is_dir():
            root = path.resolve()
            for file in sorted(root.rglob("*")):
                hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
                wanted = file.suffix.lower() in images.SUFFIXES or file.name in {*BRACKET_FILES, INDEX}
                if wanted and not hidden and file.is_file():
                    found.setdefault(file, root)
        else:
            raise DatasetError(f"{path}: no such file or folder; give folders or files with pictures")
    return found
