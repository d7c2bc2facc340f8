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
from luxel.images.colour import SRGB, Primaries, rgb_to_xyz
from luxel.images.picture import Array, Raster, check_size, decoding, printable, truncated

_MULTIPART, _DEEP = 0x1000, 0x0800
_SINGLE_TILE = 0x0200
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
    chromaticities = header.get("chromaticities")
    primaries: Primaries = SRGB if chromaticities is None else tuple(float(v) for v in chromaticities)  # type: ignore[assignment]
    samples, bits, notes = _colour(path, channels, primaries)
    samples = _inside_display(samples, header, notes)
    if parts > 1:
        notes.append(f"first of {parts} parts")
    raster = Raster(samples, "EXR", bits, light="scene", primaries=primaries, notes=notes)
    raster.colour = "grey" if samples.ndim == 2 else "rgb"
    return raster


@contextmanager
def _without_printing() -> Iterator[None]:
    """Around the library's constructor, which reports damaged pixels by printing to standard output and going on.

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

    The library also refuses a truncated file, but only after printing a line for each block to the terminal.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _check_blocks(path, data, max_megapixels)


def _check_blocks(path: Path, data: mmap.mmap, max_megapixels: float) -> None:
    try:
        (flags,) = struct.unpack_from("<I", data, 4)
        if flags & _DEEP:
            raise ImageError(f"{printable(path)}: deep EXR is not supported; export it flat")
        position = 8
        while True:
            attributes, position = _attributes(data, position)
            if attributes:
                xmin, ymin, xmax, ymax = struct.unpack("<4i", attributes["dataWindow"])
                check_size(path, xmax - xmin + 1, ymax - ymin + 1, max_megapixels)
            if not flags & _MULTIPART or not attributes:
                break
        # Block offsets follow the header up to where the first block begins.
        offsets: list[int] = []
        while not offsets or position < min(offsets):
            offsets.append(struct.unpack_from("<Q", data, position)[0])
            position += 8
        leader = (4 if flags & _MULTIPART else 0) + (16 if flags & _SINGLE_TILE else 4)
        last = max(offsets)
        if min(offsets) == 0:
            raise truncated(path, "EXR", "it was never finished: some blocks were not written")
        if not flags & _MULTIPART:  # with several parts the kind of block differs from part to part
            end = last + leader + 4 + struct.unpack_from("<I", data, last + leader)[0]
            if end > len(data):
                raise truncated(path, "EXR", f"the last block runs to byte {end} of {len(data)}")
        elif last >= len(data):
            raise truncated(path, "EXR", f"the last block begins at byte {last} of {len(data)}")
    except (struct.error, KeyError, ValueError, OverflowError) as error:
        raise truncated(path, "EXR", "the file ends inside its header or block table") from error


def _attributes(data: mmap.mmap, position: int) -> tuple[dict[str, bytes], int]:
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
