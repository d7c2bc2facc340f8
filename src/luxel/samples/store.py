"""The memory-mapped store: pixels of many items one after the other in a few files of one folder, with an index.

A store has one file for each of its planes, all items' pixels in it one after the other, and `index.json`: facts about
the store, and for every item its facts, height, width and offset in pixels. It is written atomically. Processes that
open the same store share its pixels in the disk's cache.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt

from luxel.errors import DatasetError
from luxel.jobs.atomic import writing_folder
from luxel.jobs.records import from_record, read_json

INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Plane:
    """One kind of pixels. file: name in the store's folder. dtype: of a sample. channels: samples of a pixel."""

    file: str
    dtype: type[np.generic]
    channels: int = 1


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """What a store holds.

    items: key of their list in the index, in the plural. facts: dataclass of what the index says of each besides its
    place. planes: in order.
    """

    items: str
    facts: type
    planes: tuple[Plane, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an item's pixels are. offset: in pixels."""

    height: int
    width: int
    offset: int


class Store:
    """Items of a store folder, read from the disk's cache as they are asked for; len(store) of them.

    A subclass says its `layout`. entries: facts of each item. facts: of the store.
    """

    layout: ClassVar[StoreLayout]

    def __init__(self, folder: Path) -> None:
        """folder: as `writing_store` wrote it. Raises DatasetError if it is missing, damaged or of another layout."""
        self.folder = folder
        index, layout = folder / INDEX, self.layout
        self.facts: dict[str, Any] = read_json(index)
        listed = self.facts.pop(layout.items, None)
        if not isinstance(listed, list) or not listed:
            raise DatasetError(f"{index}: has no list of {layout.items}; remove the folder")
        try:
            self._maps = [np.memmap(folder / plane.file, dtype=plane.dtype, mode="r") for plane in layout.planes]
        except (OSError, ValueError) as error:
            raise DatasetError(f"{folder}: no store of {layout.items} ({error}); remove the folder") from error
        pixels = min(len(values) // plane.channels for plane, values in zip(layout.planes, self._maps, strict=True))
        self.entries = [self._checked(entry, pixels, f"{index}: {layout.items} {n}") for n, entry in enumerate(listed)]

    def _checked(self, entry: Any, pixels: int, where: str) -> dict[str, Any]:
        """An entry of the index, which must lie inside the files."""
        names = [field.name for field in fields(_Place)]
        found = entry if isinstance(entry, dict) else {}
        place = from_record(_Place, {name: found[name] for name in names if name in found}, where=where)
        facts = {name: value for name, value in found.items() if name not in names}
        from_record(self.layout.facts, facts, where=where)
        if min(place.height, place.width) < 1 or not 0 <= place.offset <= pixels - place.height * place.width:
            raise DatasetError(f"{where}: lies outside the store's files; remove the folder")
        return found

    def __reduce__(self) -> tuple[type["Store"], tuple[Any, ...]]:
        # NumPy would send another process the pixels themselves.
        return type(self), (self.folder,)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def files(self) -> list[Path]:
        """The files that hold the pixels."""
        return [self.folder / plane.file for plane in self.layout.planes]

    def size(self, i: int) -> tuple[int, int]:
        """Height and width of item i."""
        return self.entries[i]["height"], self.entries[i]["width"]

    def planes(self, i: int, rows: slice = slice(None), columns: slice = slice(None)) -> list[npt.NDArray[Any]]:
        """A window of item i, by default all of it, in every plane: [h, w], or [h, w, channels]; not copied."""
        h, w = self.size(i)
        start = self.entries[i]["offset"]
        windows = []
        for plane, values in zip(self.layout.planes, self._maps, strict=True):
            part = values[start * plane.channels : (start + h * w) * plane.channels]
            shape = (h, w) if plane.channels == 1 else (h, w, plane.channels)
            windows.append(part.reshape(shape)[rows, columns])
        return windows

    def stacked(self) -> list[npt.NDArray[Any]]:
        """Every plane of all items, which must have one size: [N, h, w], or [N, h, w, channels]; not copied."""
        h, w = self.size(0)
        return [
            values.reshape((len(self), h, w) if plane.channels == 1 else (len(self), h, w, plane.channels))
            for plane, values in zip(self.layout.planes, self._maps, strict=True)
        ]


class StoreWriter:
    """Takes the items of a store one after the other."""

    def __init__(self, layout: StoreLayout, files: Sequence[BinaryIO]) -> None:
        self._layout, self._files = layout, files
        self._offset = 0
        self.entries: list[dict[str, Any]] = []

    def add(self, *planes: npt.NDArray[Any], **facts: Any) -> None:
        """Writes an item. planes: in the layout's order and types, of one size. facts: plain JSON values about it."""
        height, width = planes[0].shape[:2]
        for plane, values, file in zip(self._layout.planes, planes, self._files, strict=True):
            shape = (height, width) if plane.channels == 1 else (height, width, plane.channels)
            assert values.shape == shape, (plane.file, values.shape)
            assert values.dtype == plane.dtype, (plane.file, values.dtype)
            file.write(np.ascontiguousarray(values).tobytes())
        self.entries.append({**facts, "height": height, "width": width, "offset": self._offset})
        self._offset += height * width


@contextmanager
def writing_store(folder: Path, layout: StoreLayout, **facts: Any) -> Iterator[StoreWriter]:
    """A writer whose store appears at `folder`, complete, when the block ends without an error.

    folder: a store that another process put there meanwhile stays. facts: plain JSON values about the store.
    Raises DatasetError when it cannot be written.
    """
    try:
        with writing_folder(folder, replace=False) as unfinished:
            with ExitStack() as opened:
                files = [opened.enter_context((unfinished / plane.file).open("wb")) for plane in layout.planes]
                writer = StoreWriter(layout, files)
                yield writer
            (unfinished / INDEX).write_text(json.dumps({**facts, layout.items: writer.entries}))
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be written: {error.strerror or error}; free some space or choose another folder"
        ) from error
