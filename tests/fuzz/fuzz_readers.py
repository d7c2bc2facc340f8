"""Damaged files of every format for every reader: anything but a sound result or an ImageError is a fault.

    python tests/fuzz/fuzz_readers.py [--seconds 40] [--seed 0] [--keep FOLDER]

Small files of every format are changed at random (bytes, numbers, lengths, cuts, parts of other files) and read as a
whole, for the network, as light, as RAW levels and by the header readers, in a process that may take 5 seconds and
4 GB for one file. The seed and the number of a file decide its content, so every fault can be made again:
`--only NUMBER` writes that file to the folder of --keep and reads it here. Exit code 0 without faults, 1 with.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from luxel.dataset.sources.camera_data import camera_data
from luxel.errors import ImageError
from luxel.images import read, read_linear
from luxel.images.formats.raw_levels import read_raw_levels
from luxel.images.header import read_header
from luxel.jobs.processes import TaskError, results
from stand_ins.picture_files import every_format, more_formats

SECONDS_FOR_ONE = 5.0
MEMORY = 4 << 30
HEAD = 600
"""Bytes at the begin of a file in which most changes are made: pixels are the larger part of a file, and less can go
wrong in them."""

_NUMBERS = (0, 1, 2, 3, 7, 8, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One damaged file: its number in the run, where it comes from, and its bytes."""

    number: int
    name: str
    data: bytes


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that show a fault")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="read one file of the run, in this process")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        seeds = {file.name: file.read_bytes() for file in sorted(seed_files(Path(place)))}
        if arguments.only is not None:
            return read_one(mutant(seeds, arguments.seed, arguments.only), arguments.keep or Path(place))
        return run(seeds, Path(place), arguments)


def seed_files(folder: Path) -> list[Path]:
    return every_format(folder) + more_formats(folder)


def run(seeds: dict[str, bytes], folder: Path, arguments: argparse.Namespace) -> int:
    end = time.monotonic() + arguments.seconds
    # What is not damaged must be read: a reader that fails always would pass everything below.
    for name, data in seeds.items():
        outcome = work_in(folder)(Mutant(-1, name, data))
        if outcome != "read":
            print(f"undamaged {name}: {outcome}")
            return 1
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    made: dict[int, Mutant] = {}

    def mutants() -> Iterator[Mutant]:
        number = 0
        while time.monotonic() < end:
            made[number] = mutant(seeds, arguments.seed, number)
            yield made[number]
            number += 1

    for number, result in results(mutants(), partial(work_in, folder), jobs=1, timeout=SECONDS_FOR_ONE):
        outcome = f"{result.kind}: {result.reason}" if isinstance(result, TaskError) else result
        file = made.pop(number)
        outcomes[outcome.partition(":")[0]] += 1
        if outcome.partition(":")[0] not in ("read", "rejected"):
            faults.append(f"number {file.number} ({file.name}): {outcome}")
            print(faults[-1], flush=True)
            if arguments.keep is not None:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                (arguments.keep / f"{file.number}-{file.name}").write_bytes(file.data)
    total = sum(outcomes.values())
    shares = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    print(f"seed {arguments.seed}: {total} files of {len(seeds)} kinds: {shares}; {len(faults)} faults")
    return 1 if faults or total == 0 else 0


def read_one(file: Mutant, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file.number}-{file.name}"
    path.write_bytes(file.data)
    for name, reader in READERS.items():
        try:
            print(f"{name}: {reader(path)}"[:200])
        except ImageError as error:
            print(f"{name}: {error}")
    return 0


def mutant(seeds: dict[str, bytes], seed: int, number: int) -> Mutant:
    """The file of one number; the same for the same seed and number."""
    rng = np.random.default_rng((seed, number))
    names = sorted(seeds)
    name = names[int(rng.integers(len(names)))]
    data = bytearray(seeds[name])
    for _ in range(int(rng.integers(1, 5))):
        change = CHANGES[int(rng.integers(len(CHANGES)))]
        change(data, rng, seeds[names[int(rng.integers(len(names)))]])
        if len(data) < 8:
            break
    return Mutant(number, name, bytes(data))


