"""Which files a run is about: files, folders and globs become one ordered list with a unique output name each."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luxel.errors import LuxelError

OUTPUT_ENDINGS = {
    "heatmap": ".heatmap.jpg",
    "tinted": ".tinted.jpg",
    "overlay": ".overlay.jpg",
    "residual": ".residual.png",
    "false-colour": ".false-colour.png",
    "zebra": ".zebra.png",
    "zones": ".zones.png",
    "compare": ".compare.png",
}
"""What a command writes for an image: kind -> ending after the output name."""

OWN_ENDINGS = (*OUTPUT_ENDINGS.values(), ".heatmap.png", ".confidence.png", ".flags.png")
"""Endings of every image that luxel itself makes of another: a search does not take these as input."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file to work on.

    path: as the user gave it or as found under a given folder. name: where its outputs go, relative to the output
    folder, without ending, "/" between folders; no two pictures of a run share one (letter case is ignored).
    """

    path: Path
    name: str

    def output(self, folder: Path, kind: str) -> Path:
        """Path of one output file. kind: a key of `OUTPUT_ENDINGS`."""
        return folder / f"{self.name}{OUTPUT_ENDINGS[kind]}"


def find(
    patterns: Sequence[str],
    *,
    endings: Collection[str],
    glob_endings: Collection[str] = (),
    what: str = "picture",
    recursive: bool = False,
    warn: Callable[[str], None] = lambda message: None,
) -> list[Found]:
    """The files that files, folders and globs stand for, in the order of the patterns.

    patterns: a file is taken whatever its name (the reader says what is wrong with it, a missing one too); a folder
    gives the files in it with one of the endings, sorted by path, with `recursive` those in its subfolders too;
    a glob (`*`, `?`, `[..]`, `**`) gives what it matches in the same way. A file reached twice counts once, at its
    first place.
    endings: lower case, with the dot: `luxel.images.SUFFIXES` for images. Letter case of names is ignored. Hidden files
    and luxel's own drawings (`OWN_ENDINGS`) are not taken, unless such an ending is asked for by its name.
    glob_endings: of what a glob matches, where it may be named more freely than in a folder. what: the word for a file
    in messages.
    warn: called with one line for each pattern that gave nothing and each folder that could not be entered.
    Raises LuxelError when there is nothing to assess.
    """
    not_wanted = tuple(ending for ending in OWN_ENDINGS if ending not in endings)
    inside = _Wanted(tuple(endings), not_wanted)
    matched = _Wanted(tuple(glob_endings), not_wanted) if glob_endings else inside
    chosen: dict[str, Found] = {}
    empty = []
    for pattern in patterns:
        found = list(_expand(pattern, inside, matched, recursive, warn))
        if not found:
            empty.append(_nothing(pattern, what, recursive))
        for path, name in found:
            chosen.setdefault(os.path.realpath(path), Found(path, name))
    if not chosen:
        raise LuxelError(f"nothing to assess: {'; '.join(empty)}")
    for message in empty:
        warn(message)
    return _with_unique_names(list(chosen.values()))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which names a search takes. endings: these. but_not: not these, whatever `endings` says."""

    endings: tuple[str, ...]
    but_not: tuple[str, ...]

    def __call__(self, name: str) -> bool:
        lower = name.lower()
        return lower.endswith(self.endings) and not lower.startswith(".") and not lower.endswith(self.but_not)


def _expand(
    pattern: str, inside: _Wanted, matched: _Wanted, recursive: bool, warn: Callable[[str], None]
) -> Iterator[tuple[Path, str]]:
    """(path, output name before collisions are settled) of every file of one pattern."""
    path = Path(pattern)
    if path.is_dir():
        for file in _walk(path, inside, recursive, warn):
            yield file, _name(file, path)
    elif glob.has_magic(pattern) and not os.path.lexists(pattern):
        root = _fixed_part(pattern)
        for match in sorted(map(Path, glob.glob(pattern, recursive=True)), key=_order):  # noqa: PTH207
            if match.is_file() and matched(match.name):
                yield match, _name(match, root)
            elif match.is_dir() and recursive:
                for file in _walk(match, inside, recursive, warn):
                    yield file, _name(file, root)
    else:
        yield path, _name(path, path.parent)


def _walk(folder: Path, wanted: _Wanted, recursive: bool, warn: Callable[[str], None]) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        warn(f"{error.filename}: {error.strerror}; its pictures are left out")

    found = []
    for here, folders, files in os.walk(folder, onerror=complain):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found += [Path(here, name) for name in files if wanted(name)]
    yield from sorted(found, key=_order)


def _order(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    # Letter case last, so that IMG_1.JPG and img_2.jpg interleave as a file manager shows them.
    return tuple(part.lower() for part in path.parts), path.parts


def _fixed_part(pattern: str) -> Path:
    """The folders of a glob before its first magic part."""
    parts: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _nothing(pattern: str, what: str, recursive: bool) -> str:
    if Path(pattern).is_dir():
        hint = "" if recursive else " (add --recursive to search its subfolders)"
        return f"{pattern}: no {what} in this folder{hint}"
    return f"{pattern}: matches no {what}; check the pattern, or give a file or a folder"


def _with_unique_names(pictures: list[Found]) -> list[Found]:
    """Settles pictures whose outputs would overwrite each other, the same way in every run over the same list.

    Pictures that still share a name take the next of these together: name, name-suffix (a.jpg, a.png -> a-jpg,
    a-png), the path as given (x/a.jpg, y/a.jpg -> x/a, y/a), that with the suffix. What is left gets a number.
    """
    ladders = [_names(picture) for picture in pictures]
    rungs = [0] * len(pictures)
    for _ in range(3):
        names = [ladder[rung].lower() for ladder, rung in zip(ladders, rungs, strict=True)]
        counts = Counter(names)
        rungs = [rung + (counts[name] > 1) for name, rung in zip(names, rungs, strict=True)]
    taken: set[str] = set()
    return [
        replace(picture, name=free_name(ladder[rung], taken))
        for picture, ladder, rung in zip(pictures, ladders, rungs, strict=True)
    ]


def free_name(name: str, taken: set[str]) -> str:
    """`name`, or `name-2`, `name-3` ... if it is taken; the answer joins `taken`, which holds lower-case names."""
    free, number = name, 2
    while free.lower() in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free.lower())
    return free


def _names(picture: Found) -> tuple[str, str, str, str]:
    suffix = picture.path.suffix.lower().replace(".", "-")
    parents = [part for part in picture.path.parent.parts if part not in ("..", picture.path.anchor)]
    full = "/".join([*parents, picture.name.rsplit("/", 1)[-1]])
    return picture.name, picture.name + suffix, full, full + suffix


def overwritten_input(pictures: Sequence[Found], folder: Path, kinds: Sequence[str]) -> Path | None:
    """The first output file that is itself one of the pictures, or None."""
    # Only a file that is named like an output can be hit, and a search never finds those: they were named by hand.
    exposed = {os.path.realpath(p.path) for p in pictures if p.path.name.lower().endswith(OWN_ENDINGS)}
    if not exposed:
        return None
    outputs = (picture.output(folder, kind) for picture in pictures for kind in kinds)
    return next((output for output in outputs if os.path.realpath(output) in exposed), None)
