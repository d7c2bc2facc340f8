"""Which files of given folders are source material, and which of them describe it."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from luxel import images
from luxel.dataset.sources.bracket_csv import BRACKET_FILES
from luxel.errors import DatasetError

INDEX = "index.csv"
"""Facts about the files of its folder: columns file (or name), and any of scene, light, tone, licence, source."""


def source_files(paths: Iterable[Path], *, warn: Callable[[str], None] = lambda message: None) -> dict[Path, Path]:
    """Every picture and CSV file in files and folders, absolute, to the folder its scene is named from.

    paths: folders are taken with everything below them, but nothing hidden, in natural order. A file named alone is
    still described by the index.csv beside it.
    warn: called with one line for each symbolic link. Links are followed, but no file and no folder is taken twice.
    Raises DatasetError for a path that does not exist.
    """
    found: dict[Path, Path] = {}
    taken: set[Path] = set()

    def add(file: Path, root: Path) -> bool:
        real = file.resolve()
        if real in taken:
            return False
        taken.add(real)
        found[file] = root
        return True

    for path in paths:
        if path.is_file():
            file = path.resolve()
            add(file, file.parent)
            if (file.parent / INDEX).is_file():
                add(file.parent / INDEX, file.parent)
        elif path.is_dir():
            _walk(path.resolve(), add, warn)
        else:
            raise DatasetError(f"{path}: no such file or folder; give folders or files with pictures")
    return found


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts names as a person does: numbers by their value, letter case ignored.

    name: of a file, or the path of one.

    >>> sorted(["IMG_10.jpg", "img_2.jpg"], key=natural)
    ['img_2.jpg', 'IMG_10.jpg']
    """
    parts = re.split(r"([0-9]+)", name.lower())
    return [(int(part) if i % 2 else 0, part) for i, part in enumerate(parts)]


def _walk(root: Path, add: Callable[[Path, Path], bool], warn: Callable[[str], None]) -> None:
    """Adds the wanted files below a folder. Links come last, so that a file is found where it lies."""
    folders: set[Path] = set()
    waiting = [root]
    while waiting:
        start, links = waiting.pop(0), []
        if start.resolve() in folders:
            warn(f"{start}: is a link to {start.resolve()}, which is scanned already; left out")
            continue
        for here, below, names in os.walk(start, onerror=lambda error: warn(f"{error.filename}: {error.strerror}")):
            folders.add(Path(here).resolve())
            below[:] = sorted((name for name in below if not name.startswith(".")), key=natural)
            links += [Path(here, name) for name in below if Path(here, name).is_symlink()]
            for name in sorted(names, key=natural):
                file = Path(here, name)
                if name.startswith(".") or not _wanted(file):
                    continue
                if file.is_symlink():
                    links.append(file)
                elif file.is_file():
                    add(file, root)
        for link in links:
            if link.is_dir():
                if link.resolve() not in folders:
                    warn(f"{link}: is a link to {link.resolve()}; followed")
                waiting.append(link)
            elif not link.is_file():
                warn(f"{link}: is a broken link; left out")
            elif add(link, root):
                warn(f"{link}: is a link to {link.resolve()}; followed")
            else:
                warn(f"{link}: is a link to {link.resolve()}, which is scanned already; left out")


def _wanted(file: Path) -> bool:
    return file.suffix.lower() in images.SUFFIXES or file.name in {*BRACKET_FILES, INDEX}