def _place(data: bytearray, rng: np.random.Generator) -> int:
    end = len(data) if rng.random() < 0.3 else min(HEAD, len(data))
    return int(rng.integers(min(4, end - 1), end))  # the first bytes only say which format it is


def _bits(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _bytes(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at = _place(data, rng)
    data[at : at + 8] = rng.bytes(len(data[at : at + 8]))


def _number(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at, size = _place(data, rng), int(rng.choice([1, 2, 4, 8]))
    value = _NUMBERS[int(rng.integers(len(_NUMBERS)))] % (1 << 8 * size)
    data[at : at + size] = value.to_bytes(size, "little" if rng.random() < 0.5 else "big")[: len(data) - at]


def _cut(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    del data[int(rng.integers(4, len(data) + 1)) :]


def _remove(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 65))]


def _repeat(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + int(rng.integers(1, 257))]


def _graft(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at, begin = _place(data, rng), int(rng.integers(len(other)))
    part = other[begin : begin + int(rng.integers(1, 257))]
    data[at : at + len(part)] = part


CHANGES: tuple[Callable[[bytearray, np.random.Generator, bytes], None], ...] = (
    _bits,
    _bytes,
    _number,
    _number,
    _cut,
    _remove,
    _repeat,
    _graft,
)


def work_in(folder: Path) -> Callable[[Mutant], str]:
    """The function that tries every reader on one file: "read", "rejected" by some reader, or what is wrong."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    (folder / "work").mkdir(exist_ok=True)

    def work(file: Mutant) -> str:
        path = folder / "work" / file.name
        path.write_bytes(file.data)
        outcome = "read"
        for name, reader in READERS.items():
            try:
                fault = reader(path)
            except ImageError as error:
                if "\n" in str(error) or file.name not in str(error):
                    return f"message: {name}: {error!r}"
                # Only display pictures have no light, and only RAW has levels.
                outcome = "rejected" if name == "read" else outcome
                continue
            except Exception as error:
                return f"exception: {name}: {type(error).__name__}: {error}"
            if fault:
                return f"unsound: {name}: {fault}"
        return outcome

    return work


def _picture(path: Path, working_size: int | None = None) -> str | None:
    picture = read(path, working_size=working_size, max_megapixels=20)
    pixels = picture.pixels
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0 or not pixels.flags.c_contiguous:
        return f"shape {pixels.shape}"
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        return f"type {pixels.dtype}"
    if pixels.dtype == np.float32 and not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1.0001):
        return f"values {pixels.min()} to {pixels.max()}"
    if not all(note.isprintable() for note in picture.notes):
        return f"notes {picture.notes}"
    return None


def _light(path: Path) -> str | None:
    light = read_linear(path, max_megapixels=20)
    sound = light.ndim == 3 and light.shape[2] == 3 and np.isfinite(light).all() and light.min() >= 0
    return None if sound else f"light of shape {light.shape}, {light.min()} to {light.max()}"


def _levels(path: Path) -> str | None:
    levels = read_raw_levels(path, max_megapixels=20)
    if levels is None:
        return None
    numbers = [*levels.saturated.values(), *levels.headroom.values(), levels.bits]
    return None if np.isfinite(numbers).all() else f"levels {levels}"


def _header(path: Path) -> str | None:
    header = read_header(path)
    sound = header.width >= 0 and header.height >= 0 and header.orientation in range(1, 9)
    return None if sound else f"{header.width} x {header.height}, orientation {header.orientation}"


def _camera_data(path: Path) -> str | None:
    facts = camera_data(path)
    return None if facts.format else "no format"


READERS: dict[str, Callable[[Path], str | None]] = {
    "read": _picture,
    "read for the network": partial(_picture, working_size=16),
    "read_linear": _light,
    "read_raw_levels": _levels,
    "read_header": _header,
    "camera_data": _camera_data,
}


if __name__ == "__main__":
    sys.exit(main())
