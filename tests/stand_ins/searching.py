"""Searching for images as the commands do."""

from collections.abc import Callable, Sequence

from luxel.images import SUFFIXES
from luxel.jobs.file_list import FileList
from luxel.jobs.find import find


def images_in(
    patterns: Sequence[str], *, recursive: bool = False, warn: Callable[[str], None] = lambda message: None
) -> FileList:
    """The images that files, folders and globs stand for."""
    return find(patterns, endings=SUFFIXES, recursive=recursive, warn=warn)
