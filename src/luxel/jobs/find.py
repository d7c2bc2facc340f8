"""Which files a run is about: files, folders and globs become one ordered list with a unique output name each."""

import glob
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from luxel.errors import LuxelError
from luxel.jobs.file_list import OUTPUT_ENDINGS, FileList, Found, in_order
from luxel.jobs.remote import expand, is_pattern, is_url

OWN_ENDINGS = (*OUTPUT_ENDINGS.values(), ".heatmap.png", ".confidence.png", ".flags.png")
"""Endings of every image that luxel itself makes of another: a search does not take these as input."""


def find(
    patterns: Iterable[str],
    *,
    endings: Collection[str],
    glob_endings: Collection[str] = (),
    listed: Iterable[str] = (),
    shard: tuple[int, int] | None = None,
    what: str = "picture",
    recursive: bool = False,
    warn: Callable[[str], None] = lambda message: None,
) -> FileList:
    """The files that files, folders, globs and URLs stand for, in the order of the patterns.

    patterns: a file is taken whatever its name (the reader says what is wrong with it, a missing one too); a folder
        gives the files in it with one of the endings, sorted by path, with `recursive` those in its subfolders too;
        a glob (`*`, `?`, `[..]`, `**`) gives what it matches in the same way; a URL (`luxel.jobs.remote`) gives itself
        or what it matches. A file reached twice counts once, at its first place.
    endings: lower case, with the dot: `luxel.images.SUFFIXES` for images. Letter case of names is ignored. Hidden files
        and luxel's own drawings (`OWN_ENDINGS`) are not taken, unless such an ending is asked for by its name.
    glob_endings: of what a glob matches, where it may be named more freely than in a folder.
    listed: further files, by path or URL, each taken as it is named.
    shard: (I, N) keeps the I-th of N parts (`FileList.keep_shard`); None keeps all. Output names do not depend on it.
    what: the word for a file in messages.
    warn: called with one line for each pattern that gave nothing and each folder that could not be entered.

    Raises LuxelError when there is nothing to assess.
    """
    not_wanted = tuple(ending for ending in OWN_ENDINGS if ending not in endings)
    inside = _Wanted(tuple(endings), not_wanted)
    matched = _Wanted(tuple(glob_endings), not_wanted) if glob_endings else inside
    chosen = FileList()
    empty = []
    for pattern in patterns:
        some = False
        for file in _expand(pattern, inside, matched, recursive, warn):
            some = True
            chosen.add(file)
        if not some:
            empty.append(_nothing(pattern, what, recursive))
    for place in listed:
        chosen.add(_named(place))
    if not chosen:
        raise LuxelError(f"nothing to assess: {'; '.join(empty) or 'the list is empty'}")
    for message in empty:
        warn(message)
    chosen.settle_names()
    if shard is not None:
        chosen.keep_shard(*shard)
        if not chosen:
            raise LuxelError(f"nothing to assess: shard {shard[0]}/{shard[1]} has none of the files; use fewer shards")
    return chosen


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
) -> Iterator[Found]:
    """Every file of one pattern, under its output name before collisions are settled."""
    if is_url(pattern):
        some = expand(pattern)
        if is_pattern(pattern):
            some = (url for url in some if matched(urlsplit(url).path.rsplit("/")[-1]))
        yield from map(_named, some)
        return
    path = Path(pattern)
    if path.is_dir():
        for file in _walk(path, inside, recursive, warn):
            yield Found(file, _name(file, path))
    elif glob.has_magic(pattern) and not os.path.lexists(pattern):
        root = _fixed_part(pattern)
        for match in in_order(map(Path, glob.iglob(pattern, recursive=True))):  # noqa: PTH207
            if match.is_file() and matched(match.name):
                yield Found(match, _name(match, root))
            elif match.is_dir() and recursive:
                for file in _walk(match, inside, recursive, warn):
                    yield Found(file, _name(file, root))
    else:
        yield _named(pattern)


def _named(place: str) -> Found:
    """A file that is named by its path or URL."""
    if not is_url(place):
        path = Path(place)
        return Found(path, _name(path, path.parent))
    parts = urlsplit(place.rpartition("::")[2])
    path = Path(parts.netloc, *(part for part in parts.path.split("/") if part not in ("", ".", "..")))
    return Found(path, path.stem, place)


def _walk(folder: Path, wanted: _Wanted, recursive: bool, warn: Callable[[str], None]) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        warn(f"{error.filename}: {error.strerror}; its pictures are left out")

    def found() -> Iterator[Path]:
        for here, folders, files in os.walk(folder, onerror=complain):
            folders[:] = [name for name in folders if recursive and not name.startswith(".")]
            yield from (Path(here, name) for name in files if wanted(name))

    return in_order(found())


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


def overwritten_input(pictures: Iterable[Found], folder: Path, kinds: Sequence[str]) -> Path | None:
    """The first output file that is itself one of the pictures, or None."""
    # Only a file that is named like an output can be hit, and a search never finds those: they were named by hand.
    exposed = {os.path.realpath(p.path) for p in pictures if p.path.name.lower().endswith(OWN_ENDINGS)}
    if not exposed:
        return None
    outputs = (picture.output(folder, kind) for picture in pictures for kind in kinds)
    return next((output for output in outputs if os.path.realpath(output) in exposed), None)
