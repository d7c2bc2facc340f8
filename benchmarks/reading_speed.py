"""What reading a large JPEG for the network costs, against decoding all of it, and how near the two pictures are.

    python benchmarks/reading_speed.py [PICTURE.jpg ...] [--working-size 256] [--runs 9]

Processor time in milliseconds, the least of the runs, which alternate so that other work on the machine falls on all of
them alike. "libjpeg-turbo" is one full decoding with simplejpeg and nothing else; every other step is also given as a
ratio to it. Without PICTURE a JPEG of 4000 x 3000 pixels is made.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from luxel import images
from luxel.filters.shrink import shrink, working_shape


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("pictures", type=Path, nargs="*", metavar="PICTURE")
    parser.add_argument("--working-size", type=int, default=256)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for picture in arguments.pictures or [made_picture(Path(place) / "made.jpg")]:
            report(picture, arguments.working_size, arguments.runs)


def made_picture(path: Path) -> Path:
    """A JPEG of 12 megapixels with smooth light, edges and grain, about as heavy to decode as a camera's."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(20, 235, (60, 80, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((4000, 3000), Image.Resampling.BICUBIC), np.int16)
    smooth = smooth + rng.normal(0, 6, (3000, 4000, 1)).astype(np.int16)
    smooth[1000:1800, 700:1900] += 60
    Image.fromarray(np.clip(smooth, 0, 255).astype(np.uint8)).save(path, quality=92)
    return path


def report(path: Path, working_size: int, runs: int) -> None:
    data = path.read_bytes()
    whole = images.read(path)
    shape = working_shape(*whole.size, working_size)
    steps: dict[str, Callable[[], Any]] = {
        "libjpeg-turbo, full": partial(simplejpeg.decode_jpeg, data),
        "read": partial(images.read, path),
        "read and shrink": lambda: shrink(images.read(path).pixels, shape),
        f"read(working_size={working_size})": partial(images.read, path, working_size=working_size),
    }
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(runs):
        for name, step in steps.items():
            begin = time.process_time()
            step()
            best[name] = min(best[name], time.process_time() - begin)
    base = best["libjpeg-turbo, full"]
    difference = np.abs(images.read(path, working_size=working_size).pixels - shrink(whole.pixels, shape)).mean()
    print(f"{path.name}: {whole.size[1]} x {whole.size[0]}")
    for name, seconds in best.items():
        print(f"  {name:28} {seconds * 1e3:8.1f} ms   {seconds / base:5.2f}")
    print(f"  mean difference of the two working pictures: {difference * 255:.2f} / 255")


if __name__ == "__main__":
    main()
