"""OpenEXR: scanlines and tiles, half and float, every compression, RGB and luminance-chroma."""

import io
import mmap
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from luxel.errors import ImageError
from luxel.images.colour.spaces import SRGB, Primaries, matrix_to_srgb, rgb_to_xyz
from luxel.images.picture import Raster, check_bytes, check_size, decoding, truncated
from luxel.photometry import Array
from luxel.text import printable

_MULTIPART, _DEEP = 0x1000, 0x0800
_SINGLE_TILE = 0x0200
_MAX_TILE = 1 << 22  # pixels: a usual tile around a small picture
_MIN_WEIGHT = 0.01  # of green in luminance; real colour spaces give it more than half
_REPORT = "Warning: Exception raised reading pixel data"
_STANDARD_OUTPUT = threading.Lock()  # two threads that redirect it at once would leave it redirected


def decode(path: Path, max_megapixels: float) -> Raster:
    """The first part of an EXR file as scene light: float32 [H, W, 3], or [H, W] if it holds only luminance.

    The picture is the data window inside the display window. Raises ImageError: truncated, deep, too large, no colour.
    """
    _check_header(path, max_megapixels)
    # One thread: a run over many pictures already has a process for each core.
    with decoding(path, "EXR"), _without_printing():
        file = OpenEXR.File(str(path), separate_channels=True, num_threads=1)
    with file, decoding(path, "EXR"):
        header = dict(file.header())
        channels = {name: (c.pixels, c.xSampling, c.ySampling) for name, c in file.channels().items()}
        parts = len(file.parts)
    primaries = _primaries(path, header)
    samples, bits, notes = _colour(path, channels, primaries)
    samples = _inside_display(samples, header, notes)
    if parts > 1:
        notes.append(f"first of {parts} parts")
    raster = Raster(samples, "EXR", bits, light="scene", primaries=primaries, notes=notes)
    raster.colour = "grey" if samples.ndim == 2 else "rgb"
    return raster


def _primaries(path: Path, header: dict[str, Any]) -> Primaries:
    """The chromaticities of the header, or sRGB's. Raises ImageError if they describe no colours."""
    stated = header.get("chromaticities")
    if stated is None:
        return SRGB
    with decoding(path, "EXR"):
        primaries: Primaries = tuple(float(v) for v in stated)  # type: ignore[assignment]
    try:
        matrix_to_srgb(primaries)
    except ValueError as error:
        raise ImageError(f"{printable(path)}: damaged EXR: its {error}; export it with its colour space") from error
    return primaries


@contextmanager
def _without_printing() -> Iterator[None]:
    """Around the library's constructor, which reports damaged pixels by printing to standard output and continuing.

    That line would end up among the results of a program that writes them there. It becomes the error instead; whatever
    other threads print meanwhile is printed after. Raises ValueError with the library's reason.
    """
    printed = io.StringIO()
    with _STANDARD_OUTPUT, redirect_stdout(printed):
        yield
    lines = printed.getvalue().splitlines(keepends=True)
    sys.stdout.writelines(line for line in lines if not line.startswith(_REPORT))
    for line in lines:
        if line.startswith(_REPORT):
            raise ValueError(line.rpartition(" - ")[2])


def _check_header(path: Path, max_megapixels: float) -> None:
    """Size, and that the last block of pixels lies inside the file, before the library sees it.

    The library also rejects a truncated file, but only after printing a line for each block to the terminal.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _check_blocks(path, data, max_megapixels)


def _check_blocks(path: Path, data: mmap.mmap, max_megapixels: float) -> None:
    try:
        (flags,) = struct.unpack_from("<I", data, 4)
        if flags & _DEEP:
            raise ImageError(f"{printable(path)}: deep EXR is not supported; export it flat")
        position, blocks, stored = 8, 0, 0.0
        while True:
            attributes, position = _attributes(data, position)
            if attributes:
                xmin, ymin, xmax, ymax = struct.unpack("<4i", attributes["dataWindow"])
                width, height = xmax - xmin + 1, ymax - ymin + 1
                check_size(path, width, height, max_megapixels)
                stored += width * height * _bytes_per_pixel(attributes["channels"])  # the library loads every part
                check_bytes(path, width, height, stored / (width * height), max_megapixels)
                blocks += _most_blocks(path, attributes, width, height)
            if not flags & _MULTIPART or not attributes:
                break
        lowest, last = _block_offsets(path, data, position, blocks)
        leader = (4 if flags & _MULTIPART else 0) + (16 if flags & _SINGLE_TILE else 4)
        if lowest == 0:
            raise truncated(path, "EXR", "it was never finished: some blocks were not written")
        if not flags & _MULTIPART:  # with several parts the kind of block differs from part to part
            end = last + leader + 4 + struct.unpack_from("<I", data, last + leader)[0]
            if end > len(data):
                raise truncated(path, "EXR", f"the last block runs to byte {end} of {len(data)}")
        elif last >= len(data):
            raise truncated(path, "EXR", f"the last block begins at byte {last} of {len(data)}")
    except (struct.error, KeyError, ValueError, OverflowError) as error:
        raise truncated(path, "EXR", "the file ends inside its header or block table") from error


def _block_offsets(path: Path, data: mmap.mmap, position: int, most: int) -> tuple[int, int]:
    """The lowest and the highest block offset of the table at `position`, which ends where the first block begins.

    most: more blocks than this cannot be. Raises ImageError for a longer table, struct.error if the file ends before.
    """
    room = min(most + 1, (len(data) - position) // 8)
    if room < 1:
        raise struct.error("no block table")
    offsets = np.frombuffer(data[position : position + 8 * room], "<u8")
    lowest = np.minimum.accumulate(offsets)
    ends = np.flatnonzero(position + 8 * np.arange(1, room + 1, dtype=np.uint64) >= lowest)
    if ends.size == 0:
        if room <= most:
            raise struct.error("the block table does not end")
        raise ImageError(f"{printable(path)}: damaged EXR: its table lists more than {most} blocks; export it again")
    count = int(ends[0]) + 1
    return int(lowest[count - 1]), int(offsets[:count].max())


def _bytes_per_pixel(channels: bytes) -> float:
    """Bytes that all channels of a list take together for one pixel. Raises ValueError, struct.error: damaged.

    Source: OpenEXR file layout, "chlist": name, zero, type (0 uint, 1 half, 2 float), four bytes, sampling in x and y.
    """
    total, position = 0.0, 0
    while channels[position : position + 1] not in (b"\0", b""):
        position = channels.index(b"\0", position) + 1
        kind, across, down = struct.unpack_from("<i4xii", channels, position)
        if kind not in (0, 1, 2) or across < 1 or down < 1:
            raise ValueError("a channel of unknown type or sampling")
        total += (2 if kind == 1 else 4) / (across * down)
        position += 16
    return total


def _most_blocks(path: Path, attributes: dict[str, bytes], width: int, height: int) -> int:
    """How many blocks a part can have at most: one for each row, or its tiles with every level of detail.

    Raises ImageError if a tile is much larger than the picture: the library makes room for whole tiles.
    """
    if "tiles" not in attributes:
        return height
    across, down, mode = struct.unpack_from("<IIB", attributes["tiles"])
    if across < 1 or down < 1 or across * down > max(4 * width * height, _MAX_TILE):
        raise ImageError(
            f"{printable(path)}: damaged EXR: tiles of {across} x {down} in a picture of {width} x {height}; "
            "save it with smaller tiles"
        )
    tiles = -(-width // across) * -(-height // down)
    return int(tiles if mode & 15 == 0 else 4 * tiles + 32 * 32)  # levels halve both sides, or each on its own


def _attributes(data: mmap.mmap | bytes, position: int) -> tuple[dict[str, bytes], int]:
    """One header from `position`: attribute name -> raw value, and the place after its closing zero.

    Raises ValueError or struct.error when the bytes end early.
    """
    attributes: dict[str, bytes] = {}
    while data[position : position + 1] != b"\0":
        name_end = data.find(b"\0", position)
        type_end = data.find(b"\0", name_end + 1)
        if name_end < 0 or type_end < 0:
            raise ValueError("an attribute has no end")
        (size,) = struct.unpack_from("<I", data, type_end + 1)
        start = type_end + 5
        attributes[data[position:name_end].decode("latin-1")] = data[start : start + size]
        position = start + size
    return attributes, position + 1


def _colour(path: Path, channels: dict[str, Any], primaries: Primaries) -> tuple[Array, int, list[str]]:
    """The colour channels as float32, the bits they are stored in, and notes."""
    names = sorted(channels)
    layers = sorted({n.rpartition(".")[0] for n in names}, key=lambda layer: (layer != "", layer))
    for layer in layers:
        prefix = f"{layer}." if layer else ""
        notes = [f"layer {layer}"] if layer else []
        found = {n[len(prefix) :]: channels[n] for n in names if n.rpartition(".")[0] == layer}
        if f"{prefix}A" in channels:
            notes.append("alpha ignored: the light as stored")
        if {"R", "G", "B"} <= set(found):
            planes = [_full_size(path, found[c], found["G"][0].shape) for c in "RGB"]
        elif {"Y", "RY", "BY"} <= set(found):
            planes = _from_luminance_chroma(path, found, primaries)
            notes.append("luminance-chroma -> RGB")
        elif "Y" in found:
            planes = [found["Y"][0].astype(np.float32)]
        else:
            continue
        bits = (found.get("G") or found["Y"])[0].dtype.itemsize * 8
        return (planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)), bits, notes
    raise ImageError(f"{printable(path)}: EXR without colour channels (it has {', '.join(names)[:80]})")


def _full_size(path: Path, channel: tuple[Array, int, int], shape: tuple[int, int]) -> Array:
    """A channel as float32 at full size; a subsampled one is interpolated linearly between its samples."""
    pixels, step_x, step_y = channel
    plane = pixels.astype(np.float32)
    for axis, step in ((0, step_y), (1, step_x)):
        if step > 1:
            at = np.arange(shape[axis], dtype=np.float32) / step
            low = np.minimum(at.astype(np.intp), plane.shape[axis] - 1)
            high = np.minimum(low + 1, plane.shape[axis] - 1)
            weight = (at - low).clip(0, 1)[:, None] if axis == 0 else (at - low).clip(0, 1)
            plane = np.take(plane, low, axis) * (1 - weight) + np.take(plane, high, axis) * weight
    if plane.shape != tuple(shape):
        raise ImageError(f"{printable(path)}: damaged EXR: its channels differ in size")
    return plane


def _from_luminance_chroma(path: Path, found: dict[str, Any], primaries: Primaries) -> list[Array]:
    """R, G, B from Y and the half-size differences RY = (R - Y) / Y, BY = (B - Y) / Y. Source: OpenEXR, ImfRgbaYca."""
    luminance = found["Y"][0].astype(np.float32)
    red = (_full_size(path, found["RY"], luminance.shape) + 1) * luminance
    blue = (_full_size(path, found["BY"], luminance.shape) + 1) * luminance
    weight_r, weight_g, weight_b = (np.float32(w) for w in rgb_to_xyz(primaries)[1])
    if weight_g < _MIN_WEIGHT:
        raise ImageError(
            f"{printable(path)}: damaged EXR: green has no luminance in its chromaticities, so luminance-chroma "
            "cannot be undone; export it as RGB"
        )
    green = (luminance - weight_r * red - weight_b * blue) / weight_g
    return [red, green, blue]


def _inside_display(samples: Array, header: dict[str, Any], notes: list[str]) -> Array:
    """Cut the part of the data window that lies outside the display window, which no viewer shows."""
    (left, top), (right, bottom) = header["dataWindow"]
    (show_left, show_top), (show_right, show_bottom) = header["displayWindow"]
    rows = slice(max(int(show_top - top), 0), int(min(bottom, show_bottom) - top) + 1)
    columns = slice(max(int(show_left - left), 0), int(min(right, show_right) - left) + 1)
    inside = samples[rows, columns]
    if inside.size == 0:  # nothing would be seen: the data is all there is
        return samples
    if inside.shape != samples.shape:
        notes.append("pixels outside the display window cut")
    return inside
